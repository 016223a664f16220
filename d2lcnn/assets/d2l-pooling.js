// <d2l-pooling x="[[…]]" window="2" stride="2" padding="0" mode="max" position="0"></d2l-pooling>
// Slide a pooling window over numbers. Needs no kernel, no network and no other file.
(() => {
  if (customElements.get('d2l-pooling')) return;
  const LIGHT = '--paper:#fff;--ink:#1e293b;--mute:#5b6678;--line:#cbd5e1;--cell:#f8fafc;--win:#fde68a;--winl:#b45309;--out:#99f6e4;--outl:#0f766e;--bad:#fee2e2;--badl:#b91c1c;color-scheme:light';
  const DARK = '--paper:#17191e;--ink:#e8eaee;--mute:#a3abb8;--line:#4b5563;--cell:#22262e;--win:#7a4a06;--winl:#fbbf24;--out:#115e57;--outl:#5eead4;--bad:#5f1d1d;--badl:#fca5a5;color-scheme:dark';
  const CSS = `
    :host{display:block;max-width:860px;margin:8px 0}
    .root{${LIGHT};background:var(--paper);color:var(--ink);border-radius:8px;padding:12px;font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums}
    .root[data-theme=dark]{${DARK}}
    .controls{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:4px 18px} .steps{display:flex;flex-wrap:wrap;align-items:center;gap:6px 14px;margin-top:4px}
    .panels{display:flex;flex-wrap:wrap;align-items:center;gap:8px 18px;margin:12px 0 8px}
    label{display:flex;align-items:center;gap:8px} label span{flex:0 0 76px} output{min-width:1.6em;text-align:right;font-weight:650}
    input[type=range]{flex:1 1 90px;min-width:80px;max-width:170px;accent-color:var(--winl)} select,button{font:inherit;color:var(--ink);background:var(--cell);border:1px solid var(--mute);border-radius:6px;padding:3px 10px} button{cursor:pointer} button:disabled{opacity:.45;cursor:default}
    :focus-visible{outline:3px solid var(--outl);outline-offset:2px}
    figure{margin:0;max-width:100%} figcaption{font-weight:650;font-size:14px;margin-bottom:4px} svg{display:block;max-width:100%;height:auto} text{fill:var(--ink);text-anchor:middle;dominant-baseline:central}
    rect{fill:var(--cell);stroke:var(--line)} .pad{fill:none;stroke:var(--mute);stroke-dasharray:2 3} .none{fill:none;stroke-dasharray:3 3} .win{fill:var(--win);stroke:var(--winl)} .out{fill:var(--out);stroke:var(--outl);stroke-width:3} .frame{fill:none;stroke:var(--winl);stroke-width:3} .bad{fill:var(--bad);stroke:var(--badl)}
    .op{color:var(--mute);font-size:24px} .sum{font-size:17px;min-height:1.5em;overflow-wrap:anywhere} .sum b{color:var(--outl)} .why{color:var(--badl);font-weight:650} code{color:var(--mute);font:14px ui-monospace,Menlo,Consolas,monospace}`;
  const RANGE = {window: [1, 4, 2], stride: [1, 4, 2], padding: [0, 2, 0]};
  const num = v => v === -Infinity ? '−∞' : String(+v.toFixed(2)).replace('-', '−');

  class Pooling extends HTMLElement {
    // null, or why PyTorch refuses and what would fit
    static why(h, w, k, s, p) {
      const n = Math.min(h, w);
      if (2 * p > k) return `Padding ${p} is more than half of window ${k}, so a window could lie in the padding alone. What would fit: padding ≤ ${Math.floor(k / 2)}, or window ≥ ${2 * p}.`;
      return k > n + 2 * p ? `A window of ${k} is larger than the padded input, ${n} + 2·${p} = ${n + 2 * p}. What would fit: window ≤ ${n + 2 * p}.` : null;
    }
    static padded(X, p, fill) { const w = X[0].length + 2 * p, row = () => Array(w).fill(fill); return [...Array(p)].map(row).concat(X.map(r => [...Array(p).fill(fill), ...r, ...Array(p).fill(fill)]), [...Array(p)].map(row)); }
    static pool(X, k, s, p, mode) {
      const x = Pooling.padded(X, p, mode === 'max' ? -Infinity : 0), oh = Math.floor((x.length - k) / s) + 1, ow = Math.floor((x[0].length - k) / s) + 1, Y = [];
      for (let i = 0; i < oh; i++) { Y.push([]); for (let j = 0; j < ow; j++) { const seen = Pooling.seen(x, i * s, j * s, k); Y[i].push(mode === 'max' ? Math.max(...seen) : seen.reduce((a, b) => a + b, 0) / (k * k)); } }
      return Y;
    }
    static seen(x, i, j, k) { return x.slice(i, i + k).flatMap(r => r.slice(j, j + k)); }

    constructor() {
      super();
      const root = this.attachShadow({mode: 'open'});
      root.innerHTML = `<style>${CSS}</style><div class="root" role="group" aria-label="Pooling"><div class="controls"><label><span>Take the</span><select name="mode"><option value="max">largest value</option><option value="avg">average</option></select></label>`
        + Object.entries(RANGE).map(([n, [lo, hi]]) => `<label><span>${n[0].toUpperCase() + n.slice(1)}</span><input type="range" name="${n}" min="${lo}" max="${hi}" step="1"><output></output></label>`).join('')
        + `</div><div class="steps"><label><span>Position</span><input type="range" name="position" min="0" step="1"><output></output></label><button type="button" class="back">◀ Back</button><button type="button" class="next">Next ▶</button></div>
        <div class="panels"><figure><figcaption class="tx"></figcaption><div class="x"></div></figure><span class="op" aria-hidden="true">→</span><figure><figcaption class="ty"></figcaption><div class="y"></div></figure></div><div class="sum" aria-live="polite"></div><code></code></div>`;
      this.$ = q => root.querySelector(q);
      this.theme = () => { const b = document.body, t = b?.dataset.jpThemeLight;
        const dark = t ? t === 'false' : b?.classList.contains('quarto-dark') || (!b?.classList.contains('quarto-light') && matchMedia('(prefers-color-scheme: dark)').matches);
        this.$('.root').dataset.theme = dark ? 'dark' : 'light'; };
      root.addEventListener('input', e => { this.v[e.target.name] = e.target.name === 'mode' ? e.target.value : +e.target.value; this.draw(); });
      this.$('.back').addEventListener('click', () => { this.v.position--; this.draw(); }); this.$('.next').addEventListener('click', () => { this.v.position++; this.draw(); });
    }
    connectedCallback() {
      this.dataset.lmSuppressShortcuts = 'true';  // in JupyterLab, keys typed here are not the notebook's shortcuts
      if (!this.v) {
        this.v = {mode: this.getAttribute('mode') === 'avg' ? 'avg' : 'max', position: parseInt(this.getAttribute('position')) || 0}; this.X = JSON.parse(this.getAttribute('x') || '[[3,1,0,2],[0,8,2,1],[1,2,6,0],[4,0,1,9]]');
        for (const [n, [lo, hi, usual]] of Object.entries(RANGE)) { const v = parseInt(this.getAttribute(n)); this.v[n] = Number.isFinite(v) ? Math.min(hi, Math.max(lo, v)) : usual; }
        this.draw();
      }
      this.theme(); this.media = matchMedia('(prefers-color-scheme: dark)'); this.media.addEventListener('change', this.theme);
      this.watch = new MutationObserver(this.theme); this.watch.observe(document.body, {attributes: true, attributeFilter: ['data-jp-theme-light', 'class']});
    }
    disconnectedCallback() { this.watch?.disconnect(); this.media?.removeEventListener('change', this.theme); }

    draw() {
      const {window: k, stride: s, padding: p, mode} = this.v, X = this.X, H = X.length, W = X[0].length, why = Pooling.why(H, W, k, s, p), c = Math.min(46, Math.floor(300 / (Math.max(H, W) + 2 * p)));
      const x = Pooling.padded(X, p, mode === 'max' ? -Infinity : 0), inside = (i, j) => i >= p && i < p + H && j >= p && j < p + W;
      const grid = (R, C, cls, text, extra = '') => { let a = '', late = ''; for (let i = 0; i < R; i++) for (let j = 0; j < C; j++) { const n = cls(i, j), one = `<rect class="${n}" x="${j * c + 2}" y="${i * c + 2}" width="${c}" height="${c}"/><text x="${j * c + c / 2 + 2}" y="${i * c + c / 2 + 2}" font-size="${Math.max(9, c * .38)}">${text(i, j)}</text>`; if (n === 'out') late += one; else a += one; }
        return `<svg width="${C * c + 4}" viewBox="0 0 ${C * c + 4} ${R * c + 4}" aria-hidden="true">${a}${late}${extra}</svg>`; };
      const box = (i, j) => `<rect class="frame" x="${j * c + 2}" y="${i * c + 2}" width="${k * c}" height="${k * c}"/>`, show = (i, j) => num(x[i][j]);
      this.$('.tx').textContent = `input ${H}×${W}` + (p ? `, padded with ${mode === 'max' ? '−∞' : '0'}` : '');
      let steps = 1;
      if (why) {
        this.$('.x').innerHTML = grid(H + 2 * p, W + 2 * p, (i, j) => inside(i, j) ? '' : 'bad', show); this.$('.ty').textContent = 'no output'; this.$('.y').innerHTML = ''; this.$('.sum').innerHTML = `<span class="why">${why}</span>`;
      } else {
        const Y = Pooling.pool(X, k, s, p, mode), oh = Y.length, ow = Y[0].length; steps = oh * ow; this.v.position = Math.min(steps - 1, Math.max(0, this.v.position));
        const pos = this.v.position, r = Math.floor(pos / ow), q = pos % ow, seen = Pooling.seen(x, r * s, q * s, k), at = seen.indexOf(Math.max(...seen)), wi = r * s + Math.floor(at / k), wj = q * s + at % k;
        this.$('.x').innerHTML = grid(H + 2 * p, W + 2 * p, (i, j) => mode === 'max' && i === wi && j === wj ? 'out' : i >= r * s && i < r * s + k && j >= q * s && j < q * s + k ? 'win' : inside(i, j) ? '' : 'pad', show, box(r * s, q * s));
        this.$('.ty').textContent = `output ${oh}×${ow}`; this.$('.y').innerHTML = grid(oh, ow, (i, j) => i * ow + j === pos ? 'out' : i * ow + j < pos ? '' : 'none', (i, j) => i * ow + j <= pos ? num(Y[i][j]) : '');
        const eq = mode === 'max' ? `max(${seen.map(num).join(', ')})` : `(${seen.map((v, i) => i && v >= 0 ? ` + ${num(v)}` : i ? ` − ${num(-v)}` : num(v)).join('')}) / ${k * k}`;
        this.$('.sum').innerHTML = `<b>Y[${r}, ${q}]</b> = ${eq} = <b class="value">${num(Y[r][q])}</b>`;
      }
      this.$('code').textContent = `nn.${mode === 'max' ? 'Max' : 'Avg'}Pool2d(${k}, stride=${s}${p ? `, padding=${p}` : ''})`;
      this.$('select').value = mode;
      for (const n of [...Object.keys(RANGE), 'position']) { const i = this.$(`input[name=${n}]`); if (n === 'position') { i.max = steps - 1; i.disabled = steps < 2; } i.value = this.v[n]; i.nextElementSibling.textContent = this.v[n]; }
      this.$('.back').disabled = this.v.position <= 0; this.$('.next').disabled = this.v.position >= steps - 1;
    }
  }
  customElements.define('d2l-pooling', Pooling);
})();
