"ResNets: counts, shapes, gradients, errors, and equality with torchvision and with the formulas."
import itertools

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from d2lcnn.resnet import CONFIGS, Bottleneck, PreActResidual, Residual, preact_resnet18, resnet, resnet18, resnet34, resnet50, resnet_block, resnet_stem, small_resnet
from d2lcnn.summary import macs

NETS = {'resnet18': resnet18, 'resnet34': resnet34, 'resnet50': resnet50, 'preact': preact_resnet18, 'small': lambda *a: small_resnet(14, Residual, (4, 8, 16), *a)}
each = pytest.mark.parametrize('make', NETS.values(), ids=NETS)
few = pytest.mark.parametrize('make', [resnet18, preact_resnet18, NETS['small']], ids=['resnet18', 'preact', 'small'])


def count(net): return sum(p.numel() for p in net.parameters())
def meta(make, *args):
    with torch.device('meta'): return make(*args)


def test_parameters_and_macs():
    "ResNet-18 from its layers, (weights + biases) of convolutions and the linear layer, (scale, shift) of the batch norms"
    stem, rest = 50 * 64 + 128, 0
    for c, k in ((64, 64), (64, 128), (128, 256), (256, 512)):
        rest += (9 * c + 1) * k + 3 * (9 * k + 1) * k + 4 * 2 * k + ((c + 1) * k if c != k else 0)
    assert stem + rest + 513 * 10 == count(resnet18()) == 11_178_378
    assert all(p.requires_grad for p in resnet18().parameters())
    assert round(macs(meta(resnet18), (1, 1, 96, 96)) / 1e9, 2) == 0.32
    side = {64: 24, 128: 12, 256: 6, 512: 3}
    by_hand = 49 * 64 * 48 ** 2 + 5120 + 4 * 9 * 64 * 64 * 24 ** 2
    for c, k in ((64, 128), (128, 256), (256, 512)): by_hand += (9 * c + 3 * 9 * k + c) * k * side[k] ** 2
    assert macs(meta(resnet18), (1, 1, 96, 96)) == by_hand


@pytest.mark.parametrize('layers', CONFIGS)
def test_parameters_are_torchvisions_but_for_biases_and_norms_on_skips(layers):
    theirs = meta(lambda: getattr(torchvision.models, f'resnet{layers}')(weights=None))
    ours = meta(resnet, layers, 3, 1000)
    biases = sum(m.out_channels for m in theirs.modules() if isinstance(m, nn.Conv2d))
    norms = sum(2 * m.num_features for name, m in theirs.named_modules() if 'downsample' in name and isinstance(m, nn.BatchNorm2d))
    assert norms > 0 and count(ours) == count(theirs) + biases - norms


def test_by_configuration():
    assert str(resnet(18)) == str(resnet18()) and str(resnet(34, 3, 7)) == str(resnet34(3, 7)) and str(resnet(50, 2, 5)) == str(resnet50(2, 5))
    assert [count(meta(f, 3, 1000)) for f in (resnet34, resnet50)] == [21_804_392, 25_575_912]


@pytest.mark.parametrize('size, stages', [
    ((224, 224), [(64, 56, 56), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7), (512, 1, 1), (512,), (10,)]),
    ((96, 64), [(64, 24, 16), (64, 24, 16), (128, 12, 8), (256, 6, 4), (512, 3, 2), (512, 1, 1), (512,), (10,)]),
    ((37, 50), [(64, 10, 13), (64, 10, 13), (128, 5, 7), (256, 3, 4), (512, 2, 2), (512, 1, 1), (512,), (10,)])])
def test_stages(size, stages):
    X, seen = torch.rand(2, 1, *size), []
    with torch.no_grad():
        for stage in resnet18(): X = stage(X); seen.append(tuple(X.shape[1:]))
    assert seen == stages


def test_bottleneck_stages():
    X, seen = torch.rand(2, 1, 64, 32), []
    with torch.no_grad():
        for stage in resnet50()[:5]: X = stage(X); seen.append(tuple(X.shape[1:]))
    assert seen == [(64, 16, 8), (256, 16, 8), (512, 8, 4), (1024, 4, 2), (2048, 2, 1)]


@pytest.mark.parametrize('depth', [8, 14, 20, 56])
def test_small(depth):
    net, X, seen = small_resnet(depth, widths=(3, 5, 7)), torch.rand(2, 1, 17, 11), []
    assert sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in net.modules()) == depth + 2  # two 1×1 convolutions on skips
    with torch.no_grad():
        for stage in net: X = stage(X); seen.append(tuple(X.shape[1:]))
    assert seen == [(3, 17, 11)] * 4 + [(5, 9, 6), (7, 5, 3), (7, 1, 1), (7,), (10,)]


@each
@pytest.mark.parametrize('in_channels, num_classes, batch, size', [(1, 10, 2, (32, 32)), (3, 7, 3, (33, 20)), (4, 1, 2, (5, 40))])
def test_channels_classes_sizes(make, in_channels, num_classes, batch, size):
    Y = make(in_channels, num_classes)(torch.rand(batch, in_channels, *size))
    assert Y.shape == (batch, num_classes) and torch.isfinite(Y).all()


@few
def test_changes_with_channels_and_classes(make):
    "A channel more costs kernels of the first convolution, a class more a row of the last layer."
    net = make()
    first, last = net[0] if isinstance(net[0], nn.Conv2d) else net[0][0], net[-1]
    assert count(make(3, 17)) - count(net) == 2 * first.weight.numel() + 7 * (last.in_features + 1)


@each
def test_gradient_reaches_every_parameter(make):
    torch.manual_seed(0)
    net = make(3, 7)
    F.cross_entropy(net(torch.rand(4, 3, 40, 36)), torch.tensor([0, 6, 2, 5])).backward()
    silent = set()  # a bias before batch norm has no effect on the output: its gradient is 0 up to rounding
    for stage in net.named_modules():
        name, m = stage
        if isinstance(m, (Residual, Bottleneck)):
            inner = ['conv1'] if isinstance(m, PreActResidual) else ['conv1', 'conv2', 'conv3'] if isinstance(m, Bottleneck) else ['conv1', 'conv2']
            silent |= {f'{name}.{c}.bias' for c in inner}
    if make is not preact_resnet18: silent.add('0.bias' if isinstance(net[0], nn.Conv2d) else '0.0.bias')
    else: silent |= {n for n, _ in net.named_parameters() if n.endswith('.bias') and 'bn' not in n and not n.startswith(('5', '8'))}  # the sum ends in batch norms
    for name, p in net.named_parameters():
        assert p.grad is not None and torch.isfinite(p.grad).all(), name
        if name not in silent: assert p.grad.abs().max() > 1e-7, name


@few
def test_every_size_from_one_pixel_on(make):
    net = make()
    with torch.no_grad():
        for h, w in [(1, 1), (1, 7), (2, 2), (3, 5), (31, 33), (32, 32)]: assert net(torch.rand(2, 1, h, w)).shape == (2, 10)
        for h, w in [(1, 1), (3, 2), (32, 32)]: assert net.eval()(torch.rand(1, 1, h, w)).shape == (1, 10)


@pytest.mark.parametrize('make, smallest', [(resnet18, 33), (resnet50, 33), (preact_resnet18, 33), (NETS['small'], 5)], ids=['18', '50', 'preact', 'small'])
def test_one_picture_in_training(make, smallest):
    net = make()
    with torch.no_grad():
        for size in ((smallest, smallest), (smallest, 1), (2, smallest)): assert net(torch.rand(1, 1, *size)).shape == (1, 10)
        for h, w in ((smallest - 1, smallest - 1), (1, smallest - 1), (1, 1)):
            with pytest.raises(ValueError, match=f'one image of {h}×{w} .* a side of {smallest} or more'): net(torch.rand(1, 1, h, w))
            with pytest.raises(ValueError, match='more than 1 value per channel'): nn.Sequential.forward(net, torch.rand(1, 1, h, w))  # batch norm's own complaint


@few
@pytest.mark.parametrize('shape', [(1, 40, 40), (40, 40), (2, 1, 1, 40, 40)])
def test_pictures_have_four_axes(make, shape):
    with pytest.raises(ValueError, match=r'\(N, C, H, W\)'): make()(torch.rand(shape))


@pytest.mark.parametrize('block', [Residual, PreActResidual, Bottleneck])
@pytest.mark.parametrize('args', [(8, 16), (8, 8, False, 2), (16, 8, False, 1)])
def test_a_bare_skip_cannot_change_the_shape(block, args):
    with pytest.raises(ValueError, match=f'{args[0]} channels to {args[1]} .*use_1x1conv=True'): block(*args)


@pytest.mark.parametrize('block', [Residual, PreActResidual, Bottleneck])
@pytest.mark.parametrize('args, error', [((0, 8), ValueError), ((8, -4), ValueError), ((8, 8, True, 0), ValueError), ((8., 8), TypeError), (('8', 8), TypeError), ((True, 8), TypeError), ((8, 8, True, (2, 2)), TypeError)])
def test_bad_block_arguments(block, args, error):
    with pytest.raises(error, match='channels=|stride='): block(*args)


@each
@pytest.mark.parametrize('args, error', [((0, 10), ValueError), ((1, 0), ValueError), ((1, -3), ValueError), ((1., 10), TypeError), ((1, '10'), TypeError), ((None, 10), TypeError)])
def test_bad_network_arguments(make, args, error):
    with pytest.raises(error, match='in_channels=|num_classes='): make(*args)


def test_other_bad_arguments():
    with pytest.raises(ValueError, match='19.*18, 34, 50, 101, 152'): resnet(19)
    with pytest.raises(ValueError, match='depth=21 is not 6n'): small_resnet(21)
    with pytest.raises(ValueError, match='depth=2 is not 6n'): small_resnet(2)
    with pytest.raises(ValueError, match='num_residuals=0'): resnet_block(8, 8, 0)
    with pytest.raises(TypeError, match='num_residuals'): resnet_block(8, 8, 1.5)
    with pytest.raises(ValueError, match='out_channels=10 must be a multiple of 4'): Bottleneck(8, 10, True)


def norm(X, m): return (X - m.running_mean[:, None, None]) / torch.sqrt(m.running_var[:, None, None] + m.eps) * m.weight[:, None, None] + m.bias[:, None, None]


def used(net, seed=0):
    "In evaluation mode, with statistics, scales and shifts that would show a mistake."
    torch.manual_seed(seed)
    with torch.no_grad():
        for m in net.modules():
            if isinstance(m, nn.BatchNorm2d): m.weight.uniform_(.5, 1.5), m.bias.normal_(std=.3), m.running_mean.normal_(std=.3), m.running_var.uniform_(.5, 2)
    return net.eval()


SHAPES = [(8, 8, False, 1), (8, 12, True, 2), (8, 8, True, 1), (8, 8, True, 3)]


@pytest.mark.parametrize('args', SHAPES)
def test_residual_is_its_formula(args):
    b, X, s = used(Residual(*args)), torch.randn(3, 8, 9, 7), args[3]
    Y = norm(F.conv2d(X, b.conv1.weight, b.conv1.bias, s, 1), b.bn1).clamp(min=0)
    Y = norm(F.conv2d(Y, b.conv2.weight, b.conv2.bias, 1, 1), b.bn2)
    Y = Y + (torch.einsum('oi,nihw->nohw', b.conv3.weight[..., 0, 0], X[..., ::s, ::s]) + b.conv3.bias[:, None, None] if args[2] else X)
    torch.testing.assert_close(b(X), Y.clamp(min=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('args', SHAPES)
def test_preactivation_is_its_formula(args):
    b, X, s = used(PreActResidual(*args)), torch.randn(3, 8, 9, 7), args[3]
    H = norm(X, b.bn1).clamp(min=0)
    Y = F.conv2d(norm(F.conv2d(H, b.conv1.weight, b.conv1.bias, s, 1), b.bn2).clamp(min=0), b.conv2.weight, b.conv2.bias, 1, 1)
    Y = Y + (torch.einsum('oi,nihw->nohw', b.conv3.weight[..., 0, 0], H[..., ::s, ::s]) + b.conv3.bias[:, None, None] if args[2] else X)
    torch.testing.assert_close(b(X), Y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('args', SHAPES)
def test_bottleneck_is_its_formula(args):
    b, X, s = used(Bottleneck(*args)), torch.randn(3, 8, 9, 7), args[3]
    assert b.conv1.out_channels == b.conv2.out_channels == args[1] // 4
    Y = norm(F.conv2d(X, b.conv1.weight, b.conv1.bias), b.bn1).clamp(min=0)
    Y = norm(F.conv2d(Y, b.conv2.weight, b.conv2.bias, s, 1), b.bn2).clamp(min=0)
    Y = norm(F.conv2d(Y, b.conv3.weight, b.conv3.bias), b.bn3)
    Y = Y + (torch.einsum('oi,nihw->nohw', b.conv4.weight[..., 0, 0], X[..., ::s, ::s]) + b.conv4.bias[:, None, None] if args[2] else X)
    torch.testing.assert_close(b(X), Y.clamp(min=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('layers', [18, 34, 50])
def test_torchvisions_weights_give_torchvisions_logits(layers):
    theirs = used(getattr(torchvision.models, f'resnet{layers}')(weights=None, num_classes=7), seed=layers)
    ours = resnet(layers, 3, 7).eval()
    copied = {f'0.0.{k}': v for k, v in theirs.conv1.state_dict().items()} | {f'0.1.{k}': v for k, v in theirs.bn1.state_dict().items()}
    copied |= {f'7.{k}': v for k, v in theirs.fc.state_dict().items()}
    skip = 'conv4' if layers >= 50 else 'conv3'
    for i, j in itertools.product(range(1, 5), range(6)):
        stage = getattr(theirs, f'layer{i}')
        if j >= len(stage): continue
        for name, v in stage[j].state_dict().items():
            if 'downsample' not in name: copied[f'{i}.{j}.{name}'] = v
        if stage[j].downsample is not None:
            conv, bn = stage[j].downsample
            gain = bn.weight / torch.sqrt(bn.running_var + bn.eps)
            copied |= {f'{i}.{j}.{skip}.weight': conv.weight * gain[:, None, None, None], f'{i}.{j}.{skip}.bias': bn.bias - gain * bn.running_mean}
    missing, unexpected = ours.load_state_dict(copied, strict=False)
    assert not unexpected and all(name.endswith('.bias') for name in missing)
    with torch.no_grad():
        for name, p in ours.named_parameters():
            if name in missing: p.zero_()
        X = torch.rand(2, 3, 70, 52)
        torch.testing.assert_close(ours(X), theirs(X), rtol=1e-3, atol=1e-4)
        assert theirs(X).std(0).max() > 1e-3  # the logits do depend on the picture


def test_a_block_without_branch_changes_nothing():
    block, X = Residual(6, 6), torch.randn(4, 6, 5, 8)
    nn.init.zeros_(block.bn2.weight)
    assert torch.equal(block(X), X.clamp(min=0))
    pre = PreActResidual(6, 6)
    nn.init.zeros_(pre.conv2.weight); nn.init.zeros_(pre.conv2.bias)
    assert torch.equal(pre(X), X)


def test_first_stage_keeps_the_shape_and_others_halve():
    X = torch.rand(2, 8, 7, 10)
    assert resnet_block(8, 8, 2, first_block=True)(X).shape == (2, 8, 7, 10) and resnet_block(8, 12, 3)(X).shape == (2, 12, 4, 5)
    assert resnet_block(8, 16, 2, first_block=True, block=Bottleneck)(X).shape == (2, 16, 7, 10)
    stage = resnet_block(8, 8, 3)
    assert len(stage) == 3 and [b.conv3 is not None for b in stage] == [True, False, False] and resnet_block(8, 8, 1, first_block=True)[0].conv3 is None
    assert resnet_stem(3)(torch.rand(2, 3, 33, 50)).shape == (2, 64, 9, 13)


def test_learns_by_heart():
    "Eight pictures, eight labels: the loss goes to nearly nothing."
    torch.manual_seed(0)
    net, X, y = small_resnet(14, Residual, (8, 8, 8)), torch.rand(8, 1, 12, 12), torch.arange(8)
    opt = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(60): opt.zero_grad(); loss = F.cross_entropy(net(X), y); loss.backward(); opt.step()
    assert loss < 0.1
