"Every code cell of a chapter can be run twice in a row: a reader presses Shift-Enter again."

import json

import pytest
from conftest import ROOT

CHAPTERS = ['01_conv', '02_padding_stride', '03_channels', '04_pooling']


def shapes_of(names):
    "The shape of every tensor that the reader has named."
    return {k: getattr(v, 'shape', None) for k, v in names.items() if not k.startswith('_')}


@pytest.mark.parametrize('name', CHAPTERS)
def test_every_cell_survives_being_run_twice(name, monkeypatch):
    from execnb.shell import CaptureShell

    monkeypatch.chdir(ROOT / 'nbs')
    shell = CaptureShell(ROOT / 'nbs')
    nb = json.loads((ROOT / 'nbs' / f'{name}.ipynb').read_text(encoding='utf-8'))
    for cell in nb['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] != 'code' or not source.strip():
            continue
        shapes = []
        for times in ('first', 'second'):
            shell.run(source)
            assert not shell.exc, f'{cell["id"]}, {times} run: {shell.exc!r}\n{source}'
            shapes.append(shapes_of(shell.user_ns))
        moved = [k for k, shape in shapes[0].items() if shapes[1][k] != shape]
        assert not moved, f'{cell["id"]}: the second run gives {moved} another shape\n{source}'
