// <d2l-channels x="[[[…]], …]" k="[[[[…]], …], …]" channels="2" output="0" bias="0" position="0"></d2l-channels>
// Every input channel with its own slice of the kernel, and the sum over the channels. Needs no kernel, no network and no other file.
(() => {
  if (customElements.get('d2l-channels')) return;
  const LIGHT = '--paper:#fff;--ink:#1e293b;--mute:#5b6678;--line:#cbd5e1;--cell:#f8fafc;--win:#fde68a;--winl:#b45309;--ker:#bfdbfe;--kerl:#1d4ed8;--pro:#e9d5ff;--prol:#7e22ce;--out:#99f6e4;--outl:#0f766e;color-scheme:light';
  const DARK = '--paper:#17191e;--ink:#e8eaee;--mute:#a3abb8;--line:#4b5563;--cell:#22262e;--win:#7a4a06;--winl:#fbbf24;--ker:#1e3a8a;--kerl:#93c5fd;--pro:#581c87;--prol:#d8b4fe;--out:#115e57;--outl:#5eead4;color-scheme:dark';
  const CSS = `
    :host{display:block;max-width:860px;margin:8px 0}
    .root{${LIGHT};background:var(--paper);color:var(--ink);border-radius:8px;padding:12px;font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums}
    .root[data-theme=dark]{${DARK}}
    .controls{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:4px 18px} .steps{display:flex;flex-wrap:wrap;align-items:center;gap:6px 14px;margin-top:4px}
    .panels{display:flex;flex-wrap:wrap;align-items:center;gap:10px 16px;margin:12px 0 8px} .rows{display:flex;flex-direction:column;gap:10px} .row{display:flex;align-items:center;gap:8px}
    label{display:flex;align-items:center;gap:8px} label span{flex:0 0 122px} output{min-width:1.8em;text-align:right;font-weight:650}
    input[type=range]{flex:1 1 80px;min-width:70px;max-width:170px;accent-color:var(--winl)} button{font:inherit;color:var(--ink);background:var(--cell);border:1px solid var(--mute);border-radius:6px;padding:3px 10px;cursor:pointer} button:disabled{opacity:.45;cursor:default}
    :focus-visible{outline:3px solid var(--outl);outline-offset:2px}
    figure{margin:0} figcaption{font-weight:650;font-size:13px;margin-bottom:2px;white-space:nowrap} svg{display:block;max-width:100%;height:auto} text{fill:var(--ink);text-anchor:middle;dominant-baseline:central}
    rect{fill:var(--cell);stroke:var(--line)} .none{fill:none;stroke-dasharray:3 3} .frame{fill:none;stroke-width:3;stroke:var(--winl)} ${['win', 'ker', 'pro', 'out'].map(n => `.${n}{fill:var(--${n});stroke:var(--${n}l)}`).join('')} .out{stroke-width:3}
    .op{color:var(--mute);font-size:20px} .part{color:var(--prol);font-weight:650;font-size:19px;min-width:2em} .sum{font-size:17px;min-height:1.5em;overflow-wrap:anywhere} .sum b{color:var(--outl)} .sum i{color:var(--prol);font-style:normal;font-weight:650} .note,code{color:var(--mute);font-size:14px} code{font-family:ui-monospace,Menlo,Consolas,monospace}`;
  const num = v => { const t = Math.abs(v) > 0 && Math.abs(v) < .005 ? v.toPrecision(1) : String(+v.toFixed(2)); return (t === '-0' ? '0' : t).replace('-', '−'); };
  const add = values => values.map((v, i) => i && v < 0 ? ` − ${num(-v)}` : i ? ` + ${num(v)}` : num(v)).join('');
  const EXAMPLE = [[0, 1, 2, 3].map(c => [0, 1, 2].map(i => [0, 1, 2].map(j => 3 * i + j + c))), [0, 1, 2].map(o => [0, 1, 2, 3].map(c => [[0, 1], [2, 3]].map(r => r.map(v => v + c + o))))];

  class Channels extends HTMLElement {
    // products and sums, a channel, with the window at (r, q)
    static products(X, K, r, q) { return K.map((k, c) => k.map((row, i) => row.map((v, j) => v * X[c][r + i][q + j]))); }
    static sums(X, K, r, q) { return Channels.products(X, K, r, q).map(p => p.flat().reduce((a, b) => a + b, 0)); }
    static forward(X, K, bias = 0) {
      const oh = X[0].length - K[0].length + 1, ow = X[0][0].length - K[0][0].length + 1;
      return [...Array(oh)].map((_, r) => [...Array(ow)].map((_, q) => Channels.sums(X, K, r, q).reduce((a, b) => a + b, bias)));
    }

    constructor() {
      super();
      const root = this.attachShadow({mode: 'open'}), range = (name, text) => `<label><span>${text}</span><input type="range" name="${name}" step="1"><output></output></label>`;
      root.innerHTML = `<style>${CSS}</style><div class="root" role="group" aria-label="Sums over channels"><div class="controls">${range('channels', 'Input channels')}${range('output', 'Output channel')}${range('bias', 'Bias')}</div>
        <div class="steps">${range('position', 'Position')}<button type="button" class="back">◀ Back</button><button type="button" class="next">Next ▶</button></div>
        <div class="panels"><div class="rows"></div><span class="op" aria-hidden="true">+ →</span><figure><figcaption class="ty"></figcaption><div class="y"></div></figure></div><div class="sum" aria-live="polite"></div><div class="note"></div><code></code></div>`;
      this.$ = q => root.querySelector(q);
      this.theme = () => { const b = document.body, t = b?.dataset.jpThemeLight;
        const dark = t ? t === 'false' : b?.classList.contains('quarto-dark') || (!b?.classList.contains('quarto-light') && matchMedia('(prefers-color-scheme: dark)').matches);
        this.$('.root').dataset.theme = dark ? 'dark' : 'light'; };
      root.addEventListener('input', e => { this.v[e.target.name] = +e.target.value; this.draw(); });
      this.$('.back').addEventListener('click', () => { this.v.position--; this.draw(); }); this.$('.next').addEventListener('click', () => { this.v.position++; this.draw(); });
    }
    connectedCallback() {
      this.dataset.lmSuppressShortcuts = 'true';  // in JupyterLab, keys typed here are not the notebook's shortcuts
      if (!this.v) {
        [this.X, this.K] = this.hasAttribute('x') ? [JSON.parse(this.getAttribute('x')), JSON.parse(this.getAttribute('k'))] : EXAMPLE;
        this.range = {channels: [1, this.X.length, Math.min(2, this.X.length)], output: [0, this.K.length - 1, 0], bias: [-9, 9, 0], position: [0, 0, 0]}; this.v = {};
        const stops = (this.X[0].length - this.K[0][0].length + 1) * (this.X[0][0].length - this.K[0][0][0].length + 1); this.range.position[1] = stops - 1;
        for (const [n, [lo, hi, usual]] of Object.entries(this.range)) { const v = parseInt(this.getAttribute(n)); this.v[n] = Number.isFinite(v) ? Math.min(hi, Math.max(lo, v)) : usual; const i = this.$(`input[name=${n}]`); i.min = lo; i.max = hi; i.disabled = lo === hi; }
        this.draw();
      }
      this.theme(); this.media = matchMedia('(prefers-color-scheme: dark)'); this.media.addEventListener('change', this.theme);
      this.watch = new MutationObserver(this.theme); this.watch.observe(document.body, {attributes: true, attributeFilter: ['data-jp-theme-light', 'class']});
    }
    disconnectedCallback() { this.watch?.disconnect(); this.media?.removeEventListener('change', this.theme); }

    draw() {
      const {channels: n, output: o, bias, position: pos} = this.v, X = this.X.slice(0, n), K = this.K[o].slice(0, n), [h, w] = [K[0].length, K[0][0].length];
      const Y = Channels.forward(X, K, bias), ow = Y[0].length, r = Math.floor(pos / ow), q = pos % ow, P = Channels.products(X, K, r, q), sums = Channels.sums(X, K, r, q);
      const c = Math.max(20, Math.min(34, Math.floor(230 / (X[0][0].length + 2 * w))));
      const grid = (M, cls, text = num, extra = '', side = c) => { let cells = '', late = '';
        M.forEach((row, i) => row.forEach((v, j) => { const t = text(v, i, j), n = cls(i, j), one = `<rect class="${n}" x="${j * side + 2}" y="${i * side + 2}" width="${side}" height="${side}"/><text x="${(j + .5) * side + 2}" y="${(i + .5) * side + 2}" font-size="${Math.max(9, Math.min(side * .44, 1.55 * side / Math.max(1, t.length)))}">${t}</text>`; if (n === 'out') late += one; else cells += one; }));
        return `<svg width="${M[0].length * side + 4}" viewBox="0 0 ${M[0].length * side + 4} ${M.length * side + 4}" aria-hidden="true">${cells}${late}${extra}</svg>`; };
      const figure = (title, svg) => `<figure><figcaption>${title}</figcaption>${svg}</figure>`, op = s => `<span class="op" aria-hidden="true">${s}</span>`;
      this.$('.rows').innerHTML = X.map((x, k) => `<div class="row">${figure(`X[${k}]`, grid(x, (i, j) => i >= r && i < r + h && j >= q && j < q + w ? 'win' : '', num, `<rect class="frame" x="${q * c + 2}" y="${r * c + 2}" width="${w * c}" height="${h * c}"/>`))}${op('×')}${figure(`K[${k}]`, grid(K[k], () => 'ker'))}${op('=')}${figure('products', grid(P[k], () => 'pro'))}${op('Σ')}<span class="part">${num(sums[k])}</span></div>`).join('');
      this.$('.ty').textContent = `output Y[${o}] ${Y.length}×${ow}`;
      this.$('.y').innerHTML = grid(Y, (i, j) => i * ow + j === pos ? 'out' : i * ow + j < pos ? '' : 'none', (v, i, j) => i * ow + j <= pos ? num(v) : '', '', 44);
      this.$('.sum').innerHTML = `<b>Y[${o}][${r}, ${q}]</b> = <i>${add(sums)}</i> ${bias < 0 ? '−' : '+'} ${num(Math.abs(bias))} (bias) = <b class="value">${num(Y[r][q])}</b>`;
      this.$('.note').textContent = `Step ${pos + 1} of ${Y.length * ow}. However many channels go in, one kernel gives one output channel.`;
      this.$('code').textContent = `nn.Conv2d(${n}, ${this.K.length}, kernel_size=${h === w ? h : `(${h}, ${w})`})`;
      for (const [name, v] of Object.entries(this.v)) { const i = this.$(`input[name=${name}]`); i.value = v; i.nextElementSibling.textContent = num(v); }
      this.$('.back').disabled = pos <= 0; this.$('.next').disabled = pos >= Y.length * ow - 1;
    }
  }
  customElements.define('d2l-channels', Channels);
})();
