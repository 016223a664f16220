#!/usr/bin/env python3
"""Write README.md from nbs/index.ipynb.

python scripts/readme.py          write it
python scripts/readme.py --check  exit with 1 if it is not what the notebook would give
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTE = '<!-- Made from nbs/index.ipynb by scripts/readme.py: edit the notebook. -->\n\n'


def links(text):
    "Links are relative to nbs/ in the notebook and to the top level in the README."

    def fix(m):
        target = m[2]
        if re.match(r'[a-z]+:|#|/', target):
            return m[0]
        above = target.startswith('../')
        return f'{m[1]}({target[3:] if above else "nbs/" + target})'

    return re.sub(r'(\[[^\]]*\])\(([^)\s]+)\)', fix, text)


def text_of(output):
    "The plain text of one stored output."
    return ''.join(output.get('text') or output.get('data', {}).get('text/plain') or '').rstrip()


def for_the_site_alone(cell, source):
    "Whether a cell has no place in the README."
    hidden = re.match(r'#\|\s*(hide|echo: false)', source)
    return not source or hidden or 'site' in cell['metadata'].get('tags', [])


def readme(notebook=ROOT / 'nbs' / 'index.ipynb'):
    "The whole text."
    parts = []
    for cell in json.loads(notebook.read_text(encoding='utf-8'))['cells']:
        source = ''.join(cell['source']).strip()
        if for_the_site_alone(cell, source):
            continue
        if cell['cell_type'] == 'markdown':
            parts.append(links(source))
        elif cell['cell_type'] == 'code':
            parts.append(f'```python\n{source}\n```')
            printed = '\n'.join(filter(None, map(text_of, cell['outputs'])))
            if printed:
                parts.append(f'```text\n{printed}\n```')
    return NOTE + '\n\n'.join(parts) + '\n'


if __name__ == '__main__':
    path, want = ROOT / 'README.md', readme()
    if '--check' not in sys.argv[1:]:
        path.write_text(want, encoding='utf-8', newline='\n')
    elif path.read_text(encoding='utf-8') != want:
        sys.exit('README.md is not what nbs/index.ipynb gives: run python scripts/readme.py')
