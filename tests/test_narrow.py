"A network with fewer channels: the same plan, the same images in, the same classes out."

import pytest
import torch
from torch import nn

from d2lcnn import alexnet, densenet, googlenet, lenet, nin, resnet, vgg
from d2lcnn.narrow import narrowed

NETS = {
    'alexnet': (lambda: alexnet.alexnet(size=65), 65),
    'nin': (nin.nin, 67),
    'vgg': (lambda: vgg.vgg(size=32, hidden=512), 32),
    'googlenet': (lambda: googlenet.googlenet(in_channels=3), 32),
    'resnet18': (lambda: resnet.resnet18(num_classes=7), 32),
    'densenet': (densenet.densenet, 32),
}


def layers(net):
    return [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear, nn.BatchNorm2d))]


@pytest.mark.parametrize('name', NETS)
def test_the_plan_stays_and_the_width_goes(name):
    make, size = NETS[name]
    wide, net = make(), narrowed(make(), 4)
    inputs = layers(wide)[0].in_channels
    X = torch.rand(2, inputs, size, size)
    assert net.eval()(X).shape == wide.eval()(X).shape
    assert [type(m) for m in layers(net)] == [type(m) for m in layers(wide)]
    a, b = (sum(p.numel() for p in n.parameters()) for n in (wide, net))
    assert 10 < a / b < 17
    for one, other in zip(layers(wide), layers(net)):
        if isinstance(one, nn.Conv2d):
            same = ('kernel_size', 'stride', 'padding', 'dilation')
            assert all(getattr(one, k) == getattr(other, k) for k in same)
            assert (one.bias is None) == (other.bias is None)


def test_by_one_nothing_changes_but_the_weights():
    wide, net = lenet.lenet(), narrowed(lenet.lenet(), 1)
    shapes = [[p.shape for p in n.parameters()] for n in (wide, net)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    'net, by, words',
    [
        (lambda: nn.Sequential(nn.Conv2d(1, 6, 3), nn.Conv2d(6, 10, 3)), 4, '6 channels'),
        (lambda: nn.Sequential(nn.Conv2d(8, 8, 3, groups=8), nn.Linear(8, 2)), 2, 'groups'),
        (lambda: nn.Linear(4, 2), 0, 'by=0'),
        (lambda: nn.Linear(4, 2), 1.5, 'by'),
        (lambda: nn.ReLU(), 2, 'network'),
        (lambda: 'lenet', 2, 'network'),
    ],
)
def test_what_cannot_be_divided_is_said(net, by, words):
    with pytest.raises((ValueError, TypeError), match=words):
        narrowed(net(), by)
