"The memory layout that `fit` chooses on a CPU: faster, and nobody notices."

import contextlib

import pytest
import torch
from torch import nn

from d2lcnn import zoo
from d2lcnn.callbacks import Callback
from d2lcnn.data import digits
from d2lcnn.engine import Engine, plain
from d2lcnn.train import fit


class Flattens(nn.Module):
    "As learners write it: `view` needs the usual layout."

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4 * 36, 10)

    def forward(self, X):
        Y = self.conv(X)
        return self.fc(Y.view(Y.size(0), -1))


class Layout(Callback):
    "Notes the layout of the first convolution while it trains."

    def __init__(self):
        self._seen = []

    def after_step(self, run):
        conv = next(m for m in run.net.modules() if isinstance(m, nn.Conv2d))
        last = conv.weight.is_contiguous(memory_format=torch.channels_last)
        self._seen.append(last and not conv.weight.is_contiguous())

    def state_dict(self):
        return {}


def two_convs():
    layers = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.AvgPool2d(2), nn.Flatten()
    return nn.Sequential(nn.Sequential(layers[1]), *layers[2:], nn.Linear(4 * 9, 10))


@pytest.fixture
def four_channels():
    "Digits in four channels, so that the two layouts differ."
    pairs = [(X.repeat(1, 4, 1, 1), y) for X, y in digits(size=8, batch_size=100).train]
    return pairs, pairs[:1], pairs[:1]


def test_on_a_cpu_the_channels_lie_together_while_it_trains(four_channels):
    net, layout = two_convs(), Layout()
    h = fit(net, four_channels, 1, 0.1, device='cpu', callbacks=[layout], verbose=False)
    assert all(layout._seen) and h.recipe['engine']['channels_last'] is True
    assert all(p.is_contiguous() for p in net.parameters()), 'afterwards as usual'
    Y = net[0](four_channels[0][0][0])
    assert Y.view(len(Y), -1).shape[1] == 4 * 36


def test_the_usual_layout_is_back_after_an_error_and_after_ctrl_c(four_channels):
    class Ends(Callback):
        def __init__(self, error):
            self._error = error

        def after_step(self, run):
            raise self._error

    for error in (KeyboardInterrupt, ZeroDivisionError):
        net = two_convs()
        how = dict(device='cpu', callbacks=[Ends(error)], verbose=False)
        with contextlib.suppress(ZeroDivisionError):
            fit(net, four_channels, 1, 0.1, **how)
        assert all(p.is_contiguous() for p in net.parameters())


def test_a_forward_of_ones_own_keeps_the_usual_layout():
    net, layout, data = Flattens(), Layout(), digits(size=8, batch_size=100)
    h = fit(net, data, 1, 0.1, device='cpu', callbacks=[layout], verbose=False)
    assert h.recipe['engine']['channels_last'] is False and h.epochs == 1
    assert not plain(net) and not plain(nn.Linear(2, 2)) and plain(nn.Sequential(nn.Conv2d(1, 1, 1)))


@pytest.mark.slow
@pytest.mark.parametrize('name', ['lenet', 'lenet_bn', 'googlenet', 'densenet', 'resnet18'])
def test_the_layout_changes_no_loss(name):
    "In double precision, to rounding."
    losses = []
    for last in (None, False):
        torch.manual_seed(0)
        net = zoo.network(name).make(32).double()
        g = torch.Generator().manual_seed(1)
        X = torch.rand(16, 1, 32, 32, generator=g).double()
        pairs = [(X[i : i + 8], torch.arange(8)) for i in (0, 8)]
        how = dict(device='cpu', verbose=False, engine=Engine(channels_last=last))
        h = fit(net, (pairs, None, None), 2, 0.05, **how)
        assert h.recipe['engine']['channels_last'] is (last is None)
        losses.append(torch.tensor(h.batch_loss))
    torch.testing.assert_close(*losses, rtol=1e-6, atol=1e-8)


def test_a_layout_that_was_asked_for_stays(four_channels):
    net = two_convs()
    fit(net, four_channels, 1, 0.1, device='cpu', engine=Engine(channels_last=True), verbose=False)
    assert not net[0][0].weight.is_contiguous()
