"Chapter f3: activations, dropout and the MLP against PyTorch, over random cases; what is refused."
import copy
import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from d2lcnn import explore
from d2lcnn.explore import hinges
from d2lcnn.mlp import collapse, dropout, mlp, relu, sigmoid, tanh

SEEDS = range(40)


def drawn(seed, dtype=torch.float32):
    "A tensor of any rank, with numbers from tiny to hundreds, among them zeros."
    rng, g = random.Random(seed), torch.Generator().manual_seed(seed)
    shape = [rng.randint(1, 5) for _ in range(rng.randint(0, 4))]
    x = torch.randn(shape, generator=g, dtype=dtype) * 10 ** rng.randint(-3, 3)
    return torch.where(torch.rand(shape, generator=g) < 0.1, torch.zeros_like(x), x).requires_grad_()


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('ours, theirs', [(relu, torch.relu), (sigmoid, torch.sigmoid), (tanh, torch.tanh)])
@pytest.mark.parametrize('seed', SEEDS)
def test_activations_and_their_slopes(seed, ours, theirs, dtype):
    x = drawn(seed, dtype)
    got, want = ours(x), theirs(x)
    assert_close(got, want, rtol=1e-5, atol=1e-6)
    slopes = [torch.autograd.grad(y.sum(), x)[0] for y in (got, want)]
    assert_close(*slopes, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('f', [sigmoid, tanh])
def test_far_from_zero_there_is_a_number_and_a_slope(f):
    x = torch.tensor([-1e30, -1000., -100., 100., 1000., 1e30], requires_grad=True)
    y = f(x)
    slope = torch.autograd.grad(y.sum(), x)[0]
    assert y.isfinite().all() and slope.isfinite().all() and slope.abs().max() < 1e-6


@pytest.mark.parametrize('seed', SEEDS)
def test_two_linear_layers_are_one(seed):
    rng = random.Random(seed)
    a, b, c = (rng.randint(1, 7) for _ in range(3))
    torch.manual_seed(seed)
    first, second, X = nn.Linear(a, b).double(), nn.Linear(b, c).double(), torch.randn(5, a).double()
    before = copy.deepcopy((first.state_dict(), second.state_dict()))
    one = collapse(first, second)
    assert one.weight.shape == (c, a)
    assert_close(one.double()(X), second(first(X)), rtol=1e-5, atol=1e-6)
    for m, was in zip((first, second), before):
        for k, v in m.state_dict().items():
            assert_close(v, was[k], rtol=0, atol=0)


@pytest.mark.parametrize('p', [0, 0.1, 0.5, 0.9, 1, 1.0])
@pytest.mark.parametrize('seed', range(10))
def test_dropout_with_the_same_coins(seed, p):
    x, outs, slopes = drawn(seed), [], []
    for f in (dropout, F.dropout):
        torch.manual_seed(seed)
        outs.append(f(x, p))
        slopes.append(torch.autograd.grad(outs[-1].sum(), x)[0])
    assert_close(*outs)
    assert_close(*slopes)


@pytest.mark.parametrize('seed', SEEDS)
def test_mlp_is_the_list_of_layers(seed):
    rng = random.Random(seed)
    hidden = tuple(rng.randint(1, 9) for _ in range(rng.randint(0, 3)))
    n, classes, p = rng.randint(1, 12), rng.randint(1, 6), rng.choice([0.0, 0.3])
    net = mlp(n, classes, hidden, activation=rng.choice([nn.ReLU, nn.Tanh]), dropout=p)
    sizes = [n, *hidden, classes]
    assert sum(q.numel() for q in net.parameters()) == sum((a + 1) * b for a, b in zip(sizes, sizes[1:]))
    assert sum(isinstance(m, nn.Dropout) for m in net) == (len(hidden) if p else 0)
    net(torch.randn(2, 1, n, requires_grad=True)).sum().backward()
    assert net(torch.rand(2, 1, n)).shape == (2, classes)
    assert all(q.grad is not None for q in net.parameters())


def test_the_networks_of_the_page():
    assert [sum(p.numel() for p in mlp(hidden=h).parameters()) for h in ((), 256)] == [7_850, 203_530]
    assert mlp(hidden=(2, 3))[1].out_features == 2 and mlp(hidden=torch.tensor(4))[1].out_features == 4


@pytest.mark.parametrize('call, error, words', [
    (lambda: relu([1.0]), TypeError, 'torch.as_tensor(x)'),
    (lambda: relu(torch.arange(3)), TypeError, 'x.float()'),
    (lambda: sigmoid(torch.zeros(2).half()), TypeError, 'torch.float16'),
    (lambda: tanh(torch.arange(3)), TypeError, 'torch.int64'),
    (lambda: dropout(torch.zeros(2), 1.5), ValueError, 'p=1.5 must be at least 0 and at most 1'),
    (lambda: dropout(torch.zeros(2), '0.5'), TypeError, 'must be a number'),
    (lambda: collapse(nn.Linear(2, 3), nn.Linear(4, 1)), ValueError, 'first gives 3 numbers and second takes 4'),
    (lambda: collapse(nn.ReLU(), nn.Linear(4, 1)), TypeError, 'first is a ReLU'),
    (lambda: collapse(nn.Linear(2, 3, bias=False), nn.Linear(3, 1)), ValueError, 'first has no bias'),
    (lambda: mlp(0), ValueError, 'in_features=0'),
    (lambda: mlp(num_classes=2.5), TypeError, 'num_classes=2.5'),
    (lambda: mlp(hidden=(3, 0)), ValueError, 'hidden[1]=0'),
    (lambda: mlp(activation=nn.ReLU()), TypeError, 'such as nn.ReLU'),
    (lambda: mlp(dropout=-0.1), ValueError, 'dropout=-0.1'),
])
def test_bad_input_is_refused(call, error, words):
    with pytest.raises(error) as e:
        call()
    assert words in str(e.value)


# ---------------------------------------------------------------- the explorer


@pytest.mark.parametrize('curve', hinges.CURVES)
@pytest.mark.parametrize('n', [1, 2, 3, 7, 24])
def test_the_broken_line_meets_the_curve_at_every_bend(curve, n):
    places, weights, bias = hinges.hinges(curve, n)
    assert len(places) == len(weights) == n and places[0] == hinges.LOW
    at = torch.tensor([*places, hinges.HIGH], dtype=torch.float64)
    want = torch.tensor([hinges.CURVES[curve](v) for v in at.tolist()], dtype=torch.float64)
    assert_close(hinges.line_of(places, weights, bias, at), want)
    assert f'{n} hidden unit' in explore.draw_hinges(curve, n)


def test_hinges_refuses_and_moves():
    for bad in (dict(curve='a circle'), dict(units=0), dict(units=25), dict(units=2.5)):
        with pytest.raises((ValueError, TypeError)):
            explore.draw_hinges(**bad)
    e = explore.explore_hinges()
    before = e.picture
    e.controls['units'].value = 9
    assert e.picture != before and '9 hidden units' in e.picture
    assert 'd2l-hinges' in explore.hinges_element('a hill', 3).data
