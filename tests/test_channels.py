"Chapter 03: the written-out convolutions equal PyTorch's, the counts equal what PyTorch has, and bad input says what would work."
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from d2lcnn.channels import (conv_macs, conv_params, corr2d_1x1, corr2d_grouped, corr2d_multi_in, corr2d_multi_in_out,
                             depthwise_separable)

CASES = settings(max_examples=500, deadline=None, derandomize=True)
INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
FLOATS = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1, torch.complex64: 1e-4}
DEVICES = ['cpu'] + ['cuda'] * torch.cuda.is_available()
channels, side, seeds = st.integers(1, 4), st.integers(1, 6), st.integers(0, 2**31)


@st.composite
def pairs(draw, groups=1, window=None):
    "(X, K, tolerance): a picture (c_i, H, W) and kernels (c_o, c_i / groups, k_h, k_w) of one type on one device, any shape that fits"
    c_i, c_o, h, w = draw(channels) * groups, draw(channels) * groups, draw(side), draw(side)
    k_h, k_w = window or (draw(st.integers(1, h)), draw(st.integers(1, w)))
    device = draw(st.sampled_from(DEVICES))
    dtype = draw(st.sampled_from([*FLOATS, *(INTEGERS if device == 'cpu' else ())]))  # CUDA convolves no integers
    g = torch.Generator().manual_seed(draw(seeds))
    def make(*shape):
        if dtype in FLOATS: return torch.randn(*shape, generator=g, dtype=torch.complex64 if dtype.is_complex else torch.float64).to(dtype)
        return torch.randint(0 if dtype == torch.uint8 else -4, 5, shape, generator=g).to(dtype)
    return make(c_i, h, w).to(device), make(c_o, c_i // groups, k_h, k_w).to(device), FLOATS.get(dtype, 0)


def same(got, want, tol):
    assert got.dtype == want.dtype and got.device == want.device
    torch.testing.assert_close(got, want, rtol=tol, atol=tol * max(1, want.abs().max().item()))


@CASES
@given(pairs())
def test_multi_in(case):
    X, K, tol = case
    same(corr2d_multi_in(X, K[0]), F.conv2d(X[None], K[:1])[0, 0], tol)


@CASES
@given(pairs(), st.booleans())
def test_multi_in_out(case, biased):
    X, K, tol = case
    bias = torch.arange(1, len(K) + 1).to(K) if biased else None
    same(corr2d_multi_in_out(X, K, bias), F.conv2d(X[None], K, bias)[0], tol)


@CASES
@given(pairs(window=(1, 1)))
def test_1x1(case):
    X, K, tol = case
    same(corr2d_1x1(X, K), F.conv2d(X[None], K)[0], tol)
    same(corr2d_1x1(X, K), corr2d_multi_in_out(X, K), tol)


@CASES
@given(st.integers(1, 4).flatmap(lambda g: st.tuples(st.just(g), pairs(groups=g))))
def test_grouped(case):
    groups, (X, K, tol) = case
    same(corr2d_grouped(X, K, groups), F.conv2d(X[None], K, groups=groups)[0], tol)


@CASES
@given(channels, channels, st.integers(1, 3), side, side, st.integers(0, 6), st.integers(0, 6), st.booleans())
def test_counts(c_i, c_o, groups, k_h, k_w, more_h, more_w, bias):
    c_i, c_o, k = c_i * groups, c_o * groups, (k_h, k_w)
    layer, X = nn.Conv2d(c_i, c_o, k, groups=groups, bias=bias), torch.randn(1, c_i, k_h + more_h, k_w + more_w)
    assert conv_params(c_i, c_o, k, groups, bias) == sum(p.numel() for p in layer.parameters())
    with FlopCounterMode(display=False) as counter: out = layer(X).shape[2:]
    assert 2 * conv_macs(c_i, c_o, k, out, groups) == counter.get_total_flops()


def test_counts_take_one_number():
    assert conv_params(3, 8, 5) == conv_params(3, 8, (5, 5)) and conv_macs(3, 8, 5, 7) == conv_macs(3, 8, (5, 5), (7, 7))


@pytest.mark.parametrize('c_i, c_o, k, padding, stride', [(3, 7, 3, 1, 1), (4, 2, (5, 3), (2, 0), (1, 2)), (6, 6, 1, 0, 2)])
def test_depthwise_separable(c_i, c_o, k, padding, stride):
    net, X = depthwise_separable(c_i, c_o, k, padding, stride), torch.randn(2, c_i, 9, 11)
    full = nn.Conv2d(c_i, c_o, k, stride, padding, bias=False)
    full.weight.data = net[1].weight.data * net[0].weight.data.transpose(0, 1)
    torch.testing.assert_close(net(X), full(X), rtol=1e-4, atol=1e-5)
    assert sum(p.numel() for p in net.parameters()) == conv_params(c_i, c_i, k, c_i, False) + conv_params(c_i, c_o, 1, bias=False)


def test_gradients():
    g = torch.Generator().manual_seed(0)
    X, K, bias = (torch.randn(*s, generator=g, dtype=torch.float64, requires_grad=True) for s in ((4, 5, 6), (6, 2, 2, 3), (6,)))
    full = torch.randn(6, 4, 2, 3, generator=g, dtype=torch.float64, requires_grad=True)
    for ours, theirs, inputs in [(corr2d_grouped(X, K, 2), F.conv2d(X[None], K, groups=2)[0], (X, K)),
                                 (corr2d_multi_in_out(X, full, bias), F.conv2d(X[None], full, bias)[0], (X, full, bias)),
                                 (corr2d_1x1(X, full[:, :, :1, :1]), F.conv2d(X[None], full[:, :, :1, :1])[0], (X, full))]:
        torch.testing.assert_close(torch.autograd.grad(ours.square().sum(), inputs), torch.autograd.grad(theirs.square().sum(), inputs))


def test_inputs_stay_as_they_were():
    X, K = torch.randn(3, 4, 5).transpose(1, 2), torch.randn(2, 3, 2, 1)  # a view whose memory is not in order, too
    x, k = X.clone(), K.clone()
    torch.testing.assert_close(corr2d_multi_in_out(X, K), F.conv2d(X[None], K)[0])
    torch.testing.assert_close(corr2d_1x1(X, K[:, :, :1]), F.conv2d(X[None], K[:, :, :1])[0])
    assert torch.equal(X, x) and torch.equal(K, k)


def T(*shape): return torch.ones(shape)


@pytest.mark.parametrize('call, error, words', [
    (lambda: corr2d_multi_in(T(3, 4, 5), T(2, 2, 2)), ValueError, ['3 channels', 'slices for 2', '(3, 2, 2)']),
    (lambda: corr2d_multi_in(T(2, 4, 5), T(3, 2, 2)), ValueError, ['2 channels', 'slices for 3', '(2, 2, 2)']),
    (lambda: corr2d_multi_in(T(4, 5), T(1, 2, 2)), ValueError, ['X has 2 axes', '(4, 5)', '(c_i, H, W)', 'X[None]']),
    (lambda: corr2d_multi_in(T(2, 3, 4, 5), T(3, 2, 2)), ValueError, ['X has 4 axes', 'X[0]', 'F.conv2d']),
    (lambda: corr2d_multi_in(T(3, 4, 5), T(2, 3, 2, 2)), ValueError, ['K has 4 axes', '(c_i, k_h, k_w)', 'K[0]']),
    (lambda: corr2d_multi_in(T(3, 4, 5), T(3, 5, 5)), ValueError, ['kernel 5×5', '4×5', 'smaller kernel']),
    (lambda: corr2d_multi_in([[[1.]]], T(1, 1, 1)), TypeError, ['X is a list', 'torch.tensor(X)']),
    (lambda: corr2d_multi_in(T(1, 4, 5), T(1, 2, 2).double()), TypeError, ['torch.float32', 'torch.float64', 'K.to(X.dtype)']),
    (lambda: corr2d_multi_in(T(0, 4, 5), T(0, 2, 2)), ValueError, ['0 input', 'at least 1']),
    (lambda: corr2d_multi_in_out(T(3, 4, 5), T(3, 2, 2)), ValueError, ['K has 3 axes', '(c_o, c_i, k_h, k_w)', 'K[None]']),
    (lambda: corr2d_multi_in_out(T(3, 4, 5), T(7, 2, 2, 2)), ValueError, ['3 channels', 'slices for 2', '(7, 3, 2, 2)']),
    (lambda: corr2d_multi_in_out(T(3, 4, 5), T(7, 3, 2, 6)), ValueError, ['kernel 2×6', '4×5']),
    (lambda: corr2d_multi_in_out(T(3, 4, 5), T(7, 3, 2, 2), T(3)), ValueError, ['(3,)', '7 output channels', '(7,)']),
    (lambda: corr2d_multi_in_out(T(3, 4, 5), T(7, 3, 2, 2), 1.0), TypeError, ['bias is a float', '7']),
    (lambda: corr2d_multi_in_out(T(3, 4, 5), T(0, 3, 2, 2)), ValueError, ['0 output', 'at least 1']),
    (lambda: corr2d_1x1(T(3, 4, 5), T(2, 3, 1, 2)), ValueError, ['1×2', 'corr2d_multi_in_out']),
    (lambda: corr2d_1x1(T(3, 4, 5), T(2, 4, 1, 1)), ValueError, ['3 channels', 'slices for 4', '(2, 3, 1, 1)']),
    (lambda: corr2d_1x1(T(3, 4, 5), T(2, 3)), ValueError, ['K has 2 axes', 'K[:, :, None, None]']),
    (lambda: corr2d_1x1(T(3, 4, 5), T(2, 3, 1, 1).double()), TypeError, ['torch.float32', 'torch.float64']),
    (lambda: corr2d_grouped(T(4, 4, 5), T(6, 4, 2, 2), 2), ValueError, ['4 channels', '2 in each of 2 groups', '(6, 2, 2, 2)']),
    (lambda: corr2d_grouped(T(4, 4, 5), T(6, 1, 2, 2), 4), ValueError, ['4 groups', '4 input and 6 output', '1, 2']),
    (lambda: corr2d_grouped(T(4, 4, 5), T(6, 1, 2, 2), 0), ValueError, ['0 groups']),
    (lambda: conv_params(4, 6, 3, groups=3), ValueError, ['3 groups', '1, 2']),
    (lambda: conv_macs(0, 6, 3, 5), ValueError, ['0 input']),
])
def test_bad_input_says_what_would_work(call, error, words):
    with pytest.raises(error) as e: call()
    for word in words: assert word in str(e.value), f'{word!r} is missing in: {e.value}'


def test_worked_example():
    X = torch.stack([torch.arange(9.).reshape(3, 3), torch.arange(1., 10).reshape(3, 3)])
    K = torch.tensor([[[0., 1], [2, 3]], [[1, 2], [3, 4]]])
    assert corr2d_multi_in(X, K).tolist() == [[56, 72], [104, 120]]
    assert corr2d_multi_in_out(X, torch.stack([K, K + 1, K + 2]))[:, 0, 0].tolist() == [56, 76, 96]
