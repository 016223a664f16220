"Batch normalisation: equality with torch.nn over random shapes, its invariances, errors, and LeNet with it."
import copy

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn
from torch.nn import functional as F

from d2lcnn.batch_norm import BatchNorm, batch_norm, fold, lenet_bn, with_fresh_averages
from d2lcnn.summary import macs

DEVICES = ['cpu'] + ['cuda'] * torch.cuda.is_available() + ['mps'] * torch.backends.mps.is_available()
TORCH = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}
on_each_device = pytest.mark.parametrize('device', DEVICES)


@st.composite
def shapes(draw):
    "(N, C), (N, C, L) or (N, C, H, W) with at least two values a channel"
    rest = draw(st.lists(st.integers(1, 6), max_size=2))
    n = draw(st.integers(1, 7))
    for r in rest: n *= r
    batch = n // max(1, torch.Size(rest).numel())
    return (batch if n > 1 else 2, draw(st.integers(1, 5)), *rest)


def close(a, b, tol=1e-5):
    "Equal to `tol`, relative to the largest value where that is above 1."
    torch.testing.assert_close(a, b, rtol=tol, atol=tol * max(1, b.abs().max().item()))


def pair(C, dims, device, seed, **kwargs):
    "Our layer and PyTorch's, with the same random parameters and buffers."
    g = torch.Generator().manual_seed(seed)
    theirs = TORCH[dims](C, **kwargs).to(device)
    with torch.no_grad():
        for p in (theirs.weight, theirs.bias, theirs.running_mean): p.copy_(torch.randn(C, generator=g))
        theirs.running_var.copy_(torch.rand(C, generator=g) + .5)
    ours = BatchNorm(C, dims, **kwargs).to(device)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def batch(shape, device, seed):
    "Numbers with a mean and a spread of its own for each channel; never nearly equal, which would make gradients as large as 1 / √ε"
    g = torch.Generator().manual_seed(seed)
    view, axes = [1, -1] + [1] * (len(shape) - 2), [0, *range(2, len(shape))]
    X = torch.randn(shape, generator=g)
    if X.numel() > shape[1]: X = (X - X.mean(axes, keepdim=True)) / X.std(axes, keepdim=True).clamp(min=1e-3)
    return (X * (torch.rand(shape[1], generator=g) + .5).view(view) + torch.randn(shape[1], generator=g).view(view)).to(device)


def compare(ours, theirs, X, G, tol=1e-5):
    "Output, gradients of input and parameters, buffers"
    results = []
    for layer in (ours, theirs):
        X_ = X.clone().requires_grad_()
        layer.zero_grad()
        Y = layer(X_)
        Y.backward(G)
        results.append((Y.detach(), X_.grad, layer.weight.grad.clone(), layer.bias.grad.clone(), layer.running_mean, layer.running_var))
    for a, b in zip(*results): close(a, b, tol)
    assert ours.num_batches_tracked == theirs.num_batches_tracked


@on_each_device
@settings(max_examples=60, deadline=None)
@given(shape=shapes(), seed=st.integers(0, 10**6), steps=st.integers(1, 6), eps=st.sampled_from([1e-5, 1e-3, .1]), momentum=st.sampled_from([.1, .01, .5, 1.]))
def test_equal_to_torch(device, shape, seed, steps, eps, momentum):
    # a sum that nearly cancels has no five digits in single precision: in double it has, where there is double
    dtype, tol = (torch.float64, 1e-9) if device == 'cpu' else (torch.float32, 1e-5)
    ours, theirs = (layer.to(dtype) for layer in pair(shape[1], len(shape), device, seed, eps=eps, momentum=momentum))
    for step in range(steps):
        X, G = (batch(shape, device, seed + step + k).to(dtype) for k in (0, 1000))
        compare(ours, theirs, X, G, tol)
        if step == steps // 2:  # weights travel both ways, in the middle of training
            new_ours, new_theirs = BatchNorm(shape[1], len(shape), eps, momentum).to(device, dtype), TORCH[len(shape)](shape[1], eps, momentum).to(device, dtype)
            new_ours.load_state_dict(theirs.state_dict()), new_theirs.load_state_dict(ours.state_dict())
            ours, theirs = new_ours, new_theirs
    ours.eval(), theirs.eval()
    before = copy.deepcopy(ours.state_dict())
    compare(ours, theirs, *(batch(shape, device, seed + k)[:1].to(dtype) for k in (99, 98)), tol)
    for name, value in before.items(): assert torch.equal(value, ours.state_dict()[name]), f'prediction changes {name}'


def test_state_dict_names_are_torch_s():
    assert list(BatchNorm(3, 2).state_dict()) == list(nn.BatchNorm1d(3).state_dict())
    assert [n for n, _ in BatchNorm(3, 2).named_parameters()] == ['weight', 'bias']
    assert {n for n, _ in BatchNorm(3, 2).named_buffers()} == {'running_mean', 'running_var', 'num_batches_tracked'}


def test_by_hand():
    "1, 3, 5, 7: mean 4, variance 5, unbiased 20/3"
    x, one, zero = torch.tensor([[1.], [3.], [5.], [7.]]), torch.ones(1), torch.zeros(1)
    Y, mean, var = batch_norm(x, 2 * one, 10 * one, zero, one, eps=0)
    close(Y, 10 + 2 * (x - 4) / 5 ** .5)
    close(mean, .4 * one), close(var, (.9 + 2 / 3) * one)
    Y, mean, var = batch_norm(x, one, zero, 3 * one, 4 * one, eps=0, training=False)
    assert torch.equal(Y, (x - 3) / 2) and mean == 3 and var == 4


def test_momentum_is_the_weight_of_the_new_batch():
    x, one, zero = torch.randn(9, 1) + 5, torch.ones(1), torch.zeros(1)
    close(batch_norm(x, one, zero, zero, one, momentum=1)[1], x.mean(0)), close(batch_norm(x, one, zero, zero, one, momentum=1)[2], x.var(0))
    assert batch_norm(x, one, zero, zero, one, momentum=0)[1:] == (zero, one)


@pytest.mark.parametrize('training', [True, False])
def test_function_is_pure(training):
    inputs = [torch.rand(4, 3, 5, 6)] + [torch.rand(3) + .1 for _ in range(4)]
    kept = [x.clone() for x in inputs]
    a, b = batch_norm(*inputs, training=training), batch_norm(*inputs, training=training)
    assert all(torch.equal(x, k) for x, k in zip(inputs, kept)) and all(torch.equal(x, y) for x, y in zip(a, b))


def test_running_averages_carry_no_graph():
    "A buffer that remembers its history keeps every batch in memory."
    layer = BatchNorm(3, 2)
    for _ in range(3): layer(torch.randn(5, 3, requires_grad=True)).sum().backward()
    assert not layer.running_mean.requires_grad and layer.running_mean.grad_fn is None and layer.running_var.grad_fn is None


def test_no_grad_is_still_training():
    "The switch is self.training, not autograd."
    layer, X = BatchNorm(3, 2), torch.randn(8, 3) * 4 + 7
    with torch.no_grad(): Y = layer(X)
    close(Y.mean(0), torch.zeros(3)), close(Y.var(0, correction=0), torch.ones(3), 1e-4)
    assert (layer.running_mean != 0).all()
    layer.eval()
    assert (layer(X).mean(0).abs() > 1).any(), 'prediction uses the running averages, with gradients switched on as well'


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(.2, 20), shift=st.floats(-20, 20))
def test_scale_and_shift_change_nothing(seed, scale, shift):
    X, (one, zero) = batch((6, 3, 4, 5), 'cpu', seed), (torch.ones(3), torch.zeros(3))
    norm = lambda X: batch_norm(X, one, zero, zero, one, eps=0)[0]
    close(norm(scale * X + shift), norm(X), 1e-3)


def test_identity_is_reachable():
    X = batch((6, 3, 4, 5), 'cpu', 0)
    var, mean = torch.var_mean(X, (0, 2, 3), correction=0)
    close(batch_norm(X, (var + 1e-5).sqrt(), mean, mean, var)[0], X)


def test_equal_values_do_not_divide_by_zero():
    layer = BatchNorm(3, 4)
    X = torch.full((4, 3, 2, 2), 7., requires_grad=True)
    Y = layer(X)
    Y.sum().backward()
    assert torch.equal(Y, torch.zeros_like(Y)) and torch.isfinite(X.grad).all() and torch.isfinite(layer.running_var).all()


@on_each_device
def test_bfloat16_is_normalised_in_float32(device):
    "A mean of 200 with a spread of 1 has no digits left in bfloat16."
    ours, theirs = pair(3, 4, device, 0)
    X = (torch.randn(16, 3, 5, 5) * 3 + 40).bfloat16().to(device)
    Y = ours(X)
    assert Y.dtype == torch.bfloat16 and ours.running_mean.dtype == torch.float32
    theirs(X.float())
    close(ours.running_mean, theirs.running_mean), close(ours.running_var, theirs.running_var)


# --- errors


@pytest.mark.parametrize('shape', [(1, 4), (1, 4, 1), (1, 4, 1, 1)])
def test_one_value_per_channel(shape):
    ours, theirs = BatchNorm(4, len(shape)), TORCH[len(shape)](4)
    with pytest.raises(ValueError) as e: theirs(torch.randn(shape))
    with pytest.raises(ValueError) as f: ours(torch.randn(shape))
    assert str(f.value).startswith(str(e.value)) and 'Expected more than 1 value per channel when training' in str(f.value)
    assert ours.num_batches_tracked == 0 and (ours.running_mean == 0).all()
    assert torch.isfinite(ours.eval()(torch.randn(shape))).all(), 'one picture is enough to predict'


def test_one_picture_with_several_places_is_enough():
    X = torch.randn(1, 4, 1, 2)
    close(BatchNorm(4, 4)(X), nn.BatchNorm2d(4)(X))


def test_an_empty_batch_does_not_spoil_the_averages():
    layer = BatchNorm(4, 2)
    with pytest.raises(ValueError, match='more than 1 value'): layer(torch.randn(0, 4))
    assert (layer.running_mean == 0).all() and layer.eval()(torch.randn(0, 4)).shape == (0, 4)


@pytest.mark.parametrize('dims, shape, message', [
    (2, (3, 4, 5, 5), r'expected 2D input, got 4D input of shape \(3, 4, 5, 5\); num_dims is 2 for'),
    (4, (3, 4), r'expected 4D input, got 2D input of shape \(3, 4\)'),
    (4, (3, 5, 2, 2), r'expected 4 channels on axis 1, got 5 .* BatchNorm\(5, 4\)'),
    (2, (4, 3), 'expected 4 channels on axis 1, got 3'),
])
def test_wrong_input(dims, shape, message):
    for layer in (BatchNorm(4, dims), BatchNorm(4, dims).eval()):
        with pytest.raises(ValueError, match=message): layer(torch.randn(shape))


@pytest.mark.parametrize('which', range(4))
def test_wrong_vectors(which):
    vectors = [torch.ones(3) for _ in range(4)]
    vectors[which] = torch.ones(1, 3, 1, 1) if which % 2 else torch.ones(4)
    with pytest.raises(ValueError, match=['gamma', 'beta', 'moving_mean', 'moving_var'][which] + r' has the shape .*; X has 3 channels on axis 1, so \(3,\) is needed'):
        batch_norm(torch.randn(5, 3, 2, 2), *vectors)


def test_no_channels():
    with pytest.raises(ValueError, match=r'X has 1 axis, shape \(3,\), not \(N, C\)'): batch_norm(torch.randn(3), *[torch.ones(3)] * 4)


@pytest.mark.parametrize('channels, bias', [(7, True), (3, False)])
def test_fold_refuses_what_does_not_fit(channels, bias):
    with pytest.raises(ValueError, match='do not fit'): fold(nn.Conv2d(2, 3, 3, bias=bias), BatchNorm(channels, 4))


class Wrapped(nn.Conv2d):
    "A layer that uses its weights in another way."
    def forward(self, X): return super().forward(X - X.mean())


def pruned():
    from torch.nn.utils import prune
    return prune.l1_unstructured(nn.Conv2d(3, 3, 3), 'weight', 0.5)


NEIGHBORS = {  # what is no layer that `fold` understands
    'transposed': lambda: nn.ConvTranspose2d(3, 3, 3), 'transposed, 1-D': lambda: nn.ConvTranspose1d(3, 3, 3),
    'lazy': lambda: nn.LazyConv2d(3, 3), 'subclass': lambda: Wrapped(3, 3, 3), 'in a container': lambda: nn.Sequential(nn.Conv2d(3, 3, 3)),
    'bilinear': lambda: nn.Bilinear(3, 3, 3), 'embedding': lambda: nn.Embedding(3, 3), 'weight norm': lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 3, 3)),
    'pruned': pruned, 'quantized': lambda: torch.ao.nn.quantized.Conv2d(3, 3, 3), 'not a layer': lambda: 'conv'}


@pytest.mark.filterwarnings('ignore::FutureWarning', 'ignore::UserWarning', 'ignore::DeprecationWarning')
@pytest.mark.parametrize('make', NEIGHBORS.values(), ids=NEIGHBORS)
def test_fold_refuses_neighbors_of_the_layers_it_knows(make):
    with pytest.raises(TypeError, match='^layer is .* nn.Linear, nn.Conv1d, nn.Conv2d and nn.Conv3d|weight of .* computed anew'):
        fold(make(), nn.BatchNorm2d(3))


@pytest.mark.parametrize('norm, error, words', [
    (nn.BatchNorm2d(3, track_running_stats=False), TypeError, 'it has no running_mean, running_var'), (nn.BatchNorm2d(3, affine=False), TypeError, 'it has no weight, bias'),
    (nn.InstanceNorm2d(3, affine=True, track_running_stats=True), TypeError, 'norm is InstanceNorm2d'), (nn.GroupNorm(1, 3), TypeError, 'it has no running_mean'),
    (nn.ReLU(), TypeError, 'norm is ReLU'), ('norm', TypeError, "norm='norm'"), (nn.BatchNorm1d(3), ValueError, 'do not fit: 4 axes'), (nn.BatchNorm3d(3), ValueError, 'do not fit: 4 axes'),
    (BatchNorm(3, 2), ValueError, 'do not fit: 4 axes'), (nn.BatchNorm2d(4), ValueError, '4 outputs is needed')])
def test_fold_refuses_other_norms(norm, error, words):
    with pytest.raises(error, match=words): fold(nn.Conv2d(2, 3, 3), norm)


@pytest.mark.parametrize('layer, norm, shape', [
    (nn.Conv1d(4, 6, 3, 2, groups=2), nn.BatchNorm1d(6), (3, 4, 9)), (nn.Conv3d(2, 5, (1, 2, 3)), nn.BatchNorm3d(5), (2, 2, 3, 4, 5)),
    (nn.Linear(4, 6), nn.BatchNorm1d(6), (5, 4)), (nn.Conv2d(4, 6, 3, padding=1, padding_mode='reflect'), nn.SyncBatchNorm(6), (2, 4, 5, 6))])
def test_fold_in_other_dimensions(layer, norm, shape):
    with torch.no_grad():
        for v in (norm.weight, norm.bias, norm.running_mean): v.normal_()
        norm.running_var.uniform_(.5, 2)
    X = torch.randn(shape)
    close(fold(layer, norm)(X), norm.eval()(layer(X)), 1e-4)


def test_fold_takes_a_normalization_of_the_readers_own():
    "What has the parts is folded, whatever its class is called."
    torch.manual_seed(0)
    _, theirs = pair(6, 4, 'cpu', 3)
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.eps = theirs.eps
            for name in ('weight', 'bias', 'running_mean', 'running_var'): self.register_buffer(name, getattr(theirs, name).detach())
    layer, X = nn.Conv2d(4, 6, 3), torch.randn(2, 4, 7, 5)
    close(fold(layer, Frozen())(X), theirs.eval()(layer(X)), 1e-4)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), stride=st.sampled_from([1, (2, 1)]), groups=st.sampled_from([1, 2]), torch_s=st.booleans())
def test_fold(seed, stride, groups, torch_s):
    torch.manual_seed(seed)
    for layer, X in ((nn.Conv2d(4, 6, (3, 2), stride, 1, groups=groups), torch.randn(3, 4, 7, 9)), (nn.Linear(4, 6), torch.randn(5, 4))):
        pair_ = pair(6, X.dim(), 'cpu', seed)
        norm, kept = pair_[torch_s].eval(), layer.weight.clone()
        close(fold(layer, norm)(X), norm(layer(X)), 1e-4)
        assert torch.equal(layer.weight, kept), 'fold changes its argument'


def test_whole_numbers_are_refused():
    with pytest.raises(TypeError, match=r'torch.int64, not floating-point; use X.float\(\)'): BatchNorm(3, 2)(torch.ones(4, 3, dtype=torch.int64))


@pytest.mark.parametrize('features, dims, error, message', [
    (0, 2, ValueError, 'num_features=0 must be a whole number from 1 on'), (-3, 4, ValueError, 'num_features=-3'), (2.0, 2, TypeError, 'whole number'), (True, 2, TypeError, 'whole number'),
    (4, 1, ValueError, 'num_dims=1 must be .* 2 for'), (4, 5, ValueError, 'num_dims=5'), (4, '4', TypeError, "num_dims='4'"), (4, None, TypeError, 'num_dims=None')])
def test_bad_arguments(features, dims, error, message):
    with pytest.raises(error, match=message): BatchNorm(features, dims)


VECTORS = [torch.ones(3) for _ in range(4)]


@pytest.mark.parametrize('kw, error, words', [
    (dict(eps=-1e-5), ValueError, 'eps=-1e-05 must be at least 0'), (dict(eps=float('nan')), ValueError, 'eps=nan'), (dict(eps='0'), TypeError, "eps='0' must be a number"),
    (dict(eps=None), TypeError, 'eps=None'), (dict(momentum=1.5), ValueError, 'momentum=1.5 must be at least 0 and at most 1'), (dict(momentum=-.1), ValueError, 'momentum=-0.1'),
    (dict(momentum=None), TypeError, r'momentum=None must be a number; for the plain mean of all batches set it to 1 / '), (dict(momentum=True), TypeError, 'momentum=True')])
def test_eps_and_momentum(kw, error, words):
    with pytest.raises(error, match=words): batch_norm(torch.randn(5, 3), *VECTORS, **kw)
    with pytest.raises(error, match=words): BatchNorm(3, 2, **kw)


def test_cumulative_average_by_hand():
    "What the message about momentum=None advises gives what nn.BatchNorm1d(momentum=None) does."
    ours, theirs = BatchNorm(3, 2), nn.BatchNorm1d(3, momentum=None)
    for k in range(1, 5):
        X, ours.momentum = torch.randn(6, 3) * k, 1 / k
        ours(X), theirs(X)
    close(ours.running_mean, theirs.running_mean), close(ours.running_var, theirs.running_var)
    ours.momentum = None
    with pytest.raises(TypeError, match='momentum=None'): ours(X)


@pytest.mark.parametrize('X, error, words', [
    (torch.randn(5, 3, dtype=torch.complex64), TypeError, 'torch.complex64, not floating-point'), (torch.ones(5, 3, dtype=torch.uint8), TypeError, r'torch.uint8.*X.float\(\)'),
    (torch.randn(5, 3).numpy(), TypeError, 'ndarray, not a tensor'), ([[1., 2., 3.]], TypeError, 'list, not a tensor')])
def test_what_is_normalized_is_real(X, error, words):
    with pytest.raises(error, match=words): batch_norm(X, *VECTORS)
    with pytest.raises(error, match=words): BatchNorm(3, 2)(X)


@pytest.mark.parametrize('vector', [1., None, torch.ones(3, dtype=torch.complex64), [1., 1., 1.]])
def test_vectors_are_tensors(vector):
    with pytest.raises(TypeError, match='beta must be a tensor of 3 real numbers'): batch_norm(torch.randn(5, 3), torch.ones(3), vector, *VECTORS[:2])


# --- LeNet


def torch_norm(features, dims): return TORCH[dims](features)
def count(net): return sum(p.numel() for p in net.parameters())


def test_lenet_stages_and_counts():
    X, seen = torch.rand(2, 1, 28, 28), []
    net = lenet_bn()
    for layer in net:
        X = layer(X)
        seen.append((type(layer).__name__, tuple(X.shape[1:])))
    block = lambda name, *shape: [(name, shape), ('BatchNorm', shape), ('Sigmoid', shape)]
    assert seen == [*block('Conv2d', 6, 24, 24), ('AvgPool2d', (6, 12, 12)), *block('Conv2d', 16, 8, 8), ('AvgPool2d', (16, 4, 4)), ('Flatten', (256,)),
                    *block('Linear', 120), *block('Linear', 84), ('Linear', (10,))]
    assert count(net) == 44_878 == 6 * 26 + 16 * 151 + 257 * 120 + 121 * 84 + 85 * 10 + 2 * (6 + 16 + 120 + 84)
    assert macs(net, (1, 1, 28, 28)) == 6 * 24 * 24 * 25 + 16 * 8 * 8 * 150 + 256 * 120 + 120 * 84 + 84 * 10


@pytest.mark.parametrize('in_channels, num_classes, size, batch', [(1, 10, 28, 2), (3, 7, 33, 3), (2, 1, 16, 2), (3, 10, 40, 5)])
def test_lenet_channels_classes_sizes(in_channels, num_classes, size, batch):
    net = lenet_bn(in_channels, num_classes, size)
    Y = net(torch.rand(batch, in_channels, size, size))
    side = (size - 4) // 2 // 2 - 2
    assert Y.shape == (batch, num_classes) and torch.isfinite(Y).all()
    assert count(net) == 44_878 + 150 * (in_channels - 1) + 120 * 16 * (side ** 2 - 16) + 85 * (num_classes - 10)


def test_every_size_from_the_smallest_on():
    for size in range(16, 33): assert lenet_bn(size=size)(torch.rand(2, 1, size, size)).shape == (2, 10)


def test_lenet_too_small_or_no_size():
    with pytest.raises(ValueError, match='size=15 is too small .* the smallest that works is 16$'): lenet_bn(size=15)
    for size in (28.0, '28', None, True):
        with pytest.raises(TypeError, match='whole number'): lenet_bn(size=size)


def test_lenet_of_one_picture():
    net, X = lenet_bn(), torch.rand(1, 1, 28, 28)
    with pytest.raises(ValueError, match=r'Expected more than 1 value per channel when training, got input size torch.Size\(\[1, 120\]\)'): net(X)
    assert net.eval()(X).shape == (1, 10)


def test_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    net = lenet_bn(3, 7)
    F.cross_entropy(net(torch.rand(4, 3, 28, 28)), torch.tensor([0, 6, 2, 5])).backward()
    parameters = dict(net.named_parameters())
    for name, p in parameters.items():
        assert p.grad is not None and torch.isfinite(p.grad).all(), name
        largest = p.grad.abs().max()
        # batch norm takes a bias away again: its gradient is rounding, beside that of the weights of its layer
        if name in ('0.bias', '4.bias', '9.bias', '12.bias'): assert largest < 1e-4 * parameters[name.replace('bias', 'weight')].grad.abs().max(), (name, largest)
        else: assert largest > 1e-6, (name, largest)


@on_each_device
def test_lenet_from_scratch_trains_like_torch_s(device):
    torch.manual_seed(0)
    ours = lenet_bn().to(device)
    theirs = lenet_bn(norm=torch_norm).to(device)
    theirs.load_state_dict(ours.state_dict())
    X, y = torch.rand(32, 1, 28, 28, device=device), torch.randint(10, (32,), device=device)
    losses = []
    for net in (ours, theirs):
        opt = torch.optim.SGD(net.parameters(), .5)
        for _ in range(5): opt.zero_grad(); l = F.cross_entropy(net(X), y); l.backward(); opt.step()
        losses.append(l.detach())
    close(losses[0], losses[1], 1e-3)
    for name, v in theirs.state_dict().items(): torch.testing.assert_close(ours.state_dict()[name], v, rtol=1e-2, atol=1e-3)
    close(ours.eval()(X), theirs.eval()(X), 1e-2)


def test_lenet_learns_by_heart():
    torch.manual_seed(0)
    net, X, y = lenet_bn(size=16), torch.rand(8, 1, 16, 16), torch.arange(8)
    opt = torch.optim.SGD(net.parameters(), 1.)
    for _ in range(80): opt.zero_grad(); l = F.cross_entropy(net(X), y); l.backward(); opt.step()
    assert l < .05


def test_copies_are_independent():
    a = lenet_bn()
    b = copy.deepcopy(a)
    a(torch.rand(4, 1, 28, 28))
    assert b[1].num_batches_tracked == 0 and (b[1].running_mean == 0).all()


@pytest.mark.parametrize('n', [0, -1, 2.5])
def test_fresh_averages_need_a_batch(n):
    with pytest.raises((ValueError, TypeError), match='n='):
        with_fresh_averages(nn.Sequential(nn.BatchNorm2d(1)), [(torch.rand(2, 1, 2, 2), None)], n)


def test_fresh_averages_are_plain_means_and_leave_the_net_alone():
    net = nn.Sequential(nn.BatchNorm2d(3))
    batches = [(torch.rand(4, 3, 2, 2, generator=torch.Generator().manual_seed(i)), torch.zeros(4)) for i in range(5)]
    twin = with_fresh_averages(net, batches, 3)
    means = torch.stack([X.mean((0, 2, 3)) for X, _ in batches[:3]]).mean(0)
    torch.testing.assert_close(twin[0].running_mean, means)
    assert not twin.training and net[0].running_mean.abs().max() == 0 and net[0].momentum == 0.1
