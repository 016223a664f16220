"GoogLeNet: hand-computed tables, gradients, small pictures, errors, and equality with a plain re-derivation and with torchvision's block."
import functools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from d2lcnn.googlenet import STAGES, Inception, Inception3x3, Inception7x1, WithHeads, conv_bn, conv_relu, googlenet, he, inception_stage
from d2lcnn.summary import macs
from d2lcnn.train import xavier

# in_channels, c1, c2, c3, c4; channels out; weights and biases, added up by hand
BLOCKS = [((192, 64, (96, 128), (16, 32), 32), 256, 163_696), ((256, 128, (128, 192), (32, 96), 64), 480, 388_736),
          ((480, 192, (96, 208), (16, 48), 64), 512, 376_176), ((512, 160, (112, 224), (24, 64), 64), 512, 449_160),
          ((512, 128, (128, 256), (24, 64), 64), 512, 510_104), ((512, 112, (144, 288), (32, 64), 64), 528, 605_376),
          ((528, 256, (160, 320), (32, 128), 128), 832, 868_352), ((832, 256, (160, 320), (32, 128), 128), 832, 1_043_456),
          ((832, 384, (192, 384), (48, 128), 128), 1024, 1_444_080)]
STAGE_PARAMS = [64 * 49 + 64, 64 * 64 + 64 + 192 * 64 * 9 + 192, 163_696 + 388_736, 376_176 + 449_160 + 510_104 + 605_376 + 868_352, 1_043_456 + 1_444_080, 10_250]
narrow = functools.partial(googlenet, width=1 / 8)


def count(net): return sum(p.numel() for p in net.parameters())


@pytest.fixture(scope='module')
def net(): torch.manual_seed(0); return googlenet()


@pytest.mark.parametrize('args, out, params', BLOCKS)
def test_blocks_by_hand(args, out, params):
    block = Inception(*args)
    X = torch.rand(2, args[0], 5, 4)
    assert count(block) == params and block(X).shape == (2, out, 5, 4)
    assert [tuple(p(X).shape) for p in block.children()] == [(2, c, 5, 4) for c in (args[1], args[2][1], args[3][1], args[4])]
    weights = sum(p.numel() for p in block.parameters() if p.ndim == 4)
    assert macs(block, (1, args[0], 28, 28)) == 784 * weights


def test_stages_are_the_table():
    args = [(c1, c2, c3, c4) for stage in STAGES.values() for c1, c2, c3, c4 in stage]
    assert args == [a[1:] for a, _, _ in BLOCKS] and [len(s) for s in STAGES.values()] == [2, 5, 2]
    for number, c in ((3, 192), (4, 480), (5, 832)): assert all(isinstance(b, Inception) for b in inception_stage(c, number, width=1 / 8))


def test_parameters_and_macs(net):
    assert [count(stage) for stage in net] == STAGE_PARAMS and count(net) == sum(STAGE_PARAMS) == 5_977_530
    assert all(p.requires_grad for p in net.parameters())
    assert macs(net, (1, 1, 96, 96)) == 276_066_304


def test_cost_table():
    here = (1, 192, 28, 28)
    assert macs(Inception(*BLOCKS[0][0]), here) == 128_049_152
    assert macs(conv_relu(192, 256, 3), here) == 346_816_512 and count(conv_relu(192, 256, 3)) == 442_368 + 256
    assert macs(conv_relu(192, 256, 5), here) == 963_379_200 and count(conv_relu(192, 256, 5)) == 1_228_800 + 256


@pytest.mark.parametrize('size, sides', [((96, 96), [(24, 24), (12, 12), (6, 6), (3, 3)]), ((65, 33), [(17, 9), (9, 5), (5, 3), (3, 2)])])
def test_shapes_after_every_stage(net, size, sides):
    X = torch.rand(2, 1, *size)
    with torch.no_grad():
        for stage, c, side in zip(net[:4], (64, 192, 480, 832), sides):
            X = stage(X); assert X.shape == (2, c, *side)
        X = net[4](X); assert X.shape == (2, 1024)
        assert net[5](X).shape == (2, 10)


@pytest.mark.parametrize('in_channels, num_classes, batch, size', [(1, 10, 2, (32, 32)), (3, 7, 3, (40, 23)), (2, 1, 2, (1, 1)), (3, 1000, 5, (9, 70)), (4, 13, 1, (2, 5))])
def test_other_channels_classes_sizes(in_channels, num_classes, batch, size):
    full = googlenet(in_channels, num_classes)
    assert count(full) == 5_977_530 + 64 * 49 * (in_channels - 1) + 1025 * (num_classes - 10)
    Y = narrow(in_channels, num_classes)(torch.rand(batch, in_channels, *size))
    assert Y.shape == (batch, num_classes) and torch.isfinite(Y).all()


@pytest.mark.parametrize('conv, block', [(conv_relu, Inception), (conv_bn, Inception), (conv_relu, Inception3x3), (conv_relu, Inception7x1)])
def test_gradient_reaches_every_parameter(conv, block):
    torch.manual_seed(0)
    net = he(googlenet(3, 7, conv=conv, block=block, width=1 / 4))
    F.cross_entropy(net(torch.rand(4, 3, 70, 66)), torch.tensor([0, 6, 2, 5])).backward()
    for name, p in net.named_parameters(): assert p.grad is not None and torch.isfinite(p.grad).all() and p.grad.abs().max() > 1e-9, name


def test_gradient_reaches_every_parameter_of_the_full_network():
    torch.manual_seed(0)
    net = he(googlenet())
    F.cross_entropy(net(torch.rand(2, 1, 33, 40)), torch.tensor([0, 9])).backward()
    for name, p in net.named_parameters(): assert p.grad is not None and p.grad.abs().max() > 1e-9, name


def idle(size):
    "Weights of the network that only ever meet padding"
    net = googlenet()
    for p in net.parameters(): nn.init.constant_(p, 1e-2) if p.ndim > 1 else nn.init.zeros_(p)
    net(torch.ones(1, 1, size, size)).sum().backward()
    return [sum((p.grad == 0).sum().item() for p in stage.parameters()) for stage in net]


def test_every_weight_meets_a_pixel_from_65_on():
    assert idle(65) == [0] * 6
    at_64 = idle(64)
    # on 2×2 maps a 5×5 window reaches ±1: 9 of 25 weights work
    assert at_64[4] == 16 * (32 * 128 + 48 * 128) and at_64[:3] == [0, 0, 0]


@pytest.mark.parametrize('size', [(0, 5), (5, 0), (0, 0)])
def test_too_small(size):
    with pytest.raises(ValueError, match=f'{size[0]}×{size[1]} are too small .* the smallest that works is 1×1$'): narrow()(torch.rand(2, 1, *size))
    assert narrow()(torch.rand(2, 1, 1, 1)).shape == (2, 10)


def test_wrong_pictures():
    with pytest.raises(ValueError, match=r'1 channel, got 3; .*googlenet\(in_channels=3\)'): narrow()(torch.rand(2, 3, 8, 8))
    with pytest.raises(ValueError, match=r'\(1, 8, 8\).*X\[None\]'): narrow()(torch.rand(1, 8, 8))


@pytest.mark.parametrize('args, error, words', [
    ((192, 64, 128, (16, 32), 32), TypeError, 'c2=128 must be a pair'), ((192, 64, (96, 128), (16, 32, 1), 32), TypeError, 'c3=.* must be a pair'),
    ((0, 64, (96, 128), (16, 32), 32), ValueError, 'in_channels=0'), ((192, 64, (96, 128), (16, 32), 3.5), TypeError, 'c4=3.5'),
    ((192, 64, (96, -1), (16, 32), 32), ValueError, r'c2\[1\]=-1')])
def test_bad_channels(args, error, words):
    with pytest.raises(error, match=words): Inception(*args)


@pytest.mark.parametrize('kwargs, error', [(dict(in_channels=0), ValueError), (dict(num_classes=0), ValueError), (dict(num_classes='10'), TypeError), (dict(in_channels=True), TypeError)])
def test_bad_arguments(kwargs, error):
    with pytest.raises(error, match=next(iter(kwargs))): googlenet(**kwargs)


def plain(X, weights):
    "The block from its kernels and biases, in the order of the paths"
    k = lambda X, i: F.conv2d(X, weights[2 * i], weights[2 * i + 1], padding=weights[2 * i].shape[-1] // 2).clamp(min=0)
    windows = F.pad(X, (1, 1, 1, 1), value=-float('inf')).unfold(2, 3, 1).unfold(3, 3, 1)
    return torch.cat([k(X, 0), k(k(X, 1), 2), k(k(X, 3), 4), k(windows.amax((-1, -2)), 5)], 1)


def test_block_is_its_formula():
    torch.manual_seed(1)
    block, X = Inception(5, 3, (2, 4), (3, 6), 2), torch.randn(3, 5, 7, 9)
    torch.testing.assert_close(block(X), plain(X, list(block.parameters())), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(block(X[0]), block(X)[0])


def test_block_is_torchvisions_with_the_right_window():
    tv = pytest.importorskip('torchvision.models.googlenet', reason='compares with torchvision')
    from torchvision.models.googlenet import Inception as Theirs
    torch.manual_seed(2)
    ours, theirs = Inception(6, 3, (4, 5), (2, 7), 3), Theirs(6, 3, 4, 5, 2, 7, 3)
    for m in theirs.modules():
        if hasattr(m, 'bn'): m.bn = nn.Identity()
    theirs.branch3[1].conv = nn.Conv2d(2, 7, 5, padding=2, bias=False)
    with torch.no_grad():
        for p in ours.parameters(): p.mul_(1 if p.ndim == 4 else 0)
        for q, p in zip(theirs.parameters(), (p for p in ours.parameters() if p.ndim == 4), strict=True): q.copy_(p)
    X = torch.randn(3, 6, 8, 11)
    torch.testing.assert_close(ours(X), theirs(X), rtol=1e-5, atol=1e-6)


def test_network_is_its_formulas():
    torch.manual_seed(3)
    net, X = he(narrow(3, 7)), torch.randn(2, 3, 50, 37)
    shrink = lambda X: F.max_pool2d(X, 3, 2, 1)
    c = lambda X, m, **kw: F.conv2d(X, m.weight, m.bias, **kw).relu()
    H = shrink(c(X, net[0][0][0], stride=2, padding=3))
    H = shrink(c(c(H, net[1][0][0]), net[1][1][0], padding=1))
    for i, n in ((2, 2), (3, 5), (4, 2)):
        for block in net[i][:n]: H = plain(H, list(block.parameters()))
        if i < 4: H = shrink(H)
    torch.testing.assert_close(net(X), H.mean((2, 3)) @ net[5].weight.T + net[5].bias, rtol=1e-4, atol=1e-5)


def test_later_blocks_see_what_they_should():
    "Path 3 with two 3×3 reaches 5×5; a row and a column of 7 twice reach 13×13."
    for block, reach in ((Inception(1, 1, (1, 1), (1, 1), 1), 5), (Inception3x3(1, 1, (1, 1), (1, 1), 1), 5), (Inception7x1(1, 1, (1, 1), (1, 1), 1), 13)):
        for p in block.parameters(): nn.init.ones_(p) if p.ndim > 1 else nn.init.zeros_(p)
        X = torch.ones(1, 1, 21, 21, requires_grad=True)
        block.path3(X)[0, 0, 10, 10].backward()
        rows, columns = (X.grad[0, 0] > 0).any(1).sum().item(), (X.grad[0, 0] > 0).any(0).sum().item()
        assert (rows, columns) == (reach, reach)


@pytest.mark.parametrize('block, params', [(Inception3x3, 157_824), (Inception7x1, 199_936)])
def test_later_blocks_by_hand(block, params):
    later = block(*BLOCKS[0][0])
    assert count(later) == params and later(torch.rand(2, 192, 6, 9)).shape == (2, 256, 6, 9)


def test_batch_norm_version():
    plain_net, net = googlenet(), googlenet(conv=conv_bn)
    maps = sum(m.out_channels for m in net.modules() if isinstance(m, nn.Conv2d))
    assert count(net) == 5_977_530 + maps and maps == 7_280 and macs(net, (1, 1, 32, 32)) == macs(plain_net, (1, 1, 32, 32))
    assert all(m.bias is None for m in net.modules() if isinstance(m, nn.Conv2d))


def test_he_keeps_the_mean_square_and_xavier_its_fraction():
    torch.manual_seed(0)
    X = torch.rand(4, 16, 24, 24)
    def gain(init): return sum((init(conv_relu(16, 48, 1))(X).square().mean() / X.square().mean()).item() for _ in range(60)) / 60
    assert abs(gain(he) - 1) < 0.12 and abs(gain(xavier) - 16 / 64) < 0.03
    net = he(narrow())
    assert all(m.bias.abs().max() == 0 for m in net.modules() if hasattr(m, 'bias') and m.bias is not None)


def test_signal_through_the_network():
    "After nine blocks the Xavier start has lost nearly all of the difference between pictures; He and batch norm have not."
    X = torch.rand(8, 1, 32, 32) * torch.rand(8, 1, 1, 1)
    def spread(init, **kw):
        torch.manual_seed(0)
        with torch.no_grad(): return init(googlenet(width=1 / 4, **kw))[:5](X).std(0).mean().item()
    faint = spread(xavier)
    assert spread(he) > 30 * faint and spread(xavier, conv=conv_bn) > 30 * faint


def test_heads():
    torch.manual_seed(0)
    net = WithHeads(narrow(3, 7), num_classes=7, weight=0.5)
    X, y = torch.rand(4, 3, 32, 32), torch.tensor([0, 6, 2, 5])
    Y_hat = net(X)
    assert Y_hat.shape == (4, 7) and [g.shape for g in net.guesses] == [(4, 7)] * 2
    torch.testing.assert_close(Y_hat, net.net(X))
    torch.testing.assert_close(net.loss(Y_hat, y), F.cross_entropy(Y_hat, y) + 0.5 * sum(F.cross_entropy(g, y) for g in net.guesses))
    net.loss(Y_hat, y).backward()
    assert all(p.grad is not None for p in net.parameters())
    net.eval()
    torch.testing.assert_close(net.loss(net(X), y), F.cross_entropy(net(X), y))  # heads are for training only


def test_learns_by_heart():
    "Eight pictures, eight labels: with batch norm the loss goes to nearly nothing."
    torch.manual_seed(0)
    net, X, y = narrow(conv=conv_bn), torch.rand(8, 1, 32, 32), torch.arange(8)
    opt = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(60): opt.zero_grad(); l = F.cross_entropy(net(X), y); l.backward(); opt.step()
    assert l < 0.1


@pytest.mark.parametrize('kernel, words', [
    (4, 'kernel_size=4 must be odd: .*take 3 or 5 for 4'), ((1, 2), 'must be odd: .*take 1 or 3'),
    ((6, 3), 'must be odd: .*take 5 or 7'), (0, 'kernel_size'), ((3, 3, 3), 'has 3 numbers')])
@pytest.mark.parametrize('conv', [conv_relu, conv_bn])
def test_even_windows_cannot_keep_the_size(conv, kernel, words):
    with pytest.raises(ValueError, match=words): conv(2, 3, kernel)
    with pytest.raises(ValueError, match='n=2 must be odd'): Inception7x1(2, 1, (1, 1), (1, 1), 1, n=2)


def test_a_layer_of_the_readers_own_changes_nothing():
    "The four paths are named: what else hangs on the block is no path."
    torch.manual_seed(0)
    block, X = Inception(3, 2, (2, 3), (2, 3), 2), torch.rand(2, 3, 6, 5)
    Y = block(X)
    block.probe = nn.Conv2d(3, 4, 1)
    torch.testing.assert_close(block(X), Y, rtol=0, atol=0)


def test_heads_refuse_the_images_that_the_network_refuses():
    net = WithHeads(narrow(3, 7), num_classes=7)
    with pytest.raises(ValueError, match='3 channels, got 1'): net(torch.rand(2, 1, 8, 8))
    with pytest.raises(ValueError, match=r'X\[None\]'): net(torch.rand(3, 8, 8))


def test_every_width_works_or_is_refused():
    "Rounded channel numbers must add up where one stage meets the next."
    refused = 0
    for width in (1 / 16, 0.1, 1 / 8, 0.2, 1 / 3, 0.37, 0.5, 15 / 16):
        try: net = googlenet(width=width)
        except ValueError as e: assert 'take a multiple of 1/16' in str(e); refused += 1; assert width * 16 % 1
        else: assert net(torch.rand(2, 1, 20, 33)).shape == (2, 10)
    assert refused
