// <d2l-receptive-field layers="conv3 conv3/2 pool2"></d2l-receptive-field>: write a stack of layers and see how far one cell sees.
// Needs no kernel, no network and no other file.
(() => {
  if (customElements.get('d2l-receptive-field')) return;
  const LIGHT = '--paper:#fff;--ink:#1e293b;--mute:#5b6678;--line:#cbd5e1;--cell:#f8fafc;--win:#fde68a;--winl:#b45309;--ker:#bfdbfe;--kerl:#1d4ed8;--pro:#e9d5ff;--prol:#7e22ce;--out:#99f6e4;--outl:#0f766e;--badl:#b91c1c;color-scheme:light';
  const DARK = '--paper:#17191e;--ink:#e8eaee;--mute:#a3abb8;--line:#4b5563;--cell:#22262e;--win:#7a4a06;--winl:#fbbf24;--ker:#1e3a8a;--kerl:#93c5fd;--pro:#581c87;--prol:#d8b4fe;--out:#115e57;--outl:#5eead4;--badl:#fca5a5;color-scheme:dark';
  const CSS = `
    :host{display:block;max-width:860px;margin:8px 0}
    .root{${LIGHT};background:var(--paper);color:var(--ink);border-radius:8px;padding:12px;font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums}
    .root[data-theme=dark]{${DARK}} label{display:flex;flex-wrap:wrap;gap:4px 8px;align-items:center} input{font:15px ui-monospace,Menlo,Consolas,monospace;flex:1 1 240px;min-width:0;color:var(--ink);background:var(--cell);border:1px solid var(--mute);border-radius:6px;padding:3px 8px} :focus-visible{outline:3px solid var(--kerl);outline-offset:2px}
    small,.note{color:var(--mute)} svg{display:block;width:100%;height:auto;margin-top:10px} text{fill:var(--ink);font-size:14px} .b{font-weight:650} .to{fill:var(--outl)} .mute{fill:var(--mute)}
    rect{stroke-width:1} .win{fill:var(--win);stroke:var(--winl)} .ker{fill:var(--ker);stroke:var(--kerl)} .pro{fill:var(--pro);stroke:var(--prol)} .out{fill:var(--out);stroke:var(--outl)} .beam{fill:var(--mute);opacity:.16}
    .say{font-weight:650;min-height:1.5em} .say.bad{color:var(--badl)} table{border-collapse:collapse;margin-top:8px;font-size:14px} th,td{text-align:left;padding:2px 14px 2px 0} td:not(:first-child){white-space:nowrap}`;

  class Field extends HTMLElement {
    // layers from 'conv3 conv5/2 conv3*2 pool2': kernel, /stride, *dilation; a pool's stride is its window unless given
    static parse(text) {
      const words = text.trim().toLowerCase().split(/[\s,;→>]+/).filter(Boolean);
      if (!words.length) throw new RangeError('There is no layer yet. Write some, such as: conv3 pool2 conv3');
      if (words.length > 16) throw new RangeError(`${words.length} layers are more than the picture has room for; write at most 16.`);
      return words.map((word, i) => {
        const m = word.match(/^(conv|pool)(\d+)(?:\/(\d+))?(?:\*(\d+))?$/);
        if (!m) throw new RangeError(`Layer ${i + 1}, "${word}", is not understood. Write conv or pool and the size of the window, then /stride and *dilation, such as conv3, conv5/2, conv3*2, pool2.`);
        const kernel = +m[2], stride = m[3] ? +m[3] : m[1] === 'pool' ? kernel : 1, dilation = m[4] ? +m[4] : 1;
        for (const [name, v, hi] of [['window', kernel, 31], ['stride', stride, 16], ['dilation', dilation, 16]]) if (v < 1 || v > hi) throw new RangeError(`Layer ${i + 1}, "${word}": the ${name} is ${v}; it must lie between 1 and ${hi}.`);
        return {text: word, kind: m[1], kernel, stride, dilation};
      });
    }
    // (field, jump) after each layer, the input first
    static fields(layers) { return layers.reduce((a, l) => { const [r, j] = a.at(-1); return [...a, [r + (l.kernel - 1) * l.dilation * j, j * l.stride]]; }, [[1, 1]]); }
    // the cells of each stage that the one at the top reads; the input last
    static cone(layers) {
      return [...layers].reverse().reduce((a, l) => { const s = new Set(); for (const u of a.at(-1)) for (let m = 0; m < l.kernel; m++) s.add(u * l.stride + m * l.dilation); return [...a, [...s].sort((x, y) => x - y)]; }, [[0]]);
    }
    constructor() {
      super();
      const root = this.attachShadow({mode: 'open'});
      root.innerHTML = `<style>${CSS}</style><div class="root" role="group" aria-label="Receptive field"><label>Layers <input type="text" spellcheck="false" autocomplete="off"></label><small>conv3 &nbsp; conv5/2 stride &nbsp; conv3*2 dilation &nbsp; pool2</small><div class="picture"></div><div class="say" role="status"></div><table></table></div>`;
      this.$ = q => root.querySelector(q);
      this.theme = () => { const b = document.body, t = b?.dataset.jpThemeLight;
        const dark = t ? t === 'false' : b?.classList.contains('quarto-dark') || (!b?.classList.contains('quarto-light') && matchMedia('(prefers-color-scheme: dark)').matches);
        this.$('.root').dataset.theme = dark ? 'dark' : 'light'; };
      this.$('input').addEventListener('input', () => this.draw());
    }
    connectedCallback() {
      this.dataset.lmSuppressShortcuts = 'true';  // in JupyterLab, keys typed here are not the notebook's shortcuts
      if (!this.$('input').value) { this.$('input').value = this.getAttribute('layers') || 'conv3 conv3 pool2 conv3'; this.draw(); }
      this.theme(); this.media = matchMedia('(prefers-color-scheme: dark)'); this.media.addEventListener('change', this.theme);
      this.watch = new MutationObserver(this.theme); this.watch.observe(document.body, {attributes: true, attributeFilter: ['data-jp-theme-light', 'class']});
    }
    disconnectedCallback() { this.watch?.disconnect(); this.media?.removeEventListener('change', this.theme); }
    draw() {
      const say = this.$('.say'); let layers;
      try { layers = Field.parse(this.$('input').value); } catch (e) { say.textContent = e.message; say.classList.add('bad'); return; }
      say.classList.remove('bad');
      const fields = Field.fields(layers), cone = Field.cone(layers).reverse(), n = layers.length, rf = fields.at(-1)[0], left = 78, W = 600, step = n <= 8 ? 46 : 32, high = 20, unit = Math.min(24, (W - left - 6) / rf), x0 = left + (W - left - 6 - rf * unit) / 2;
      let parts = '', below = null, centre = .5;
      fields.forEach(([r, j], stage) => {
        const y = (n - stage) * step, l = layers[stage - 1];
        if (l) centre += (l.kernel - 1) * l.dilation * fields[stage - 1][1] / 2;
        const kind = stage === n ? 'out' : !l ? 'win' : l.kind === 'pool' ? 'pro' : 'ker', at = u => x0 + (centre + u * j - j / 2) * unit, cells = cone[stage], width = j * unit, lo = Math.max(x0, at(cells[0])), hi = Math.min(x0 + rf * unit, at(cells.at(-1)) + width);
        if (below) parts += `<path class="beam" d="M${lo.toFixed(1)} ${y + high}H${hi.toFixed(1)}L${below[1].toFixed(1)} ${y + step}H${below[0].toFixed(1)}Z"/>`;
        below = [lo, hi];
        if (cells.length > 130 || width < 2.5 && cells.length > 40) parts += `<rect class="${kind}" x="${lo.toFixed(1)}" y="${y}" width="${(hi - lo).toFixed(1)}" height="${high}"/>`;
        else for (const u of cells) { const w = Math.max(2, Math.min(width - 1, 60)); parts += `<rect class="${kind}" data-stage="${stage}" x="${(at(u) + (width - w) / 2).toFixed(1)}" y="${y}" width="${w.toFixed(1)}" height="${high}" rx="2"/>`; }
        parts += `<text class="b" x="0" y="${y + 15}">${l ? l.text : 'input'}</text>`;
      });
      this.$('.picture').innerHTML = `<svg viewBox="0 0 ${W} ${n * step + high + 2}" aria-hidden="true">${parts}</svg>`;
      const last = fields.at(-1), holes = cone[0].length < rf ? ` Along an axis it reads ${cone[0].length} of the ${rf}: there are holes.` : '';
      say.textContent = `After ${layers.at(-1).text}, one cell sees ${rf}×${rf} input pixels; its neighbour looks ${last[1]} pixel${last[1] === 1 ? '' : 's'} further on.${holes}`;
      this.$('table').innerHTML = '<tr><th>layer</th><th>field r + (k − 1)·d·j</th><th>jump j·s</th></tr>' + layers.map((l, i) => { const [r, j] = fields[i], [R, J] = fields[i + 1]; return `<tr><td>${l.text}</td><td>${r} + (${l.kernel} − 1)·${l.dilation}·${j} = <b>${R}</b></td><td>${j}·${l.stride} = <b>${J}</b></td></tr>`; }).join('');
    }
  }
  customElements.define('d2l-receptive-field', Field);
})();
