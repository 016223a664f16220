"What a chapter shows is what runs: a taught function, pasted alone, does what the package's does."

import ast
import importlib
import inspect
import json
import re

import pytest
import torch
from conftest import ROOT
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

NOTEBOOKS = {
    'conv': '01_conv',
    'padding_stride': '02_padding_stride',
    'channels': '03_channels',
    'pooling': '04_pooling',
}


def cells(module, directive):
    "Sources of a chapter's code cells that carry this directive, without directives."
    path = ROOT / 'nbs' / f'{NOTEBOOKS[module]}.ipynb'
    for cell in json.loads(path.read_text(encoding='utf-8'))['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'code' and re.search(rf'^#\| *{directive}$', source, re.M):
            yield re.sub(r'^#\|.*\n', '', source, flags=re.M).strip()


def names_in(source):
    return [node.name for node in ast.parse(source).body if hasattr(node, 'name')]


TAUGHT = {name: m for m in NOTEBOOKS for c in cells(m, 'exports') for name in names_in(c)}
PASSED = {'draw_windows'}  # a figure, not a lesson


def get(name):
    return getattr(importlib.import_module(f'd2lcnn.{TAUGHT[name]}'), name)


def bare(*names):
    "A namespace with the imports of a chapter, into which the sources of these names were pasted."
    space = dict(torch=torch, nn=nn, F=F)
    for name in names:
        exec(inspect.getsource(get(name)), space)
    return space


def rand(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape) + sum(shape)))


NET = nn.Sequential(nn.Conv2d(2, 3, 3, stride=2), nn.Sigmoid(), nn.Conv2d(3, 2, (1, 3)))
CALLS = [  # function, what it calls of the chapters before, arguments
    ('corr2d', (), (rand(5, 7), rand(2, 3))),
    ('corr2d', (), (rand(4, 3).double(), rand(4, 1).double())),
    ('corr2d', (), (torch.arange(12).reshape(3, 4), torch.tensor([[1, -1]]))),
    ('im2col', (), (rand(4, 6), (2, 3))),
    ('rf_sizes', (), ([(3, 1), (5, 2), (2, 2)],)),
    ('input_gradient', (), (NET, rand(2, 2, 9, 11))),
    ('windows', (), (8, 3, 2, 1)),
    ('windows', (), (9, 2, 1, 0, 3)),
    ('pixel_use', ('windows',), ((5, 8), (3, 2), 2, (1, 0))),
    ('conv_out', (), (8, 3, 2, 1)),
    ('conv_out', (), ((30, 50), (5, 4), 3, (2, 3), (1, 2))),
    ('conv_out', (), (30, 5, (3, 2, 1))),
    ('corr2d_multi_in', ('corr2d',), (rand(3, 5, 6), rand(3, 2, 3))),
    ('corr2d_multi_in_out', ('corr2d', 'corr2d_multi_in'), (rand(3, 5, 6), rand(4, 3, 2, 1))),
    (
        'corr2d_multi_in_out',
        ('corr2d', 'corr2d_multi_in'),
        (rand(1, 5, 6), rand(4, 1, 2, 1), rand(4)),
    ),
    ('corr2d_1x1', (), (rand(3, 4, 6), rand(2, 3, 1, 1))),
    ('conv_params', (), (4, 6, (3, 5), 2, False)),
    ('conv_params', (), (3, 8, 5)),
    ('conv_macs', ('conv_params',), (3, 8, (3, 5), (18, 20))),
    ('conv_macs', ('conv_params',), (4, 8, 3, 7, 2)),
    (
        'corr2d_grouped',
        ('corr2d', 'corr2d_multi_in', 'corr2d_multi_in_out'),
        (rand(4, 5, 7), rand(6, 2, 2, 3), 2),
    ),
    ('pool2d', (), (rand(2, 3, 7, 10), (3, 2), 'max', (1, 0), (2, 3))),
    ('pool2d', (), (rand(7, 10), 3, 'avg', 1)),
    ('pool2d', (), (torch.arange(-20, 0).reshape(4, 5), 2, 'max', 1)),
    ('kmax_pool', (), (rand(3, 8), 3)),
    ('kmax_pool', (), (rand(5, 4), 2, 0)),
]


@pytest.mark.parametrize('name, others, args', CALLS, ids=[c[0] for c in CALLS])
def test_the_source_alone_gives_what_the_package_gives(name, others, args):
    got, want = bare(*others, name)[name](*args), get(name)(*args)
    if isinstance(want, torch.Tensor):
        assert got.dtype == want.dtype
        assert_close(got, want, rtol=0, atol=0)
    else:
        assert got == want and type(got) is type(want)


def test_the_modules_alone_give_what_the_package_gives():
    space, X = bare('corr2d', 'Conv2D', 'depthwise_separable'), rand(5, 6)
    for name, args, X in (
        ('Conv2D', ((2, 3),), rand(5, 6)),
        ('depthwise_separable', (4, 6, 3, 1, 2), rand(2, 4, 7, 9)),
        ('depthwise_separable', (2, 3, (1, 3), (0, 1), (2, 1)), rand(2, 2, 7, 9)),
    ):
        torch.manual_seed(0)
        got = space[name](*args)
        torch.manual_seed(0)
        assert_close(got(X), get(name)(*args)(X), rtol=0, atol=0)


def test_every_taught_function_is_here():
    tried = {name for name, _, _ in CALLS} | {'Conv2D', 'depthwise_separable'}
    assert tried == set(TAUGHT)
    for module in NOTEBOOKS:
        exported = set(importlib.import_module(f'd2lcnn.{module}').__all__)
        assert exported == {n for n, m in TAUGHT.items() if m == module} | (PASSED & exported)


@pytest.mark.parametrize('name', TAUGHT)
def test_the_source_is_what_the_chapter_shows(name):
    "Getting the source gives the shown cell, which checks nothing and names no helper."
    source = inspect.getsource(get(name)).strip()
    assert source in list(cells(TAUGHT[name], 'exports'))
    used = {n.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name)}
    assert not [n for n in used if n.startswith('_')]
    assert not re.search(r'\b(raise|assert|guarded)\b', source)
    assert max(map(len, source.splitlines())) <= 100


@pytest.mark.parametrize('name', TAUGHT)
def test_the_guard_is_attached(name):
    f = get(name).__init__ if inspect.isclass(get(name)) else get(name)
    assert f._bare is f.__wrapped__ and f.__name__ == f._bare.__name__
    assert inspect.signature(f) == inspect.signature(f._bare) and f.__doc__ == f._bare.__doc__


def test_corr2d_is_six_lines():
    assert len(inspect.getsource(get('corr2d')).strip().splitlines()) - 2 == 6


@pytest.mark.parametrize('module', NOTEBOOKS)
def test_exported_cells_are_tidy(module):
    "At most 100 columns and 30 lines; one statement a line."
    for source in (*cells(module, 'exports'), *cells(module, 'export')):
        lines = source.splitlines()
        assert max(map(len, lines)) <= 100 and len(lines) <= 30, source
        starts = [n.lineno for n in ast.walk(ast.parse(source)) if isinstance(n, ast.stmt)]
        assert len(starts) == len(set(starts)), source
