// <d2l-lenet net="lenet5"></d2l-lenet>: a trained LeNet that runs in the page. Draw a digit or pick a garment and watch every layer.
// The networks and the pictures come from globalThis.d2lLenet, written by d2lcnn.page. Needs no kernel, no network and no other file.
(() => {
  if (customElements.get('d2l-lenet')) return;
  const LIGHT = '--paper:#fff;--ink:#1e293b;--mute:#5b6678;--line:#cbd5e1;--cell:#f1f5f9;--hot:#b45309;--bar:#0f766e;--pos:29,78,216;--neg:194,65,12;color-scheme:light';
  const DARK = '--paper:#17191e;--ink:#e8eaee;--mute:#a3abb8;--line:#4b5563;--cell:#22262e;--hot:#fbbf24;--bar:#5eead4;--pos:96,165,250;--neg:251,146,60;color-scheme:dark';
  const CSS = `
    :host{display:block;max-width:900px;margin:8px 0}
    .root{${LIGHT};background:var(--paper);color:var(--ink);border-radius:8px;padding:12px;font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums}
    .root[data-theme=dark]{${DARK}}
    .bar{display:flex;flex-wrap:wrap;gap:6px 10px;align-items:center;margin-bottom:8px}
    button{font:inherit;color:var(--ink);background:var(--cell);border:1px solid var(--mute);border-radius:6px;padding:3px 12px;cursor:pointer} button[aria-pressed=true]{border:2px solid var(--hot);font-weight:650}
    :focus-visible{outline:3px solid var(--hot);outline-offset:2px}
    .main{display:grid;grid-template-columns:226px minmax(200px,1fr);gap:10px 22px} @media(max-width:620px){.main{grid-template-columns:1fr}}
    canvas{image-rendering:pixelated;display:block} .pad{width:224px;height:224px;border:1px solid var(--mute);border-radius:4px;background:#000;touch-action:none;cursor:crosshair}
    .stack{position:relative;width:max-content} .ring{position:absolute;border:2px solid var(--hot);border-radius:2px;pointer-events:none;box-sizing:border-box}
    .said{font-size:17px;min-height:1.5em} .said b{color:var(--bar)} .row{display:grid;grid-template-columns:7em 1fr 4.4em;gap:8px;align-items:center;font-size:13px;line-height:1.5}
    .row i{display:block;height:11px;border-radius:2px;background:var(--bar);min-width:1px} .row span:last-child{text-align:right;white-space:nowrap} .row.best{font-weight:700}
    h4{margin:12px 0 2px;font-size:14px} h4 small{font-weight:400;color:var(--mute)}
    .maps{display:flex;flex-wrap:wrap;gap:4px} .maps button{padding:0;border-radius:3px;line-height:0;overflow:hidden;border-width:1px} .maps canvas{background:#888}
    .samples{display:flex;flex-wrap:wrap;gap:3px;max-width:226px} .samples button{padding:0;line-height:0;overflow:hidden}
    .inside{border-top:1px solid var(--line);margin-top:12px;padding-top:6px;min-height:5em} .inside .maps{align-items:center} .note{color:var(--mute);font-size:13px}`;
  const TEXT64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', CODE = Object.fromEntries([...TEXT64].map((c, i) => [c, i]));

  // two letters a weight: 12 bits, times the scale of its row
  const unpack = ({text, rows, scale}) => {
    const n = text.length / 2, out = new Float64Array(n), per = n / rows;
    for (let i = 0; i < n; i++) out[i] = (CODE[text[2 * i]] * 64 + CODE[text[2 * i + 1]] - 2048) * scale[Math.floor(i / per)];
    return out;
  };
  const even = v => { const r = Math.round(v); return r - v === .5 && r % 2 ? r - 1 : r; };  // halves to the even neighbour, as torch.round does
  const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));

  class LeNet extends HTMLElement {
    static load(name) {
      LeNet.ready ??= {};
      if (!LeNet.ready[name]) {
        const given = globalThis.d2lLenet.nets[name];
        LeNet.ready[name] = {...given, layers: given.layers.map(l => l.weight ? {...l, weight: unpack(l.weight)} : l)};
      }
      return LeNet.ready[name];
    }

    // grey levels 0 … 255 of 28×28 pixels, as the network wants them
    static input(net, pixels) {
      const n = 28, s = net.size, X = new Float64Array(s * s);
      const at = i => { const p = Math.min(n - 1, Math.max(0, (i + .5) * n / s - .5)), a = Math.floor(p); return [a, Math.min(n - 1, a + 1), p - a]; };
      for (let i = 0; i < s; i++) for (let j = 0; j < s; j++) {
        const [a, b, u] = at(i), [c, d, v] = at(j);  // bilinear, rounded to whole grey levels; the same picture where the size stays
        const g = (1 - u) * ((1 - v) * pixels[a * n + c] + v * pixels[a * n + d]) + u * ((1 - v) * pixels[b * n + c] + v * pixels[b * n + d]);
        X[i * s + j] = ((s === n ? g : even(g)) / 255 - net.mean) / net.std;
      }
      return {data: X, c: 1, h: s, w: s};
    }

    static conv({weight, bias, out, k, pad}, {data, c, h, w}) {
      const H = h + 2 * pad - k + 1, W = w + 2 * pad - k + 1, Y = new Float64Array(out * H * W);
      for (let o = 0; o < out; o++) for (let i = 0; i < H; i++) for (let j = 0; j < W; j++) {
        let sum = bias[o];
        for (let m = 0; m < c; m++) for (let a = Math.max(0, pad - i); a < k && i + a - pad < h; a++) {
          const row = (m * h + i + a - pad) * w + j - pad, kernel = ((o * c + m) * k + a) * k;
          for (let b = Math.max(0, pad - j); b < k && j + b - pad < w; b++) sum += weight[kernel + b] * data[row + b];
        }
        Y[(o * H + i) * W + j] = sum;
      }
      return {data: Y, c: out, h: H, w: W};
    }
    static pool({kind, k}, {data, c, h, w}) {
      const H = Math.floor(h / k), W = Math.floor(w / k), Y = new Float64Array(c * H * W);
      for (let m = 0; m < c; m++) for (let i = 0; i < H; i++) for (let j = 0; j < W; j++) {
        let v = kind === 'max' ? -Infinity : 0;
        for (let a = 0; a < k; a++) for (let b = 0; b < k; b++) { const x = data[(m * h + i * k + a) * w + j * k + b]; v = kind === 'max' ? Math.max(v, x) : v + x / (k * k); }
        Y[(m * H + i) * W + j] = v;
      }
      return {data: Y, c, h: H, w: W};
    }
    static dense({weight, bias, out}, {data}) {
      const Y = new Float64Array(out), n = data.length;
      for (let o = 0; o < out; o++) { let sum = bias[o]; for (let i = 0; i < n; i++) sum += weight[o * n + i] * data[i]; Y[o] = sum; }
      return {data: Y, c: out, h: 1, w: 1};
    }
    static act({kind}, X) { return {...X, data: X.data.map(kind === 'relu' ? x => Math.max(0, x) : x => 1 / (1 + Math.exp(-x)))}; }

    // the output of every layer; the last are the logits
    static forward(net, pixels) {
      const outputs = [LeNet.input(net, pixels)];
      for (const l of net.layers) outputs.push(LeNet[l.op](l, outputs.at(-1)));
      return outputs;
    }
    static softmax(logits) { const top = Math.max(...logits), e = [...logits].map(v => Math.exp(v - top)), s = e.reduce((a, b) => a + b); return e.map(v => v / s); }

    // a drawing of any size as MNIST has its digits: 20 pixels on its longer side, its centre of mass in the middle of 28×28
    static centred(ink, side) {
      let top = side, left = side, bottom = -1, right = -1;
      for (let i = 0; i < side; i++) for (let j = 0; j < side; j++) if (ink[i * side + j] > 20) { top = Math.min(top, i); bottom = Math.max(bottom, i); left = Math.min(left, j); right = Math.max(right, j); }
      const out = new Uint8Array(784);
      if (bottom < 0) return out;
      const h = bottom - top + 1, w = right - left + 1, unit = Math.max(h, w) / 20, H = Math.max(1, Math.round(h / unit)), W = Math.max(1, Math.round(w / unit)), small = new Float64Array(H * W);
      let mass = 0, mi = 0, mj = 0;
      for (let i = 0; i < H; i++) for (let j = 0; j < W; j++) {  // the mean of the pixels under each small one
        const a = top + i * h / H, b = top + (i + 1) * h / H, c = left + j * w / W, d = left + (j + 1) * w / W; let sum = 0, n = 0;
        for (let y = Math.floor(a); y < Math.ceil(b); y++) for (let x = Math.floor(c); x < Math.ceil(d); x++) {
          const part = (Math.min(b, y + 1) - Math.max(a, y)) * (Math.min(d, x + 1) - Math.max(c, x)); sum += part * ink[y * side + x]; n += part;
        }
        small[i * W + j] = sum / n; mass += sum / n; mi += i * sum / n; mj += j * sum / n;
      }
      const di = Math.min(28 - H, Math.max(0, Math.round(13.5 - mi / mass))), dj = Math.min(28 - W, Math.max(0, Math.round(13.5 - mj / mass)));
      for (let i = 0; i < H; i++) for (let j = 0; j < W; j++) out[(i + di) * 28 + j + dj] = Math.round(small[i * W + j]);
      return out;
    }

    constructor() {
      super();
      const root = this.attachShadow({mode: 'open'});
      root.innerHTML = `<style>${CSS}</style><div class="root" role="group" aria-label="A trained LeNet"><div class="bar"><button type="button" data-net="lenet5">Draw a digit</button><button type="button" data-net="lenet">Pick a garment</button></div>
        <div class="main"><div><div class="stack"><canvas class="pad" width="28" height="28" tabindex="0"></canvas><div class="ring" hidden></div></div><div class="bar" style="margin-top:6px"><button type="button" class="clear">Clear</button></div>
        <div class="samples"></div><div class="note how"></div></div><div><div class="said" role="status"></div><div class="probs"></div></div></div><div class="layers"></div><div class="inside"><span class="note">Click a feature map to see its kernel and the part of the picture that excites it most.</span></div></div>`;
      this.$ = q => root.querySelector(q);
      this.theme = () => { const b = document.body, t = b?.dataset.jpThemeLight;
        const dark = t ? t === 'false' : b?.classList.contains('quarto-dark') || (!b?.classList.contains('quarto-light') && matchMedia('(prefers-color-scheme: dark)').matches);
        this.$('.root').dataset.theme = dark ? 'dark' : 'light'; if (this.outputs) this.draw(); };
      root.querySelectorAll('[data-net]').forEach(b => b.addEventListener('click', () => this.choose(b.dataset.net)));
      this.$('.clear').addEventListener('click', () => this.clear());
      const pad = this.pad = this.$('.pad'); let last = null;
      const place = e => { const r = pad.getBoundingClientRect(); return [(e.clientX - r.left) / r.width * LeNet.SIDE, (e.clientY - r.top) / r.height * LeNet.SIDE]; };
      pad.addEventListener('pointerdown', e => { if (this.name !== 'lenet5') return; pad.setPointerCapture(e.pointerId); if (this.given) this.clear(); last = place(e); this.stroke(last, last); e.preventDefault(); });
      pad.addEventListener('pointermove', e => { if (!last) return; const p = place(e); this.stroke(last, p); last = p; });
      for (const end of ['pointerup', 'pointercancel']) pad.addEventListener(end, () => { if (last) { last = null; this.see(LeNet.centred(this.ink, LeNet.SIDE)); } });
      pad.addEventListener('keydown', e => this.key(e));
    }
    static SIDE = 112;
    connectedCallback() {
      this.dataset.lmSuppressShortcuts = 'true';  // in JupyterLab, keys typed here are not the notebook's shortcuts
      if (!this.name) this.choose(this.getAttribute('net') || 'lenet5');
      this.theme(); this.media = matchMedia('(prefers-color-scheme: dark)'); this.media.addEventListener('change', this.theme);
      this.watch = new MutationObserver(this.theme); this.watch.observe(document.body, {attributes: true, attributeFilter: ['data-jp-theme-light', 'class']});
    }
    disconnectedCallback() { this.watch?.disconnect(); this.media?.removeEventListener('change', this.theme); }

    choose(name) {
      this.name = name; this.net = LeNet.load(name); this.looked = null;
      this.shadowRoot.querySelectorAll('[data-net]').forEach(b => b.setAttribute('aria-pressed', b.dataset.net === name));
      const digits = name === 'lenet5', samples = this.$('.samples'); samples.textContent = '';
      this.$('.clear').hidden = !digits; this.pad.style.cursor = digits ? 'crosshair' : 'default';
      this.pad.setAttribute('aria-label', digits ? 'Draw a digit here. With the keyboard: arrow keys move the pen, Space lifts it or puts it down, Delete clears.' : 'The chosen picture');
      this.$('.how').textContent = digits ? 'Draw large, with the mouse or a finger. Keys: arrows move the pen, Space lifts it, Delete clears. Or take one of the test pictures above.' : 'Test pictures of Fashion-MNIST, two of each class. The network has not seen them in training.';
      this.net.samples.forEach(([label, text], i) => {
        const pixels = bytes(text), b = document.createElement('button'), c = LeNet.canvas(pixels, 28, 28, 30, v => [v, v, v]);
        b.type = 'button'; b.setAttribute('aria-label', `test picture ${i + 1}: ${this.net.classes[label]}`); b.append(c);
        b.addEventListener('click', () => this.take(pixels, label)); samples.append(b);
      });
      const [label, text] = this.net.samples[digits ? 7 : 0]; this.take(bytes(text), label);
    }
    take(pixels, label) { this.given = true; this.truth = label; this.see(pixels); }
    clear() { this.ink = new Float32Array(LeNet.SIDE ** 2); this.given = false; this.truth = null; this.pen = null; this.see(new Uint8Array(784)); }

    stroke([x0, y0], [x1, y1], radius = 5) {
      const n = LeNet.SIDE, steps = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0) / 2));
      for (let s = 0; s <= steps; s++) {
        const x = x0 + (x1 - x0) * s / steps, y = y0 + (y1 - y0) * s / steps;
        for (let i = Math.max(0, Math.floor(y - radius - 1)); i <= Math.min(n - 1, y + radius + 1); i++) for (let j = Math.max(0, Math.floor(x - radius - 1)); j <= Math.min(n - 1, x + radius + 1); j++)
          this.ink[i * n + j] = Math.max(this.ink[i * n + j], 255 * Math.min(1, Math.max(0, radius + .5 - Math.hypot(j + .5 - x, i + .5 - y))));
      }
      this.truth = null; this.see(LeNet.centred(this.ink, n), true);
    }
    key(e) {
      if (this.name !== 'lenet5') return;
      const move = {ArrowLeft: [-4, 0], ArrowRight: [4, 0], ArrowUp: [0, -4], ArrowDown: [0, 4]}[e.key], n = LeNet.SIDE;
      if (e.key === 'Delete' || e.key === 'Backspace') this.clear();
      else if (e.key === ' ') { if (this.given) this.clear(); this.pen ??= {x: n / 2, y: n / 2, down: false}; this.pen.down = !this.pen.down; if (this.pen.down) this.stroke([this.pen.x, this.pen.y], [this.pen.x, this.pen.y]); }
      else if (move) {
        if (this.given) this.clear();
        this.pen ??= {x: n / 2, y: n / 2, down: false};
        const p = this.pen, x = Math.min(n - 6, Math.max(6, p.x + move[0])), y = Math.min(n - 6, Math.max(6, p.y + move[1]));
        if (p.down) this.stroke([p.x, p.y], [x, y]);
        p.x = x; p.y = y; this.paint();
      } else return;
      e.preventDefault();
    }

    see(pixels, drawing = false) {
      this.pixels = pixels; this.drawing = drawing;
      const start = performance.now(); this.outputs = LeNet.forward(this.net, pixels); this.ms = performance.now() - start;
      this.draw();
    }

    static canvas(data, h, w, shown, colour) {
      const c = document.createElement('canvas'); c.width = w; c.height = h; c.style.width = `${shown}px`; c.style.height = `${shown * h / w}px`;
      const ctx = c.getContext('2d'), image = ctx.createImageData(w, h);
      for (let i = 0; i < h * w; i++) { const [r, g, b] = colour(data[i]); image.data.set([r, g, b, 255], 4 * i); }
      ctx.putImageData(image, 0, 0);
      return c;
    }
    colours() {  // blue above zero, orange below, the paper at zero
      const s = getComputedStyle(this.$('.root')), get = n => s.getPropertyValue(n).split(',').map(Number), dark = this.$('.root').dataset.theme === 'dark', zero = dark ? [23, 25, 30] : [255, 255, 255], pos = get('--pos'), neg = get('--neg');
      return top => v => { const t = Math.min(1, Math.abs(v) / (top || 1)), end = v < 0 ? neg : pos; return zero.map((z, i) => z + (end[i] - z) * t); };
    }
    paint() {  // the drawing while it is drawn, else what the network sees
      const n = this.drawing ? LeNet.SIDE : 28, data = this.drawing ? this.ink : this.pixels; this.pad.width = this.pad.height = n;
      const ctx = this.pad.getContext('2d'), image = ctx.createImageData(n, n);
      for (let i = 0; i < n * n; i++) image.data.set([data[i], data[i], data[i], 255], 4 * i);
      ctx.putImageData(image, 0, 0);
      if (this.pen) { const k = n / LeNet.SIDE; ctx.fillStyle = this.pen.down ? '#f59e0b' : '#64748b'; ctx.fillRect((this.pen.x - 2) * k, (this.pen.y - 2) * k, Math.max(1, 4 * k), Math.max(1, 4 * k)); }
    }

    draw() {
      this.paint();
      const {net, outputs} = this, p = LeNet.softmax(outputs.at(-1).data), best = p.indexOf(Math.max(...p)), empty = !this.pixels.some(v => v);
      this.$('.said').innerHTML = empty ? 'Nothing drawn yet.' : `The network says <b>${net.classes[best]}</b>${this.truth != null ? (best === this.truth ? ', and that is right.' : `; the label says ${net.classes[this.truth]}.`) : '.'}`;
      this.$('.probs').innerHTML = p.map((v, k) => `<div class="row${k === best && !empty ? ' best' : ''}"><span>${net.classes[k]}</span><i style="width:${(100 * v).toFixed(1)}%"></i><span>${(100 * v).toFixed(1)} %</span></div>`).join('');
      const box = this.$('.layers'), colour = this.colours(); box.textContent = '';
      outputs.slice(1).forEach((Y, i) => {
        const l = net.layers[i], next = net.layers[i + 1];
        if (next?.op === 'act') return;  // shown after its activation
        const name = {conv: 'convolution', act: net.layers[i - 1]?.op === 'conv' ? `convolution ${net.layers[i - 1].k}×${net.layers[i - 1].k}, ${l.kind === 'relu' ? 'ReLU' : l.kind}` : `dense, ${l.kind === 'relu' ? 'ReLU' : l.kind}`, pool: l.op === 'pool' ? `${l.kind === 'max' ? 'maximum' : 'average'} pooling` : '', dense: 'dense: the logits'}[l.op];
        const h = document.createElement('h4'), shape = Y.h > 1 ? `${Y.c} maps of ${Y.h}×${Y.w}` : `${Y.c} numbers`; h.innerHTML = `${name} <small>${shape}</small>`;
        const row = document.createElement('div'), top = Y.data.reduce((m, v) => Math.max(m, Math.abs(v)), 0); row.className = 'maps';
        if (Y.h > 1) for (let m = 0; m < Y.c; m++) {
          const b = document.createElement('button'); b.type = 'button'; b.setAttribute('aria-label', `${name}, map ${m + 1}`);
          b.append(LeNet.canvas(Y.data.subarray(m * Y.h * Y.w, (m + 1) * Y.h * Y.w), Y.h, Y.w, Y.c > 6 ? 44 : 62, colour(top)));
          b.setAttribute('aria-pressed', !!this.looked && this.looked[0] === i && this.looked[1] === m);
          b.addEventListener('click', () => { this.looked = [i, m]; this.draw(); }); row.append(b);
        } else { const c = LeNet.canvas(Y.data, 1, Y.c, Math.min(560, Y.c * 12), colour(top)); c.style.height = '16px'; c.style.maxWidth = '100%'; row.append(c); }
        box.append(h, row);
      });
      this.look();
    }

    // where a unit of layer i looks in the picture, as [first row, first column, side], in pixels of the 28×28 picture
    static field(net, i, r, c) {
      let span = 1, y = r, x = c;
      for (let j = i; j >= 0; j--) { const l = net.layers[j]; if (l.op === 'conv') { y -= l.pad; x -= l.pad; span += l.k - 1; } else if (l.op === 'pool') { y *= l.k; x *= l.k; span *= l.k; } }
      const unit = 28 / net.size; return [y * unit, x * unit, span * unit];
    }
    look() {
      const ring = this.$('.ring'), box = this.$('.inside'); ring.hidden = !this.looked;
      if (!this.looked) return;
      const [i, m] = this.looked, Y = this.outputs[i + 1], map = Y.data.subarray(m * Y.h * Y.w, (m + 1) * Y.h * Y.w);
      let at = 0; map.forEach((v, k) => { if (v > map[at]) at = k; });
      const [y, x, span] = LeNet.field(this.net, i, Math.floor(at / Y.w), at % Y.w), k = 224 / 28, lo = v => Math.max(0, v), y1 = Math.min(28, y + span), x1 = Math.min(28, x + span);
      Object.assign(ring.style, {top: `${lo(y) * k + 1}px`, left: `${lo(x) * k + 1}px`, width: `${(x1 - lo(x)) * k}px`, height: `${(y1 - lo(y)) * k}px`});
      if (this.drawing) ring.hidden = true;  // the drawing is not yet where the network sees it
      const j = this.net.layers.slice(0, i + 1).findLastIndex(l => l.op === 'conv'), conv = this.net.layers[j], channels = conv.weight.length / conv.out / conv.k ** 2, colour = this.colours();
      const own = conv.weight.subarray(m * channels * conv.k ** 2, (m + 1) * channels * conv.k ** 2), top = own.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
      box.innerHTML = `<h4>Map ${m + 1}: its kernel <small>${channels > 1 ? `one for each of the ${channels} maps before` : `${conv.k}×${conv.k}`}; blue adds, orange subtracts</small></h4><div class="maps kernels"></div>
        <div class="note">Largest value ${map[at].toFixed(2)} at row ${Math.floor(at / Y.w)}, column ${at % Y.w}; the frame in the picture shows what that unit sees. Bias ${conv.bias[m].toFixed(2)}.</div>`;
      for (let q = 0; q < channels; q++) box.querySelector('.kernels').append(LeNet.canvas(own.subarray(q * conv.k ** 2, (q + 1) * conv.k ** 2), conv.k, conv.k, 62, colour(top)));
    }
  }
  customElements.define('d2l-lenet', LeNet);
})();
