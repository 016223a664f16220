"VGG: counts, shapes, gradients, errors, and equality with torchvision after copying weights."
import inspect

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from d2lcnn.summary import macs, receptive_field, summary
from d2lcnn.train import he
from d2lcnn.vgg import VGG11, VGG13, VGG16, VGG19, narrow, vgg, vgg_block

# name, pairs, parameters for 3 channels and 1000 classes (torchvision's documentation), parameters of each block for 3 channels, by hand
FAMILY = [
    ('vgg11', VGG11, 132_863_336, (1_792, 73_856, 885_248, 3_539_968, 4_719_616)),
    ('vgg13', VGG13, 133_047_848, (38_720, 221_440, 885_248, 3_539_968, 4_719_616)),
    ('vgg16', VGG16, 138_357_544, (38_720, 221_440, 1_475_328, 5_899_776, 7_079_424)),
    ('vgg19', VGG19, 143_667_240, (38_720, 221_440, 2_065_408, 8_259_584, 9_439_232)),
]
family = pytest.mark.parametrize('name, arch, params, blocks', FAMILY, ids=[f[0] for f in FAMILY])
SMALL = ((1, 4), (2, 6), (3, 5))


def count(net): return sum(p.numel() for p in net.parameters())
def meta(*args, **kwargs):
    with torch.device('meta'): return vgg(*args, **kwargs)


def test_architectures():
    "Table 1 of the paper."
    assert inspect.signature(vgg).parameters["arch"].default == VGG11
    assert [n for n, _ in VGG11] == [1, 1, 2, 2, 2] and [n for n, _ in VGG13] == [2, 2, 2, 2, 2]
    assert [n for n, _ in VGG16] == [2, 2, 3, 3, 3] and [n for n, _ in VGG19] == [2, 2, 4, 4, 4]
    for arch in (VGG11, VGG13, VGG16, VGG19): assert [c for _, c in arch] == [64, 128, 256, 512, 512]


def test_vgg11_grey_ten_classes():
    net = meta()
    assert count(net) == 128_806_154 and [count(m) for m in net] == [640, 73_856, 885_248, 3_539_968, 4_719_616, 0, 102_764_544, 0, 0, 16_781_312, 0, 0, 40_970]
    assert macs(net, (1, 1, 224, 224)) == 7_547_232_256
    # a MAC table by hand: outputs of a convolution times 9 · input channels
    convs = [(64, 1, 224), (128, 64, 112), (256, 128, 56), (256, 256, 56), (512, 256, 28), (512, 512, 28), (512, 512, 14), (512, 512, 14)]
    assert sum(o * i * 9 * s * s for o, i, s in convs) + 25_088 * 4096 + 4096 * 4096 + 4096 * 10 == 7_547_232_256
    assert receptive_field(net, (1, 1, 224, 224)) == (150, 150)


@family
def test_parameters_and_stages(name, arch, params, blocks):
    net = meta(arch, 3, 1000)
    assert count(net) == params and tuple(count(m) for m in net[:5]) == blocks
    rows = summary(net, (2, 3, 224, 224), depth=1).rows
    assert [r.shape for r in rows] == [(2, 64, 112, 112), (2, 128, 56, 56), (2, 256, 28, 28), (2, 512, 14, 14), (2, 512, 7, 7), (2, 25_088),
                                       (2, 4096), (2, 4096), (2, 4096), (2, 4096), (2, 4096), (2, 4096), (2, 1000)]
    layers = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(layers) == int(name[3:])
    assert all(m.kernel_size == (3, 3) and m.padding == (1, 1) and m.stride == (1, 1) and m.bias is not None for m in layers[:-3])
    assert [m.p for m in net.modules() if isinstance(m, nn.Dropout)] == [.5, .5]


@pytest.mark.slow
@family
def test_equals_torchvision(name, arch, params, blocks):
    "The same logits, with torchvision's weights, at 224 pixels, where its adaptive pooling changes nothing."
    torch.manual_seed(0)
    with torch.device('meta'): theirs = getattr(torchvision.models, name)()
    theirs = theirs.to_empty(device='cpu').eval()
    with torch.no_grad():  # filled with one pattern and scaled as He does: quick to draw, and nothing dies out
        noise = torch.randn(1_000_003)
        for p in theirs.parameters():
            n = p[0].numel() if p.dim() > 1 else 10_000
            p.copy_(noise.repeat(-(-p.numel() // len(noise)))[:p.numel()].view_as(p) * (2 / n) ** .5)
    ours = meta(arch, 3, 1000).eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values())), assign=True)
    X = torch.rand(1, 3, 224, 224)
    with torch.no_grad(): Y, want = ours(X), theirs(X)
    assert want.std() > 1e-3
    torch.testing.assert_close(Y, want, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('num_convs, c_i, c_o, h, w', [(1, 1, 4, 2, 3), (2, 3, 5, 9, 12), (4, 6, 2, 7, 4)])
def test_block_is_its_formulas(num_convs, c_i, c_o, h, w):
    torch.manual_seed(1)
    block = vgg_block(num_convs, c_i, c_o)
    X = Y = torch.randn(3, c_i, h, w)
    weights = list(block.parameters())
    for K, b in zip(weights[::2], weights[1::2]):
        Y = ((K.flatten(1) @ F.unfold(Y, 3, padding=1)) + b[:, None]).view(3, c_o, h, w).clamp(min=0)
    Y = Y[..., :h // 2 * 2, :w // 2 * 2].unflatten(-1, (w // 2, 2)).unflatten(-3, (h // 2, 2)).amax((-1, -3))
    assert block(X).shape == (3, c_o, h // 2, w // 2) and len(weights) == 2 * num_convs
    torch.testing.assert_close(block(X), Y, rtol=1e-4, atol=1e-5)
    assert count(block) == c_o * (9 * c_i + 1) + (num_convs - 1) * c_o * (9 * c_o + 1)


@pytest.mark.parametrize('in_channels, num_classes, size, batch', [(1, 10, 32, 2), (3, 7, 45, 3), (2, 1, 64, 2), (4, 101, 71, 5)])
def test_other_channels_classes_sizes(in_channels, num_classes, size, batch):
    net = vgg(narrow(VGG11, 16), in_channels, num_classes, size, hidden=24)
    Y = net(torch.rand(batch, in_channels, size, size))
    assert Y.shape == (batch, num_classes) and torch.isfinite(Y).all()
    assert net[6].in_features == 32 * (size // 32) ** 2 and net[-1].out_features == num_classes


@pytest.mark.parametrize('in_channels', [1, 3])
def test_gradient_reaches_every_parameter(in_channels):
    torch.manual_seed(0)
    net = he(vgg(narrow(VGG16, 8), in_channels, 7, size=32, hidden=64))
    F.cross_entropy(net(torch.rand(8, in_channels, 32, 32)), torch.arange(8) % 7).backward()
    for name, p in net.named_parameters(): assert p.grad is not None and torch.isfinite(p.grad).all() and p.grad.abs().max() > 1e-9, name


@pytest.mark.parametrize('arch, smallest', [(VGG11, 32), (SMALL, 8), (((1, 3),), 2)])
def test_smallest_size(arch, smallest):
    for size in (smallest - 1, 1, 0, -4):
        with pytest.raises(ValueError, match=f'size={size} is too small for {len(arch)} blocks .* the smallest that works is {smallest}$'): meta(arch, size=size)
    narrowed = narrow(arch, 16)
    for size in range(smallest, smallest + 5): assert vgg(narrowed, size=size, hidden=4)(torch.rand(2, 1, size, size)).shape == (2, 10)


@pytest.mark.parametrize('size', [32.0, '32', (32, 32), None, True])
def test_size_is_a_whole_number(size):
    with pytest.raises(TypeError, match='whole number'): meta(size=size)


@pytest.mark.parametrize('arch', ['VGG-11', 11, None, 2.5])
def test_arch_is_a_sequence(arch):
    with pytest.raises(TypeError, match=r'must be a sequence of pairs .*VGG11'): meta(arch)


@pytest.mark.parametrize('arch, words', [((), 'no block'), ((1, 64), 'block 0 of arch is 1'), (((1, 64), (2,)), r'block 1 of arch is \(2,\)'), (((1, 64), '23'), "block 1 of arch is '23'"),
                                         (((0, 64),), 'block 0 of arch: num_convs=0 must be a whole number from 1 (?:on|to)'), (((1, 8), (2, -1)), 'block 1 of arch: out_channels=-1')])
def test_bad_blocks(arch, words):
    with pytest.raises(ValueError, match=words): meta(arch)


def test_bad_arguments():
    for name in ('in_channels', 'num_classes', 'hidden'):
        with pytest.raises(ValueError, match=f'{name}=0 must be a whole number from 1 (?:on|to)'): meta(**{name: 0})
        with pytest.raises(TypeError, match=f'{name}=2.0 must be a whole number'): meta(**{name: 2.0})
    with pytest.raises(ValueError, match='num_convs=0'): vgg_block(0, 1, 2)
    with pytest.raises(ValueError, match='in_channels=-1'): vgg_block(1, -1, 2)
    with pytest.raises(TypeError, match='out_channels'): vgg_block(1, 1, 2.5)
    with pytest.raises(ValueError, match='by=0'): narrow(VGG11, 0)
    with pytest.raises(TypeError, match='whole number'): meta(((1.5, 64),))


def test_narrow():
    assert narrow(VGG11, 4) == ((1, 16), (1, 32), (2, 64), (2, 128), (2, 128)) and narrow(VGG19, 1) == VGG19
    assert narrow([(2, 3)], 5) == ((2, 1),)
    net = meta(narrow(VGG11, 4))
    # 576,832 in the convolutions, by hand
    convs = sum(o * (9 * i + 1) for i, o in ((1, 16), (16, 32), (32, 64), (64, 64), (64, 128), (128, 128), (128, 128), (128, 128)))
    assert count(net) == convs + (128 * 49 + 1) * 4096 + 4097 * 4096 + 4097 * 10 == 43_093_322
    assert 0.50e9 < macs(net, (1, 1, 224, 224)) < 0.52e9


def test_dropout_only_while_training():
    torch.manual_seed(0)
    net, X = he(vgg(SMALL, size=8, hidden=32)), torch.rand(2, 1, 8, 8)
    assert not torch.equal(net(X), net(X)) and torch.equal(net.eval()(X), net(X))
    still = he(vgg(SMALL, size=8, hidden=32, dropout=0))
    assert torch.equal(still(X), still(X))


def test_he_variance():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(32, 64, 3), nn.Linear(500, 300))
    assert he(net) is net
    for m, n in zip(net, (32 * 9, 500)):
        assert abs(m.weight.var().item() * n / 2 - 1) < .05 and abs(m.weight.mean().item()) < .1 * (2 / n) ** .5 and not m.bias.any()


def test_he_start_keeps_the_signal_where_the_default_loses_it():
    torch.manual_seed(0)
    X = torch.rand(32, 1, 32, 32)
    spread = lambda net: net.eval()(X).detach().std(0).mean()
    kept, lost = spread(he(vgg(narrow(VGG19, 8), size=32, hidden=64))), spread(vgg(narrow(VGG19, 8), size=32, hidden=64))
    assert kept > 1e4 * lost


def test_vgg_learns_by_heart():
    "Eight pictures, eight labels: the loss goes to nearly nothing."
    torch.manual_seed(0)
    net, X, y = he(vgg(SMALL, size=8, hidden=32, dropout=0)), torch.rand(8, 1, 8, 8), torch.arange(8)
    opt = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(150): opt.zero_grad(); l = F.cross_entropy(net(X), y); l.backward(); opt.step()
    assert l < .05
