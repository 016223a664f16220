"Summaries: shapes, parameters, MACs, receptive fields; and that asking leaves no trace."

import copy
import math
import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from d2lcnn.summary import macs, receptive_field, shapes, summary


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.Sigmoid(),
        nn.AvgPool2d(2, 2),
        nn.Conv2d(6, 16, 5),
        nn.Sigmoid(),
        nn.AvgPool2d(2, 2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.Sigmoid(),
        nn.Linear(120, 84),
        nn.Sigmoid(),
        nn.Linear(84, 10),
    )


class Func(nn.Module):
    "A module from a function of `self` and the input, with submodules and parameters by name"

    def __init__(self, forward, **parts):
        super().__init__()
        self.f = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, X):
        return self.f(self, X)


def flops(net, X):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval()(X)
    return counter.get_total_flops()


def reach(net, size):
    "The receptive field as gradients show it: the largest over outputs near the middle."
    for p in net.parameters():
        p.data.abs_().add_(0.1)
    X = torch.ones(1, 2, *size, requires_grad=True)
    Y = net(X)
    mid, best = [n // 2 for n in Y.shape[-2:]], [0, 0]
    for di in range(min(4, mid[0])):
        for dj in range(min(4, mid[1])):
            (G,) = torch.autograd.grad(
                Y[0, :, mid[0] - di, mid[1] - dj].sum(), X, retain_graph=True
            )
            for axis, other in enumerate((3, 2)):
                hit = G.abs().sum((0, 1, other)).nonzero()
                best[axis] = max(best[axis], int(hit.max() - hit.min()) + 1)
    return tuple(best)


# ---------------------------------------------------------------- LeNet, counted by hand


def test_lenet_by_hand():
    s = summary(lenet(), (1, 1, 28, 28))
    assert s.params == s.trainable == 61_706
    assert s.macs == macs(lenet(), (1, 1, 28, 28)) == 117_600 + 240_000 + 58_920 == 416_520
    assert [r.rf for r in s.rows if r.type in ('Conv2d', 'AvgPool2d')] == [
        (5, 5),
        (6, 6),
        (14, 14),
        (16, 16),
    ]
    assert [r.rf for r in s.rows if r.type == 'Linear'] == [(math.inf, math.inf)] * 3
    assert receptive_field(lenet(), (1, 1, 28, 28)) == (16, 16)
    assert s.input_shape == (1, 1, 28, 28) and s.rows[3].shape == (1, 16, 10, 10)
    assert macs(lenet(), (7, 1, 28, 28)) == 7 * 416_520


def test_shapes_prints_these_lines(capsys):
    assert shapes(lenet()[:3], (2, 1, 28, 20)) is None
    assert capsys.readouterr().out.splitlines() == [
        'Conv2d output shape: torch.Size([2, 6, 28, 20])',
        'Sigmoid output shape: torch.Size([2, 6, 28, 20])',
        'AvgPool2d output shape: torch.Size([2, 6, 14, 10])',
    ]


def test_shapes_in_the_order_of_the_run(capsys):
    net = Func(
        lambda s, X: s.last(s.first(s.first(X))),
        last=nn.Sequential(nn.Conv2d(2, 5, 1)),
        first=nn.MaxPool2d(2),
    )
    shapes(net, (1, 2, 8, 12))
    assert capsys.readouterr().out.splitlines() == [
        'MaxPool2d output shape: torch.Size([1, 2, 4, 6])',
        'MaxPool2d output shape: torch.Size([1, 2, 2, 3])',
        'Sequential output shape: torch.Size([1, 5, 2, 3])',
    ]
    shapes(nn.Conv2d(2, 5, 1), (1, 2, 8, 12))  # a single layer is its own line
    assert capsys.readouterr().out == 'Conv2d output shape: torch.Size([1, 5, 8, 12])\n'


# ---------------------------------------------------------------- against torchvision


@pytest.mark.parametrize(
    'name, params',
    [
        ('alexnet', 61_100_840),
        ('resnet18', 11_689_512),
        ('googlenet', None),
        ('densenet121', 7_978_856),
    ],
)
def test_torchvision(name, params):
    models = pytest.importorskip('torchvision.models')
    net = getattr(models, name)(
        weights=None, **({'init_weights': False} if name == 'googlenet' else {})
    )
    X = torch.zeros(1, 3, 96, 128)
    s = summary(net, X)
    assert s.params == sum(p.numel() for p in net.parameters()) == sum(r.params for r in s.rows)
    assert params is None or s.params == params
    assert s.macs * 2 == flops(net, X) and s.macs == sum(r.macs for r in s.rows)
    flat = summary(net, X, depth=1)
    assert flat.macs == s.macs and sum(r.params for r in flat.rows if r.shape) <= s.params
    assert sum(r.params for r in flat.rows) == s.params and all(
        '.' not in r.name for r in flat.rows if r.shape
    )
    by_name = {r.name: r for r in s.rows}
    for n, m in net.named_modules():  # each row's count is its module's own
        if n in by_name:
            assert by_name[n].params == sum(p.numel() for p in m.parameters(recurse=False))


# Araujo et al., Computing Receptive Fields of CNNs, Distill 2019: 195 for AlexNet v2's last pooling
def test_alexnet_fields():
    models = pytest.importorskip('torchvision.models')
    with torch.device('meta'):
        net = models.alexnet(weights=None)
    rf = [r.rf[0] for r in summary(net, (1, 3, 224, 224)).rows if r.type in ('Conv2d', 'MaxPool2d')]
    assert rf == [11, 19, 51, 67, 99, 131, 163, 195]


@pytest.mark.parametrize(
    'conv, shape',
    [
        (nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(0, 1), dilation=(1, 3)), (2, 4, 9, 14)),
        (nn.Conv2d(4, 6, (3, 2), groups=2), (3, 4, 5, 7)),
        (nn.Conv2d(6, 6, 3, groups=6, bias=False), (1, 6, 5, 7)),
        (
            nn.ConvTranspose2d(4, 6, (3, 2), stride=(2, 3), padding=1, output_padding=(1, 2)),
            (2, 4, 5, 7),
        ),
        (nn.ConvTranspose2d(4, 6, 3, groups=2), (2, 4, 5, 7)),
        (nn.Conv1d(2, 3, 5), (2, 2, 11)),
        (nn.Conv3d(2, 3, (1, 2, 3)), (2, 2, 3, 4, 5)),
        (nn.Linear(7, 5, bias=False), (3, 2, 7)),
    ],
)
def test_macs_of_one_layer(conv, shape):
    X = torch.randn(shape)
    assert macs(conv, shape) * 2 == flops(conv, X)
    Y = conv(X)
    if isinstance(conv, (nn.Conv2d, nn.Conv3d, nn.Conv1d)):  # once more, from the definition
        assert macs(conv, shape) == Y.numel() * conv.in_channels // conv.groups * math.prod(
            conv.kernel_size
        )


@pytest.mark.parametrize(
    'f',
    [lambda W, X: W @ X, lambda W, X: X.mT @ W.mT, lambda W, X: torch.einsum('oi,nis->nos', W, X)],
)
def test_macs_of_products_written_out(f):
    net = Func(lambda s, X: f(s.W, X.flatten(2)), W=nn.Parameter(torch.randn(5, 3)))
    assert macs(net, (2, 3, 4, 7)) == 2 * 5 * 3 * 4 * 7


# ---------------------------------------------------------------- receptive fields


def random_net(seed):
    "Convolutions, poolings, transposed convolutions and odd branches, all lopsided"
    rng = random.Random(seed)

    def pair(*choices):
        return rng.choice(choices), rng.choice(choices)

    layers, c = [], 2
    for _ in range(rng.randint(2, 4)):
        kind, out = (
            rng.choice(['conv', 'conv', 'group', 'pool', 'residual', 'cat', 'functional']),
            rng.choice((2, 4, 6)),
        )
        if kind == 'conv':
            layers.append(
                nn.Conv2d(
                    c,
                    out,
                    pair(1, 2, 3, 5),
                    stride=pair(1, 1, 2),
                    padding=pair(0, 1),
                    dilation=pair(1, 2),
                )
            )
        elif kind == 'group':
            layers.append(nn.Conv2d(c, out, pair(1, 3), groups=2))
        elif kind == 'pool':
            layers.append(nn.AvgPool2d(pair(1, 2, 3), stride=pair(1, 2)))
        elif kind == 'functional':
            layers.append(
                Func(lambda s, X, k=pair(1, 2, 3): F.avg_pool2d(F.pad(X, (1, 0, 0, 2)), k) * 2)
            )
        elif kind == 'residual':
            k = pair(1, 3, 5)
            p = tuple(n // 2 for n in k)
            layers.append(
                Func(
                    lambda s, X: s.b(s.a(X)) + X,
                    a=nn.Conv2d(c, 4, k, padding=p),
                    b=nn.Conv2d(4, c, 3, padding=1),
                )
            )
        else:
            k = pair(3, 5)
            p = tuple(n // 2 for n in k)
            layers.append(
                Func(
                    lambda s, X: torch.cat([s.a(X), s.b(X), F.avg_pool2d(X, 3, 1, 1)], 1),
                    a=nn.Conv2d(c, 2, 1),
                    b=nn.Conv2d(c, 2, k, padding=p),
                )
            )
        c = c if kind in ('pool', 'residual', 'functional') else 4 + c if kind == 'cat' else out
    return nn.Sequential(*layers)


@pytest.mark.parametrize('seed', range(40))
def test_field_is_the_measured_one(seed):
    torch.manual_seed(seed)
    net = random_net(seed)
    assert receptive_field(net, (1, 2, 150, 130)) == reach(net, (150, 130)), net


@pytest.mark.parametrize(
    'net',
    [
        nn.Sequential(nn.ConvTranspose2d(2, 3, (3, 4), stride=2), nn.Conv2d(3, 2, (3, 2))),
        nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(2, 2, (3, 4))),
        nn.Sequential(nn.Upsample(scale_factor=3, mode='bilinear'), nn.Conv2d(2, 2, (1, 3))),
        nn.Sequential(
            nn.Conv2d(2, 4, 3), Func(lambda s, X: X[:, :, ::2, 1::3]), nn.Conv2d(4, 1, (2, 3))
        ),
        nn.Sequential(nn.AdaptiveAvgPool2d((12, 10)), nn.Conv2d(2, 2, (3, 2))),
    ],
    ids=lambda net: '-'.join(type(m).__name__ for m in net),
)
def test_field_up_and_down(net):
    assert receptive_field(net, (1, 2, 60, 60)) == reach(net, (60, 60))


@pytest.mark.parametrize(
    'net',
    [
        nn.Sequential(
            nn.Conv2d(2, 3, 3, stride=(2, 3)),
            nn.ConvTranspose2d(3, 2, (5, 3), stride=(2, 3), padding=1),
        ),
        nn.Sequential(
            nn.Conv2d(2, 2, 3, stride=4), nn.Upsample(scale_factor=4), nn.Conv2d(2, 2, 3)
        ),
    ],
    ids=['transposed', 'upsampled'],
)
def test_field_down_then_up_is_a_bound(net):
    told, seen = receptive_field(net, (1, 2, 60, 60)), reach(net, (60, 60))
    assert all(s <= t < s + 4 for s, t in zip(seen, told)), (seen, told)


def test_field_of_products_and_unfold():
    conv = nn.Conv2d(2, 5, (3, 4), stride=(2, 1), dilation=(1, 2))
    written = Func(
        lambda s, X: s.W @ F.unfold(X, (3, 4), stride=(2, 1), dilation=(1, 2)),
        W=nn.Parameter(torch.randn(5, 24)),
    )
    assert (
        receptive_field(conv, (3, 2, 20, 21)) == receptive_field(written, (3, 2, 20, 21)) == (3, 7)
    )
    assert macs(conv, (3, 2, 20, 21)) == macs(written, (3, 2, 20, 21))
    last = nn.Sequential(
        nn.Conv2d(2, 5, 3),
        Func(lambda s, X: s.lin(X.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), lin=nn.Linear(5, 4)),
    )
    assert receptive_field(last, (2, 2, 9, 8)) == (3, 3) and summary(last, (2, 2, 9, 8)).rows[
        -1
    ].rf == (3, 3)


@pytest.mark.parametrize(
    'whole',
    [
        nn.AdaptiveAvgPool2d(1),
        nn.AdaptiveMaxPool2d((1, 1)),
        nn.Sequential(nn.Flatten(), nn.Linear(2 * 9 * 8, 3)),
        Func(lambda s, X: X.mean((2, 3))),
        Func(lambda s, X: X.amax((-1, -2), keepdim=True)),
        Func(lambda s, X: X * X.flatten(2).mean(-1)[..., None, None]),
        Func(lambda s, X: X.flatten(2) @ X.flatten(2).mT),
    ],
    ids=str,
)
def test_whole_input(whole):
    assert summary(whole, (1, 2, 9, 8)).rows[-1].rf == (math.inf, math.inf)


def test_no_finite_field():
    with pytest.raises(ValueError, match='no layer has a finite receptive field'):
        receptive_field(nn.Linear(7, 3), (2, 7))


def test_one_axis_of_the_whole():
    s = summary(
        nn.Sequential(nn.Conv2d(1, 2, (3, 2)), Func(lambda s, X: X.mean(3, keepdim=True))),
        (1, 1, 9, 8),
    )
    assert s.rows[-1].rf == (3, math.inf) and '3×whole' in str(s)


def test_channel_operations_keep_the_field():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.LocalResponseNorm(5),
        nn.BatchNorm2d(8),
        nn.Softmax(1),
        nn.GLU(1),
        nn.Dropout(),
        Func(lambda s, X: X.amax(1, True)),
    )
    assert {r.rf for r in summary(net, (2, 3, 9, 8)).rows} == {(3, 3)}


def test_untraceable_is_said():
    def by_hand(s, X):  # writes into a fresh tensor, number by number
        Y = torch.zeros(X.shape[0] - 1, X.shape[1] - 2)
        for i in range(Y.shape[0]):
            for j in range(Y.shape[1]):
                Y[i, j] = (X[i : i + 2, j : j + 3] * s.K).sum()
        return Y

    s = summary(Func(by_hand, K=nn.Parameter(torch.randn(2, 3))), (4, 6))
    assert s.rows[0].shape == (3, 4) and s.rows[0].rf is None and s.params == 6 and '–' in str(s)


# ---------------------------------------------------------------- parameters and rows


def test_shared_modules_and_weights_count_once():
    act, conv = nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1)
    net = nn.Sequential(conv, act, conv, act)
    s = summary(net, (1, 3, 5, 6))
    assert [r.type for r in s.rows] == ['Conv2d', 'ReLU'] * 2 and [r.params for r in s.rows] == [
        84,
        0,
        0,
        0,
    ]
    assert s.params == 84 and s.macs == 2 * 81 * 30 and [r.rf[0] for r in s.rows] == [3, 3, 5, 5]
    tied = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))
    tied[1].weight = tied[0].weight
    s = summary(tied, (2, 6))
    assert s.params == 36 + 12 == sum(r.params for r in s.rows)


def test_parameters_of_inner_modules_and_of_what_does_not_run():
    net = Func(
        lambda s, X: s.conv(X) * s.gain,
        conv=nn.Conv2d(1, 2, 3),
        gain=nn.Parameter(torch.ones(2, 1, 1)),
        spare=nn.Sequential(nn.Linear(3, 4)),
        many=nn.ParameterList([torch.zeros(5)]),
    )
    net.conv.weight.requires_grad_(False)
    s = summary(net, (1, 1, 5, 6))
    assert [(r.name, r.params, r.shape) for r in s.rows] == [
        ('conv', 20, (1, 2, 3, 4)),
        ('', 2, (1, 2, 3, 4)),
        ('spare.0', 16, None),
        ('many', 5, None),
    ]
    assert s.params == 43 == sum(r.params for r in s.rows) and s.trainable == 43 - 18
    assert '43 parameters (25 trainable)' in str(s)


def test_table_texts():
    net = nn.Sequential()
    net.add_module('<b>&', nn.Conv2d(1, 1000, 3))
    s = summary(net, (1, 1, 30, 31))
    page, text = s._repr_html_(), str(s)
    assert '&lt;b&gt;&amp;' in page and '<b>&' not in page
    assert (
        'background' not in page and '#' not in page
    )  # inherits the colours of light and dark pages
    for words in ('10,000', '7,308,000', '3×3', '1×1000×28×29', '7.31 M MACs', '1 MAC = 2 FLOPs'):
        assert words in page and words in text
    assert (
        repr(s) == text and text.isascii() is False and text.encode('cp1252')
    )  # prints in a Windows console, too
    assert len({len(line) for line in text.splitlines() if set(line) == {'-'}}) == 1


def test_tuples_and_keywords():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, X, *, twice=True):
            return {'a': (self.conv(X), X)} if twice else X

    s = summary(nn.Sequential(Two()), (1, 1, 5, 6))
    assert s.rows[0].shape == (1, 2, 3, 4)


# ---------------------------------------------------------------- no trace


def state(net):
    return (
        [m.training for m in net.modules()],
        [b.clone() for b in net.buffers()],
        [id(b) for b in net.buffers()],
        torch.get_rng_state(),
        [
            (
                len(m._forward_hooks),
                len(m._forward_pre_hooks),
                len(m._forward_hooks_with_kwargs),
                len(m._forward_pre_hooks_with_kwargs),
            )
            for m in net.modules()
        ],
        [p.grad for p in net.parameters()],
        torch.is_grad_enabled(),
    )


def assert_same(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


def messy():
    "A network that draws random numbers, counts its runs, and replaces a buffer, whatever its mode"

    def forward(s, X):
        s.count += 1
        s.mean = s.mean * 0.9 + X.mean() + 1
        return s.net(F.dropout(X, 0.5, training=True))

    net = Func(
        forward,
        net=nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(4 * 6 * 7, 3),
        ),
    )
    net.register_buffer('count', torch.tensor(3))
    net.register_buffer('mean', torch.tensor([float('nan'), 2.0]))
    net.net[1].eval()
    return net


@pytest.mark.parametrize('shape', [(2, 1, 8, 9), (2, 1, 9, 9), (2, 2, 8, 9)])
@pytest.mark.parametrize('f', [summary, shapes, macs, receptive_field])
def test_leaves_no_trace(f, shape, capsys):
    net, seen = messy(), []
    net.register_forward_hook(lambda m, a, out: seen.append(out.shape))
    before = state(net)
    if shape == (2, 1, 8, 9):
        f(net, shape)
    else:
        with pytest.raises(ValueError):
            f(net, shape)
    assert_same(state(net), before)


def test_does_not_touch_the_input_or_a_training_step():
    net = nn.Sequential(nn.ReLU(inplace=True), nn.BatchNorm2d(2), nn.Conv2d(2, 3, 3))
    X = torch.randn(2, 2, 6, 7)
    kept = X.clone()
    loss = net(X.clone()).square().sum()
    summary(net, X)
    loss.backward()  # what backward needs was not written over
    assert_same(X, kept)
    assert net[2].weight.grad is not None


def test_same_after_as_a_copy():
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    twin, X = copy.deepcopy(net), torch.randn(2, 1, 6, 5)
    rng = torch.get_rng_state()
    summary(net, (2, 1, 6, 5))
    Y = net(X)
    torch.set_rng_state(rng)
    assert_same(Y, twin(X))


# ---------------------------------------------------------------- faults


def test_errors_name_the_layer():
    with pytest.raises(ValueError) as e:
        shapes(lenet(), (1, 1, 6, 9))
    text = str(e.value)
    assert (
        text.startswith('layer 3 (Conv2d) cannot work on an input of shape 1×6×3×4: ')
        and 'Kernel size' in text
    )
    assert 'layer 2 (AvgPool2d) 1×6×6×9 -> 1×6×3×4' in text
    with pytest.raises(ValueError, match=r'layer 0 \(Conv2d\).*1×3×28×28.*channels(.|\n)*none'):
        summary(lenet(), (1, 3, 28, 28))
    inner = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Sequential(nn.ReLU(), nn.Linear(7, 3)))
    with pytest.raises(ValueError, match=r'layer 1\.1 \(Linear\)'):
        macs(inner, (1, 1, 5, 6))
    own = Func(lambda s, X: X @ torch.ones(3, 3))
    with pytest.raises(ValueError, match=r'the network \(Func\)'):
        summary(own, (2, 5))


@pytest.mark.parametrize(
    'bad, error',
    [
        (28, TypeError),
        ((1, 1, 28.0, 28), TypeError),
        ('1,1', TypeError),
        (None, TypeError),
        ((1, 1, 0, 28), ValueError),
        ((), ValueError),
        ((1, -1, 5, 5), ValueError),
    ],
)
def test_bad_input_shapes(bad, error):
    with pytest.raises(error):
        summary(lenet(), bad)


def test_lazy_networks_are_told_what_to_do():
    net = nn.Sequential(nn.LazyConv2d(3, 2), nn.Flatten(), nn.LazyLinear(5))
    with pytest.raises(ValueError, match='run it once'):
        summary(net, (1, 1, 6, 7))
    net(torch.zeros(1, 1, 6, 7))
    assert summary(net, (1, 1, 6, 7)).rows[-1].shape == (1, 5)


def test_an_exception_the_network_catches():
    def forward(s, X):
        try:
            s.bad(X)
        except RuntimeError:
            pass
        return s.good(X)

    s = summary(
        Func(forward, bad=nn.Sequential(nn.Linear(99, 1)), good=nn.Conv2d(1, 2, 3)), (1, 1, 6, 7)
    )
    assert [r.name for r in s.rows if r.shape] == ['good'] and s.rows[0].macs == 2 * 9 * 20


@pytest.mark.parametrize('dtype', [torch.float64, torch.bfloat16, torch.float32])
def test_types_and_meta(dtype):
    assert summary(lenet().to(dtype), (2, 1, 28, 28)).macs == 2 * 416_520
    assert summary(lenet().to('meta', dtype), (2, 1, 28, 28)).macs == 2 * 416_520


def test_inside_other_modes():
    X = torch.zeros(1, 1, 28, 28)
    with torch.inference_mode():
        born_there = lenet()
    for mode in (
        torch.inference_mode(),
        torch.no_grad(),
        torch.enable_grad(),
        torch.autocast('cpu', torch.bfloat16),
    ):
        with mode:
            for net in (lenet(), born_there, lenet().to(memory_format=torch.channels_last)):
                for x in (X, X.shape, X.clone()):
                    s = summary(net, x)
                    assert (s.macs, receptive_field(net, x)) == (416_520, (16, 16))
    assert summary(born_there, X).macs == 416_520


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
def test_cuda():
    rng = torch.cuda.get_rng_state()
    s = summary(messy().cuda(), (2, 1, 8, 9))
    assert s.macs == summary(messy(), (2, 1, 8, 9)).macs
    assert_same(torch.cuda.get_rng_state(), rng)


# ---------------------------------------------------------------- what is not known is not a number


def attention(q):
    return lambda s, X: s.m(X, X, X, need_weights=q)[0]


@pytest.mark.parametrize(
    'net, shape, want',
    [
        (nn.LSTM(16, 32), (5, 1, 16), 5 * 4 * 32 * (16 + 32)),  # 30,720
        (
            nn.LSTM(6, 5, num_layers=2, bidirectional=True, batch_first=True),
            (3, 7, 6),
            3 * 7 * 2 * 4 * 5 * (6 + 5 + 10 + 5),
        ),
        (nn.LSTM(6, 5, proj_size=2), (7, 3, 6), 21 * (4 * 5 * (6 + 2) + 5 * 2)),
        (nn.GRU(6, 5, bidirectional=True), (7, 3, 6), 21 * 2 * 3 * 5 * (6 + 5)),
        (nn.RNN(6, 5), (7, 3, 6), 21 * 5 * 11),
        (Func(attention(True), m=nn.MultiheadAttention(8, 2)), (10, 1, 8), 4160),
        (Func(attention(False), m=nn.MultiheadAttention(8, 2)), (10, 1, 8), 4160),
        (
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
            (3, 10, 8),
            3 * (4160 + 2 * 10 * 8 * 16),
        ),
        (
            Func(lambda s, X: F.conv2d(X, s.K, stride=2), K=nn.Parameter(torch.randn(5, 2, 3, 1))),
            (2, 2, 9, 8),
            2 * 5 * 4 * 4 * 6,
        ),
        (
            Func(
                lambda s, X: torch.einsum('nchw,oc->nohw', X, s.W),
                W=nn.Parameter(torch.randn(5, 3)),
            ),
            (2, 3, 4, 7),
            2 * 5 * 3 * 28,
        ),
        (
            Func(lambda s, X: F.scaled_dot_product_attention(X, X, X)),
            (2, 3, 4, 7),
            2 * 3 * 2 * 4 * 4 * 7,
        ),
    ],
)
def test_macs_of_layers_that_hide_their_products(net, shape, want):
    torch.manual_seed(0)
    s = summary(net, shape)
    assert macs(net, shape) == s.macs == want
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize(
    'f, op',
    [
        (lambda s, X: torch.fft.rfft2(X).abs(), 'fft'),
        (lambda s, X: torch.cdist(X, X), 'cdist'),
        (lambda s, X: torch.linalg.solve(torch.eye(7), X), 'linalg'),
    ],
)
def test_macs_that_are_not_known(f, op):
    net = nn.Sequential(nn.Conv2d(1, 2, 3), Func(f), nn.Conv2d(2, 3, 1))
    s = summary(net, (1, 1, 9, 8))
    (row,) = (r for r in s.rows if r.type == 'Func')
    assert row.macs is None and row.rf is None and s.macs is None
    assert s.counted == sum(r.macs for r in s.rows if r.macs is not None) > 0
    assert 'at least' in str(s) and 'at least' in s._repr_html_() and str(s).encode('cp1252')
    assert s.rows[-1].rf is None  # what comes after is not known either
    with pytest.raises(ValueError, match=f'{op}.* in layer 1'):
        macs(net, (1, 1, 9, 8))
    with pytest.raises(ValueError, match='could not be followed through layer 1'):
        receptive_field(net, (1, 1, 9, 8))
    assert summary(net, (1, 1, 9, 8), depth=0).rows[0].macs is None
    assert '– ' in str(summary(Func(lambda s, X: torch.fft.fft(X)), (1, 1, 9, 8)))


def test_bilinear_and_embedding():
    assert summary(nn.Bilinear(3, 4, 5), ((2, 3), (2, 4))).macs is None
    words = torch.zeros(2, 7, dtype=torch.long)
    net = nn.Sequential(nn.Embedding(11, 4), Func(lambda s, X: s.c(X.mT), c=nn.Conv1d(4, 3, 5)))
    s = summary(net, words)
    assert s.macs == 2 * 3 * 3 * 4 * 5 and s.rows[-1].rf == (5,)
    with pytest.raises(ValueError, match='give a tensor of whole numbers'):
        summary(net, (2, 7))


def fn(f, **parts):
    return Func(lambda s, X: f(X), **parts)


@pytest.mark.parametrize(
    'between, want',
    [
        (nn.PixelUnshuffle(2), (6, 6)),
        (fn(lambda X: X[:, :, ::3]), (7, 3)),
        (fn(lambda X: X[:, :, torch.arange(1, 60, 3)]), (7, 3)),
        (fn(lambda X: X.index_select(3, torch.arange(0, 60, 4))), (3, 9)),
        (fn(lambda X: X.flip(2)), (3, 3)),
        (fn(lambda X: X[:, :, 1:] + X[:, :, :-1]), (4, 3)),
        (fn(lambda X: X.unfold(3, 4, 2).sum(-1)), (3, 8)),
        (fn(lambda X: X.reshape(*X.shape[:2], 30, 2, 60).amax(3)), (6, 3)),
        (fn(lambda X: F.pad(X, (3, 0, 1, 2))), (3, 3)),
        (fn(lambda X: F.interpolate(X, size=(20, 30))), (7, 5)),
        (fn(lambda X: torch.einsum('nchw,dc->ndhw', X, torch.ones(2, 2))), (3, 3)),
        (fn(lambda X: F.conv2d(X, torch.ones(2, 1, 3, 1), dilation=(2, 1), groups=2)), (7, 3)),
        (fn(lambda X: torch.stack([X[:, :, :-2], X[:, :, 2:]]).mean(0)), (5, 3)),
        (fn(lambda X: torch.cat([X[..., :-1], X[..., 1:]], 1).narrow(1, 1, 2)), (3, 4)),
    ],
)
def test_field_through(between, want):
    c = 8 if isinstance(between, nn.PixelUnshuffle) else 2
    net = nn.Sequential(between, nn.Conv2d(c, 2, 3))
    assert receptive_field(net, (1, 2, 60, 60)) == reach(net, (60, 60)) == want


def test_field_through_swapped_axes():
    net = nn.Sequential(
        nn.Conv2d(2, 2, (1, 5)), fn(lambda X: X.transpose(2, 3)), nn.Conv2d(2, 2, (1, 3))
    )
    assert receptive_field(net, (1, 2, 20, 22)) == (3, 5)
    back = nn.Sequential(net, fn(lambda X: X.permute(0, 1, 3, 2)), nn.AvgPool2d((1, 2)))
    assert receptive_field(back, (1, 2, 20, 22)) == reach(back, (20, 22)) == (3, 6)


@pytest.mark.parametrize(
    'f',
    [
        lambda X: X.roll(2, 3),
        lambda X: torch.cat([X, X], 2),
        lambda X: X[:, :, torch.tensor([0, 1, 5, 7])],
        lambda X: X.repeat(1, 1, 2, 1),
        lambda X: X * X[:, :, :1],
        lambda X: F.grid_sample(X, torch.zeros(1, 5, 5, 2), align_corners=False),
        lambda X: X.gather(2, torch.zeros(1, 2, 5, 20, dtype=torch.long)),
        lambda X: X.clone().copy_(X).index_put_((torch.tensor(0),), X[0] + X[0].roll(1, 2)),
        lambda X: torch.fft.fft2(X).real,
        lambda X: X.reshape(1, 2, 20, 20).as_strided((1, 2, 20, 20), (800, 400, 1, 20)),
        lambda X: X / X.max().item(),
        lambda X: F.pad(X, (1, 1, 1, 1), mode='circular'),
    ],
)
def test_field_that_is_not_known(f):
    net = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), fn(f), nn.Conv2d(2, 2, 3))
    s = summary(net, (1, 2, 20, 20))
    assert s.rows[-1].rf is None and s.rows[0].rf == (3, 3) and str(s).splitlines()[4].endswith('–')
    with pytest.raises(ValueError, match='could not be followed'):
        receptive_field(net, (1, 2, 20, 20))


def test_field_after_writing_into_a_part():
    def f(X):
        Y = X.clone()
        Y[:, :, 1:] += X[:, :, :-1]
        return Y

    assert summary(fn(f), (1, 2, 9, 8)).rows[-1].rf is None
    whole = nn.Sequential(
        nn.Conv2d(2, 2, 3), nn.ReLU(inplace=True), fn(lambda X: X.add_(1).mul_(X))
    )
    assert [r.rf for r in summary(whole, (1, 2, 9, 8)).rows] == [(3, 3)] * 3


def test_one_axis():
    net = nn.Sequential(
        nn.Conv1d(2, 3, 5, stride=2),
        nn.MaxPool1d(2),
        nn.Conv1d(3, 2, 3, dilation=2),
        nn.Flatten(),
        nn.Linear(4, 4),
    )
    s = summary(net, (2, 2, 28))
    assert [r.rf for r in s.rows] == [(5,), (7,), (23,), (23,), (math.inf,)] and receptive_field(
        net, (2, 2, 28)
    ) == (23,)
    assert summary(nn.Linear(7, 3), (2, 7)).rows[0].rf == (math.inf,)
    assert summary(nn.Conv2d(2, 3, (3, 5)), (2, 9, 8)).rows[0].rf == (
        3,
        5,
    )  # one image without a batch
    assert summary(nn.LSTM(6, 5), (7, 3, 6)).rows[0].rf is None  # which axis is time?


def test_several_inputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(1, 2, 3), nn.Linear(5, 2)

        def forward(self, X, z):
            return self.a(X) + self.b(z)[:, :, None, None]

    s = summary(Two(), ((3, 1, 9, 8), (3, 5)))
    assert s.input_shape == ((3, 1, 9, 8), (3, 5)) and s.macs == 3 * 2 * 42 * 9 + 3 * 10
    assert [(r.name, r.rf) for r in s.rows] == [('a', (3, 3)), ('b', None), ('', (3, 3))]
    assert 'inputs of 3×1×9×8 and 3×5' in str(s) and receptive_field(
        Two(), ((3, 1, 9, 8), (3, 5))
    ) == (3, 3)
    assert macs(Two(), (torch.zeros(3, 1, 9, 8), (3, 5))) == s.macs
    with pytest.raises(ValueError, match='give a tuple of shapes'):
        summary(Two(), (3, 1, 9, 8))
    with pytest.raises(ValueError, match='2 inputs'):
        summary(lenet(), ((1, 1, 28, 28), (1, 5)))
    with pytest.raises(TypeError):
        summary(Two(), ((3, 1, 9, 8), 5))


def test_sizes_of_numpy():
    import numpy as np

    shape = (np.int64(2), 1, torch.tensor(28), np.uint8(28))
    assert macs(lenet(), shape) == 2 * 416_520 and summary(
        lenet(), shape, depth=np.int64(0)
    ).input_shape == (2, 1, 28, 28)
