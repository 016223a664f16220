// <d2l-filter pictures='{"name": "data:image/png;base64,…"}' kernels='{"name": [[…]]}' kernel="name"></d2l-filter>
// Filter a picture with a kernel that can be edited. A picture of the reader's own stays in the page. Needs no kernel, no network and no other file.
(() => {
  if (customElements.get('d2l-filter')) return;
  const LIGHT = '--paper:#fff;--ink:#1e293b;--mute:#5b6678;--line:#cbd5e1;--cell:#f8fafc;--ker:#bfdbfe;--kerl:#1d4ed8;--outl:#0f766e;--badl:#b91c1c;color-scheme:light';
  const DARK = '--paper:#17191e;--ink:#e8eaee;--mute:#a3abb8;--line:#4b5563;--cell:#22262e;--ker:#1e3a8a;--kerl:#93c5fd;--outl:#5eead4;--badl:#fca5a5;color-scheme:dark';
  const CSS = `
    :host{display:block;max-width:860px;margin:8px 0}
    .root{${LIGHT};background:var(--paper);color:var(--ink);border-radius:8px;padding:12px;font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums}
    .root[data-theme=dark]{${DARK}}
    .controls,.panels{display:flex;flex-wrap:wrap;align-items:center;gap:8px 16px} .panels{margin:12px 0 8px} .panels,.step{column-gap:12px} .step{display:flex;align-items:center;min-width:0}
    label{display:flex;flex-wrap:wrap;align-items:center;gap:2px 8px;min-width:0} select,input{font:inherit;color:var(--ink);background:var(--cell);border:1px solid var(--mute);border-radius:6px;padding:3px 6px;max-width:100%;box-sizing:border-box}
    :focus-visible{outline:3px solid var(--outl);outline-offset:2px}
    figure{margin:0} figcaption{font-weight:650;font-size:14px;margin-bottom:4px} canvas{display:block;max-width:100%;border:1px solid var(--line)} canvas.small{image-rendering:pixelated}
    .k{display:grid;gap:2px} .k input{width:54px;background:var(--ker);border-color:var(--kerl);border-radius:0;text-align:center;padding:4px 2px;-moz-appearance:textfield} .k.five input{width:44px;font-size:13px}
    .k input::-webkit-inner-spin-button{display:none} .op{color:var(--mute);font-size:24px} .say{font-size:16px} .say b{color:var(--outl)} .how{color:var(--mute);font-size:14px} .how.why{color:var(--badl);font-weight:650}`;
  const OWN = 'your own weights', MOST = 240;
  const num = v => { const a = Math.abs(v), t = a > 0 && a < .005 ? String(+v.toPrecision(1)) : String(+v.toFixed(2)); return (t === '-0' ? '0' : t).replace('-', '−'); };
  const esc = s => String(s).replace(/[&<>"]/g, c => `&#${c.charCodeAt(0)};`);
  const quantile = (values, q) => { const s = Float32Array.from(values).sort(), at = q * (s.length - 1), i = Math.floor(at); return s[i] + (at - i) * ((s[i + 1] ?? s[i]) - s[i]); };

  class Filter extends HTMLElement {
    // cross-correlation of a flat picture (h·w numbers) with a square kernel
    static filter(x, h, w, K) {
      const k = K.length, oh = h - k + 1, ow = w - k + 1, y = new Float32Array(Math.max(0, oh * ow));
      if (oh < 1 || ow < 1) throw new Error(`The kernel ${k}×${k} is larger than the picture ${h}×${w}. Take a larger picture.`);
      for (let a = 0; a < k; a++) for (let b = 0; b < k; b++) if (K[a][b]) for (let i = 0; i < oh; i++) for (let j = 0; j < ow; j++) y[i * ow + j] += K[a][b] * x[(i + a) * w + j + b];
      return {y, h: oh, w: ow};
    }
    // what is shown: a kernel whose weights add up to 0 gives middle grey for 0
    static shown(y, K) {
      const total = K.flat().reduce((a, b) => a + b, 0), signed = Math.abs(total) < 1e-4 && K.flat().some(v => v), most = Math.max(quantile(y.map(Math.abs), .99), 1e-6);
      return {total, lo: y.reduce((a, b) => Math.min(a, b), Infinity), hi: y.reduce((a, b) => Math.max(a, b), -Infinity), grey: signed ? y.map(v => v / (2 * most) + .5) : y,
        how: signed ? `middle grey is 0, white is ${num(most)} or more, black is ${num(-most)} or less` : 'black is 0 or less, white is 1 or more'};
    }
    static resize(K, n) { return n === K.length ? K : n === 3 ? K.slice(1, 4).map(r => r.slice(1, 4)) : [Array(5).fill(0), ...K.map(r => [0, ...r, 0]), Array(5).fill(0)]; }

    constructor() {
      super();
      const root = this.attachShadow({mode: 'open'});
      root.innerHTML = `<style>${CSS}</style><div class="root" role="group" aria-label="Filtering a picture"><div class="controls"><label>Picture <select name="picture"></select></label><label>Your own, it stays on this machine <input type="file" accept="image/*"></label></div>
        <div class="controls" style="margin-top:6px"><label>Kernel <select name="preset"></select></label><label>Size <select name="size"><option value="3">3×3</option><option value="5">5×5</option></select></label></div>
        <div class="panels"><figure><figcaption class="tx"></figcaption><canvas class="x" role="img"></canvas></figure><div class="step"><span class="op" aria-hidden="true">∗</span><figure><figcaption class="tk"></figcaption><div class="k" role="group" aria-label="weights of the kernel"></div></figure></div><div class="step"><span class="op" aria-hidden="true">=</span><figure><figcaption class="ty"></figcaption><canvas class="y" role="img"></canvas></figure></div></div>
        <div class="say" aria-live="polite"></div><div class="how"></div></div>`;
      this.$ = q => root.querySelector(q);
      this.theme = () => { const b = document.body, t = b?.dataset.jpThemeLight;
        const dark = t ? t === 'false' : b?.classList.contains('quarto-dark') || (!b?.classList.contains('quarto-light') && matchMedia('(prefers-color-scheme: dark)').matches);
        this.$('.root').dataset.theme = dark ? 'dark' : 'light'; };
      this.$('[name=picture]').addEventListener('change', e => this.take(e.target.value, this.pictures[e.target.value]));
      this.$('[name=preset]').addEventListener('change', e => { if (this.kernels[e.target.value]) this.write(this.kernels[e.target.value], e.target.value); });
      this.$('[name=size]').addEventListener('change', e => this.write(Filter.resize(this.K, +e.target.value), OWN));
      this.$('.k').addEventListener('input', () => { const v = [...root.querySelectorAll('.k input')].map(i => i.value === '' || !Number.isFinite(+i.value) ? 0 : +i.value), n = this.K.length; this.K = this.K.map((_, i) => v.slice(i * n, i * n + n)); this.$('[name=preset]').value = OWN; this.draw(); });
      this.$('[type=file]').addEventListener('change', e => { const f = e.target.files[0]; if (!f) return; const reader = new FileReader(); reader.onload = () => this.take(f.name, reader.result); reader.readAsDataURL(f); });
    }
    connectedCallback() {
      this.dataset.lmSuppressShortcuts = 'true';  // in JupyterLab, keys typed here are not the notebook's shortcuts
      if (!this.kernels) {
        this.kernels = JSON.parse(this.getAttribute('kernels') || '{}'); this.pictures = JSON.parse(this.getAttribute('pictures') || '{}');
        const preset = this.getAttribute('kernel') || Object.keys(this.kernels)[0];
        this.$('[name=preset]').innerHTML = [...Object.keys(this.kernels), OWN].map(n => `<option>${esc(n)}</option>`).join('');
        this.write(this.kernels[preset] || [[0, 0, 0], [0, 1, 0], [0, 0, 0]], this.kernels[preset] ? preset : OWN);
        const first = Object.keys(this.pictures)[0]; if (first) this.take(first, this.pictures[first]);
      }
      this.theme(); this.media = matchMedia('(prefers-color-scheme: dark)'); this.media.addEventListener('change', this.theme);
      this.watch = new MutationObserver(this.theme); this.watch.observe(document.body, {attributes: true, attributeFilter: ['data-jp-theme-light', 'class']});
    }
    disconnectedCallback() { this.watch?.disconnect(); this.media?.removeEventListener('change', this.theme); }

    // a picture becomes grey numbers from 0 to 1, at most MOST on its longer side
    take(name, url) {
      const img = new Image();
      img.onerror = () => { this.$('.how').className = 'how why'; this.$('.how').textContent = `${name} is not a picture that this browser can read. Try a PNG or a JPEG.`; };
      img.onload = () => {
        const f = Math.min(1, MOST / Math.max(img.naturalWidth, img.naturalHeight)), w = Math.max(1, Math.round(img.naturalWidth * f)), h = Math.max(1, Math.round(img.naturalHeight * f)), c = document.createElement('canvas'); c.width = w; c.height = h;
        const pen = c.getContext('2d'); pen.fillStyle = '#fff'; pen.fillRect(0, 0, w, h); pen.drawImage(img, 0, 0, w, h);
        const rgb = pen.getImageData(0, 0, w, h).data, x = new Float32Array(w * h);
        for (let i = 0; i < w * h; i++) x[i] = (.299 * rgb[4 * i] + .587 * rgb[4 * i + 1] + .114 * rgb[4 * i + 2]) / 255;
        this.pictures[name] = url; this.picture = {name, x, h, w};
        this.$('[name=picture]').innerHTML = Object.keys(this.pictures).map(n => `<option>${esc(n)}</option>`).join(''); this.$('[name=picture]').value = name;
        this.draw();
      };
      img.src = url;
    }
    write(K, preset) {
      const n = K.length; this.K = K.map(r => [...r]); this.$('.k').className = n > 3 ? 'k five' : 'k'; this.$('.k').style.gridTemplateColumns = `repeat(${n}, max-content)`;
      this.$('.k').innerHTML = K.flatMap((r, i) => r.map((v, j) => `<input type="number" step="any" value="${+v.toFixed(4)}" aria-label="weight in row ${i}, column ${j}">`)).join('');
      this.$('[name=size]').value = n; this.$('[name=preset]').value = preset; this.draw();
    }
    paint(canvas, grey, h, w) {
      const pen = canvas.getContext('2d'), px = new ImageData(w, h);
      for (let i = 0; i < w * h; i++) { const v = Math.round(255 * Math.min(1, Math.max(0, grey[i]))); px.data.set([v, v, v, 255], 4 * i); }
      canvas.width = w; canvas.height = h; pen.putImageData(px, 0, 0);
      canvas.className = `${canvas.className[0]}${Math.max(h, w) <= 64 ? ' small' : ''}`; canvas.style.width = `${w >= h ? 240 : 200}px`;
    }
    draw() {
      const p = this.picture, K = this.K; this.$('.tk').textContent = `kernel ${K.length}×${K.length}`; if (!p) return;
      let Y, s; this.$('.how').className = 'how';
      this.paint(this.$('.x'), p.x, p.h, p.w); this.$('.tx').textContent = `picture ${p.h}×${p.w}`; this.$('.x').setAttribute('aria-label', `the picture ${p.name} in grey`);
      try { Y = Filter.filter(p.x, p.h, p.w, K); } catch (e) { this.$('.how').className = 'how why'; this.$('.how').textContent = e.message; this.$('.say').textContent = ''; return; }
      s = Filter.shown(Y.y, K); this.paint(this.$('.y'), s.grey, Y.h, Y.w); this.$('.ty').textContent = `result ${Y.h}×${Y.w}`;
      this.$('.say').innerHTML = `The weights add up to <b class="total">${num(s.total)}</b>. The result runs from <b class="lo">${num(s.lo)}</b> to <b class="hi">${num(s.hi)}</b>.`;
      this.$('.how').textContent = `In the result ${s.how}.`; this.$('.y').setAttribute('aria-label', `the result of the kernel: it runs from ${num(s.lo)} to ${num(s.hi)}; ${s.how}`);
    }
  }
  customElements.define('d2l-filter', Filter);
})();
