/* <d2l-curves runs="[{net, recipe, seed, seconds, valid_acc, train_acc, loss}, …]">: learning curves of the networks that the reader ticks. */
(() => {
  if (customElements.get('d2l-curves')) return;
  const style = `
    :host { display: block; max-width: 46em; color: inherit; font: 14px/1.5 system-ui, sans-serif; container-type: inline-size }
    fieldset { border: 0; margin: 0 0 .5em; padding: 0; display: flex; flex-wrap: wrap; gap: .15em .9em; align-items: center } legend { float: left; padding: 0; margin-right: .6em; font-weight: 600 }
    label { display: inline-flex; gap: .35em; align-items: center; cursor: pointer } i { width: 1.1em; height: .3em; border-radius: 2px; background: var(--c) }
    select, input { font: inherit; accent-color: #2563eb } svg { width: 100%; height: auto; display: block; overflow: visible }
    text { fill: currentColor; font-size: 13px } .grid { stroke: currentColor; opacity: .16 } path { fill: none; stroke-width: 2 } .modern { stroke-dasharray: 7 4 }
    p { margin: .3em 0; min-height: 1.5em } circle { stroke: Canvas; stroke-width: 1.5 }
    @container (max-width: 480px) { text { font-size: 19px } path { stroke-width: 3 } }`;
  const COLOURS = ['#2b7de9', '#d9480f', '#2f9e44', '#ae3ec9', '#c08a00', '#0c9aa8', '#e03f7d', '#7a7f87'];
  const Y = { valid_acc: ['validation accuracy', true], train_acc: ['training accuracy', true], loss: ['training loss', false] };
  const W = 640, H = 360, L = 56, R = 16, T = 12, B = 44, NS = 'http://www.w3.org/2000/svg';
  const make = (tag, attributes = {}, text) => {
    const e = tag in { svg: 1, path: 1, text: 1, line: 1, circle: 1 } ? document.createElementNS(NS, tag) : document.createElement(tag);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    if (text !== undefined) e.textContent = text;
    return e;
  };
  const steps = (lo, hi) => {  // round numbers to write at an axis
    const raw = (hi - lo) / 5, ten = 10 ** Math.floor(Math.log10(raw)), step = ten * [1, 2, 5, 10].find(m => m * ten >= raw), out = [];
    for (let v = Math.ceil(lo / step) * step; v <= hi + step * 1e-6; v += step) out.push(+v.toFixed(6));
    return out;
  };
  class Curves extends HTMLElement {
    connectedCallback() { if (!this.shadowRoot) this.build(); }
    build() {
      const root = this.attachShadow({ mode: 'open' });
      root.innerHTML = `<style>${style}</style>`;
      this.runs = JSON.parse(this.getAttribute('runs'));
      this.nets = [...new Set(this.runs.map(r => r.net))];
      const first = (this.getAttribute('nets') || this.nets.slice(0, 2).join('|')).split('|');
      const box = make('fieldset'); box.append(make('legend', {}, 'Networks'));
      this.boxes = this.nets.map((n, i) => {
        const label = make('label', { style: `--c:${COLOURS[i % 8]}` }), input = make('input', { type: 'checkbox' });
        input.checked = first.includes(n); label.append(input, make('i'), n); box.append(label); return input;
      });
      const more = make('fieldset'); more.append(make('legend', {}, 'Show'));
      const choice = (name, options) => {
        const s = make('select', { 'aria-label': name }); for (const [v, t] of options) s.append(make('option', { value: v }, t));
        more.append(s); return s;
      };
      this.y = choice('what', Object.entries(Y).map(([k, [t]]) => [k, t]));
      this.x = choice('against', [['epoch', 'against the epoch'], ['seconds', 'against seconds of training']]);
      this.recipe = choice('recipe', [['', 'both recipes'], ['classic', 'classic (solid)'], ['modern', 'modern (dashed)']]);
      this.svg = make('svg', { viewBox: `0 0 ${W} ${H}`, role: 'img' }); this.said = make('p', { role: 'status' });
      root.append(box, more, this.svg, this.said);
      root.addEventListener('change', () => this.draw());
      this.svg.addEventListener('pointermove', e => this.point(e));
      this.svg.addEventListener('pointerleave', () => { this.dot?.remove(); this.tell(); });
      this.draw();
    }
    chosen() {
      return this.runs.filter(r => this.boxes[this.nets.indexOf(r.net)].checked && (!this.recipe.value || r.recipe === this.recipe.value));
    }
    draw() {
      const key = this.y.value, up = Y[key][1], runs = this.chosen(); this.svg.textContent = ''; this.points = [];
      const xs = r => this.x.value === 'epoch' ? r[key].map((_, i) => i + 1) : r.seconds.reduce((a, s) => [...a, (a.at(-1) || 0) + s], []);
      const all = runs.flatMap(r => r[key]), far = Math.max(1, ...runs.flatMap(r => xs(r).at(-1)));
      const lo = up ? Math.max(0, Math.min(.9, ...runs.flatMap(r => r[key].slice(3))) - .1) : 0, hi = up ? 1 : Math.max(.1, ...all), start = this.x.value === 'epoch' ? 1 : 0;
      const px = x => L + (W - L - R) * (x - start) / (far - start || 1), py = y => T + (H - T - B) * (hi - y) / (hi - lo);
      const clip = document.createElementNS(NS, 'clipPath'), frame = document.createElementNS(NS, 'rect'), curves = document.createElementNS(NS, 'g');
      for (const [k, v] of Object.entries({ x: L - 2, y: T - 4, width: W - L - R + 4, height: H - T - B + 4 })) frame.setAttribute(k, v);
      clip.id = 'frame'; clip.append(frame); curves.setAttribute('clip-path', 'url(#frame)'); this.svg.append(clip, curves);  // a bad first epoch leaves the picture at the bottom
      for (const v of steps(lo, hi)) this.svg.append(make('line', { class: 'grid', x1: L, x2: W - R, y1: py(v), y2: py(v) }), make('text', { x: L - 8, y: py(v) + 4, 'text-anchor': 'end' }, v));
      for (const v of new Set([start, ...steps(start, far)])) this.svg.append(make('text', { x: px(v), y: H - B + 20, 'text-anchor': 'middle' }, v));
      this.svg.append(make('text', { x: (L + W - R) / 2, y: H - 4, 'text-anchor': 'middle' }, this.x.value === 'epoch' ? 'epoch' : 'seconds of training on the recorded GPU'));
      for (const r of runs) {
        const colour = COLOURS[this.nets.indexOf(r.net) % 8], x = xs(r);
        curves.append(make('path', { class: r.recipe, stroke: colour, d: r[key].map((y, i) => `${i ? 'L' : 'M'}${px(x[i]).toFixed(1)} ${py(y).toFixed(1)}`).join('') }));
        r[key].forEach((y, i) => y >= lo && this.points.push({ r, i, y, colour, px: px(x[i]), py: py(y) }));
      }
      this.svg.setAttribute('aria-label', `${Y[key][0]} of ${[...new Set(runs.map(r => r.net))].join(', ') || 'no network'}`);
      this.tell();
    }
    tell() {
      const runs = this.chosen(), key = this.y.value;
      const best = runs.length && runs.reduce((a, b) => ((a[key].at(-1) > b[key].at(-1)) === Y[key][1] ? a : b));
      this.said.textContent = best ? `${runs.length} runs; best at its end: ${best.net}, ${best.recipe}, ${best[key].at(-1).toFixed(4)}` : 'Tick a network.';
    }
    point(e) {
      const b = this.svg.getBoundingClientRect(), x = (e.clientX - b.left) * W / b.width, y = (e.clientY - b.top) * H / b.height;
      let near = null, least = 900;
      for (const p of this.points) { const d = (p.px - x) ** 2 + (p.py - y) ** 2; if (d < least) { near = p; least = d; } }
      this.dot?.remove();
      if (!near) return this.tell();
      this.svg.append(this.dot = make('circle', { cx: near.px, cy: near.py, r: 5, fill: near.colour }));
      this.said.textContent = `${near.r.net}, ${near.r.recipe}, seed ${near.r.seed}, epoch ${near.i + 1}: ${near.y.toFixed(4)}`;
    }
  }
  customElements.define('d2l-curves', Curves);
})();
