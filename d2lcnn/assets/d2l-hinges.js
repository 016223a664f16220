// <d2l-hinges curve="a wave" units="4"></d2l-hinges>
// A hidden layer of ReLUs draws a broken line. Needs no kernel, no network and no other file.
(() => {
  if (customElements.get('d2l-hinges')) return;
  const LIGHT = '--paper:#fff;--ink:#1e293b;--mute:#5b6678;--line:#cbd5e1;--cell:#f8fafc;--win:#fde68a;--winl:#b45309;--kerl:#1d4ed8;--outl:#0f766e;color-scheme:light';
  const DARK = '--paper:#17191e;--ink:#e8eaee;--mute:#a3abb8;--line:#4b5563;--cell:#22262e;--win:#7a4a06;--winl:#fbbf24;--kerl:#93c5fd;--outl:#5eead4;color-scheme:dark';
  const CSS = `
    :host{display:block;max-width:640px;margin:8px 0}
    .root{${LIGHT};background:var(--paper);color:var(--ink);border-radius:8px;padding:12px;font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums}
    .root[data-theme=dark]{${DARK}}
    .controls{display:flex;flex-wrap:wrap;gap:6px 20px;margin-bottom:8px} label{display:flex;align-items:center;gap:8px} output{min-width:1.6em;font-weight:650}
    input[type=range]{width:170px;accent-color:var(--winl)} select{font:inherit;color:var(--ink);background:var(--cell);border:1px solid var(--mute);border-radius:6px;padding:3px 8px}
    :focus-visible{outline:3px solid var(--outl);outline-offset:2px}
    svg{display:block;width:100%;height:auto} text{fill:var(--mute);font-size:13px;text-anchor:middle;dominant-baseline:central} .none{fill:none;stroke:var(--line)}
    polyline{fill:none;stroke-width:3} .want{stroke:var(--kerl)} .got{stroke:var(--winl)} circle{fill:var(--win);stroke:var(--winl);stroke-width:1.5}
    .say{font-weight:650;color:var(--winl);margin-top:6px} .sum{font-size:14px;overflow-wrap:anywhere} .key{font-size:14px} .key b:first-child{color:var(--kerl)} .key b{color:var(--winl)}`;
  const LOW = -3, HIGH = 3, MOST = 24, GRID = 241, W = 480, H = 240, TOP = 1.6;
  const num = v => { const a = Math.abs(v), t = a > 0 && a < .005 ? String(+v.toPrecision(1)) : String(+v.toFixed(2)); return (t === '-0' ? '0' : t).replace('-', '−'); };
  const CURVES = {'a wave': x => Math.sin(1.5 * x), 'a hill': x => 2 * Math.exp(-x * x) - 1, 'straight pieces': x => Math.abs(x) < 1.5 ? Math.abs(x) - 1 : 2 - Math.abs(x)};

  class Hinges extends HTMLElement {
    // places of the bends, weights of the second layer, its bias
    static fit(curve, n) {
      const f = CURVES[curve], ends = Array.from({length: n + 1}, (_, i) => LOW + (HIGH - LOW) * i / n), slopes = ends.slice(1).map((b, i) => (f(b) - f(ends[i])) * n / (HIGH - LOW));
      return [ends.slice(0, -1), slopes.map((s, i) => s - (i ? slopes[i - 1] : 0)), f(LOW)];
    }
    static value([places, weights, bias], x) { return places.reduce((sum, k, i) => sum + weights[i] * Math.max(0, x - k), bias); }
    static worst(curve, n) {
      const net = Hinges.fit(curve, n); let most = 0;
      for (let i = 0; i < GRID; i++) { const x = LOW + (HIGH - LOW) * i / (GRID - 1); most = Math.max(most, Math.abs(Hinges.value(net, x) - CURVES[curve](x))); }
      return +most.toFixed(9);
    }

    constructor() {
      super();
      const root = this.attachShadow({mode: 'open'});
      root.innerHTML = `<style>${CSS}</style><div class="root" role="group" aria-label="Curves made of ReLUs"><div class="controls"><label>Curve <select>${Object.keys(CURVES).map(c => `<option>${c}</option>`).join('')}</select></label><label>Hidden units <input type="range" min="1" max="${MOST}" step="1"><output></output></label></div>
        <svg viewBox="0 0 ${W + 44} ${H + 32}" role="img"></svg><div class="key"><b>Blue:</b> the curve. <b>Orange:</b> the network, a dot at each bend.</div><div class="say" aria-live="polite"></div><div class="sum"></div></div>`;
      this.$ = q => root.querySelector(q);
      this.theme = () => { const b = document.body, t = b?.dataset.jpThemeLight;
        const dark = t ? t === 'false' : b?.classList.contains('quarto-dark') || (!b?.classList.contains('quarto-light') && matchMedia('(prefers-color-scheme: dark)').matches);
        this.$('.root').dataset.theme = dark ? 'dark' : 'light'; };
      root.addEventListener('input', () => { this.curve = this.$('select').value; this.units = +this.$('input').value; this.draw(); });
    }
    connectedCallback() {
      this.dataset.lmSuppressShortcuts = 'true';  // in JupyterLab, keys typed here are not the notebook's shortcuts
      if (!this.curve) {
        const n = parseInt(this.getAttribute('units')), c = this.getAttribute('curve');
        this.curve = CURVES[c] ? c : 'a wave'; this.units = Number.isFinite(n) ? Math.min(MOST, Math.max(1, n)) : 4; this.draw();
      }
      this.theme(); this.media = matchMedia('(prefers-color-scheme: dark)'); this.media.addEventListener('change', this.theme);
      this.watch = new MutationObserver(this.theme); this.watch.observe(document.body, {attributes: true, attributeFilter: ['data-jp-theme-light', 'class']});
    }
    disconnectedCallback() { this.watch?.disconnect(); this.media?.removeEventListener('change', this.theme); }

    draw() {
      const n = this.units, net = Hinges.fit(this.curve, n), [places, weights, bias] = net, f = CURVES[this.curve];
      const at = (x, y) => [36 + W * (x - LOW) / (HIGH - LOW), 4 + H * (TOP - y) / (2 * TOP)].map(v => v.toFixed(1)).join(',');
      const want = Array.from({length: GRID}, (_, i) => LOW + (HIGH - LOW) * i / (GRID - 1)).map(x => at(x, f(x))).join(' '), met = [...places, HIGH].map(x => at(x, Hinges.value(net, x)));
      const marks = [-3, -2, -1, 0, 1, 2, 3].map(v => `<text x="${at(v, 0).split(',')[0]}" y="${H + 18}">${num(v)}</text>`).join('') + [-1, 0, 1].map(v => `<text x="18" y="${at(0, v).split(',')[1]}">${num(v)}</text>`).join('');
      const said = `${n} hidden unit${n > 1 ? 's' : ''}: the line is off by ${num(Hinges.worst(this.curve, n))} at most`;
      this.$('svg').innerHTML = `<rect class="none" x="36" y="4" width="${W}" height="${H}"/>${marks}<polyline class="want" points="${want}"/><polyline class="got" points="${met.join(' ')}"/>${met.slice(0, -1).map(p => { const [x, y] = p.split(','); return `<circle cx="${x}" cy="${y}" r="5"/>`; }).join('')}`;
      this.$('svg').setAttribute('aria-label', `${this.curve}, ${said}`); this.$('.say').textContent = said;
      const round = v => +v.toFixed(9), term = (k, i) => ` ${round(weights[i]) < 0 ? '−' : '+'} ${num(Math.abs(round(weights[i])))}·relu(x ${round(k) <= 0 ? '+' : '−'} ${num(Math.abs(round(k)))})`;
      this.$('.sum').textContent = `y = ${num(bias)}${places.slice(0, 3).map(term).join('')}${n > 3 ? ' + …' : ''}`;
      this.$('select').value = this.curve; this.$('input').value = n; this.$('output').textContent = n;
    }
  }
  customElements.define('d2l-hinges', Hinges);
})();
