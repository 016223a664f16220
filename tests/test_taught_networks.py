"What chapters 05 to 12 show is what runs: bare source, and guards that are attached out of sight."
import ast
import copy
import dis
import importlib
import inspect
import io
import json
import math
import re
import types
from contextlib import contextmanager, nullcontext
from functools import partial

import numpy as np
import pytest
import torch
from conftest import ROOT
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from d2lcnn import alexnet, batch_norm, compare, densenet, googlenet, lenet, nin, resnet, speed, vgg
from d2lcnn.train import he, xavier

# chapter: calls of every function and class that it shows, for two namespaces, ours and a reader's
SHOWN = {
    '05_lenet': ['lenet(2, 7, 33)(R(3, 2, 33, 33))', 'lenet5(2, 7, 20)(R(3, 2, 20, 20))'],
    '06_alexnet': [
        'alexnet(2, 5, 70, 0)(R(2, 2, 70, 70))',
        'hog(R(2, 1, 13, 10), 5, 3)',
        'random_flip(R(9, 3, 4, 5), 0.3)',
        'random_crop(R(9, 3, 8, 5), 3)',
        'random_light(R(9, 3, 8, 5), 0.2, 0.1)',
        'augment(R(9, 3, 28, 30))',
        'random_colour(R(9, 3, 8, 5), colour_axes(R(2, 3, 8, 5)), 0.3)',
    ],
    '07_vgg': [
        'vgg_block(2, 3, 5)(R(2, 3, 9, 6))',
        'vgg(narrow(VGG13, 16), 2, 5, 45, 32, 0.3)(R(2, 2, 45, 45))',
        'vgg(narrow(VGG11, 64), hidden=8, size=32)(R(2, 1, 32, 32))',
    ],
    '08_nin': ['nin(2, 5)(R(2, 2, 67, 90))', 'he_start(nin_block(3, 4, (3, 5), 2, (0, 1)))(R(2, 3, 9, 8))'],
    '09_googlenet': [
        'googlenet(2, 5, width=0.25)(R(2, 2, 40, 33))',
        'googlenet(2, 5, conv_bn, Inception3x3, 0.125)(R(2, 2, 40, 33))',
        'googlenet(2, 5, conv_bn, Inception7x1, 0.125)(R(2, 2, 40, 33))',
        'googlenet(2, 5, conv_bn, Only3x3, 0.125)(R(2, 2, 40, 33))',
        'googlenet(2, 5, conv_bn, NoSqueeze, 0.125)(R(2, 2, 40, 33))',
        'WithHeads(he(googlenet(2, 5, width=0.25)), 5, 0.5)(R(2, 2, 40, 33))',
        'conv_relu(3, 4, (1, 7), 2)(pool()(R(2, 3, 9, 8)))',
        'inception_stage(6, 3, Inception, conv_relu, 0.1)[0](R(2, 6, 5, 4))',
        'torch.tensor(scaled((3, (8, 1)), 0.3)[1])',
    ],
    '10_batch_norm': [
        'batch_norm(R(5, 3, 2, 4), R(3), R(3), R(3), R(3), 0.1, 0.3)[2]',
        'BatchNorm(3, 4)(R(5, 3, 2, 4))',
        'lenet_bn(2, 7, 30)(R(3, 2, 30, 30))',
        'fold(nn.Linear(4, 3), BatchNorm(3, 2)).weight',
        'with_fresh_averages(nn.Sequential(BatchNorm(3, 4)), [(R(2, 3, 2, 2), R(2))] * 2, 2)[0].running_var',
    ],
    '11_resnet': [
        'small_resnet(14, PreActResidual, (4, 8, 12), 2, 5)(R(2, 2, 9, 12))',
        'near_identity(small_resnet(8, Plain, (4, 8, 12), 2, 5))(R(2, 2, 9, 12))',
        'small_resnet(8, Bottleneck, (4, 8, 12), 2, 5)(R(2, 2, 9, 12))',
        'resnet18(2, 5)(R(2, 2, 20, 33))',
        'resnet34(2, 5)(R(2, 2, 20, 33))',
        'resnet50(2, 5)(R(2, 2, 20, 33))',
        'resnet(18)(R(2, 1, 20, 33))',
        'preact_resnet18(2, 5)(R(2, 2, 20, 33))',
        'resnet_block(3, 5, 2, block=Residual)(resnet_stem(2)[0](R(2, 2, 20, 33))[:, :3])',
    ],
    '12_densenet': [
        'densenet(2, 5, 6, (2, 3), DenseBlock)(R(2, 2, 20, 33))',
        'densenet(2, 5, 6, (2, 3), FrugalDenseBlock)(R(2, 2, 20, 33))',
        'transition_block(5, 3)(conv_block(4, 5)(R(2, 4, 6, 7)))',
        'nn.Sequential(stem(2, 6), *head(6, 3))(R(2, 2, 20, 33))',
        'chain([SumBlock(1, 4), PlainBlock(1, 4), OnceBlock(1, 4)])(R(2, 1, 32, 40))',
    ],
}


def shown_cells(chapter):
    "Sources of the cells whose code a chapter shows and exports."
    cells = json.loads((ROOT / 'nbs' / f'{chapter}.ipynb').read_text(encoding='utf-8'))['cells']
    sources = [''.join(c['source']) for c in cells if c['cell_type'] == 'code']
    return [s for s in sources if re.match(r'#\|\s*exports\b', s)]


def definitions(source):
    kinds = ast.FunctionDef, ast.ClassDef
    return [node.name for node in ast.parse(source).body if isinstance(node, kinds)]


def a_reader():
    "What a reader has who pastes the cells: torch's usual names and those of the import cell."
    return dict(
        torch=torch, nn=nn, F=F, math=math, copy=copy, he=he, xavier=xavier, partial=partial,
        contextmanager=contextmanager, nullcontext=nullcontext, checkpoint=checkpoint,
    )  # fmt: skip


@pytest.mark.parametrize('chapter', SHOWN)
def test_source_is_what_the_chapter_shows(chapter):
    module = importlib.import_module('d2lcnn.' + chapter[3:])
    for source in shown_cells(chapter):
        for name in definitions(source):
            assert inspect.getsource(getattr(module, name)).strip() in source, name
        words = [w for w in ('raise ', 'guard', 'whole(', 'TypeError') if w in source]
        assert not words, (source, words)


@pytest.mark.parametrize('chapter', SHOWN)
def test_shown_code_runs_where_it_is_pasted(chapter):
    module = importlib.import_module('d2lcnn.' + chapter[3:])
    reader, called = a_reader(), set()
    for source in shown_cells(chapter):
        exec(source, reader)
    ours = a_reader() | vars(module)
    for call in SHOWN[chapter]:
        results = []
        for names in (reader, ours):
            torch.manual_seed(4)
            results.append(eval(call, names, dict(R=torch.rand)))
            results.append(torch.rand(3))  # as many random numbers were drawn
        assert torch.equal(results[0], results[2]) and torch.equal(results[1], results[3]), call
        called |= set(re.findall(r'\w+', call))
    shown = {name for source in shown_cells(chapter) for name in definitions(source)}
    inside = {'_uncounted', '_passes', '_on_stack', 'pool', 'scaled'}  # are called by others
    assert shown - called <= inside


# what takes whole numbers: how it is made, with which good numbers; every name takes 1 or more
BLOCK = dict(in_channels=8, out_channels=8, use_1x1conv=True, stride=1)
DENSE = dict(num_convs=2, in_channels=4, growth_rate=3)
ENDS = dict(in_channels=2, num_classes=3)
WHOLE = [
    (lenet.lenet, ENDS | dict(size=28)),
    (lenet.lenet5, ENDS | dict(size=32)),
    (alexnet.alexnet, ENDS | dict(size=65)),
    (alexnet.hog, dict(X=torch.rand(2, 1, 8, 9), bins=5, cell=3)),
    (vgg.vgg_block, dict(num_convs=2, in_channels=3, out_channels=4)),
    (partial(vgg.vgg, ((1, 3), (2, 4))), ENDS | dict(size=9, hidden=5)),
    (partial(vgg.narrow, vgg.VGG11), dict(by=3)),
    (nin.nin_block, dict(in_channels=2, out_channels=3, kernel_size=3, stride=2)),
    (nin.nin, ENDS),
    (googlenet.conv_relu, dict(in_channels=2, out_channels=3, kernel_size=3, stride=2)),
    (googlenet.conv_bn, dict(in_channels=2, out_channels=3, kernel_size=3, stride=2)),
    (partial(googlenet.Inception, c2=(1, 2), c3=(3, 4)), dict(in_channels=2, c1=2, c4=3)),
    (partial(googlenet.Inception3x3, c2=(1, 2), c3=(3, 4)), dict(in_channels=2, c1=2, c4=3)),
    (partial(googlenet.Inception7x1, c2=(1, 2), c3=(3, 4)), dict(in_channels=2, c1=2, c4=3, n=5)),
    (partial(googlenet.inception_stage, width=0.1), dict(in_channels=4, number=5)),
    (partial(googlenet.googlenet, width=0.125), ENDS),
    (partial(googlenet.WithHeads, googlenet.googlenet(width=0.125)), dict(num_classes=4)),
    (batch_norm.BatchNorm, dict(num_features=4, num_dims=3)),
    (batch_norm.lenet_bn, ENDS | dict(size=17)),
    (resnet.Residual, BLOCK),
    (resnet.PreActResidual, BLOCK),
    (resnet.Bottleneck, BLOCK),
    (resnet.resnet_block, dict(in_channels=2, out_channels=3, num_residuals=2)),
    (partial(resnet.small_resnet, widths=(2, 3, 4)), ENDS | dict(depth=14)),
    (resnet.resnet_stem, dict(in_channels=2)),
    (resnet.resnet18, ENDS),
    (resnet.resnet34, ENDS),
    (resnet.preact_resnet18, ENDS),
    (resnet.resnet, ENDS | dict(layers=18)),
    (densenet.conv_block, dict(in_channels=2, out_channels=3)),
    (densenet.DenseBlock, DENSE),
    (densenet.FrugalDenseBlock, DENSE),
    (densenet.transition_block, dict(in_channels=2, out_channels=3)),
    (densenet.stem, dict(in_channels=2, channels=3)),
    (densenet.head, dict(channels=3, num_classes=2)),
    (densenet.densenet, ENDS | dict(growth_rate=3)),
    (partial(compare.standard_error, 0.5), dict(n=3)),
    (partial(speed.timed, print), dict(repeats=1)),
    (partial(speed.operators, print), dict(steps=1)),
]
CASES = [
    pytest.param(make, good, name, id=f'{getattr(make, "func", make).__name__}-{name}')
    for make, good in WHOLE
    for name, value in good.items()
    if type(value) is int
]


def form(made):
    "A network's parameters and their shapes; anything else as it is."
    if isinstance(made, list) and made and isinstance(made[0], nn.Module):
        made = nn.Sequential(*made)
    if not isinstance(made, nn.Module):
        return made
    return str(made), {name: value.shape for name, value in made.state_dict().items()}


@pytest.mark.parametrize('make, good, name', CASES)
def test_whole_numbers(make, good, name):
    if make not in [make for make, _ in WHOLE[-2:]]:  # whose results are times
        made = []
        for kind in (int, np.int64, np.uint8, partial(torch.tensor, device='cpu')):
            given = good | {name: kind(good[name])}
            with torch.device('cpu' if 'X' in good else 'meta'):
                made.append(form(make(**given)))
        for other in made[1:]:
            same = torch.equal if torch.is_tensor(other) else lambda a, b: a == b
            assert same(other, made[0])
    for bad in (good[name] + 0.5, float(good[name]), True, np.True_, str(good[name]), None):
        if name == 'num_dims':  # which says what the three numbers mean
            bad = bad if bad is not None else 5
        with pytest.raises((TypeError, ValueError), match=rf'{name}=.*(whole number|must be 2 for)'):
            make(**good | {name: bad})
    for bad in (0, -1, np.int64(-3)):
        with pytest.raises(ValueError, match=f'{name}=.*{int(bad)}\\b.*[a-z]{{2}}'):
            make(**good | {name: bad})


def test_classes_counted_with_numpy():
    y = torch.tensor([0, 3, 6, 2])
    assert resnet.resnet18(num_classes=y.numpy().max() + 1)[-1].out_features == 7
    assert lenet.lenet(size=np.int64(28))[7].in_features == 400
    assert densenet.densenet(arch=np.array([1, 2]))[1].out_channels == 96
    assert vgg.narrow(np.array(vgg.VGG11), np.int32(4)) == vgg.narrow(vgg.VGG11, 4)
    assert googlenet.conv_relu(1, 2, np.int64(3))[0].padding == (1, 1)


@pytest.mark.parametrize('make, name, inside, outside', [
    (lambda v: vgg.vgg(((1, 2),), size=4, hidden=3, dropout=v), 'dropout', (0, 0.5, 1), (-0.1, 1.5)),
    (lambda v: googlenet.googlenet(width=v), 'width', (0.125, np.float32(0.25)), (0, -1, math.inf)),
    (lambda v: googlenet.WithHeads(googlenet.googlenet(width=0.125), weight=v), 'weight', (0, 2), (-1,)),
    (lambda v: alexnet.random_flip(torch.rand(2, 1, 3, 4), v), 'p', (0, 1, 0.3), (-0.1, 1.1)),
    (lambda v: alexnet.random_light(torch.rand(2, 1, 3, 4), v), 'brightness', (0, 0.3), (-1,)),
    (lambda v: alexnet.random_light(torch.rand(2, 1, 3, 4), 0, v), 'contrast', (0, 0.3), (-1,)),
    (lambda v: compare.standard_error(v, 5), 'acc', (0, 0.3, 1), (80, -0.1)),
    (lambda v: speed.amdahl(v, 2), 'share', (0, 0.3, 1), (-0.1, 1.1)),
    (lambda v: speed.amdahl(0.5, v), 'gain', (0.1, 7, math.inf), (0, -2)),
], ids=lambda v: v if isinstance(v, str) else '')
def test_numbers(make, name, inside, outside):
    for good in (*inside, np.float64(inside[-1])):
        make(good)
    for bad in (*outside, math.nan):
        with pytest.raises(ValueError, match=f'{name}=.* must be '):
            make(bad)
    for bad in ('0.5', True, None):
        with pytest.raises(TypeError, match=f'{name}=.* must be a number'):
            make(bad)


@pytest.mark.parametrize('make', [
    nin.nin, googlenet.googlenet, resnet.resnet18, resnet.resnet34, resnet.preact_resnet18,
    resnet.small_resnet, densenet.densenet, batch_norm.lenet_bn, lenet.lenet, vgg.vgg_block,
], ids=lambda make: make.__name__)
def test_networks_are_plain_and_can_be_copied(make):
    "Plain `nn.Sequential`, in copies and files, too; what looks at the images goes along."
    net = make(1, 2, 3) if make is vgg.vgg_block else make()
    assert type(net) is nn.Sequential and type(net[:2]) is nn.Sequential
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    copies = copy.deepcopy(net), torch.load(file, weights_only=False)
    X = torch.rand(2, 2 if make is vgg.vgg_block else 1, 70, 75)
    if make in (lenet.lenet, batch_norm.lenet_bn):
        X = X[..., :28, :28]
    for other in copies:
        with torch.no_grad():
            torch.testing.assert_close(other.eval()(X), net.eval()(X), rtol=0, atol=0)
        if make in (nin.nin, googlenet.googlenet, resnet.resnet18, densenet.densenet):
            with pytest.raises(ValueError, match=r'X has 3 axes.*X\[None\]'):
                other(X[0])


@pytest.mark.parametrize('wrong, error, words', [
    (lambda: resnet.resnet_block(8, 8, 1, block='Residual'), TypeError, "block='Residual'"),
    (lambda: resnet.small_resnet(block=None), TypeError, 'block=None .*Residual'),
    (lambda: resnet.small_resnet(widths=(4, 8)), ValueError, r'widths=\(4, 8\).*three numbers'),
    (lambda: resnet.small_resnet(widths=(4, 8, 2.5)), TypeError, r'widths\[2\]=2.5'),
    (lambda: resnet.Residual(8, 8, use_1x1conv='no'), TypeError, "use_1x1conv='no'"),
    (lambda: resnet.resnet_block(8, 8, 1, first_block=2), TypeError, 'first_block=2'),
    (lambda: resnet.resnet(18.0), TypeError, 'layers=18.0'),
    (lambda: resnet.resnet('18'), TypeError, "layers='18'"),
    (lambda: densenet.densenet(block='DenseBlock'), TypeError, "block='DenseBlock'"),
    (lambda: densenet.densenet(arch='44'), TypeError, "arch='44' must list"),
    (lambda: densenet.densenet(arch=4), TypeError, 'arch=4 must list'),
    (lambda: densenet.densenet(arch=(4, True)), TypeError, r'arch\[1\]=True'),
    (lambda: batch_norm.lenet_bn(norm='BatchNorm'), TypeError, "norm='BatchNorm'"),
    (lambda: googlenet.inception_stage(4, 6), ValueError, 'number=6 is none of 3, 4, 5'),
    (lambda: nin.nin_block(1, 2, 3, padding=-1), ValueError, r'padding=-1 .* from 0 on'),
    (lambda: nin.nin_block(1, 2, (3, 2.5)), TypeError, 'kernel_size.*2.5'),
    (lambda: nin.he_start(nn.Sequential(nn.ReLU())), ValueError, 'must end in an nn.Conv2d'),
    (lambda: nin.he_start(nn.Conv2d(1, 2, 3, bias=False)), ValueError, 'with a bias'),
    (lambda: nin.he_start('nin'), TypeError, 'nn.Module, got str'),
    (lambda: alexnet.hog(torch.rand(2, 3, 8, 8)), ValueError, '3 channels, and one is needed'),
    (lambda: alexnet.hog(torch.rand(2, 1, 7, 9)), ValueError, '7×9 are too small .* 8×8'),
    (lambda: alexnet.hog(torch.zeros(2, 1, 9, 9, dtype=torch.uint8)), TypeError, 'X / 255'),
    (lambda: alexnet.random_flip(torch.rand(1, 8, 8)), ValueError, r'X\[None\]'),
    (lambda: alexnet.random_crop(np.zeros((2, 1, 8, 8))), TypeError, 'torch.as_tensor'),
    (lambda: alexnet.augment(torch.ones(2, 1, 28, 28, dtype=torch.uint8)), TypeError, '/ 255'),
    (lambda: alexnet.random_crop(torch.rand(2, 1, 8, 8), -1), ValueError, 'by=-1 .* 0 on'),
    (lambda: alexnet.random_colour(torch.rand(2, 1, 8, 8), torch.rand(3, 3)), ValueError, '1 channels'),
    (lambda: compare.mcnemar(*[torch.ones(0).long()] * 3), ValueError, '0 images'),
    (lambda: compare.shared_errors(*(torch.ones(n).long() for n in (3, 3, 1))), ValueError, '3, 3 and 1'),
])
def test_other_wrong_arguments(wrong, error, words):
    with pytest.raises(error, match=words):
        wrong()


def test_hog_keeps_double_precision():
    X = torch.rand(2, 1, 13, 10)
    assert alexnet.hog(X.double()).dtype == torch.float64
    torch.testing.assert_close(alexnet.hog(X.double()).float(), alexnet.hog(X), rtol=1e-4, atol=1e-5)


CHAPTERS = sorted(p.stem for p in (ROOT / 'nbs').glob('[01]?_*.ipynb') if p.stem >= '05')


def code_cells(chapter):
    cells = json.loads((ROOT / 'nbs' / f'{chapter}.ipynb').read_text(encoding='utf-8'))['cells']
    return [''.join(c['source']) for c in cells if c['cell_type'] == 'code']


@pytest.mark.parametrize('chapter', SHOWN)
def test_exported_cells_can_be_run_twice(chapter):
    "And what they guard is guarded once."
    names = {}
    for source in code_cells(chapter):
        if re.match(r'#\|\s*exports?\b', source):
            for _ in range(2):
                exec(source, names)
    for name, value in vars(importlib.import_module('d2lcnn.' + chapter[3:])).items():
        for f, ours in ((names.get(name), value), *pairs_of_methods(names.get(name), value)):
            assert depth(f) == depth(ours), name


def pairs_of_methods(ours, theirs):
    if not isinstance(theirs, type):
        return []
    return [(getattr(ours, name), value) for name, value in vars(theirs).items() if callable(value)]


def depth(f):
    "How often something is wrapped."
    n = 0
    while hasattr(f, '__wrapped__'):
        f, n = f.__wrapped__, n + 1
    return n


def stale_names(source):
    "Names that a cell takes from before and changes: a second run would start from something else."
    bound, found = set(), []
    for statement in ast.parse(re.sub(r'^[%!].*$', '', source, flags=re.M)).body:
        inside = {
            n.id
            for loop in ast.walk(statement)
            if isinstance(loop, ast.comprehension)
            for n in ast.walk(loop.target)
            if isinstance(n, ast.Name)
        }
        names = [n for n in ast.walk(statement) if isinstance(n, ast.Name) and n.id not in inside]
        stored = {n.id for n in names if not isinstance(n.ctx, ast.Load)}
        changed = stored if isinstance(statement, (ast.Delete, ast.AugAssign)) else set()
        if isinstance(statement, ast.Assign):
            changed = stored & {n.id for n in names if isinstance(n.ctx, ast.Load)}
        found += sorted(changed - bound)
        bound |= stored
    return found


@pytest.mark.parametrize('chapter', CHAPTERS)
def test_no_cell_changes_what_an_earlier_one_made(chapter):
    for source in code_cells(chapter):
        guards = re.findall(r'^(\w+) = (?:guarded|guard.watching)\(', source, re.M)
        assert set(stale_names(source)) <= set(guards), source


def test_what_a_second_run_would_break_is_found():
    assert stale_names('Y = pool(Y)') == ['Y'] and stale_names('del a, b') == ['a', 'b']
    assert stale_names('n += 1') == ['n'] and stale_names('Y = 1\nY = Y + 1\nY += 1') == []


def globals_of(code):
    "Names that a function, and what is defined in it, looks up in its module when it runs."
    names = {i.argval for i in dis.get_instructions(code) if i.opname == 'LOAD_GLOBAL'}
    inner = (c for c in code.co_consts if isinstance(c, types.CodeType))
    return names.union(*map(globals_of, inner))


@pytest.mark.parametrize('chapter', CHAPTERS)
def test_no_shown_cell_takes_a_name_that_exported_code_needs(chapter):
    "In a chapter's notebook all cells share their names: `for whole in …` must break no check."
    needed, taken = set(), set()
    for source in code_cells(chapter):
        code = compile(re.sub(r'^[%!].*$', '', source, flags=re.M), chapter, 'exec')
        inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
        if re.match(r'#\|\s*exports?\b', source):
            needed = needed.union(*map(globals_of, inner))
        else:
            steps = dis.get_instructions(code)
            tree = ast.parse(source) if source else None
            imported = {a.asname or a.name for n in ast.walk(tree) for a in getattr(n, 'names', ())
                        if isinstance(a, ast.alias)}
            taken |= {i.argval for i in steps if i.opname == 'STORE_NAME'} - imported
    assert not needed & taken


@pytest.mark.slow
@pytest.mark.parametrize('make', [
    batch_norm.lenet_bn, partial(resnet.small_resnet, 8),
    lambda: googlenet.WithHeads(googlenet.googlenet(width=0.125)),
], ids=['lenet_bn', 'resnet', 'heads'])
def test_guards_let_the_compiler_through(make):
    "One graph, without a break: what is checked is known when the network is traced."
    torch.manual_seed(0)
    net, X = make(), torch.rand(3, 1, 28, 28)
    compiled = torch.compile(copy.deepcopy(net), backend='eager', fullgraph=True)
    torch.testing.assert_close(compiled(X), net(X), rtol=1e-4, atol=1e-5)
