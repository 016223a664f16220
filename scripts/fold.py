"""Fold in JupyterLab what the page folds: plumbing, tests and drawing code are a thin bar to open.

`python scripts/fold.py` marks the notebooks' cells; with `--check` it only says which are not marked as they should be."""
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDED = re.compile(r'#\|\s*(hide|export|default_exp\b.*|code-fold:\s*true)\s*$')


def folded(cell) -> bool:
    "Is the lesson complete without the source of this cell?"
    if cell['cell_type'] != 'code':
        return False
    for line in ''.join(cell['source']).splitlines():
        if not line.startswith('#|'):
            return False
        if FOLDED.match(line):
            return True
    return False


def fold(nb) -> int:
    "Mark the cells of a notebook; gives how many were marked otherwise."
    changed = 0
    for cell in nb['cells']:
        before = json.dumps(cell['metadata'], sort_keys=True)
        own = {k: v for k, v in cell['metadata'].get('jupyter', {}).items() if k != 'source_hidden'}
        if folded(cell):
            own['source_hidden'] = True
        cell['metadata'].pop('jupyter', None)
        if own:
            cell['metadata']['jupyter'] = own
        changed += before != json.dumps(cell['metadata'], sort_keys=True)
    return changed


def main(check):
    wrong = []
    for path in sorted((ROOT / 'nbs').rglob('*.ipynb')):
        if '.ipynb_checkpoints' in path.parts:
            continue
        nb = json.loads(path.read_text(encoding='utf-8'))
        if fold(nb):
            wrong.append(path.relative_to(ROOT).as_posix())
            if not check:
                text = json.dumps(nb, indent=1, ensure_ascii=False, sort_keys=True)
                path.write_text(text + '\n', encoding='utf-8')
    if check and wrong:
        sys.exit('python scripts/fold.py mends: ' + ', '.join(wrong))


if __name__ == '__main__':
    main('--check' in sys.argv)
