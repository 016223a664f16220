// <d2l-builder net="LeNet"></d2l-builder>: stack layers and see shapes, parameters, multiply-accumulates and receptive fields at once.
// Needs no kernel, no network and no other file.
(() => {
  if (customElements.get('d2l-builder')) return;
  const LIGHT = '--paper:#fff;--ink:#1e293b;--mute:#5b6678;--line:#cbd5e1;--cell:#f1f5f9;--hot:#b45309;--good:#0f766e;--bad:#b91c1c;--badbg:#fee2e2;color-scheme:light';
  const DARK = '--paper:#17191e;--ink:#e8eaee;--mute:#a3abb8;--line:#4b5563;--cell:#22262e;--hot:#fbbf24;--good:#5eead4;--bad:#fca5a5;--badbg:#3f1d1d;color-scheme:dark';
  const CSS = `
    :host{display:block;max-width:960px;margin:8px 0}
    .root{${LIGHT};background:var(--paper);color:var(--ink);border-radius:8px;padding:12px;font:14px/1.4 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums;container-type:inline-size}
    .root[data-theme=dark]{${DARK}}
    .bar{display:flex;flex-wrap:wrap;gap:6px 12px;align-items:center;margin-bottom:8px} label{display:inline-flex;gap:5px;align-items:center}
    select,input,button{font:inherit;color:var(--ink);background:var(--cell);border:1px solid var(--mute);border-radius:5px;padding:2px 6px} input[type=number]{width:4em;padding:1px 2px} button{cursor:pointer} button:disabled{opacity:.4;cursor:default}
    :focus-visible{outline:3px solid var(--hot);outline-offset:1px}
    ol{list-style:none;margin:0;padding:0;border-top:1px solid var(--line)}
    li,.head{display:grid;grid-template-columns:1fr 7.2em 6.2em 5.6em 4.8em;gap:2px 8px;align-items:center;padding:3px 2px;border-bottom:1px solid var(--line)} .head{font-weight:650;border:0} .num{text-align:right;white-space:nowrap}
    .what{display:flex;flex-wrap:wrap;gap:3px 8px;align-items:center} .what b{min-width:6.8em} .what small{color:var(--mute)} .move{display:inline-flex;gap:2px;margin-left:auto} .move button{padding:0 6px;line-height:1.5}
    .error{grid-column:1/-1;color:var(--bad);background:var(--badbg);border-radius:5px;padding:4px 8px;font-weight:600} .after{opacity:.5}
    .total{font-size:16px;font-weight:650;padding:8px 2px} .total span{color:var(--good)} pre{background:var(--cell);border-radius:6px;padding:8px;overflow-x:auto;font:13px/1.4 ui-monospace,Menlo,Consolas,monospace;margin:6px 0} details{margin-top:6px} summary{cursor:pointer}
    @container(max-width:640px){li,.head{grid-template-columns:1.25fr 1fr 1fr .8fr} .what{grid-column:1/-1} .head .what{display:none} .num{font-size:12.5px}}`;

  const fail = message => { throw new RangeError(message); };
  const maps = (x, who) => x.n === null ? x : fail(`${who} wants maps, but a Flatten before it has made a vector of ${x.n} numbers. Put it before the Flatten.`);
  // where a window of k fits n times; the message says what would
  const windows = (n, k, s, p, who) => {
    const room = n + 2 * p;
    if (k > room) fail(`${who}: a window of ${k} does not fit into ${n} + 2·${p} = ${room} pixels. What would: a kernel of ${room} or less, padding ${Math.ceil((k - n) / 2)} or more${who.includes('pooling') ? ' (at most half of the window)' : ''}, or fewer steps that shrink the picture before.`);
    return Math.floor((room - k) / s) + 1;
  };
  const slide = (x, c, k, s, p, who) => ({...x, c, h: windows(x.h, k, s, p, who), rf: x.rf + (k - 1) * x.jump, jump: x.jump * s});
  // a convolution with bias: [state after it, parameters, MACs]
  const conv = (x, out, k, s = 1, p = 0) => { const y = slide(maps(x, 'A convolution'), out, k, s, p, `Convolution ${k}×${k}`), w = x.c * out * k * k; return [y, w + out, w * y.h * y.h]; };
  const chain = (x, ...steps) => steps.reduce(([y, params, macs], step) => { const [z, p, m] = step(y); return [z, params + p, macs + m]; }, [x, 0, 0]);
  const norm = x => [x, 2 * (x.n === null ? x.c : x.n), 0];
  const join = (x, paths, c) => {  // paths side by side over the same maps; the largest field counts
    const ends = paths.map(p => p(x));
    return [{...ends[0][0], c: c ?? ends.reduce((a, [y]) => a + y.c, 0), rf: Math.max(...ends.map(([y]) => y.rf)), jump: Math.max(...ends.map(([y]) => y.jump))}, ends.reduce((a, e) => a + e[1], 0), ends.reduce((a, e) => a + e[2], 0)];
  };

  // name: [fields with their first value, what it does, its Python]
  const KINDS = {
    conv: ['Convolution', {out: 64, k: 3, s: 1, p: 1}, (x, {out, k, s, p}) => conv(x, out, k, s, p), (x, {out, k, s, p}) => `nn.Conv2d(${x.c}, ${out}, kernel_size=${k}${s > 1 ? `, stride=${s}` : ''}${p ? `, padding=${p}` : ''})`],
    max: ['Max pooling', {k: 2, s: 2, p: 0}, (x, v) => pool(x, v, 'Max pooling'), (x, v) => pooled('Max', v)],
    avg: ['Average pooling', {k: 2, s: 2, p: 0}, (x, v) => pool(x, v, 'Average pooling'), (x, v) => pooled('Avg', v)],
    relu: ['ReLU', {}, x => [x, 0, 0], () => 'nn.ReLU()'],
    sigmoid: ['Sigmoid', {}, x => [x, 0, 0], () => 'nn.Sigmoid()'],
    bn: ['Batch norm', {}, norm, x => x.n === null ? `nn.BatchNorm2d(${x.c})` : `nn.BatchNorm1d(${x.n})`],
    dropout: ['Dropout', {}, x => [x, 0, 0], () => 'nn.Dropout(0.5)'],
    gap: ['Global average', {}, x => [{...maps(x, 'A global average'), h: 1, rf: Infinity, jump: x.jump * x.h}, 0, 0], () => 'nn.AdaptiveAvgPool2d(1)'],
    flatten: ['Flatten', {}, x => [{...x, n: x.n ?? x.c * x.h * x.h}, 0, 0], () => 'nn.Flatten()'],
    linear: ['Linear', {out: 10}, (x, {out}) => x.n === null ? fail(`A linear layer wants one vector for each picture, but here are ${x.c} maps of ${x.h}×${x.h}. Put a Flatten before it: it makes a vector of ${(x.c * x.h * x.h).toLocaleString('en')}.`) : [{...x, n: out, rf: Infinity}, (x.n + 1) * out, x.n * out], (x, {out}) => `nn.Linear(${x.n}, ${out})`],
    vgg: ['VGG block', {n: 2, out: 128}, (x, {n, out}) => chain(x, ...Array(n).fill(y => conv(y, out, 3, 1, 1)), y => pool(y, {k: 2, s: 2, p: 0}, 'The pooling of a VGG block')), (x, {n, out}) => `vgg_block(${n}, ${x.c}, ${out})`, 'from d2lcnn.vgg import vgg_block'],
    nin: ['NiN block', {out: 96, k: 3, s: 1, p: 1}, (x, {out, k, s, p}) => chain(x, y => conv(y, out, k, s, p), y => conv(y, out, 1), y => conv(y, out, 1)), (x, {out, k, s, p}) => `nin_block(${x.c}, ${out}, kernel_size=${k}, stride=${s}, padding=${p})`, 'from d2lcnn.nin import nin_block'],
    inception: ['Inception', {c1: 64, r2: 96, c2: 128, r3: 16, c3: 32, c4: 32}, (x, v) => join(maps(x, 'An Inception block'), [y => conv(y, v.c1, 1), y => chain(y, z => conv(z, v.r2, 1), z => conv(z, v.c2, 3, 1, 1)), y => chain(y, z => conv(z, v.r3, 1), z => conv(z, v.c3, 5, 1, 2)), y => chain(y, z => [slide(z, z.c, 3, 1, 1, 'pooling'), 0, 0], z => conv(z, v.c4, 1))]),
      (x, v) => `Inception(${x.c}, ${v.c1}, (${v.r2}, ${v.c2}), (${v.r3}, ${v.c3}), ${v.c4})`, 'from d2lcnn.googlenet import Inception'],
    residual: ['Residual block', {out: 64, s: 1}, (x, {out, s}) => join(maps(x, 'A residual block'), [y => chain(y, z => conv(z, out, 3, s, 1), norm, z => conv(z, out, 3, 1, 1), norm), y => s > 1 || out !== x.c ? conv(y, out, 1, s) : [y, 0, 0]], out), (x, {out, s}) => `Residual(${x.c}, ${out}${s > 1 || out !== x.c ? ', use_1x1conv=True' : ''}${s > 1 ? `, stride=${s}` : ''})`, 'from d2lcnn.resnet import Residual'],
    dense: ['Dense block', {n: 4, out: 32}, (x, {n, out}) => chain(maps(x, 'A dense block'), ...Array(n).fill(y => { const [, p1] = norm(y), [z, p2, m] = conv(y, out, 3, 1, 1); return [{...z, c: y.c + out}, p1 + p2, m]; })), (x, {n, out}) => `DenseBlock(${n}, ${x.c}, ${out})`, 'from d2lcnn.densenet import DenseBlock'],
    transition: ['Transition', {out: 96}, (x, {out}) => chain(maps(x, 'A transition'), norm, y => conv(y, out, 1), y => pool(y, {k: 2, s: 2, p: 0}, 'The pooling of a transition')), (x, {out}) => `transition_block(${x.c}, ${out})`, 'from d2lcnn.densenet import transition_block'],
  };
  function pool(x, {k, s, p}, who) {
    if (2 * p > k) fail(`${who}: padding ${p} is more than half of the window ${k}; then a window could lie outside the picture. At most ${Math.floor(k / 2)} fits.`);
    return [slide(maps(x, who), x.c, k, s, p, who), 0, 0];
  }
  const pooled = (kind, {k, s, p}) => `nn.${kind}Pool2d(kernel_size=${k}${s !== k ? `, stride=${s}` : ''}${p ? `, padding=${p}` : ''})`;
  const FIELD = {out: ['channels out', 1, 8192], k: ['kernel', 1, 15], s: ['stride', 1, 8], p: ['padding', 0, 7], n: ['layers', 1, 16], c1: ['1×1', 1, 1024], r2: ['before 3×3', 1, 1024], c2: ['3×3', 1, 1024], r3: ['before 5×5', 1, 1024], c3: ['5×5', 1, 1024], c4: ['after pooling', 1, 1024]};
  const OWN = {linear: {out: 'out'}, max: {k: 'window'}, avg: {k: 'window'}, dense: {out: 'growth'}};

  // shorthand of the starting points
  const L = (kind, v = {}) => ({kind, v: {...KINDS[kind][1], ...v}}), C = (out, k, s = 1, p = 0) => L('conv', {out, k, s, p}), R = () => L('relu'), M = (k, s, p = 0) => L('max', {k, s, p}), F = out => L('linear', {out});
  const head = [L('gap'), L('flatten'), F(10)], top = [L('flatten'), F(4096), R(), L('dropout'), F(4096), R(), L('dropout'), F(10)];
  const res = (out, s) => L('residual', {out, s}), inc = (...c) => L('inception', Object.fromEntries(['c1', 'r2', 'c2', 'r3', 'c3', 'c4'].map((k, i) => [k, c[i]])));
  const vgg = w => [[1, 64], [1, 128], [2, 256], [2, 512], [2, 512]].map(([n, out]) => L('vgg', {n, out: out / w}));
  const NETS = {
    'LeNet': [28, [C(6, 5, 1, 2), L('sigmoid'), L('avg'), C(16, 5), L('sigmoid'), L('avg'), L('flatten'), F(120), L('sigmoid'), F(84), L('sigmoid'), F(10)]],
    'AlexNet': [224, [C(96, 11, 4, 1), R(), M(3, 2), C(256, 5, 1, 2), R(), M(3, 2), C(384, 3, 1, 1), R(), C(384, 3, 1, 1), R(), C(256, 3, 1, 1), R(), M(3, 2), ...top]],
    'VGG-11': [224, [...vgg(1), ...top]], 'VGG-11, a quarter wide': [224, [...vgg(4), ...top]],
    'NiN': [224, [L('nin', {out: 96, k: 11, s: 4, p: 0}), M(3, 2), L('nin', {out: 256, k: 5, s: 1, p: 2}), M(3, 2), L('nin', {out: 384, k: 3, s: 1, p: 1}), M(3, 2), L('dropout'), L('nin', {out: 10, k: 3, s: 1, p: 1}), L('gap'), L('flatten')]],
    'GoogLeNet': [96, [C(64, 7, 2, 3), R(), M(3, 2, 1), C(64, 1), R(), C(192, 3, 1, 1), R(), M(3, 2, 1), inc(64, 96, 128, 16, 32, 32), inc(128, 128, 192, 32, 96, 64), M(3, 2, 1), inc(192, 96, 208, 16, 48, 64), inc(160, 112, 224, 24, 64, 64), inc(128, 128, 256, 24, 64, 64), inc(112, 144, 288, 32, 64, 64), inc(256, 160, 320, 32, 128, 128), M(3, 2, 1), inc(256, 160, 320, 32, 128, 128), inc(384, 192, 384, 48, 128, 128), ...head]],
    'ResNet-18': [96, [C(64, 7, 2, 3), L('bn'), R(), M(3, 2, 1), res(64, 1), res(64, 1), res(128, 2), res(128, 1), res(256, 2), res(256, 1), res(512, 2), res(512, 1), ...head]],
    'DenseNet': [96, [C(64, 7, 2, 3), L('bn'), R(), M(3, 2, 1), L('dense'), L('transition', {out: 96}), L('dense'), L('transition', {out: 112}), L('dense'), L('transition', {out: 120}), L('dense'), L('bn'), R(), ...head]],
    'an empty stack': [28, []],
  };

  class Builder extends HTMLElement {
    static NETS = NETS;
    // every row of a stack: shape, parameters, MACs, receptive field and Python, or the error that ends it
    static compute(channels, size, layers) {
      let x = {c: channels, h: size, n: null, rf: 1, jump: 1}; const rows = [];
      for (const {kind, v} of layers) {
        const [, , step, python] = KINDS[kind];
        try { const code = python(x, v), [y, params, macs] = step(x, v); x = y; rows.push({shape: y.n === null ? [y.c, y.h, y.h] : [y.n], params, macs, rf: y.rf, code}); }
        catch (e) { if (!(e instanceof RangeError)) throw e; rows.push({error: e.message}); break; }
      }
      return {rows, params: rows.reduce((a, r) => a + (r.params ?? 0), 0), macs: rows.reduce((a, r) => a + (r.macs ?? 0), 0), error: rows.at(-1)?.error ?? null};
    }
    static code(layers, rows) {
      const needs = [...new Set(layers.slice(0, rows.length).map(l => KINDS[l.kind][4]).filter(Boolean))];
      return ['from torch import nn', ...needs, '', 'net = nn.Sequential(', rows.filter(r => r.code).map(r => `    ${r.code}`).join(',\n') + ')'].join('\n');
    }

    constructor() {
      super();
      const root = this.attachShadow({mode: 'open'});
      root.innerHTML = `<style>${CSS}</style><div class="root" role="group" aria-label="A stack of layers"><div class="bar"><label>Start from <select class="net"></select></label><label>channels in <input class="channels" type="number" min="1" max="512"></label><label>side in pixels <input class="size" type="number" min="1" max="1024"></label></div>
        <div class="head"><span class="what">layer</span><span class="num">output</span><span class="num">parameters</span><span class="num">MACs</span><span class="num">sees</span></div><ol></ol>
        <div class="bar" style="margin-top:8px"><label>Add at the end <select class="kind"></select></label><button type="button" class="add">Add</button></div>
        <div class="total" role="status"></div><details><summary>As PyTorch code</summary><pre></pre><button type="button" class="copy">Copy</button></details></div>`;
      this.$ = q => root.querySelector(q);
      this.theme = () => { const b = document.body, t = b?.dataset.jpThemeLight;
        const dark = t ? t === 'false' : b?.classList.contains('quarto-dark') || (!b?.classList.contains('quarto-light') && matchMedia('(prefers-color-scheme: dark)').matches);
        this.$('.root').dataset.theme = dark ? 'dark' : 'light'; };
      for (const n of Object.keys(NETS)) this.$('.net').append(new Option(n, n));
      for (const [k, [name]] of Object.entries(KINDS)) this.$('.kind').append(new Option(name, k));
      this.$('.net').addEventListener('change', e => this.start(e.target.value));
      for (const f of ['channels', 'size']) this.$(`.${f}`).addEventListener('input', e => { this[f] = Math.min(+e.target.max, Math.max(1, Math.floor(+e.target.value) || 1)); this.draw(); });
      this.$('.add').addEventListener('click', () => { this.layers.push(L(this.$('.kind').value)); this.build(this.layers.length - 1); });
      this.$('.copy').addEventListener('click', () => navigator.clipboard?.writeText(this.$('pre').textContent).then(() => { this.$('.copy').textContent = 'Copied'; setTimeout(() => this.$('.copy').textContent = 'Copy', 1500); }));
    }
    connectedCallback() {
      this.dataset.lmSuppressShortcuts = 'true';  // in JupyterLab, keys typed here are not the notebook's shortcuts
      if (!this.layers) this.start(this.getAttribute('net') in NETS ? this.getAttribute('net') : 'LeNet');
      this.theme(); this.media = matchMedia('(prefers-color-scheme: dark)'); this.media.addEventListener('change', this.theme);
      this.watch = new MutationObserver(this.theme); this.watch.observe(document.body, {attributes: true, attributeFilter: ['data-jp-theme-light', 'class']});
    }
    disconnectedCallback() { this.watch?.disconnect(); this.media?.removeEventListener('change', this.theme); }

    start(name) {
      const [size, layers] = NETS[name]; this.channels = 1; this.size = size; this.layers = layers.map(l => L(l.kind, l.v));
      this.$('.net').value = name; this.$('.channels').value = 1; this.$('.size').value = size; this.build();
    }

    build(focus = null, button = null) {  // the rows anew, after layers have come, gone or moved
      const list = this.$('ol'); list.textContent = '';
      this.layers.forEach((layer, i) => {
        const li = document.createElement('li'), what = document.createElement('div'), name = document.createElement('b'), move = document.createElement('span'); what.className = 'what'; move.className = 'move';
        name.textContent = KINDS[layer.kind][0]; what.append(name);
        for (const [f, usual] of Object.entries(KINDS[layer.kind][1])) {
          const label = document.createElement('label'), small = document.createElement('small'), input = document.createElement('input'), [text, lo, hi] = FIELD[f];
          small.textContent = OWN[layer.kind]?.[f] ?? text; Object.assign(input, {type: 'number', min: lo, max: hi, value: layer.v[f]}); input.dataset.field = f;
          input.addEventListener('input', () => { const v = Math.floor(+input.value); if (input.value !== '' && v >= lo && v <= hi) { layer.v[f] = v; this.draw(); } });
          input.addEventListener('change', () => { input.value = layer.v[f]; }); label.append(small, input); what.append(label);
        }
        for (const [sign, say, act, off] of [['↑', 'up', () => this.swap(i, i - 1), i === 0], ['↓', 'down', () => this.swap(i, i + 1), i === this.layers.length - 1], ['✕', 'remove', () => { this.layers.splice(i, 1); this.build(Math.min(i, this.layers.length - 1), 'remove'); }, false]]) {
          const b = document.createElement('button'); Object.assign(b, {type: 'button', textContent: sign, disabled: off, className: say}); b.setAttribute('aria-label', `${say}: ${name.textContent}, layer ${i + 1}`); b.addEventListener('click', act); move.append(b);
        }
        what.append(move); li.append(what);
        for (const c of ['shape', 'params', 'macs', 'rf']) { const s = document.createElement('span'); s.className = `num ${c}`; li.append(s); }
        list.append(li);
      });
      this.draw();
      if (focus !== null) { const li = list.children[focus]; (button && li?.querySelector(`.${button}:not(:disabled)`) || li?.querySelector('input,button:not(:disabled)'))?.focus(); }
    }
    swap(i, j) { [this.layers[i], this.layers[j]] = [this.layers[j], this.layers[i]]; this.build(j, j < i ? 'up' : 'down'); }

    draw() {
      const {rows, params, macs, error} = Builder.compute(this.channels, this.size, this.layers), count = v => v.toLocaleString('en'), big = v => v >= 1e9 ? `${(v / 1e9).toFixed(2)} G` : v >= 1e6 ? `${(v / 1e6).toFixed(2)} M` : count(v);
      [...this.$('ol').children].forEach((li, i) => {
        const r = rows[i], set = (c, t) => { li.querySelector(`.${c}`).textContent = t; };
        li.querySelector('.error')?.remove(); li.classList.toggle('after', !r);
        set('shape', r?.shape ? r.shape.join('×') : '–'); set('params', r?.shape ? (r.params ? count(r.params) : '–') : '–'); set('macs', r?.shape ? (r.macs ? big(r.macs) : '–') : '–'); set('rf', r?.shape ? (r.rf === Infinity ? 'all' : `${r.rf}×${r.rf}`) : '–');
        if (r?.error) { const e = document.createElement('div'); e.className = 'error'; e.textContent = r.error; li.append(e); }
      });
      const ok = rows.filter(r => r.shape);
      this.$('.total').innerHTML = `${error ? 'Up to the error: ' : ''}<span class="params">${count(params)}</span> parameters, <span class="macs">${big(macs)}</span> MACs a picture${ok.length ? `, output ${ok.at(-1).shape.join('×')}` : ''}`;
      this.$('pre').textContent = Builder.code(this.layers, rows);
    }
  }
  customElements.define('d2l-builder', Builder);
})();
