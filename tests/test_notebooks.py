"The notebooks are the tests: every one runs from its first cell to its last."

import json
import os
import time

import pytest
from conftest import ROOT

from d2lcnn.places import find_chapters

NOTEBOOKS = sorted(p for p in (ROOT / 'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts)
CHAPTERS = find_chapters(nbs=ROOT / 'nbs')
REST = [p for p in NOTEBOOKS if p not in CHAPTERS]
# a cell that took longer is not run again, unless all are asked for
AGAIN = float('inf') if os.environ.get('D2LCNN_TWICE') == 'all' else 0.4


def name_of(path):
    return path.relative_to(ROOT / 'nbs').with_suffix('').as_posix()


def shapes_of(names):
    "The shape of every tensor that the reader has named."
    return {k: getattr(v, 'shape', None) for k, v in names.items() if not k.startswith('_')}


@pytest.mark.slow
@pytest.mark.parametrize('path', CHAPTERS, ids=name_of)
def test_a_chapter_runs_and_every_cell_can_be_run_again(path, monkeypatch, capsys):
    "A reader presses Shift-Enter twice: no error, and no tensor of another shape."
    from execnb.shell import CaptureShell
    from matplotlib import pyplot as plt

    monkeypatch.chdir(path.parent)
    shell, start, again = CaptureShell(path.parent), time.time(), 0

    def run(cell, times):
        began = time.time()
        shell.run(''.join(cell['source']))
        assert not shell.exc, f'{cell["id"]}, {times} run: {shell.exc!r}\n{"".join(cell["source"])}'
        return time.time() - began

    for cell in json.loads(path.read_text(encoding='utf-8'))['cells']:
        if cell['cell_type'] != 'code' or not ''.join(cell['source']).strip():
            continue
        if run(cell, 'first') <= AGAIN:
            before, again = shapes_of(shell.user_ns), again + 1
            run(cell, 'second')
            after = shapes_of(shell.user_ns)
            moved = [k for k, shape in before.items() if after[k] != shape]
            assert not moved, f'{cell["id"]}: the second run gives {moved} another shape'
    plt.close('all')
    assert again > 20
    with capsys.disabled():
        print(f' [{time.time() - start:.1f} s]', end='')


@pytest.mark.slow
@pytest.mark.parametrize('path', REST, ids=name_of)
def test_runs(path, capsys):
    "As nbdev's own test does it."
    from nbdev.test import test_nb as run_notebook

    start = time.time()
    ok, _ = run_notebook(path)
    with capsys.disabled():
        print(f' [{time.time() - start:.1f} s]', end='')
    assert ok, f'{path.name} failed:\n{capsys.readouterr().err}'


@pytest.mark.slow
def test_chapters_run_on_the_digits_too(monkeypatch, tmp_path):
    "Without data and without a network a chapter says so and runs."
    from d2lcnn.book import run_chapter

    monkeypatch.setenv('D2LCNN_DATA', str(tmp_path / 'empty'))
    monkeypatch.setenv('D2LCNN_OFFLINE', '1')
    result = run_chapter(ROOT / 'nbs' / '05_lenet.ipynb', out=tmp_path)
    assert result['ok'], result['error']
    cells = json.loads((tmp_path / '05_lenet.ipynb').read_text(encoding='utf-8'))['cells']
    printed = ''.join(''.join(o.get('text', '')) for c in cells for o in c.get('outputs', []))
    assert "Using scikit-learn's 1,797 handwritten digits instead" in printed
    assert not (tmp_path / 'empty').exists()
