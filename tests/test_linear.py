"Chapter f1: every piece equal to PyTorch's over random cases, and bad input refused."

import inspect

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from d2lcnn import linear
from d2lcnn.linear import data_iter, linreg, load_array, sgd, squared_loss, synthetic_data

SIZES = st.integers(1, 7)
SEEDS = st.integers(0, 10**6)


def rand(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=40, deadline=None)
@given(SEEDS, SIZES, SIZES)
def test_linreg_is_a_linear_layer(seed, n, d):
    X, w, b = rand(seed, n, d), rand(seed + 1, d, 1), rand(seed + 2, 1)
    layer = nn.Linear(d, 1)
    with torch.no_grad():
        layer.weight.copy_(w.T)
        layer.bias.copy_(b)
    assert_close(linreg(X, w, b), layer(X).detach())
    assert_close(linreg(X, w[:, 0], b.item()), F.linear(X, w.T, b)[:, 0])


@settings(max_examples=40, deadline=None)
@given(SEEDS, SIZES, SIZES)
def test_squared_loss_is_half_of_the_mean_squared_error(seed, n, d):
    Y, y = rand(seed, n, d), rand(seed + 1, n, d)
    assert_close(squared_loss(Y, y), F.mse_loss(Y, y, reduction='none') / 2)
    assert_close(squared_loss(Y, y.flatten()), squared_loss(Y, y))
    assert_close(squared_loss(Y, y).mean(), F.mse_loss(Y, y) / 2)


@settings(max_examples=25, deadline=None)
@given(SEEDS, SIZES, SIZES, st.floats(0.001, 0.5), st.integers(1, 9))
def test_sgd_takes_the_steps_of_torch_optim(seed, n, d, lr, batch_size):
    X, y = rand(seed, n, d), rand(seed + 1, n, 1)
    w, b = rand(seed + 2, d, 1).requires_grad_(), torch.zeros(1, requires_grad=True)
    w2, b2 = (p.detach().clone().requires_grad_() for p in (w, b))
    optimizer, kept = torch.optim.SGD([w2, b2], lr / batch_size), id(w)
    for _ in range(5):
        squared_loss(linreg(X, w, b), y).sum().backward()
        sgd([w, b], lr, batch_size)
        optimizer.zero_grad()
        (F.mse_loss(X @ w2 + b2, y, reduction='sum') / 2).backward()
        optimizer.step()
    assert_close((w, b), (w2, b2), rtol=1e-4, atol=1e-5)
    assert id(w) == kept and w.is_leaf and w.requires_grad and not w.grad.any()


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 40), st.integers(1, 50))
def test_batches_hold_every_example_once_in_pairs(seed, n, batch_size):
    X, y = rand(seed, n, 2), torch.arange(n)
    X[:, 0] = y
    torch.manual_seed(seed)
    ours = list(data_iter(batch_size, X, y))
    theirs = list(load_array((X, y), batch_size))
    for batches in ours, theirs:
        assert [len(b) for _, b in batches] == [len(rows) for rows in y.split(batch_size)]
        assert torch.cat([b for _, b in batches]).sort().values.equal(y)
        assert all(rows[:, 0].equal(b.float()) for rows, b in batches)
    in_order = torch.cat([b for _, b in load_array((X, y), batch_size, is_train=False)])
    assert in_order.equal(y)


def test_batches_come_in_another_order_each_time_and_the_same_for_a_seed():
    X, y = rand(0, 50, 3), torch.arange(50)

    def order(seed):
        torch.manual_seed(seed)
        return [torch.cat([b for _, b in data_iter(8, X, y)]) for _ in range(2)]

    first, second = order(1)
    assert not first.equal(second) and all(a.equal(b) for a, b in zip(order(1), (first, second)))


@settings(max_examples=20, deadline=None)
@given(SEEDS, SIZES)
def test_synthetic_data_lies_around_its_line(seed, d):
    w = rand(seed, d)
    torch.manual_seed(seed)
    X, y = synthetic_data(w, 1.5, 2000, noise=0.3)
    assert X.shape == (2000, d) and y.shape == (2000, 1)
    left = y[:, 0] - X @ w - 1.5
    assert left.mean().abs() < 0.04 and abs(left.std() - 0.3) < 0.04
    torch.manual_seed(seed)
    exact = synthetic_data(w, 1.5, 20, noise=0)
    assert_close(exact[1][:, 0], exact[0] @ w + 1.5)


X, Y, W = torch.ones(4, 2), torch.ones(4, 1), torch.ones(2, 1)


@pytest.mark.parametrize(
    'call, error, words',
    [
        (lambda: synthetic_data([2.0], 1, 5), TypeError, 'w is a list.*torch.as_tensor'),
        (lambda: synthetic_data(torch.tensor([2]), 1, 5), TypeError, r'w\.float\(\)'),
        (lambda: synthetic_data(W, 1, 5), ValueError, 'w has 2 axes'),
        (lambda: synthetic_data(W[0], 1, 0), ValueError, 'num_examples=0 .* from 1'),
        (lambda: synthetic_data(W[0], 1, 2.5), TypeError, 'num_examples=2.5'),
        (lambda: synthetic_data(W[0], 1, 5, -1), ValueError, 'noise=-1 must be at least 0'),
        (lambda: linreg(X, torch.ones(3, 1), 0), ValueError, 'X has 2 inputs a row, w has 3'),
        (lambda: linreg(X, W.double(), 0), TypeError, 'float64'),
        (lambda: linreg(X[0], W, 0), ValueError, 'X has 1 axis'),
        (lambda: squared_loss(Y, torch.ones(3)), ValueError, '4 predictions.*3 targets'),
        (lambda: squared_loss([1.0], Y), TypeError, 'y_hat is a list'),
        (lambda: squared_loss(Y, 1.0), TypeError, 'y is a float'),
        (lambda: data_iter(0, X, Y), ValueError, 'batch_size=0'),
        (lambda: data_iter(2, X, Y[:3]), ValueError, 'X has 4 rows, y has 3 rows'),
        (lambda: data_iter(2, X, Y[0, 0]), ValueError, 'no rows'),
        (lambda: data_iter(2, X[:0], Y[:0]), ValueError, 'X of shape .* has no rows'),
        (lambda: load_array(X, 2), TypeError, r'one tensor.*\(X, y\)'),
        (lambda: load_array((X, Y[:2]), 2), ValueError, '4 rows.*2 rows'),
        (lambda: load_array((), 2), ValueError, 'empty'),
        (lambda: load_array((X, Y), 2, 'no'), TypeError, 'is_train'),
        (lambda: sgd([torch.ones(2)], 0.1, 1), ValueError, r'params\[0\] has no gradient'),
        (lambda: sgd([W], -0.1, 1), ValueError, 'no gradient'),
        (lambda: sgd([graded()], 0, 1), ValueError, 'lr=0 must be above 0'),
        (lambda: sgd([graded()], 0.1, 0), ValueError, 'batch_size=0'),
    ],
)
def test_bad_input_is_refused_with_the_way_out(call, error, words):
    with pytest.raises(error, match=words):
        call()


def graded():
    p = torch.ones(2, requires_grad=True)
    p.sum().backward()
    return p


def test_parameters_may_come_from_a_module():
    net = nn.Linear(2, 1)
    net(X).sum().backward()
    before = net.bias.item()
    sgd(net.parameters(), 0.1, 4)
    assert net.bias.item() == pytest.approx(before - 0.1)


@pytest.mark.parametrize('name', ['synthetic_data', 'linreg', 'squared_loss', 'sgd', 'data_iter', 'load_array'])
def test_a_taught_function_pasted_alone_does_the_same(name):
    f, space = getattr(linear, name), dict(torch=torch)
    exec(inspect.getsource(f), space)
    calls = dict(
        synthetic_data=(torch.tensor([1.0, 2]), 3, 4),
        linreg=(X, W, 2),
        squared_loss=(Y, torch.zeros(4)),
        data_iter=(3, X, Y),
        load_array=((X, Y), 3),
    )

    def result(g):
        torch.manual_seed(0)
        if name == 'sgd':
            p = graded()
            g([p], 0.1, 2)
            return [p.detach()]
        out = g(*calls[name])
        return list(out) if name in ('data_iter', 'load_array') else [out]

    assert repr(result(space[name])) == repr(result(f))
    assert inspect.signature(f) == inspect.signature(space[name])
