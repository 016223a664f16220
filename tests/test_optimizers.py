"Chapter f5: every rule equals PyTorch's optimizer over 200 steps, on surfaces and on networks."
import inspect
import random
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from d2lcnn import explore
from d2lcnn import optimizers as o
from d2lcnn.data import digits
from d2lcnn.explore import surface as walks
from d2lcnn.mlp import mlp
from d2lcnn.train import fit

RULES = ['gradient_descent', 'momentum', 'adagrad', 'rmsprop', 'adam', 'adamw']


def drawn(rule, rng):
    "A rule with settings by chance, and PyTorch's optimizer with the same"
    beta, beta2, eps, decay = rng.uniform(0, 0.95), rng.uniform(0.9, 0.999), 10 ** rng.uniform(-10, -4), rng.uniform(0, 0.5)
    ours, theirs, make = {
        'gradient_descent': ({}, {}, torch.optim.SGD),
        'momentum': (dict(beta=beta), dict(momentum=beta), torch.optim.SGD),
        'adagrad': (dict(eps=eps), dict(eps=eps), torch.optim.Adagrad),
        'rmsprop': (dict(beta=beta2, eps=eps), dict(alpha=beta2, eps=eps), torch.optim.RMSprop),
        'adam': (dict(beta1=beta, beta2=beta2, eps=eps), dict(betas=(beta, beta2), eps=eps), torch.optim.Adam),
        'adamw': (dict(beta1=beta, beta2=beta2, eps=eps, decay=decay),
                  dict(betas=(beta, beta2), eps=eps, weight_decay=decay), torch.optim.AdamW),
    }[rule]
    if rng.random() < 0.3:  # the defaults are PyTorch's, too
        ours, theirs = {}, dict(momentum=0.9) if rule == 'momentum' else {}
    return partial(o.Optimizer, rule=getattr(o, rule), **ours), partial(make, **theirs), ours


def two_hundred(make, seed, lr):
    torch.manual_seed(seed)
    rng = random.Random(seed)
    net = mlp(5, 3, tuple(rng.randint(2, 6) for _ in range(rng.randint(0, 2))), nn.Tanh).double()
    X, y = torch.randn(200, 7, 5).double(), torch.randint(3, (200, 7))
    optimizer = make(net.parameters(), lr=lr)
    for i in range(200):
        optimizer.zero_grad()
        F.cross_entropy(net(X[i]), y[i]).backward()
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in net.parameters()])


@pytest.mark.parametrize('seed', range(6))
@pytest.mark.parametrize('rule', RULES)
def test_a_network_after_200_steps(rule, seed):
    ours, theirs, _ = drawn(rule, random.Random(seed))
    lr = 10 ** random.Random(-seed).uniform(-4, -1.3)
    assert_close(two_hundred(ours, seed, lr), two_hundred(theirs, seed, lr), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize('surface', explore.SURFACES)
@pytest.mark.parametrize('rule', RULES)
def test_a_surface_over_200_steps(rule, surface):
    for seed in range(4):
        rng = random.Random(f'{rule}{surface}{seed}')
        _, theirs, settings = drawn(rule, rng)
        s = explore.SURFACES[surface]
        lr = 10 ** rng.uniform(-4, -2)  # at larger ones a path may be chaotic, and roundings grow
        start = (rng.uniform(*s.x), rng.uniform(*s.y))
        path = o.descend(getattr(o, rule), s.height, start, lr, 200, **settings)
        w = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        optimizer, want = theirs([w], lr=lr), [w.detach().clone()]
        for _ in range(200):
            optimizer.zero_grad()
            s.height(*w).backward()
            optimizer.step()
            want.append(w.detach().clone())
        assert path.shape == (201, 2)
        assert_close(path, torch.stack(want), rtol=1e-7, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize('rule', RULES)
def test_at_most_ten_lines_and_numbers_as_tensors(rule):
    f = getattr(o, rule)
    assert len(inspect.getsource(f).splitlines()) <= 10
    g = torch.Generator().manual_seed(1)
    w, grads = torch.randn(4, generator=g).double(), torch.randn(9, 4, generator=g).double()
    whole, alone = {}, [{} for _ in range(4)]
    one = w.tolist()
    for grad in grads:
        w = f(w, grad, whole, 0.1)
        one = [f(v, d, s, 0.1) for v, d, s in zip(one, grad.tolist(), alone)]
    assert_close(w, torch.tensor(one, dtype=torch.float64))


def test_a_parameter_without_a_gradient_stays():
    a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
    optimizer = o.Optimizer([a, b], 0.1, rule=o.adamw)
    a.sum().backward()
    optimizer.step()
    assert (b == 1).all() and (a < 1).all()
    optimizer.zero_grad()
    assert a.grad is None


@pytest.mark.parametrize('rule', RULES)
def test_fit_takes_it(rule):
    data = digits(batch_size=64)
    runs = []
    for make in (partial(o.Optimizer, rule=getattr(o, rule)), {
            'gradient_descent': torch.optim.SGD, 'momentum': partial(torch.optim.SGD, momentum=0.9),
            'adagrad': torch.optim.Adagrad, 'rmsprop': torch.optim.RMSprop,
            'adam': torch.optim.Adam, 'adamw': torch.optim.AdamW}[rule]):
        runs.append(fit(mlp(hidden=16), data, 2, 0.01, optimizer=make, init='xavier', verbose=False))
    assert_close(torch.tensor(runs[0].batch_loss), torch.tensor(runs[1].batch_loss), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('call, error, words', [
    (lambda: o.gradient_descent(torch.zeros(2), torch.zeros(3), {}, 0.1), ValueError, 'shape (2,) and its gradient (3,)'),
    (lambda: o.momentum(1.0, 1.0, {}, 0.1, beta=1), ValueError, 'beta=1 must be at least 0 and below 1'),
    (lambda: o.adam(1.0, 1.0, {}, -0.1), ValueError, 'lr=-0.1 must be above 0'),
    (lambda: o.adam(1.0, 1.0, {}, '0.1'), TypeError, "lr='0.1' must be a number"),
    (lambda: o.adamw(1.0, 1.0, {}, 0.1, decay=-1), ValueError, 'decay=-1'),
    (lambda: o.rmsprop(1.0, 1.0, {}, 0.1, eps=-1), ValueError, 'eps=-1'),
    (lambda: o.Optimizer(nn.Linear(2, 2), 0.1), TypeError, 'pass its .parameters()'),
    (lambda: o.Optimizer(torch.zeros(2, requires_grad=True), 0.1), TypeError, '[params]'),
    (lambda: o.Optimizer([], 0.1), ValueError, 'is empty'),
    (lambda: o.Optimizer([torch.zeros(2)], 0.1), ValueError, 'requires a gradient'),
    (lambda: o.Optimizer([torch.zeros(2, requires_grad=True)], 0), ValueError, 'lr=0'),
    (lambda: o.Optimizer([torch.zeros(2, requires_grad=True)], 0.1, rule='adam'), TypeError, "rule='adam'"),
    (lambda: o.descend(o.adam, explore.SURFACES['bowl'].height, (1, 2, 3), 0.1, 5), ValueError, 'two numbers'),
    (lambda: o.descend(o.adam, explore.SURFACES['bowl'].height, (1, 2), 0.1, -5), ValueError, 'steps=-5'),
    (lambda: o.descend(o.adam, 'bowl', (1, 2), 0.1, 5), TypeError, 'height is a str'),
])
def test_bad_input_is_refused(call, error, words):
    with pytest.raises(error) as e:
        call()
    assert words in str(e.value)


# ---------------------------------------------------------------- the explorer


def test_the_figure_says_where_the_paths_end():
    svg = explore.draw_surface('bowl', 'gradient_descent', 0.1, 'nothing', 0.2, steps=10, x=1.0, y=2.0)
    x, y = 0.9**10, 2 * 0.9**10
    assert f'height {(x * x + y * y) / 2:.2g} at ({x:.2g}, {y:.1g})' in svg and 'momentum' not in svg
    assert 'too far away to go on' in explore.draw_surface('ravine', lr_first=3.0, steps=100)
    assert len(walks.walk('ravine', 'gradient_descent', 3.0, 100, (1.0, 1.0))) < 100


def test_surface_refuses_and_moves():
    for bad in (dict(surface='hill'), dict(first='newton'), dict(second='newton'), dict(steps=201),
                dict(lr_first=0), dict(x='far')):
        with pytest.raises((ValueError, TypeError)):
            explore.draw_surface(**bad)
    e = explore.explore_surface()
    before = e.picture
    e.controls['second'].value = 'adam'
    e.controls['lr_second'].value = 0.1
    assert e.picture != before and 'adam, rate 0.1' in e.picture
    assert 'lr-second="0.2"' in explore.surface_element().data


def test_plot_paths_takes_axes():
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot as plt
    ax = plt.figure().add_subplot()
    assert explore.plot_paths('saddle', {'a': [(1.0, 1.0), (0.5, 0.4)]}, ax=ax) is ax
    with pytest.raises(ValueError):
        explore.plot_paths('hill', {})
    plt.close('all')
