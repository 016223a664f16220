"LeNet and LeNet-5: counts, shapes, gradients, errors, and equality with a re-derivation in plain functions."
import pytest
import torch
from torch.nn import functional as F

from d2lcnn.lenet import lenet, lenet5
from d2lcnn.summary import macs, receptive_field

# factory, parameters, size it is made for, smallest size, stages (type, output shape) for a batch of 2
NETS = [
    (lenet, 61_706, 28, 12, [
        ('Conv2d', (2, 6, 28, 28)), ('Sigmoid', (2, 6, 28, 28)), ('AvgPool2d', (2, 6, 14, 14)),
        ('Conv2d', (2, 16, 10, 10)), ('Sigmoid', (2, 16, 10, 10)), ('AvgPool2d', (2, 16, 5, 5)),
        ('Flatten', (2, 400)), ('Linear', (2, 120)), ('Sigmoid', (2, 120)), ('Linear', (2, 84)), ('Sigmoid', (2, 84)), ('Linear', (2, 10))]),
    (lenet5, 61_750, 32, 16, [
        ('Conv2d', (2, 6, 28, 28)), ('BatchNorm2d', (2, 6, 28, 28)), ('ReLU', (2, 6, 28, 28)), ('MaxPool2d', (2, 6, 14, 14)),
        ('Conv2d', (2, 16, 10, 10)), ('BatchNorm2d', (2, 16, 10, 10)), ('ReLU', (2, 16, 10, 10)), ('MaxPool2d', (2, 16, 5, 5)),
        ('Flatten', (2, 400)), ('Linear', (2, 120)), ('ReLU', (2, 120)), ('Linear', (2, 84)), ('ReLU', (2, 84)), ('Linear', (2, 10))]),
]
each = pytest.mark.parametrize('make, params, size, smallest, stages', NETS, ids=['lenet', 'lenet5'])


def count(net): return sum(p.numel() for p in net.parameters())


@each
def test_parameters_and_macs(make, params, size, smallest, stages):
    net = make()
    assert count(net) == params and macs(net, (1, 1, size, size)) == 416_520
    assert all(p.requires_grad for p in net.parameters())
    assert receptive_field(net, (1, 1, size, size)) == (16, 16)


@each
def test_stages(make, params, size, smallest, stages):
    X, seen = torch.rand(2, 1, size, size), []
    for layer in make():
        X = layer(X)
        seen.append((type(layer).__name__, tuple(X.shape)))
    assert seen == stages


@each
@pytest.mark.parametrize('in_channels, num_classes, delta, batch', [(1, 10, 0, 2), (3, 7, 5, 3), (2, 1, 13, 2), (3, 10, -1, 5), (4, 1000, None, 2)])
def test_other_channels_classes_sizes(make, params, size, smallest, stages, in_channels, num_classes, delta, batch):
    side = smallest if delta is None else size + delta
    net = make(in_channels, num_classes, size=side)
    Y = net(torch.rand(batch, in_channels, side, side))
    assert Y.shape == (batch, num_classes) and torch.isfinite(Y).all()
    features = net[-5].in_features
    change = 150 * (in_channels - 1) + 120 * (features - 400) + 85 * (num_classes - 10)
    assert count(net) == params + change


@each
def test_every_size_from_the_smallest_on(make, params, size, smallest, stages):
    for side in range(smallest, smallest + 24): assert make(size=side)(torch.rand(2, 1, side, side)).shape == (2, 10)


@each
def test_gradient_reaches_every_parameter(make, params, size, smallest, stages):
    torch.manual_seed(0)
    net = make(3, 7)
    F.cross_entropy(net(torch.rand(4, 3, size, size)), torch.tensor([0, 6, 2, 5])).backward()
    for name, p in net.named_parameters():
        assert p.grad is not None and torch.isfinite(p.grad).all(), name
        # A bias before batch normalisation has no effect on the output, so its gradient is 0 up to rounding.
        if not (make is lenet5 and name in ('0.bias', '4.bias')): assert p.grad.abs().max() > 1e-9, name


@each
def test_no_nan_for_extreme_pictures(make, params, size, smallest, stages):
    net = make()
    for X in (torch.zeros(2, 1, size, size), torch.ones(2, 1, size, size), 1e3 * torch.randn(2, 1, size, size)):
        assert torch.isfinite(net(X)).all() and torch.isfinite(net.eval()(X)).all()
        net.train()


@each
@pytest.mark.parametrize('below', [1, 2, 7])
def test_too_small(make, params, size, smallest, stages, below):
    with pytest.raises(ValueError, match=f'size={smallest - below} is too small .* the smallest that works is {smallest}$'): make(size=smallest - below)


@each
@pytest.mark.parametrize('size_', [28.0, '28', (28, 28), None, True])
def test_size_is_a_whole_number(make, params, size, smallest, stages, size_):
    with pytest.raises(TypeError, match='whole number'): make(size=size_)


def sequential(net): return [p.detach() for p in net.parameters()]


@pytest.mark.parametrize('side, channels', [(28, 1), (33, 3)])
def test_lenet_is_its_formulas(side, channels):
    torch.manual_seed(1)
    net = lenet(channels, 7, side)
    K1, b1, K2, b2, W1, c1, W2, c2, W3, c3 = sequential(net)
    X = torch.randn(3, channels, side, side)
    def windows(X, K, b, p):  # convolution as a matrix product
        h = X.shape[-1] + 2 * p - 4
        return (K.flatten(1) @ F.unfold(X, 5, padding=p) + b[:, None]).view(len(X), -1, h, h)
    def halve(X):
        n = X.shape[-1] // 2
        return X[..., :2 * n, :2 * n].unflatten(-1, (n, 2)).unflatten(-3, (n, 2)).mean((-1, -3))
    s = lambda x: 1 / (1 + torch.exp(-x))
    H = halve(s(windows(X, K1, b1, 2)))
    H = halve(s(windows(H, K2, b2, 0))).reshape(3, -1)
    Y = s(s(H @ W1.T + c1) @ W2.T + c2) @ W3.T + c3
    torch.testing.assert_close(net(X).detach(), Y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('training', [True, False])
def test_lenet5_is_its_formulas(training):
    torch.manual_seed(2)
    net = lenet5(3, 7, 35)
    with torch.no_grad():
        for m in (net[1], net[5]): m.weight.uniform_(.5, 2), m.bias.normal_(), m.running_mean.normal_(), m.running_var.uniform_(.5, 2)
    running = [(m.running_mean.clone(), m.running_var.clone()) for m in (net[1], net[5])]
    K1, b1, g1, s1, K2, b2, g2, s2, W1, c1, W2, c2, W3, c3 = sequential(net)
    X = torch.randn(4, 3, 35, 35)
    def block(H, K, b, gain, shift, stats):
        H = F.conv2d(H, K, b)
        mean, var = (H.mean((0, 2, 3)), H.var((0, 2, 3), correction=0)) if training else stats
        H = (H - mean[:, None, None]) / torch.sqrt(var[:, None, None] + 1e-5) * gain[:, None, None] + shift[:, None, None]
        return F.max_pool2d(H.clamp(min=0), 2)
    H = block(block(X, K1, b1, g1, s1, running[0]), K2, b2, g2, s2, running[1]).flatten(1)
    Y = ((H @ W1.T + c1).clamp(min=0) @ W2.T + c2).clamp(min=0) @ W3.T + c3
    torch.testing.assert_close(net.train(training)(X).detach(), Y, rtol=1e-4, atol=1e-4)


def test_padding_2_at_28_is_the_paper_at_32():
    "The 28×28 network with padding is the 32×32 network without, on pictures with a black border."
    K = torch.randn(6, 1, 5, 5)
    X = torch.rand(2, 1, 28, 28)
    torch.testing.assert_close(F.conv2d(X, K, padding=2), F.conv2d(F.pad(X, (2, 2, 2, 2)), K))


def test_lenet_learns_by_heart():
    "Eight pictures, eight labels: the loss goes to nearly nothing."
    torch.manual_seed(0)
    net, X, y = lenet5(size=16), torch.rand(8, 1, 16, 16), torch.arange(8)
    opt = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(60): opt.zero_grad(); l = F.cross_entropy(net(X), y); l.backward(); opt.step()
    assert l < 0.05
