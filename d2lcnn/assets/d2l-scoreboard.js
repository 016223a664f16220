/* <d2l-scoreboard>: makes the table inside it sortable by click, Enter or Space. The plain table shows where no script runs. */
(() => {
  if (customElements.get('d2l-scoreboard')) return;
  const style = `
    :host { display: block; overflow-x: auto; color: inherit; font: 13px/1.4 system-ui, sans-serif }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums }
    th, td { padding: .3em; border-bottom: 1px solid rgba(127,127,127,.35); text-align: right; white-space: nowrap }
    th:first-child, td:first-child { text-align: left; font-weight: 600; white-space: normal; min-width: 7em; position: sticky; left: 0; background: var(--ground, Canvas) } th:nth-child(2), td:nth-child(2) { text-align: left }
    th { border-bottom-width: 2px; vertical-align: bottom; padding: 0 }
    button { all: unset; cursor: pointer; padding: .35em .3em; font-weight: 700; box-sizing: border-box; white-space: normal; min-width: 0 }
    button:hover { text-decoration: underline } button:focus-visible { outline: 2px solid #2563eb; outline-offset: -2px }
    button::after { content: ' ↕'; opacity: .55 }
    th[aria-sort=ascending] button::after { content: ' ↑'; opacity: 1 } th[aria-sort=descending] button::after { content: ' ↓'; opacity: 1 }
    tbody tr:hover { background: rgba(127,127,127,.14) } p { margin: .5em 0; opacity: .9 }`;
  class Scoreboard extends HTMLElement {
    connectedCallback() { if (!this.shadowRoot) requestAnimationFrame(() => this.build()); }
    build() {
      const table = this.querySelector('table');
      if (!table || this.shadowRoot) return;
      const root = this.attachShadow({ mode: 'open' }), own = table.cloneNode(true);
      own.removeAttribute('style'); own.querySelectorAll('[style]').forEach(e => e.removeAttribute('style'));
      root.innerHTML = `<style>${style}</style>`; root.append(own);
      this.said = document.createElement('p'); this.said.setAttribute('role', 'status'); root.append(this.said);
      own.querySelectorAll('thead th').forEach((th, i) => {
        const b = document.createElement('button'); b.type = 'button'; b.textContent = th.textContent;
        th.textContent = ''; th.append(b); th.setAttribute('aria-sort', 'none');
        b.addEventListener('click', () => this.sort(i));
      });
      this.table = own;
      for (let e = this; e; e = e.parentElement) {  // the first column stays in sight, on the page's own ground
        const ground = getComputedStyle(e).backgroundColor;
        if (!/, 0\)$|transparent/.test(ground)) { this.style.setProperty('--ground', ground); break; }
      }
    }
    sort(i) {
      const heads = [...this.table.querySelectorAll('thead th')], body = this.table.tBodies[0], th = heads[i];
      const key = tr => { const v = tr.cells[i].dataset.value; return v === undefined ? tr.cells[i].textContent : v === '' ? NaN : +v; };
      const words = typeof key(body.rows[0]) === 'string', was = th.getAttribute('aria-sort');
      const up = was === 'none' ? words : was === 'descending', sign = up ? 1 : -1;
      const rows = [...body.rows].sort((a, b) => {
        const x = key(a), y = key(b);
        if (words) return sign * x.localeCompare(y);
        return Number.isNaN(x) ? (Number.isNaN(y) ? 0 : 1) : Number.isNaN(y) ? -1 : sign * (x - y);  // what is missing comes last
      });
      heads.forEach(h => h.setAttribute('aria-sort', h === th ? (up ? 'ascending' : 'descending') : 'none'));
      body.append(...rows);
      this.said.textContent = `sorted by ${th.textContent}, ${up ? 'smallest' : 'largest'} first`.replace(words ? /, .*/ : /$^/, '');
    }
  }
  customElements.define('d2l-scoreboard', Scoreboard);
})();
