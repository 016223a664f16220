#!/usr/bin/env python3
"""Write README.md from nbs/index.ipynb.

    python scripts/readme.py          write it
    python scripts/readme.py --check  exit with 1 if it is not what the notebook would give
"""
import json, re, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTE = '<!-- Made from nbs/index.ipynb by scripts/readme.py: edit the notebook. -->\n\n'


def links(text):
    "Links are relative to nbs/ in the notebook and to the top level in the README."
    def fix(m):
        target = m[2]
        if re.match(r'[a-z]+:|#|/', target): return m[0]
        return f'{m[1]}({target[3:] if target.startswith("../") else "nbs/" + target})'
    return re.sub(r'(\[[^\]]*\])\(([^)\s]+)\)', fix, text)


def text_of(output):
    "The plain text of one stored output."
    return ''.join(output.get('text') or output.get('data', {}).get('text/plain') or '').rstrip()


def readme(notebook=ROOT / 'nbs' / 'index.ipynb'):
    parts = []
    for cell in json.loads(notebook.read_text(encoding='utf-8'))['cells']:
        source = ''.join(cell['source']).strip()
        if not source or re.match(r'#\|\s*(hide|echo: false)', source) or 'site' in cell['metadata'].get('tags', []): continue  # for the site alone
        if cell['cell_type'] == 'markdown': parts.append(links(source))
        elif cell['cell_type'] == 'code':
            parts.append(f'```python\n{source}\n```')
            out = '\n'.join(filter(None, map(text_of, cell['outputs'])))
            if out: parts.append(f'```text\n{out}\n```')
    return NOTE + '\n\n'.join(parts) + '\n'


if __name__ == '__main__':
    path, want = ROOT / 'README.md', readme()
    if '--check' in sys.argv[1:]:
        if path.read_text(encoding='utf-8') != want: sys.exit('README.md is not what nbs/index.ipynb gives: run python scripts/readme.py')
    else: path.write_text(want, encoding='utf-8', newline='\n')
