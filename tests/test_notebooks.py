"The notebooks are the tests: every one runs from its first cell to its last."
import json
import time

import pytest
from conftest import ROOT

NOTEBOOKS = sorted(p for p in (ROOT / 'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts)


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.relative_to(ROOT / 'nbs').with_suffix('').as_posix())
def test_runs(path, capsys):
    from nbdev.test import test_nb as run_notebook
    start = time.time()
    ok, _ = run_notebook(path)
    with capsys.disabled(): print(f' [{time.time() - start:.1f} s]', end='')
    assert ok, f'{path.name} failed:\n{capsys.readouterr().err}'


def test_chapters_run_on_the_digits_too(monkeypatch, tmp_path):
    "Without data and without a network a chapter says so and runs."
    from d2lcnn.cli import run_chapter
    monkeypatch.setenv('D2LCNN_DATA', str(tmp_path / 'empty')); monkeypatch.setenv('D2LCNN_OFFLINE', '1')
    result = run_chapter(ROOT / 'nbs' / '05_lenet.ipynb', out=tmp_path)
    assert result['ok'], result['error']
    cells = json.loads((tmp_path / '05_lenet.ipynb').read_text(encoding='utf-8'))['cells']
    printed = ''.join(''.join(o.get('text', '')) for c in cells for o in c.get('outputs', []))
    assert "Using scikit-learn's 1,797 handwritten digits instead" in printed
    assert not (tmp_path / 'empty').exists()
