// <d2l-padding-stride size="6" kernel="3" padding="0" stride="1" dilation="1" position="0"></d2l-padding-stride>
// Size, kernel, padding, stride and dilation with the output formula filled in. Needs no kernel, no network and no other file.
(() => {
  if (customElements.get('d2l-padding-stride')) return;

  const LIGHT = '--paper:#fff;--ink:#1e293b;--mute:#5b6678;--line:#cbd5e1;--cell:#f8fafc;--win:#fde68a;--winl:#b45309;--kerl:#1d4ed8;--out:#99f6e4;--outl:#0f766e;--bad:#fee2e2;--badl:#b91c1c;color-scheme:light';
  const DARK = '--paper:#17191e;--ink:#e8eaee;--mute:#a3abb8;--line:#4b5563;--cell:#22262e;--win:#7a4a06;--winl:#fbbf24;--kerl:#93c5fd;--out:#115e57;--outl:#5eead4;--bad:#5f1d1d;--badl:#fca5a5;color-scheme:dark';
  const CSS = `
    :host{display:block;max-width:860px;margin:8px 0}
    .root{${LIGHT};background:var(--paper);color:var(--ink);border-radius:8px;padding:12px;font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums}
    .root[data-theme=dark]{${DARK}}
    .controls{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:4px 18px} .steps{display:flex;flex-wrap:wrap;align-items:center;gap:6px 14px;margin-top:4px}
    .panels{display:flex;flex-wrap:wrap;align-items:center;gap:8px 18px;margin:12px 0 8px}
    label{display:flex;align-items:center;gap:8px} label span{flex:0 0 96px} output{min-width:1.6em;text-align:right;font-weight:650}
    input[type=range]{flex:1 1 90px;min-width:80px;max-width:170px;accent-color:var(--winl)}
    button{font:inherit;color:var(--ink);background:var(--cell);border:1px solid var(--mute);border-radius:6px;padding:3px 12px;cursor:pointer}
    button:disabled{opacity:.45;cursor:default}
    :focus-visible{outline:3px solid var(--kerl);outline-offset:2px}
    figure{margin:0;max-width:100%} figcaption{font-weight:650;font-size:14px;margin-bottom:4px}
    svg{display:block;max-width:100%;height:auto} svg text{fill:var(--ink);text-anchor:middle;dominant-baseline:central}
    rect{fill:var(--cell);stroke:var(--line)} .pad{fill:none;stroke:var(--mute);stroke-dasharray:2 3} .none{fill:none;stroke-dasharray:3 3} .win{fill:var(--win);stroke:var(--winl)} .miss{fill:var(--bad);stroke:var(--badl)}
    .out{fill:var(--out);stroke:var(--outl);stroke-width:3} .frame{fill:none;stroke:var(--winl);stroke-width:3} .edge{fill:none;stroke:var(--mute);stroke-width:2} .over{fill:none;stroke:var(--badl);stroke-width:3}
    .op{color:var(--mute);font-size:24px} .formula{font-size:17px;overflow-wrap:anywhere} .formula .sym{color:var(--mute)} .formula b{color:var(--outl)}
    .note,code{color:var(--mute)} code{font:14px ui-monospace,Menlo,Consolas,monospace} .bad{color:var(--badl);font-weight:650}`;

  const RANGE = {size: [1, 12, 6], kernel: [1, 7, 3], padding: [0, 4, 0], stride: [1, 5, 1], dilation: [1, 3, 1]};
  const LABEL = {size: 'Input size n', kernel: 'Kernel k', padding: 'Padding p', stride: 'Stride s', dilation: 'Dilation d'};
  const minus = v => String(v).replace('-', '−');
  const plural = (n, word) => `${n} ${word}${n === 1 ? '' : 's'}`;
  const clamp = (v, lo, hi) => Math.min(hi, Math.max(lo, v));

  class PaddingStride extends HTMLElement {
    static observedAttributes = [...Object.keys(RANGE), 'position'];

    // output size of one axis, 0 where the kernel does not fit
    static convOut(n, k, s = 1, p = 0, d = 1) {
      const room = n + 2 * p - d * (k - 1) - 1;
      return room < 0 ? 0 : Math.floor(room / s) + 1;
    }

    // null, or a sentence that says what does not fit and which settings would
    static why(n, k, s = 1, p = 0, d = 1) {
      const span = d * (k - 1) + 1, room = n + 2 * p;
      if (span <= room) return null;
      const ways = [`padding ≥ ${Math.floor((span - n + 1) / 2)}`, `kernel ≤ ${Math.floor((room - 1) / d) + 1}`];
      if (d > 1 && k <= room) ways.push(`dilation ≤ ${Math.floor((room - 1) / (k - 1))}`);
      const taps = `A kernel of ${k}` + (d > 1 ? ` with dilation ${d} spans ${d}·(${k} − 1) + 1 = ${span} cells` : ` spans ${span} cells`);
      return `${taps}, but the padded input has only ${n} + 2·${p} = ${room}. What would fit: ${ways.join(', or ')}.`;
    }

    // how many windows read each cell of one padded axis
    static reads(n, k, s = 1, p = 0, d = 1) {
      const reads = Array(n + 2 * p).fill(0);
      for (let i = 0; i < PaddingStride.convOut(n, k, s, p, d); i++) for (let m = 0; m < k; m++) reads[i * s + m * d]++;
      return reads;
    }

    // everything that the picture says about one setting
    static compute(n, k, s = 1, p = 0, d = 1) {
      const out = PaddingStride.convOut(n, k, s, p, d), top = n + 2 * p - d * (k - 1) - 1, reads = PaddingStride.reads(n, k, s, p, d);
      const seen = reads.slice(p, p + n).filter(Boolean).length;
      return {out, span: d * (k - 1) + 1, room: n + 2 * p, top, left: out ? top % s : null, unread: out ? n * n - seen * seen : null, reads, why: PaddingStride.why(n, k, s, p, d)};
    }

    constructor() {
      super();
      const root = this.attachShadow({mode: 'open'});
      root.innerHTML = `<style>${CSS}</style><div class="root" role="group" aria-label="Padding, stride and dilation"><div class="controls">`
        + Object.entries(RANGE).map(([name, [lo, hi]]) => `<label><span>${LABEL[name]}</span><input type="range" name="${name}" min="${lo}" max="${hi}" step="1"><output></output></label>`).join('')
        + `</div><div class="steps"><label><span>Position</span><input type="range" name="position" min="0" step="1"><output></output></label><button type="button" class="back">◀ Back</button><button type="button" class="next">Next ▶</button></div>
        <div class="panels"><figure><figcaption class="tx"></figcaption><div class="x"></div></figure><span class="op" aria-hidden="true">→</span><figure><figcaption class="ty"></figcaption><div class="y"></div></figure></div>
        <div class="formula"><div class="sym">output = ⌊(n + 2p − d·(k − 1) − 1) / s⌋ + 1</div><div class="filled" aria-live="polite"></div></div><div class="note"></div><code></code></div>`;
      this.$ = q => root.querySelector(q);
      this.theme = () => { const b = document.body, t = b?.dataset.jpThemeLight;
        const dark = t ? t === 'false' : b?.classList.contains('quarto-dark') || (!b?.classList.contains('quarto-light') && matchMedia('(prefers-color-scheme: dark)').matches);
        this.$('.root').dataset.theme = dark ? 'dark' : 'light'; };
      root.addEventListener('input', e => { this.v[e.target.name] = +e.target.value; this.draw(); });
      this.$('.back').addEventListener('click', () => { this.v.position--; this.draw(); });
      this.$('.next').addEventListener('click', () => { this.v.position++; this.draw(); });
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
      this.v = {position: parseInt(this.getAttribute('position')) || 0};
      for (const [name, [lo, hi, usual]] of Object.entries(RANGE)) {
        const given = parseInt(this.getAttribute(name));
        this.v[name] = Number.isFinite(given) ? clamp(given, lo, hi) : usual;
      }
      this.draw();
    }

    draw() {
      const {size: n, kernel: k, padding: p, stride: s, dilation: d} = this.v, {out, span, room, top, left, unread, reads, why} = PaddingStride.compute(n, k, s, p, d);
      const steps = Math.max(1, out * out), side = Math.max(room, span), c = Math.min(44, Math.floor(324 / side));
      this.v.position = clamp(this.v.position, 0, steps - 1);
      const r = out ? Math.floor(this.v.position / out) : 0, q = out ? this.v.position % out : 0;
      const grid = (R, cls, text, extra = '') => {
        let cells = '', late = '';
        for (let i = 0; i < R; i++) for (let j = 0; j < R; j++) {
          const name = cls(i, j), t = text(i, j);
          const one = `<rect class="${name}" x="${j * c + 2}" y="${i * c + 2}" width="${c}" height="${c}"/>` + (t === '' ? '' : `<text data-at="${i} ${j}" x="${j * c + c / 2 + 2}" y="${i * c + c / 2 + 2}" font-size="${Math.max(9, Math.min(c * .44, 1.55 * c / t.length))}">${t}</text>`);
          if (name === 'out') late += one; else cells += one;
        }
        return `<svg width="${R * c + 4}" viewBox="0 0 ${R * c + 4} ${R * c + 4}" aria-hidden="true">${cells}${late}${extra}</svg>`;
      };
      const frame = (cls, i, j, a) => `<rect class="${cls}" x="${j * c + 2}" y="${i * c + 2}" width="${a * c}" height="${a * c}"/>`;
      const pixel = (i, j) => i >= p && i < p + n && j >= p && j < p + n;
      const tap = (i, j) => { const a = i - r * s, b = j - q * s; return a >= 0 && b >= 0 && a < span && b < span && a % d === 0 && b % d === 0; };
      this.$('.tx').textContent = `input ${n}×${n}` + (p ? `, padded to ${room}×${room}` : '');
      const filled = `= ⌊(${n} + 2·${p} − ${d}·(${k} − 1) − 1) / ${s}⌋ + 1 = ⌊${minus(top)} / ${s}⌋ + 1`;
      if (why) {
        this.$('.x').innerHTML = grid(side, (i, j) => tap(i, j) ? 'miss' : pixel(i, j) ? '' : i < room && j < room ? 'pad' : 'none', () => '', frame('over', 0, 0, span));
        this.$('.ty').textContent = 'no output'; this.$('.y').innerHTML = '';
        this.$('.filled').innerHTML = `${filled} <span class="bad">impossible</span>`;
        this.$('.note').innerHTML = `<span class="bad">${why}</span>`;
      } else {
        this.$('.x').innerHTML = grid(room, (i, j) => tap(i, j) ? 'win' : pixel(i, j) ? (reads[i] * reads[j] ? '' : 'miss') : 'pad', (i, j) => pixel(i, j) ? String(reads[i] * reads[j]) : '', frame('edge', p, p, n) + frame('frame', r * s, q * s, span));
        this.$('.ty').textContent = `output ${out}×${out}`;
        this.$('.y').innerHTML = grid(out, (i, j) => i === r && j === q ? 'out' : '', () => '');
        this.$('.filled').innerHTML = `${filled} = ${Math.floor(top / s)} + 1 = <b class="value">${out}</b>`;
        const notes = ['A number counts the windows that read that pixel.'];
        if (unread) notes.push(`${plural(unread, 'pixel')} never read (red).`);
        if (left) notes.push(`Stride ${s} leaves ${plural(left, 'row')} and ${plural(left, 'column')} of the padded input over at the end.`);
        if (out === n) notes.push('Output and input have the same size.');
        this.$('.note').textContent = notes.join(' ');
      }
      this.$('code').textContent = `nn.Conv2d(1, 1, kernel_size=${k}` + [['padding', p, 0], ['stride', s, 1], ['dilation', d, 1]].filter(([, v, usual]) => v !== usual).map(([name, v]) => `, ${name}=${v}`).join('') + ')';
      for (const name of [...Object.keys(RANGE), 'position']) {
        const input = this.$(`input[name=${name}]`);
        if (name === 'position') { input.max = steps - 1; input.disabled = steps < 2; }
        input.value = this.v[name]; input.nextElementSibling.textContent = this.v[name];
      }
      this.$('.back').disabled = this.v.position <= 0; this.$('.next').disabled = this.v.position >= steps - 1;
    }
  }
  customElements.define('d2l-padding-stride', PaddingStride);
})();
