"Chapter f4: modules from scratch against PyTorch's, over random cases; what is refused."
import random

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from d2lcnn.layers import Centered, MyLinear, MySequential, Scaled, init_constant, init_normal

SEEDS = range(40)


@pytest.mark.parametrize('seed', SEEDS)
def test_linear(seed):
    rng = random.Random(seed)
    n, m, batch = rng.randint(1, 9), rng.randint(1, 9), rng.randint(1, 5)
    torch.manual_seed(seed)
    mine, theirs = MyLinear(n, m).double(), nn.Linear(n, m).double()
    theirs.load_state_dict(mine.state_dict())
    assert mine.weight.abs().max() <= n**-0.5 and mine.bias.abs().max() <= n**-0.5
    X = torch.randn(batch, n, dtype=torch.float64, requires_grad=True)
    got, want = mine(X), theirs(X)
    assert_close(got, want)
    w = torch.randn_like(want)
    a = torch.autograd.grad((got * w).sum(), [X, *mine.parameters()])
    b = torch.autograd.grad((want * w).sum(), [X, *theirs.parameters()])
    for x, y in zip(a, b):
        assert_close(x, y)


def some_layers(rng, n):
    "Layers in a row, some of them blocks, one maybe twice"
    layers = []
    for _ in range(rng.randint(0, 5)):
        m = rng.randint(1, 6)
        layers.append(rng.choice([
            nn.ReLU(), nn.Linear(n, n), Centered(), nn.Sequential(nn.Linear(n, m), nn.Linear(m, n))]))
    return layers + layers[:1] * rng.randint(0, 1)


@pytest.mark.parametrize('seed', SEEDS)
def test_sequential(seed):
    rng = random.Random(seed)
    torch.manual_seed(seed)
    n = rng.randint(2, 6)
    layers = some_layers(rng, n)
    mine, theirs, X = MySequential(*layers), nn.Sequential(*layers), torch.randn(3, n)
    assert_close(mine(X), theirs(X))
    assert list(mine.state_dict()) == list(theirs.state_dict())
    assert [k for k, _ in mine.named_parameters()] == [k for k, _ in theirs.named_parameters()]


@pytest.mark.parametrize('seed', range(10))
def test_centered_and_scaled(seed):
    g = torch.Generator().manual_seed(seed)
    X, scale = torch.randn(4, seed + 1, generator=g), torch.randn(seed + 1, generator=g)
    assert_close(Centered()(X), X - nn.functional.adaptive_avg_pool1d(X, 1))
    layer = Scaled(scale)
    assert_close(layer(X), X @ torch.diag(scale))
    assert list(layer.parameters()) == [] and list(layer.state_dict()) == ['scale']
    assert layer.double().scale.dtype == torch.float64


def test_initializations():
    net = nn.Sequential(nn.Linear(300, 200), nn.ReLU(), nn.Sequential(nn.Linear(200, 5, bias=False)))
    torch.manual_seed(0)
    net.apply(init_normal)
    assert abs(net[0].weight.std() - 0.01) < 0.001 and not net[0].bias.any()
    net.apply(init_constant)
    assert (net[2][0].weight == 0.5).all()
    before = nn.Conv2d(1, 1, 3)
    was = before.weight.clone()
    init_normal(before)
    assert_close(before.weight, was)


@pytest.mark.parametrize('call, error, words', [
    (lambda: MySequential([nn.ReLU()]), TypeError, 'layer 0 is a list, not a module; pass layers one by one'),
    (lambda: MySequential(nn.ReLU(), nn.ReLU), TypeError, 'layer 1 is a type'),
    (lambda: MyLinear(0, 3), ValueError, 'in_features=0'),
    (lambda: MyLinear(3, 2.0), TypeError, 'out_features=2.0'),
    (lambda: MyLinear(3, 2)(torch.rand(4, 5)), ValueError, 'X has 5 numbers per example and the layer takes 3'),
    (lambda: MyLinear(3, 2)(torch.rand(3)), ValueError, 'X[None]'),
    (lambda: MyLinear(3, 2)(torch.ones(1, 3).int()), TypeError, 'X.float()'),
    (lambda: Centered()([1.0, 2.0]), TypeError, 'torch.as_tensor(X)'),
    (lambda: Scaled([1.0]), TypeError, 'torch.as_tensor(scale)'),
    (lambda: Scaled(torch.ones(2))(torch.rand(2, 3)), ValueError, 'X has 3 columns and there are 2 scales'),
    (lambda: init_normal('net'), TypeError, 'module is a str'),
    (lambda: init_normal(nn.ReLU(), std=-1), ValueError, 'std=-1'),
    (lambda: init_constant(nn.ReLU(), value='1'), TypeError, "value='1'"),
])
def test_bad_input_is_refused(call, error, words):
    with pytest.raises(error) as e:
        call()
    assert words in str(e.value)
