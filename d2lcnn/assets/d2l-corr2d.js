// <d2l-corr2d x="[[0,1,2],[3,4,5],[6,7,8]]" k="[[0,1],[2,3]]" position="0"></d2l-corr2d>
// Steps a kernel over an input and adds the products up. Needs no kernel, no network and no other file.
(() => {
  if (customElements.get('d2l-corr2d')) return;

  const LIGHT = '--paper:#fff;--ink:#1e293b;--mute:#5b6678;--line:#cbd5e1;--cell:#f8fafc;--win:#fde68a;--winl:#b45309;--ker:#bfdbfe;--kerl:#1d4ed8;--pro:#e9d5ff;--prol:#7e22ce;--out:#99f6e4;--outl:#0f766e;--badl:#b91c1c;color-scheme:light';
  const DARK = '--paper:#17191e;--ink:#e8eaee;--mute:#a3abb8;--line:#4b5563;--cell:#22262e;--win:#7a4a06;--winl:#fbbf24;--ker:#1e3a8a;--kerl:#93c5fd;--pro:#581c87;--prol:#d8b4fe;--out:#115e57;--outl:#5eead4;--badl:#fca5a5;color-scheme:dark';
  const CSS = `
    :host{display:block;max-width:860px;margin:8px 0}
    .root{${LIGHT};background:var(--paper);color:var(--ink);border-radius:8px;padding:12px;font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums}
    .root[data-theme=dark]{${DARK}}
    .controls,.panels{display:flex;flex-wrap:wrap;align-items:center;gap:8px 14px}
    .panels{margin:12px 0 8px}
    label{display:flex;align-items:center;gap:8px}
    input[type=range]{width:170px;accent-color:var(--winl)}
    button{font:inherit;color:var(--ink);background:var(--cell);border:1px solid var(--mute);border-radius:6px;padding:3px 12px;cursor:pointer}
    button:disabled{opacity:.45;cursor:default}
    :focus-visible{outline:3px solid var(--kerl);outline-offset:2px}
    figure{margin:0;max-width:100%} figcaption{font-weight:650;font-size:14px;margin-bottom:4px}
    svg{display:block;max-width:100%;height:auto}
    svg text{fill:var(--ink);text-anchor:middle;dominant-baseline:central} svg text.w{fill:var(--kerl)}
    rect{fill:var(--cell);stroke:var(--line)} .none{fill:none;stroke-dasharray:3 3} .win{fill:var(--win);stroke:var(--winl)}
    .pro{fill:var(--pro);stroke:var(--prol)} .out{fill:var(--out);stroke:var(--outl);stroke-width:3} .frame{fill:none;stroke:var(--winl);stroke-width:3}
    .op{color:var(--mute);font-size:24px}
    .kernel{display:grid;gap:2px;justify-content:start} .kernel input{width:46px;height:38px;box-sizing:border-box;text-align:center;font:inherit;color:var(--ink);background:var(--ker);border:1px solid var(--kerl);border-radius:3px;appearance:textfield;-moz-appearance:textfield}
    .kernel input::-webkit-inner-spin-button{display:none}
    .sum{font-size:17px;overflow-wrap:anywhere} .sum b{color:var(--outl)} .note{color:var(--mute)} .bad{color:var(--badl);font-weight:650}`;

  const num = v => {  // as explore.py writes numbers
    const a = Math.abs(v);
    const s = a > 0 && a < 0.005 ? String(+v.toPrecision(1)) : String(+v.toFixed(a >= 1e5 ? 0 : 2));
    return (s === '-0' ? '0' : s).replace('-', '−');
  };
  const factor = v => { const s = num(v); return s[0] === '−' ? `(${s})` : s; };
  const span = (a, n, word) => n === 1 ? `${word} ${a}` : `${word}s ${a}–${a + n - 1}`;
  const clamp = (v, lo, hi) => Math.min(hi, Math.max(lo, v));

  class Corr2d extends HTMLElement {
    static observedAttributes = ['x', 'k', 'position'];

    // the output of cross-correlation, no padding, stride 1
    static corr2d(X, K) {
      const H = X.length, W = X[0].length, h = K.length, w = K[0].length;
      if (h > H || w > W) throw new RangeError(`kernel ${h}×${w} is larger than the input ${H}×${W}; use a smaller kernel or a larger input`);
      return Array.from({length: H - h + 1}, (_, i) => Array.from({length: W - w + 1}, (_, j) => {
        let sum = 0;
        for (let a = 0; a < h; a++) for (let b = 0; b < w; b++) sum += X[i + a][j + b] * K[a][b];
        return sum;
      }));
    }

    // one stop of the kernel: where it stands, its products and their sum
    static step(X, K, position) {
      const Y = Corr2d.corr2d(X, K), cols = Y[0].length;
      if (!(position >= 0 && position < Y.length * cols)) throw new RangeError(`position ${position} is outside 0…${Y.length * cols - 1}`);
      const row = Math.floor(position / cols), col = position % cols;
      const products = K.map((line, a) => line.map((k, b) => X[row + a][col + b] * k));
      return {Y, row, col, products, value: Y[row][col]};
    }

    // a matrix from an attribute: rows of equal length, finite numbers
    static matrix(text, fallback) {
      try {
        const M = JSON.parse(text);
        const fine = Array.isArray(M) && M.length && M.every(r => Array.isArray(r) && r.length && r.length === M[0].length && r.every(Number.isFinite));
        return fine ? M : fallback;
      } catch { return fallback; }
    }

    constructor() {
      super();
      const root = this.attachShadow({mode: 'open'});
      root.innerHTML = `<style>${CSS}</style><div class="root" role="group" aria-label="Stepping a kernel over an input">
        <div class="controls"><label>Position <input type="range" min="0" step="1"></label><button type="button" class="back">◀ Back</button><button type="button" class="next">Next ▶</button></div>
        <div class="panels"><figure><figcaption class="tx"></figcaption><div class="x"></div></figure><span class="op" aria-hidden="true">×</span>
          <figure><figcaption class="tk"></figcaption><div class="kernel"></div></figure><span class="op" aria-hidden="true">=</span>
          <figure><figcaption>products</figcaption><div class="p"></div></figure><span class="op" aria-hidden="true">Σ →</span>
          <figure><figcaption class="ty"></figcaption><div class="y"></div></figure></div>
        <div class="sum" aria-live="polite"></div><div class="note"></div></div>`;
      this.$ = q => root.querySelector(q);
      this.theme = () => { const b = document.body, t = b?.dataset.jpThemeLight;
        const dark = t ? t === 'false' : b?.classList.contains('quarto-dark') || (!b?.classList.contains('quarto-light') && matchMedia('(prefers-color-scheme: dark)').matches);
        this.$('.root').dataset.theme = dark ? 'dark' : 'light'; };
      this.$('input[type=range]').addEventListener('input', e => this.go(+e.target.value));
      this.$('.back').addEventListener('click', () => this.go(this.position - 1));
      this.$('.next').addEventListener('click', () => this.go(this.position + 1));
      this.$('.kernel').addEventListener('input', e => {
        const {i, j} = e.target.dataset, v = parseFloat(e.target.value.replace('−', '-'));
        if (Number.isFinite(v)) { this.K[i][j] = v; this.draw(); }
      });
    }

    connectedCallback() {
      this.dataset.lmSuppressShortcuts = 'true';  // in JupyterLab, keys typed here are not the notebook's shortcuts
      this.read(); this.theme();
      this.media = matchMedia('(prefers-color-scheme: dark)'); this.media.addEventListener('change', this.theme);
      this.watch = new MutationObserver(this.theme); this.watch.observe(document.body, {attributes: true, attributeFilter: ['data-jp-theme-light', 'class']});
    }
    disconnectedCallback() { this.watch?.disconnect(); this.media?.removeEventListener('change', this.theme); }
    attributeChangedCallback() { if (this.isConnected) this.read(); }

    read() {
      this.X = Corr2d.matrix(this.getAttribute('x'), [[0, 1, 2], [3, 4, 5], [6, 7, 8]]);
      this.K = Corr2d.matrix(this.getAttribute('k'), [[0, 1], [2, 3]]).map(r => [...r]);
      const w = this.K[0].length, kernel = this.$('.kernel');
      kernel.style.gridTemplateColumns = `repeat(${w}, auto)`;
      kernel.innerHTML = this.K.map((r, i) => r.map((v, j) => `<input type="number" step="any" value="${+v}" data-i="${i}" data-j="${j}" aria-label="kernel, row ${i}, column ${j}">`).join('')).join('');
      this.position = parseInt(this.getAttribute('position')) || 0;
      this.draw();
    }

    go(position) { this.position = position; this.draw(); }

    draw() {
      const {X, K} = this, H = X.length, W = X[0].length, h = K.length, w = K[0].length;
      const grid = (R, C, text, cls = () => '', extra = '', small = () => '') => {
        const c = 40; let cells = '', late = '';
        for (let i = 0; i < R; i++) for (let j = 0; j < C; j++) {
          const t = text(i, j), s = small(i, j), k = cls(i, j), fit = Math.min(17, 1.55 * c / Math.max(1, t.length));
          const one = `<rect class="${k}" x="${j * c + 2}" y="${i * c + 2}" width="${c}" height="${c}"/><text data-at="${i} ${j}" x="${j * c + c / 2 + 2}" y="${i * c + c / 2 + 2 - (s ? 5 : 0)}" font-size="${fit}">${t}</text>`
            + (s ? `<text class="w" x="${j * c + c / 2 + 2}" y="${i * c + c * .8 + 2}" font-size="11">${s}</text>` : '');
          if (k === 'out') late += one; else cells += one;
        }
        return `<svg width="${C * c + 4}" viewBox="0 0 ${C * c + 4} ${R * c + 4}" aria-hidden="true">${cells}${late}${extra}</svg>`;
      };
      this.$('.tx').textContent = `input X ${H}×${W}`; this.$('.tk').textContent = `kernel K ${h}×${w}, yours to edit`;
      const range = this.$('input[type=range]');
      let st;
      try {
        const n = (H - h + 1) * (W - w + 1);
        if (h <= H && w <= W) this.position = clamp(this.position, 0, n - 1);
        st = Corr2d.step(X, K, this.position);
      } catch (e) {
        this.$('.x').innerHTML = grid(H, W, (i, j) => num(X[i][j])); this.$('.p').innerHTML = this.$('.y').innerHTML = ''; this.$('.ty').textContent = 'no output';
        this.$('.sum').innerHTML = `<span class="bad">${e.message}</span>`; this.$('.note').textContent = ''; range.disabled = this.$('.back').disabled = this.$('.next').disabled = true;
        return;
      }
      const {Y, row, col, products, value} = st, oh = Y.length, ow = Y[0].length, n = oh * ow, c = 40;
      const inside = (i, j) => i >= row && i < row + h && j >= col && j < col + w;
      this.$('.x').innerHTML = grid(H, W, (i, j) => num(X[i][j]), (i, j) => inside(i, j) ? 'win' : '', `<rect class="frame" x="${col * c + 2}" y="${row * c + 2}" width="${w * c}" height="${h * c}"/>`, (i, j) => inside(i, j) ? `×${num(K[i - row][j - col])}` : '');
      this.$('.p').innerHTML = grid(h, w, (i, j) => num(products[i][j]), () => 'pro');
      this.$('.y').innerHTML = grid(oh, ow, (i, j) => i * ow + j <= this.position ? num(Y[i][j]) : '', (i, j) => i === row && j === col ? 'out' : i * ow + j < this.position ? '' : 'none');
      this.$('.ty').textContent = `output Y ${oh}×${ow}`;
      this.$('.sum').innerHTML = `<b>Y[${row}, ${col}]</b> = ${K.map((r, a) => r.map((k, b) => `${factor(X[row + a][col + b])}·${factor(k)}`).join(' + ')).join(' + ')} = <b class="value">${num(value)}</b>`;
      this.$('.note').textContent = `Step ${this.position + 1} of ${n}. The window covers ${span(row, h, 'row')} and ${span(col, w, 'column')} of X.`;
      range.disabled = n < 2; range.max = n - 1; range.value = this.position;
      range.setAttribute('aria-valuetext', `step ${this.position + 1} of ${n}, sum ${num(value)}`);
      this.$('.back').disabled = this.position <= 0; this.$('.next').disabled = this.position >= n - 1;
    }
  }
  customElements.define('d2l-corr2d', Corr2d);
})();
