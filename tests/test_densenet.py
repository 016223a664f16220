"DenseNet: counts, shapes, gradients, memory, errors, and equality with a re-derivation that never concatenates, and with torchvision's layers."
import pytest
import torch
import torchvision
from torch.nn import functional as F

from d2lcnn.densenet import DenseBlock, FrugalDenseBlock, conv_block, densenet, stem, transition_block
from d2lcnn.summary import macs

PARAMS = 758_226
STAGES = [(64, 24), (192, 24), (96, 12), (224, 12), (112, 6), (240, 6), (120, 3), (248, 3)]  # channels and side, for 96×96 pixels


def count(net): return sum(p.numel() for p in net.parameters())


def lively(net, seed=0):
    "Normalisation that is not the identity, so that a mix-up shows."
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for m in net.modules():
            if isinstance(m, torch.nn.BatchNorm2d):
                for t, lo, hi in ((m.weight, .5, 1.5), (m.bias, -.5, .5), (m.running_mean, -.5, .5), (m.running_var, .5, 1.5)): t.uniform_(lo, hi, generator=g)
    return net


def test_parameters_and_macs():
    net = densenet()
    assert count(net) == PARAMS and all(p.requires_grad for p in net.parameters())
    assert macs(net, (1, 1, 96, 96)) == 129_077_168
    assert [count(stage) for stage in net] == [3_328, 130_048, 18_912, 167_168, 25_648, 185_728, 29_400, 195_008, 496, 0, 0, 0, 2_490]


def test_stages_at_96():
    X, seen = torch.rand(2, 1, 96, 96), []
    for i, stage in enumerate(densenet()):
        X = stage(X)
        if i < 8: seen.append(tuple(X.shape))
    assert seen == [(2, c, s, s) for c, s in STAGES] and X.shape == (2, 10)


@pytest.mark.parametrize('in_channels, num_classes, height, width, batch', [(1, 10, 29, 29, 2), (3, 7, 33, 50, 3), (2, 1, 64, 30, 2), (3, 1000, 31, 29, 5)])
def test_other_channels_classes_sizes(in_channels, num_classes, height, width, batch):
    net = densenet(in_channels, num_classes)
    Y = net(torch.rand(batch, in_channels, height, width))
    assert Y.shape == (batch, num_classes) and torch.isfinite(Y).all()
    assert count(net) == PARAMS + 64 * 49 * (in_channels - 1) + 249 * (num_classes - 10)


@pytest.mark.parametrize('growth_rate, arch', [(12, (4, 4, 4, 4)), (7, (1, 3)), (5, (2, 1, 3)), (32, (1,)), (9, (1, 1, 2, 1, 1))])
def test_other_growth_rates_and_blocks(growth_rate, arch):
    channels, expected = 64, 64 * 49 + 64 + 128
    for i, n in enumerate(arch):
        if i: expected += 2 * channels + channels * (channels // 2) + channels // 2; channels //= 2
        for _ in range(n): expected += 2 * channels + 9 * channels * growth_rate + growth_rate; channels += growth_rate
    net = densenet(growth_rate=growth_rate, arch=arch)
    assert count(net) == expected + 2 * channels + 10 * channels + 10 and net[-1].in_features == channels
    smallest = {1: 1, 2: 5, 3: 13, 4: 29, 5: 61}[len(arch)]
    assert net(torch.rand(2, 1, smallest, smallest + 3)).shape == (2, 10)
    if smallest > 1:
        with pytest.raises(ValueError, match=f'{smallest}×{smallest}'): net(torch.rand(2, 1, smallest + 3, smallest - 1))


def test_too_small():
    for h, w in ((28, 28), (28, 40), (40, 28), (1, 1), (7, 96)):
        with pytest.raises(ValueError, match=f'images of {h}×{w} are too small.*the smallest that work are 29×29$'): densenet()(torch.rand(2, 1, h, w))
    assert densenet()(torch.rand(2, 1, 29, 29)).shape == (2, 10)
    with pytest.raises(ValueError, match=r'shape \(1, 96, 96\), not \(N, C, H, W\).*X\[None\]'): densenet()(torch.rand(1, 96, 96))


@pytest.mark.parametrize('make', [lambda n: conv_block(n, 4), lambda n: conv_block(4, n), lambda n: DenseBlock(n, 4, 4), lambda n: DenseBlock(2, n, 4),
                                  lambda n: DenseBlock(2, 4, n), lambda n: transition_block(n, 4), lambda n: transition_block(4, n), lambda n: stem(n),
                                  lambda n: densenet(n), lambda n: densenet(num_classes=n), lambda n: densenet(growth_rate=n), lambda n: densenet(arch=(4, n))])
def test_bad_arguments(make):
    for n in (0, -3):
        with pytest.raises(ValueError, match=f'={n} must be a whole number from 1 (?:on|to)'): make(n)
    for n in (2.0, '4', None, True, (4,)):
        with pytest.raises(TypeError, match='must be a whole number'): make(n)


@pytest.mark.parametrize('arch', [4, (), None, '44'])
def test_bad_arch(arch):
    with pytest.raises(TypeError, match=r'such as \(4, 4, 4, 4\)'): densenet(arch=arch)


@pytest.mark.parametrize('block', [DenseBlock, FrugalDenseBlock])
def test_gradient_reaches_every_parameter(block):
    torch.manual_seed(0)
    net = densenet(3, 7, block=block)
    F.cross_entropy(net(torch.rand(4, 3, 48, 40)), torch.tensor([0, 6, 2, 5])).backward()
    for name, p in net.named_parameters():
        assert p.grad is not None and torch.isfinite(p.grad).all(), name
        # A bias in front of batch normalisation has no effect on the output, so its gradient is 0 up to rounding.
        if name != '0.0.bias': assert p.grad.abs().max() > 1e-9, name


def test_no_nan_for_extreme_pictures():
    net = densenet()
    for X in (torch.zeros(2, 1, 32, 32), torch.ones(2, 1, 32, 32), 1e3 * torch.randn(2, 1, 32, 32)):
        assert torch.isfinite(net(X)).all() and torch.isfinite(net.eval()(X)).all()
        net.train()


def normalise(S, norm, part, training):
    mean, var = (S.mean((0, 2, 3)), S.var((0, 2, 3), correction=0)) if training else (norm.running_mean[part], norm.running_var[part])
    S = (S - mean[:, None, None]) / torch.sqrt(var[:, None, None] + norm.eps)
    return (S * norm.weight[part, None, None] + norm.bias[part, None, None]).clamp(min=0)


def read(layer, sources, training):
    "A layer as a sum of convolutions, one for each source: there is no concatenation in it."
    norm, _, conv = layer[:3]
    total, at = conv.bias[:, None, None], 0
    for S in sources:
        part = slice(at, at := at + S.shape[1])
        total = total + F.conv2d(normalise(S, norm, part, training), conv.weight[:, part], padding=conv.padding)
    assert at == conv.in_channels
    return total


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('block', [DenseBlock, FrugalDenseBlock])
def test_block_without_concatenation(block, training):
    torch.manual_seed(1)
    net, X = lively(block(3, 5, 4)).double(), torch.randn(3, 5, 7, 6, dtype=torch.float64)
    sources, weights = [X], [(conv[0], conv) for conv in net.convs]
    net.train(training)
    with torch.no_grad():
        for _, conv in weights: sources.append(read(conv, sources, training))
        Y = net(X)
    assert Y.shape == (3, 17, 7, 6)
    for got, want in zip(Y.split([5, 4, 4, 4], dim=1), sources): torch.testing.assert_close(got, want)
    assert torch.equal(Y[:, :5], X)  # the input passes through untouched


@pytest.mark.parametrize('training', [True, False])
def test_whole_network_without_concatenation(training):
    torch.manual_seed(2)
    net, X = lively(densenet(3, 7, growth_rate=6, arch=(2, 3, 1))).double().train(training), torch.randn(4, 3, 33, 45, dtype=torch.float64)
    with torch.no_grad():
        conv, norm = net[0][:2]
        S = F.max_pool2d(normalise(F.conv2d(X, conv.weight, conv.bias, stride=2, padding=3), norm, slice(0, 64), training), 3, 2, 1)
        for block, tax in ((net[1], net[2]), (net[3], net[4]), (net[5], None)):
            sources = [S]
            for layer in block.convs: sources.append(read(layer, sources, training))
            if tax is None: break
            mixed = read(tax, sources, training)  # then the mean of each 2×2 square
            h, w = mixed.shape[-2] // 2, mixed.shape[-1] // 2
            S = mixed[..., :2 * h, :2 * w].unflatten(-1, (w, 2)).unflatten(-3, (h, 2)).mean((-1, -3))
        at, logits = 0, net[-1].bias
        for S in sources:
            part = slice(at, at := at + S.shape[1])
            logits = logits + normalise(S, net[6], part, training).mean((2, 3)) @ net[-1].weight[:, part].T
        torch.testing.assert_close(net(X), logits)


@pytest.mark.parametrize('training', [True, False])
def test_transition_is_torchvisions(training):
    torch.manual_seed(3)
    ours, theirs, X = lively(transition_block(13, 5)), torchvision.models.densenet._Transition(13, 5), torch.randn(3, 13, 9, 6)
    theirs.norm.load_state_dict(ours[0].state_dict())
    with torch.no_grad(): theirs.conv.weight.copy_(ours[2].weight); ours[2].bias.zero_()
    torch.testing.assert_close(ours.train(training)(X), theirs.train(training)(X.clone()))


def test_layer_is_torchvisions_with_an_identity_as_bottleneck():
    "torchvision's dense layer has a 1×1 convolution and a second normalisation; with the identity in both it is ours."
    torch.manual_seed(4)
    ours, theirs, X = lively(conv_block(8, 4)).eval(), torchvision.models.densenet._DenseLayer(8, 4, 2, 0.).eval(), torch.randn(3, 8, 7, 6)
    with torch.no_grad():
        theirs.norm1.load_state_dict(ours[0].state_dict())
        theirs.conv1.weight.copy_(torch.eye(8)[..., None, None])
        theirs.norm2.running_var.fill_(1 - theirs.norm2.eps)
        theirs.conv2.weight.copy_(ours[2].weight); ours[2].bias.zero_()
        torch.testing.assert_close(ours(X), theirs([X]), rtol=1e-4, atol=1e-5)


def stored(net, X):
    own, sizes = {t.untyped_storage().data_ptr() for t in (X, *net.parameters(), *net.buffers())}, {}
    def note(t):
        if t.untyped_storage().data_ptr() not in own: sizes[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t
    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t): Y = net(X)
    return sum(sizes.values())


@pytest.mark.parametrize('depth', [1, 3, 9])
def test_memory_is_quadratic_or_linear(depth):
    c, g, X = 6, 5, torch.randn(2, 6, 24, 20)
    maps = 2 * 24 * 20 * 4  # bytes of one map, for both pictures
    plain = 2 * sum(c + i * g for i in range(depth)) - c
    assert plain * maps <= stored(DenseBlock(depth, c, g), X) < (plain + 1) * maps
    assert stored(FrugalDenseBlock(depth, c, g), X) <= (g * (depth - 1) + 1) * maps


def test_frugal_block_is_the_same_network():
    torch.manual_seed(5)
    plain = lively(densenet(growth_rate=8, arch=(3, 2)))
    frugal = densenet(growth_rate=8, arch=(3, 2), block=FrugalDenseBlock)
    frugal.load_state_dict(plain.state_dict())
    X, y = torch.rand(6, 1, 20, 23), torch.tensor([0, 3, 9, 1, 1, 7])
    for _ in range(2):  # two steps: the second sees the running statistics and the weights of the first
        for net in (plain, frugal):
            net.zero_grad(); F.cross_entropy(net(X), y).backward()
            with torch.no_grad():
                for p in net.parameters(): p -= .1 * p.grad
    for (name, a), b in zip(plain.state_dict().items(), frugal.state_dict().values()):
        if 'num_batches' not in name: torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-5, msg=lambda m: f'{name}: {m}')
    torch.testing.assert_close(frugal.eval()(X), plain.eval()(X), rtol=1e-4, atol=1e-4)
    assert all(m.momentum == .1 for m in frugal.modules() if isinstance(m, torch.nn.BatchNorm2d))


def test_learns_by_heart():
    "Eight pictures, eight labels: the loss goes to nearly nothing."
    torch.manual_seed(0)
    net, X, y = densenet(growth_rate=8, arch=(2, 2)), torch.rand(8, 1, 16, 16), torch.arange(8)
    opt = torch.optim.SGD(net.parameters(), .1)
    for _ in range(60): opt.zero_grad(); l = F.cross_entropy(net(X), y); l.backward(); opt.step()
    assert l < 0.05
