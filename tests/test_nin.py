"NiN: counts, shapes, the smallest picture, gradients, errors, and equality with a re-derivation in plain functions."
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from d2lcnn.nin import he_start, nin, nin_block
from d2lcnn.summary import macs, receptive_field

# by hand: output shape of each of the ten layers for two pictures, and parameters of each
STAGES = [('Sequential', (96, 54, 54), 30_336), ('MaxPool2d', (96, 26, 26), 0), ('Sequential', (256, 26, 26), 746_240), ('MaxPool2d', (256, 12, 12), 0),
          ('Sequential', (384, 12, 12), 1_180_800), ('MaxPool2d', (384, 5, 5), 0), ('Dropout', (384, 5, 5), 0), ('Sequential', (10, 5, 5), 34_790),
          ('AdaptiveAvgPool2d', (10, 1, 1), 0), ('Flatten', (10,), 0)]
# side of the maps after the first block and after each pooling, by size of the picture
SIDES = {67: (15, 7, 3, 1), 70: (15, 7, 3, 1), 71: (16, 7, 3, 1), 96: (22, 10, 4, 1), 99: (23, 11, 5, 2), 131: (31, 15, 7, 3), 224: (54, 26, 12, 5)}


def count(net): return sum(p.numel() for p in net.parameters())
def convs(net): return [m for m in net.modules() if isinstance(m, nn.Conv2d)]


def test_stages_and_parameters():
    net, X, seen = nin(), torch.rand(2, 1, 224, 224), []
    with torch.no_grad():
        for layer in net:
            X = layer(X)
            seen.append((type(layer).__name__, tuple(X.shape[1:]), count(layer)))
    assert seen == STAGES and len(X) == 2
    assert count(net) == 1_992_166 and all(p.requires_grad for p in net.parameters())


def test_macs_and_receptive_field():
    assert macs(nin(), (1, 1, 224, 224)) == 762_297_352
    # forwards, (window − 1) times the distance of neighbours: 11, +2·4, +4·8, +2·8, +2·16, +2·16, +2·32
    assert receptive_field(nin()[:8], (1, 1, 224, 224)) == (195, 195)


@pytest.mark.parametrize('size, sides', SIDES.items(), ids=map(str, SIDES))
def test_sides(size, sides):
    net, X = nin().eval(), torch.rand(1, 1, size, size + 32)
    with torch.no_grad(): got = [net[:k](X).shape[2] for k in (1, 2, 4, 6)]
    assert tuple(got) == sides


@pytest.mark.parametrize('in_channels, num_classes, h, w, batch', [(1, 10, 67, 67, 2), (3, 7, 80, 67, 3), (2, 1, 67, 101, 2), (4, 1000, 67, 67, 2)])
def test_other_channels_classes_sizes(in_channels, num_classes, h, w, batch):
    net = nin(in_channels, num_classes)
    Y = net(torch.rand(batch, in_channels, h, w))
    assert Y.shape == (batch, num_classes) and torch.isfinite(Y).all()
    head = lambda c: c * (9 * 384 + 1) + 2 * c * (c + 1)
    assert count(net) == 1_992_166 + 96 * 121 * (in_channels - 1) + head(num_classes) - head(10)


@pytest.mark.parametrize('h, w', [(66, 67), (67, 66), (66, 66), (28, 224), (1, 1)])
def test_too_small(h, w):
    with pytest.raises(ValueError, match=f'{h}×{w} pixels are too small .* the smallest that work are 67×67$'): nin()(torch.rand(2, 1, h, w))


def test_67_is_needed():
    "One row less, and the layers themselves have nothing left to pool."
    with torch.no_grad():
        assert nn.Sequential(*nin())(torch.rand(2, 1, 67, 67)).shape == (2, 10)
        with pytest.raises(RuntimeError): nn.Sequential(*nin())(torch.rand(2, 1, 66, 67))


def test_one_picture_without_batch():
    with pytest.raises(ValueError, match=r'X\[None\]'): nin()(torch.rand(1, 96, 96))


@pytest.mark.parametrize('name', ['in_channels', 'num_classes'])
@pytest.mark.parametrize('bad, error', [(0, ValueError), (-3, ValueError), (2.0, TypeError), ('3', TypeError), (True, TypeError), (None, TypeError)])
def test_bad_counts(name, bad, error):
    with pytest.raises(error, match=name): nin(**{name: bad})


def test_part_of_the_network_takes_maps():
    net = nin()
    part = net[2:8]
    assert type(part) is type(net) is nn.Sequential and net[-1] is list(net)[-1]
    with torch.no_grad(): assert part(torch.rand(2, 96, 7, 9)).shape == (2, 10, 1, 1)


def test_block_shapes():
    "Lopsided maps and arguments"
    block = nin_block(3, 5, (3, 5), stride=(2, 1), padding=(0, 2))
    assert block(torch.rand(2, 3, 9, 12)).shape == (2, 5, 4, 12)
    assert count(block) == 5 * (15 * 3 + 1) + 2 * 5 * 6
    assert [type(m).__name__ for m in block] == ['Conv2d', 'ReLU'] * 3


@pytest.mark.parametrize('k, s, p', [(5, 2, 1), (3, 1, 1), (1, 1, 0), (4, 3, 2)])
def test_block_is_a_small_network_at_each_window(k, s, p):
    torch.manual_seed(k)
    block, X = nin_block(3, 6, k, s, p), torch.randn(2, 3, 9, 12)
    H = F.unfold(X, k, padding=p, stride=s).transpose(1, 2)
    for conv in convs(block): H = (H @ conv.weight.flatten(1).T + conv.bias).clamp(min=0)
    out = [(n + 2 * p - k) // s + 1 for n in (9, 12)]
    torch.testing.assert_close(block(X), H.transpose(1, 2).reshape(2, 6, *out), rtol=1e-4, atol=1e-5)


def test_network_is_its_formulas():
    torch.manual_seed(0)
    net, X = he_start(nin(3, 7)).eval(), torch.rand(2, 3, 70, 101)
    P = [p.detach() for p in net.parameters()]
    def block(H, i, **kw):
        H = F.conv2d(H, P[i], P[i + 1], **kw).clamp(min=0)
        for j in (i + 2, i + 4): H = (torch.einsum('oc,nchw->nohw', P[j][:, :, 0, 0], H) + P[j + 1][:, None, None]).clamp(min=0)
        return H
    pool = lambda H: H.unfold(2, 3, 2).unfold(3, 3, 2).amax((-1, -2))
    H = pool(block(X, 0, stride=4))
    H = pool(block(H, 6, padding=2))
    H = pool(block(H, 12, padding=1))
    Y = block(H, 18, padding=1).mean((2, 3))
    with torch.no_grad(): torch.testing.assert_close(net(X), Y, rtol=1e-4, atol=1e-5)
    assert Y.std() > 1e-3  # the comparison means nothing if all logits are equal


def test_dropout_in_training_only():
    torch.manual_seed(0)
    net, X = he_start(nin()), torch.rand(2, 1, 67, 67)
    with torch.no_grad():
        assert not torch.equal(net(X), net(X))
        net.eval()
        assert torch.equal(net(X), net(X))


def test_he_start():
    torch.manual_seed(0)
    net = nin(3, 7)
    assert he_start(net) is net
    *rest, last = convs(net)
    for m in rest[:9]:
        fan_in = m.weight[0].numel()
        assert abs(m.weight.std() * (fan_in / 2) ** .5 - 1) < .05 and abs(m.weight.mean()) < .01
    assert all((m.bias == 0).all() for m in rest) and (last.bias == 1).all()


@pytest.mark.parametrize('in_channels, num_classes', [(1, 10), (3, 7)])
@pytest.mark.parametrize('seed', range(3))
def test_gradient_reaches_every_parameter(in_channels, num_classes, seed):
    torch.manual_seed(seed)
    net = he_start(nin(in_channels, num_classes))
    F.cross_entropy(net(torch.rand(6, in_channels, 67, 67)), torch.arange(6)).backward()
    for name, p in net.named_parameters():
        assert p.grad is not None and torch.isfinite(p.grad).all() and p.grad.abs().max() > 1e-7, name


@pytest.mark.parametrize('seed', range(3))
def test_no_class_is_silent_at_the_start(seed):
    "With He weights alone some class maps are 0 for all pictures; the start that the chapter uses has none."
    torch.manual_seed(seed)
    with torch.no_grad(): Y = he_start(nin())(torch.rand(8, 1, 67, 67))
    assert (Y > 0).any(0).all()


def test_learns():
    "Four pictures that differ, in eval mode: the loss falls clearly below that of a network without an idea."
    torch.manual_seed(0)
    net, y, ramp = he_start(nin()).eval(), torch.arange(4), torch.linspace(0, 1, 67).expand(67, 67)
    X = torch.stack([ramp, ramp.T, 1 - ramp, torch.ones(67, 67)])[:, None] + .1 * torch.rand(4, 1, 67, 67)
    opt = torch.optim.Adam(net.parameters(), 3e-4)
    losses = []
    for _ in range(30): opt.zero_grad(); l = F.cross_entropy(net(X), y); l.backward(); opt.step(); losses.append(l.item())
    assert sum(losses[-5:]) / 5 < 2.05 < math.log(10) < losses[0]
