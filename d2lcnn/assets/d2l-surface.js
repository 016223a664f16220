// <d2l-surface surface="ravine" first="gradient_descent" lr-first="0.95" second="momentum" lr-second="0.2" steps="40"></d2l-surface>
// Two rules on one surface; click where to begin. Needs no kernel, no network and no other file.
(() => {
  if (customElements.get('d2l-surface')) return;
  const LIGHT = '--paper:#fff;--ink:#1e293b;--mute:#5b6678;--line:#cbd5e1;--cell:#f8fafc;--ker:#bfdbfe;--kerl:#1d4ed8;--win:#fde68a;--winl:#b45309;--out:#99f6e4;--outl:#0f766e;color-scheme:light';
  const DARK = '--paper:#17191e;--ink:#e8eaee;--mute:#a3abb8;--line:#4b5563;--cell:#22262e;--ker:#1e3a8a;--kerl:#93c5fd;--win:#7a4a06;--winl:#fbbf24;--out:#115e57;--outl:#5eead4;color-scheme:dark';
  const CSS = `
    :host{display:block;max-width:680px;margin:8px 0}
    .root{${LIGHT};background:var(--paper);color:var(--ink);border-radius:8px;padding:12px;font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums}
    .root[data-theme=dark]{${DARK}}
    .line{display:flex;flex-wrap:wrap;align-items:center;gap:4px 18px;margin-bottom:6px} label{display:flex;align-items:center;gap:8px} output{min-width:3em;font-weight:650}
    input[type=range]{width:120px;accent-color:var(--outl)} input[type=number]{width:72px} select,button,input[type=number]{font:inherit;color:var(--ink);background:var(--cell);border:1px solid var(--mute);border-radius:6px;padding:3px 8px} button{cursor:pointer}
    .first b{color:var(--kerl)} .second b{color:var(--winl)} .first input{accent-color:var(--kerl)} .second input{accent-color:var(--winl)} label b{min-width:4em} .first select,.second select{width:12.5em}
    :focus-visible{outline:3px solid var(--outl);outline-offset:2px}
    svg{display:block;width:100%;height:auto} .map{cursor:crosshair} text{fill:var(--mute);font-size:13px;text-anchor:middle;dominant-baseline:central} .none{fill:var(--cell);stroke:var(--line)}
    path{fill:none;stroke:var(--mute);stroke-width:1;opacity:.6} polyline{fill:none;stroke-width:2.5} polyline.first{stroke:var(--kerl)} polyline.second{stroke:var(--winl)} circle.first{fill:var(--ker);stroke:var(--kerl)} circle.second{fill:var(--win);stroke:var(--winl)} circle.start{fill:var(--out);stroke:var(--outl);stroke-width:2}
    .say{font-weight:650;min-height:1.45em} .say.first{color:var(--kerl)} .say.second{color:var(--winl)} .how{color:var(--mute);font-size:14px}`;
  const SURFACES = {
    bowl: {height: (x, y) => (x * x + y * y) / 2, grad: (x, y) => [x, y], x: [-4, 4], y: [-2.5, 2.5], start: [-3, 1.5], levels: [.1, .5, 1.2, 2.2, 3.5, 5, 7]},
    ravine: {height: (x, y) => x * x / 100 + y * y, grad: (x, y) => [x / 50, 2 * y], x: [-9, 5], y: [-2, 2], start: [-8, 1.5], levels: [.02, .1, .3, .7, 1.3, 2.2, 3.5]},
    saddle: {height: (x, y) => x * x / 2 - y * y / 2 + y ** 4 / 8, grad: (x, y) => [x, -y + y ** 3 / 2], x: [-2.5, 2.5], y: [-2.5, 2.5], start: [2, .001], levels: [-.4, -.2, 0, .4, 1, 2]},
    'bent valley': {height: (x, y) => (1 - x) ** 2 / 4 + (y - x * x) ** 2, grad: (x, y) => [-(1 - x) / 2 - 4 * x * (y - x * x), 2 * (y - x * x)], x: [-2, 2], y: [-1, 3], start: [-1.5, 1.5], levels: [.1, .4, 1, 2, 4, 7]},
  };
  const RATES = [.001, .003, .01, .03, .1, .2, .4, .7, .95, 1.05, 3], NO = 'nothing', MOST = 200, W = 500, H = 300, N = 48, M = 32;
  // the rules of chapter f5, for one number: (w, g, its memory, rate) → the new number
  const adam = (w, g, s, lr) => {
    s.t = (s.t || 0) + 1; s.m = .9 * (s.m || 0) + .1 * g; s.s = .999 * (s.s || 0) + .001 * g * g;
    return w - lr * (s.m / (1 - .9 ** s.t)) / (Math.sqrt(s.s / (1 - .999 ** s.t)) + 1e-8);
  };
  const RULES = {
    gradient_descent: (w, g, s, lr) => w - lr * g,
    momentum: (w, g, s, lr) => { s.v = .9 * (s.v || 0) + g; return w - lr * s.v; },
    adagrad: (w, g, s, lr) => { s.s = (s.s || 0) + g * g; return w - lr * g / (Math.sqrt(s.s) + 1e-10); },
    rmsprop: (w, g, s, lr) => { s.s = .99 * (s.s || 0) + .01 * g * g; return w - lr * g / (Math.sqrt(s.s) + 1e-8); },
    adam,
    adamw: (w, g, s, lr) => adam(w - lr * .01 * w, g, s, lr),
  };
  const num = v => { const a = Math.abs(v), t = a > 0 && a < .005 ? v.toExponential(0).replace(/e-(\d)$/, 'e-0$1') : String(+v.toFixed(a >= 1e5 ? 0 : 2)); return (a >= .0001 && a < .005 ? String(+v.toPrecision(1)) : t === '-0' ? '0' : t).replace(/-/g, '−'); };
  const near = (list, v) => list.reduce((a, b) => Math.abs(Math.log(b / v)) < Math.abs(Math.log(a / v)) ? b : a);

  class Walks extends HTMLElement {
    static height(surface, x, y) { return SURFACES[surface].height(x, y); }
    // the points, up to the first that is no longer a number of common size
    static walk(surface, rule, lr, steps, start) {
      const {grad} = SURFACES[surface], memory = [{}, {}], path = [];
      let p = [...start];
      for (let i = 0; i <= steps; i++) {
        if (!p.every(v => Number.isFinite(v) && Math.abs(v) < 1e9)) break;
        path.push(p); const g = grad(...p); p = p.map((w, j) => RULES[rule](w, g[j], memory[j], lr));
      }
      return path;
    }
    static said(surface, rule, lr, steps, path) {
      const s = n => `${n} step${n === 1 ? '' : 's'}`;
      if (path.length <= steps) return `${rule}, rate ${num(lr)}: too far away to go on after ${s(path.length - 1)}`;
      const [x, y] = path.at(-1); return `${rule}, rate ${num(lr)}: height ${num(SURFACES[surface].height(x, y))} at (${num(x)}, ${num(y)}) after ${s(steps)}`;
    }

    constructor() {
      super();
      const root = this.attachShadow({mode: 'open'}), list = names => names.map(n => `<option>${n}</option>`).join('');
      const rule = (k, name, more) => `<div class="line ${k}"><label><b>${name}</b><select name="${k}" aria-label="${name} rule">${list([...Object.keys(RULES), ...more])}</select></label><label>Rate <input type="range" name="lr_${k}" aria-label="${name} rate" min="0" max="${RATES.length - 1}" step="1"><output></output></label></div>`;
      root.innerHTML = `<style>${CSS}</style><div class="root" role="group" aria-label="Descending a surface"><div class="line"><label>Surface <select name="surface">${list(Object.keys(SURFACES))}</select></label><label>Steps <input type="range" name="steps" min="0" max="${MOST}" step="1"><output></output></label><button type="button">▶ Walk</button></div>
        ${rule('first', 'Blue', [])}${rule('second', 'Orange', [NO])}
        <svg class="map" viewBox="0 0 ${W + 38} ${H + 28}" role="img"></svg><div class="say first" aria-live="polite"></div><div class="say second" aria-live="polite"></div>
        <div class="line how"><span>Click on the surface, or type, where to begin:</span><label>x <input type="number" name="x" step="any"></label><label>y <input type="number" name="y" step="any"></label></div></div>`;
      this.$ = q => root.querySelector(q);
      this.theme = () => { const b = document.body, t = b?.dataset.jpThemeLight;
        const dark = t ? t === 'false' : b?.classList.contains('quarto-dark') || (!b?.classList.contains('quarto-light') && matchMedia('(prefers-color-scheme: dark)').matches);
        this.$('.root').dataset.theme = dark ? 'dark' : 'light'; };
      root.addEventListener('input', e => this.set(e.target.name, e.target.value));
      this.$('svg').addEventListener('click', e => {
        const b = this.$('svg').getBoundingClientRect(), s = SURFACES[this.v.surface], px = (e.clientX - b.left) * (W + 38) / b.width - 34, py = (e.clientY - b.top) * (H + 28) / b.height - 4;
        if (px < 0 || px > W || py < 0 || py > H) return;
        this.start = [s.x[0] + (s.x[1] - s.x[0]) * px / W, s.y[1] - (s.y[1] - s.y[0]) * py / H].map(v => +v.toFixed(3)); this.draw();
      });
      this.$('button').addEventListener('click', () => this.timer ? this.halt() : this.play());
    }
    connectedCallback() {
      this.dataset.lmSuppressShortcuts = 'true';  // in JupyterLab, keys typed here are not the notebook's shortcuts
      if (!this.v) {
        const get = (n, ok, usual) => ok(this.getAttribute(n)) ? this.getAttribute(n) : usual, rate = (n, usual) => { const v = parseFloat(this.getAttribute(n)); return near(RATES, v > 0 ? v : usual); }, n = parseInt(this.getAttribute('steps'));
        this.v = {surface: get('surface', a => SURFACES[a], 'ravine'), first: get('first', a => RULES[a], 'gradient_descent'), second: get('second', a => RULES[a] || a === NO, 'momentum'), lr_first: rate('lr-first', .95), lr_second: rate('lr-second', .2), steps: Number.isFinite(n) ? Math.min(MOST, Math.max(0, n)) : 40};
        this.start = [...SURFACES[this.v.surface].start]; this.draw();
      }
      this.theme(); this.media = matchMedia('(prefers-color-scheme: dark)'); this.media.addEventListener('change', this.theme);
      this.watch = new MutationObserver(this.theme); this.watch.observe(document.body, {attributes: true, attributeFilter: ['data-jp-theme-light', 'class']});
    }
    disconnectedCallback() { this.halt(); this.watch?.disconnect(); this.media?.removeEventListener('change', this.theme); }

    set(name, value) {
      if (name === 'x' || name === 'y') { if (value !== '' && Number.isFinite(+value)) this.start[name === 'x' ? 0 : 1] = +value; }
      else this.v[name] = name.startsWith('lr') ? RATES[+value] : name === 'steps' ? +value : value;
      if (name === 'surface') this.start = [...SURFACES[value].start];
      if (name === 'steps') this.halt();
      this.draw(name);
    }
    play() {
      const last = this.v.steps || 40; this.v.steps = 0; this.$('button').textContent = '■ Halt';
      this.timer = setInterval(() => { this.v.steps++; this.draw(); if (this.v.steps >= last) this.halt(); }, 50);
    }
    halt() { clearInterval(this.timer); this.timer = null; this.$('button').textContent = '▶ Walk'; }

    // contour lines: each cell is two triangles, and a level between their corners crosses two sides
    lines(s, at) {
      if (this.drawn === s) return this.contours;
      const X = Array.from({length: N + 1}, (_, i) => s.x[0] + (s.x[1] - s.x[0]) * i / N), Y = Array.from({length: M + 1}, (_, j) => s.y[0] + (s.y[1] - s.y[0]) * j / M), Z = X.map(x => Y.map(y => [x, y, s.height(x, y)])); let d = '';
      for (let i = 0; i < N; i++) for (let j = 0; j < M; j++) for (const c of [Z[i + 1][j], Z[i][j + 1]]) for (const level of s.levels) {
        const tri = [Z[i][j], Z[i + 1][j + 1], c], ends = [];
        tri.forEach(([x0, y0, z0], k) => { const [x1, y1, z1] = tri[(k + 1) % 3]; if ((z0 < level) !== (z1 < level)) { const t = (level - z0) / (z1 - z0); ends.push(at(x0 + t * (x1 - x0), y0 + t * (y1 - y0))); } });
        if (ends.length) d += `M${ends[0].map(v => v.toFixed(0)).join(' ')}L${ends[1].map(v => v.toFixed(0)).join(' ')}`;
      }
      this.drawn = s; this.contours = `<path d="${d}"/>`;
      return this.contours;
    }
    draw(typing) {
      const {surface, steps} = this.v, s = SURFACES[surface], far = v => Math.max(-4000, Math.min(4000, v)), at = (x, y) => [far(W * (x - s.x[0]) / (s.x[1] - s.x[0])), far(H * (s.y[1] - y) / (s.y[1] - s.y[0]))];
      let inside = this.lines(s, at), label = [];
      for (const k of ['first', 'second']) {
        const rule = this.v[k], say = this.$(`.say.${k}`); say.textContent = '';
        this.$(`input[name=lr_${k}]`).disabled = rule === NO;
        if (rule === NO) continue;
        const lr = this.v[`lr_${k}`], path = Walks.walk(surface, rule, lr, steps, this.start), px = path.map(p => at(...p).map(v => v.toFixed(1)));
        inside += `<polyline class="${k}" points="${px.map(p => p.join(',')).join(' ')}"/>` + px.map(([x, y]) => `<circle class="${k}" cx="${x}" cy="${y}" r="2.5"/>`).join('');
        say.textContent = Walks.said(surface, rule, lr, steps, path); label.push(say.textContent);
      }
      const [x0, y0] = at(...this.start), mark = (x, y, v) => `<text x="${x.toFixed(1)}" y="${Math.max(10, y).toFixed(1)}">${num(v)}</text>`, whole = ([a, b]) => [Math.ceil(a), 0, Math.floor(b)];
      this.$('svg').innerHTML = `<rect class="none" x="34" y="4" width="${W}" height="${H}"/><svg aria-hidden="true" x="34" y="4" width="${W}" height="${H}">${inside}<circle class="start" cx="${x0}" cy="${y0}" r="6"/></svg>` + whole(s.x).map(v => mark(34 + at(v, 0)[0], H + 18, v)).join('') + whole(s.y).map(v => mark(16, 4 + at(0, v)[1], v)).join('');
      this.$('svg').setAttribute('aria-label', `${surface}: ${label.join('; ')}`);
      for (const n of ['surface', 'first', 'second']) this.$(`select[name=${n}]`).value = this.v[n];
      for (const [n, value, text] of [['steps', steps, steps], ...['first', 'second'].map(k => [`lr_${k}`, RATES.indexOf(this.v[`lr_${k}`]), num(this.v[`lr_${k}`])])]) { const i = this.$(`input[name=${n}]`); i.value = value; i.nextElementSibling.textContent = text; }
      ['x', 'y'].forEach((n, i) => { if (typing !== n) this.$(`input[name=${n}]`).value = this.start[i]; });
    }
  }
  customElements.define('d2l-surface', Walks);
})();
