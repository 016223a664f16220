"""Quarto's notebook filter (`ipynb-filters` in _quarto.yml): a notebook's JSON comes in on standard input and goes out on standard output.

Hidden cells are dropped, plumbing (`#| export`) is folded, nbdev's directives are taken out and Quarto's own (`#| label:`,
`#| fig-cap:` …) are kept. The first
cell's `# Title` and `> subtitle` become front matter. Outputs that only a kernel can show are left to their static picture.
Standard library only: Quarto runs it with whatever Python it finds."""
import json
import re
import sys

NBDEV = re.compile(r'#\|\s*(default_exp|exports?|exporti|hide|hide_line|hide_input|hide_output|eval|notest|filter_stream)\b')
HIDDEN = re.compile(r'#\|\s*(hide|default_exp)\b(?!:)')
FOLDED = re.compile(r'#\|\s*(export|exporti)\b')
WIDGET = 'application/vnd.jupyter.widget-view+json'


def split(source):
    "Directive lines at the top of a code cell, and the rest."
    lines = source.split('\n'); n = 0
    while n < len(lines) and (lines[n].startswith('#|') or not lines[n].strip()): n += 1
    return lines[:n], lines[n:]


def quote(text): return json.dumps(text, ensure_ascii=False)


def front_matter(source):
    "`# Title`, `> subtitle`, rest  →  a raw cell's YAML, rest."
    m = re.match(r'# (?P<title>.+)\n+(?:> (?P<sub>.+)\n*)?', source)
    if not m: return None, source
    sub = f'subtitle: {quote(m["sub"])}\ndescription: {quote(m["sub"])}\n' if m['sub'] else ''
    return f'---\ntitle: {quote(m["title"])}\n{sub}---', source[m.end():].strip('\n')


def page(nb):
    "The notebook as the page should show it."
    cells = []
    for cell in nb['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'code':
            directives, rest = split(source)
            if any(HIDDEN.match(d) for d in directives): continue
            fold = ['#| code-fold: true'] if any(FOLDED.match(d) for d in directives) else []
            source = '\n'.join(fold + [d for d in directives if d.strip() and not NBDEV.match(d)] + rest)
            if not source.strip() and not cell.get('outputs'): continue
            for out in cell.get('outputs', []):
                if len(out.get('data', {})) > 1: out['data'].pop(WIDGET, None)
        elif cell['cell_type'] == 'markdown' and not cells:
            head, source = front_matter(source)
            if head: cells.append({'cell_type': 'raw', 'id': 'front-matter', 'metadata': {}, 'source': head.splitlines(True)})
            if not source: continue
        cells.append({**cell, 'source': source.splitlines(True)})
    return {**nb, 'cells': cells}


if __name__ == '__main__':
    sys.stdin.reconfigure(encoding='utf-8'); sys.stdout.reconfigure(encoding='utf-8')
    json.dump(page(json.load(sys.stdin)), sys.stdout, ensure_ascii=False)
