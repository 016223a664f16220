"Stored outputs of chapters: stale when what they call computes something else, and only then."

import importlib
import json

import nbformat
import pytest
import torch
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_notebook

from d2lcnn import book, conv, fresh, probes
from d2lcnn.probes import PROBES, behavior_of, place_of

CHAPTERS = book.find_chapters(nbs=ROOT / 'nbs')
CELLS = [
    '#| default_exp a',
    'from d2lcnn.conv import corr2d\nfrom d2lcnn.plot import show_images',
    '#| exports\ndef own(X):\n    "Twice."\n    return 2 * X',
    'y = corr2d(X, K)  # what comes out\ny.shape',
    '#| hide\nassert y.ndim == 2',
]


@pytest.fixture
def chapter(tmp_path):
    "A chapter with a note that its outputs are fresh; called with other cells, it tells its state."
    path = tmp_path / 'nbs' / '01_a.ipynb'
    path.parent.mkdir()

    def write(cells):
        nbformat.write(new_notebook(cells=[new_code_cell(c) for c in cells]), path)

    def state(cells=None):
        if cells is not None:
            write(cells)
        return book.stale_outputs(tmp_path / 'results', tmp_path / 'nbs')['01_a']

    write(CELLS)
    monkey = pytest.MonkeyPatch()
    known = probes._object  # there is no module d2lcnn.a
    monkey.setattr(probes, '_object', lambda n: print if n.startswith('a.') else known(n))
    assert state() == 'unknown'
    book.note_outputs(path, tmp_path / 'results', budget='quick', seconds=3)
    state.path, state.results = path, tmp_path / 'results'
    yield state
    monkey.undo()


def swapped(i, source):
    return [source if k == i else c for k, c in enumerate(CELLS)]


def test_noted_outputs_are_fresh(chapter):
    assert chapter() == 'fresh'
    note = json.loads((chapter.results / 'outputs.json').read_text())['01_a']
    assert {'code', 'behavior', 'date', 'torch', 'budget', 'seconds'} <= note.keys()
    assert list(note['behavior']) == ['conv.corr2d']


@pytest.mark.parametrize(
    'i, source',
    [
        (3, 'y = corr2d( X,\n  K )\ny.shape'),
        (3, 'y = corr2d(X, K)\n# another comment\ny.shape'),
        (
            2,
            '#| exports\ndef own(X: float) -> float:\n    "2 X"\n    Y = X + X\n    return Y',
        ),
        (4, '#| hide\nassert y.shape[0]'),
        (1, CELLS[1] + '\n'),
    ],
)
def test_writing_it_better_leaves_it_fresh(chapter, i, source):
    assert chapter(swapped(i, source)) == 'fresh'


def test_cells_that_nobody_sees_do_not_count(chapter):
    hidden = ['#| hide\n# on Colab and Kaggle, once: the book and its package', '#| export\nz = 3']
    assert chapter(CELLS + hidden) == 'fresh'


@pytest.mark.parametrize(
    'i, source',
    [
        (3, 'y = corr2d(X, -K)\ny.shape'),
        (3, 'y = corr2d(X, K)\ny.sum()'),
        (1, 'from d2lcnn.pooling import pool2d as corr2d\nfrom d2lcnn.plot import show_images'),
    ],
)
def test_a_cell_that_does_something_else_makes_stale(chapter, i, source):
    assert chapter(swapped(i, source)) == 'stale'


def test_a_function_that_computes_something_else_makes_stale(chapter, monkeypatch):
    monkeypatch.setattr(conv, 'corr2d', lambda X, K, f=conv.corr2d: f(X, K.flip(0)))
    assert chapter() == 'stale'


def test_a_function_written_differently_leaves_it_fresh(chapter, monkeypatch):
    def corr2d(image, kernel):
        return torch.nn.functional.conv2d(image[None, None], kernel[None, None])[0, 0]

    monkeypatch.setattr(conv, 'corr2d', corr2d)
    assert chapter() == 'fresh'


def test_a_better_figure_leaves_it_fresh(chapter, monkeypatch):
    from d2lcnn import plot

    monkeypatch.setattr(plot, 'show_images', lambda *args, **kwargs: None)
    assert chapter() == 'fresh'


def test_keeping_the_facts_of_a_note(chapter):
    file = chapter.results / 'outputs.json'
    old = json.loads(file.read_text())
    old['01_a'] |= dict(date='2020-02-02', torch='1.0', code='0' * 12)
    file.write_text(json.dumps(old))
    assert chapter() == 'stale'
    book.note_outputs(chapter.path, chapter.results, keep=True)
    note = json.loads(file.read_text())['01_a']
    assert chapter() == 'fresh' and (note['date'], note['torch']) == ('2020-02-02', '1.0')
    assert (note['budget'], note['seconds']) == ('quick', 3)
    with pytest.raises(ValueError, match='no note on 02_b'):
        book.note_outputs(chapter.path.with_name('02_b.ipynb'), chapter.results, keep=True)


# ---------------------------------------------------------------- probes


@pytest.mark.parametrize('path', CHAPTERS, ids=lambda p: p.stem)
def test_every_public_name_is_asked_or_is_a_display(path):
    module, names = path.stem[3:], set(fresh._called(path))
    if '#| default_exp' in path.read_text(encoding='utf-8'):
        own = importlib.import_module(f'd2lcnn.{module}')
        names |= {f'{module}.{n}' for n in own.__all__ if callable(getattr(own, n))}
    names = {n for n in names if callable(probes._object(n))}
    forgotten = sorted(n for n in names if place_of(n) is None)
    assert not forgotten, 'give these a probe in kit/probes, or add them to DISPLAY'


def test_every_probe_gives_numbers():
    for name in PROBES:
        found = behavior_of([name])[name]
        assert found and all(n == n for n in found), name


@pytest.mark.parametrize(
    'name, other',
    [
        ('conv.corr2d', lambda X, K, f=conv.corr2d: f(X, K.flip(1))),
        ('pooling.kmax_pool', lambda X, k: X.topk(k).values),
        ('channels.conv_params', lambda i, o, k, groups=1, bias=True: 6),
        ('train.evaluate', lambda net, batches: (0.1, 0.9)),
    ],
)
def test_a_probe_feels_a_wrong_function(name, other):
    assert behavior_of([name])[name] != list(probes._asked(name, other))


def test_names_passed_on_are_the_same():
    assert place_of('callbacks.one_cycle') == place_of('train.one_cycle') == 'train.one_cycle'
    assert place_of('init.xavier') == 'train.xavier' and place_of('files.save') == ''
    assert place_of('train.TrainingDiverged') == ''


# ---------------------------------------------------------------- the book's own


def test_stored_outputs_come_from_the_present_code():
    "`d2lcnn run CHAPTER --store` makes a stale chapter's outputs anew."
    state = book.stale_outputs(ROOT / 'results', ROOT / 'nbs')
    assert not [c for c, s in state.items() if s == 'stale']
