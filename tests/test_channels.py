"Chapter 03 against PyTorch: convolutions and counts are equal, and bad input says what would work."

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from d2lcnn.channels import (
    conv_macs,
    conv_params,
    corr2d_1x1,
    corr2d_grouped,
    corr2d_multi_in,
    corr2d_multi_in_out,
    depthwise_separable,
)

CASES = settings(max_examples=500, deadline=None, derandomize=True)
INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
FLOATS = {
    torch.float64: 1e-9,
    torch.float32: 1e-4,
    torch.float16: 2e-2,
    torch.bfloat16: 1e-1,
    torch.complex64: 1e-4,
}
DEVICES = ['cpu'] + ['cuda'] * torch.cuda.is_available()
channels, side, seeds = st.integers(1, 4), st.integers(1, 6), st.integers(0, 2**31)


@st.composite
def pairs(draw, groups=1, window=None):
    "(X, K, tolerance): an image (c_i, H, W) and kernels (c_o, c_i / groups, k_h, k_w) that fit"
    c_i, c_o, h, w = draw(channels) * groups, draw(channels) * groups, draw(side), draw(side)
    k_h, k_w = window or (draw(st.integers(1, h)), draw(st.integers(1, w)))
    device = draw(st.sampled_from(DEVICES))
    dtype = draw(
        st.sampled_from([*FLOATS, *(INTEGERS if device == 'cpu' else ())])
    )  # CUDA convolves no integers
    g = torch.Generator().manual_seed(draw(seeds))

    def make(*shape):
        if dtype in FLOATS:
            return torch.randn(
                *shape, generator=g, dtype=torch.complex64 if dtype.is_complex else torch.float64
            ).to(dtype)
        return torch.randint(0 if dtype == torch.uint8 else -4, 5, shape, generator=g).to(dtype)

    return (
        make(c_i, h, w).to(device),
        make(c_o, c_i // groups, k_h, k_w).to(device),
        FLOATS.get(dtype, 0),
    )


def computed(f, X, K, *args):
    "`f(X, K, …)`; where it says that sums wrap around, it is right to say so, and its advice works"
    try:
        return f(X, K, *args)
    except ValueError as e:
        assert 'use X.long() and K.long()' in str(e)
        big = f(X.long().abs(), K.long().abs(), *args)
        assert big.max() > torch.iinfo(X.dtype).max
        return f(X.long(), K.long(), *args)


def conv(X, K, bias=None, groups=1):
    "PyTorch's, in whole numbers that do not wrap around"
    if X.is_floating_point() or X.is_complex():
        return F.conv2d(X[None], K, bias, groups=groups)[0]
    bias = None if bias is None else bias.long()
    return F.conv2d(X[None].long(), K.long(), bias, groups=groups)[0]


def same(got, want, tol):
    if not got.dtype.is_floating_point and not got.dtype.is_complex:
        want = want.to(got.dtype) if torch.equal(want.to(got.dtype).long(), want) else want
    assert got.dtype == want.dtype and got.device == want.device
    torch.testing.assert_close(got, want, rtol=tol, atol=tol * max(1, want.abs().max().item()))


@CASES
@given(pairs())
def test_multi_in(case):
    X, K, tol = case
    same(computed(corr2d_multi_in, X, K[0]), conv(X, K[:1])[0], tol)


@CASES
@given(pairs(), st.booleans())
def test_multi_in_out(case, biased):
    X, K, tol = case
    bias = torch.arange(1, len(K) + 1).to(K) if biased else None
    same(computed(corr2d_multi_in_out, X, K, bias), conv(X, K, bias), tol)


@CASES
@given(pairs(window=(1, 1)))
def test_1x1(case):
    X, K, tol = case
    same(computed(corr2d_1x1, X, K), conv(X, K), tol)
    same(computed(corr2d_1x1, X, K), computed(corr2d_multi_in_out, X, K), tol)


@CASES
@given(st.integers(1, 4).flatmap(lambda g: st.tuples(st.just(g), pairs(groups=g))))
def test_grouped(case):
    groups, (X, K, tol) = case
    same(computed(corr2d_grouped, X, K, groups), conv(X, K, groups=groups), tol)


@CASES
@given(
    channels,
    channels,
    st.integers(1, 3),
    side,
    side,
    st.integers(0, 6),
    st.integers(0, 6),
    st.booleans(),
)
def test_counts(c_i, c_o, groups, k_h, k_w, more_h, more_w, bias):
    c_i, c_o, k = c_i * groups, c_o * groups, (k_h, k_w)
    layer, X = (
        nn.Conv2d(c_i, c_o, k, groups=groups, bias=bias),
        torch.randn(1, c_i, k_h + more_h, k_w + more_w),
    )
    assert conv_params(c_i, c_o, k, groups, bias) == sum(p.numel() for p in layer.parameters())
    with FlopCounterMode(display=False) as counter:
        out = layer(X).shape[2:]
    assert 2 * conv_macs(c_i, c_o, k, out, groups) == counter.get_total_flops()


def test_counts_take_one_number():
    assert conv_params(3, 8, 5) == conv_params(3, 8, (5, 5)) and conv_macs(3, 8, 5, 7) == conv_macs(
        3, 8, (5, 5), (7, 7)
    )


@pytest.mark.parametrize(
    'c_i, c_o, k, padding, stride',
    [(3, 7, 3, 1, 1), (4, 2, (5, 3), (2, 0), (1, 2)), (6, 6, 1, 0, 2)],
)
def test_depthwise_separable(c_i, c_o, k, padding, stride):
    net, X = depthwise_separable(c_i, c_o, k, padding, stride), torch.randn(2, c_i, 9, 11)
    full = nn.Conv2d(c_i, c_o, k, stride, padding, bias=False)
    full.weight.data = net[1].weight.data * net[0].weight.data.transpose(0, 1)
    torch.testing.assert_close(net(X), full(X), rtol=1e-4, atol=1e-5)
    assert sum(p.numel() for p in net.parameters()) == conv_params(
        c_i, c_i, k, c_i, False
    ) + conv_params(c_i, c_o, 1, bias=False)


def test_gradients():
    g = torch.Generator().manual_seed(0)
    X, K, bias = (
        torch.randn(*s, generator=g, dtype=torch.float64, requires_grad=True)
        for s in ((4, 5, 6), (6, 2, 2, 3), (6,))
    )
    full = torch.randn(6, 4, 2, 3, generator=g, dtype=torch.float64, requires_grad=True)
    for ours, theirs, inputs in [
        (corr2d_grouped(X, K, 2), F.conv2d(X[None], K, groups=2)[0], (X, K)),
        (corr2d_multi_in_out(X, full, bias), F.conv2d(X[None], full, bias)[0], (X, full, bias)),
        (corr2d_1x1(X, full[:, :, :1, :1]), F.conv2d(X[None], full[:, :, :1, :1])[0], (X, full)),
    ]:
        torch.testing.assert_close(
            torch.autograd.grad(ours.square().sum(), inputs),
            torch.autograd.grad(theirs.square().sum(), inputs),
        )


def test_inputs_stay_as_they_were():
    X, K = (
        torch.randn(3, 4, 5).transpose(1, 2),
        torch.randn(2, 3, 2, 1),
    )  # a view whose memory is not in order, too
    x, k = X.clone(), K.clone()
    torch.testing.assert_close(corr2d_multi_in_out(X, K), F.conv2d(X[None], K)[0])
    torch.testing.assert_close(corr2d_1x1(X, K[:, :, :1]), F.conv2d(X[None], K[:, :, :1])[0])
    assert torch.equal(X, x) and torch.equal(K, k)


def T(*shape):
    return torch.ones(shape)


@pytest.mark.parametrize(
    'call, error, words',
    [
        (
            lambda: corr2d_multi_in(T(3, 4, 5), T(2, 2, 2)),
            ValueError,
            ['3 channels', 'slices for 2', '(3, 2, 2)'],
        ),
        (
            lambda: corr2d_multi_in(T(2, 4, 5), T(3, 2, 2)),
            ValueError,
            ['2 channels', 'slices for 3', '(2, 2, 2)'],
        ),
        (
            lambda: corr2d_multi_in(T(4, 5), T(1, 2, 2)),
            ValueError,
            ['X has 2 axes', '(4, 5)', '(c_i, H, W)', 'X[None]'],
        ),
        (
            lambda: corr2d_multi_in(T(2, 3, 4, 5), T(3, 2, 2)),
            ValueError,
            ['X has 4 axes', 'X[0]', 'F.conv2d'],
        ),
        (
            lambda: corr2d_multi_in(T(3, 4, 5), T(2, 3, 2, 2)),
            ValueError,
            ['K has 4 axes', '(c_i, k_h, k_w)', 'K[0]'],
        ),
        (
            lambda: corr2d_multi_in(T(3, 4, 5), T(3, 5, 5)),
            ValueError,
            ['kernel 5×5', '4×5', 'smaller kernel'],
        ),
        (
            lambda: corr2d_multi_in([[[1.0]]], T(1, 1, 1)),
            TypeError,
            ['X is a list', 'torch.as_tensor(X)'],
        ),
        (
            lambda: corr2d_multi_in(T(1, 4, 5), T(1, 2, 2).double()),
            TypeError,
            ['torch.float32', 'torch.float64', 'X.to(K.dtype)'],
        ),
        (lambda: corr2d_multi_in(T(0, 4, 5), T(0, 2, 2)), ValueError, ['0 input', 'at least 1']),
        (
            lambda: corr2d_multi_in_out(T(3, 4, 5), T(3, 2, 2)),
            ValueError,
            ['K has 3 axes', '(c_o, c_i, k_h, k_w)', 'K[None]'],
        ),
        (
            lambda: corr2d_multi_in_out(T(3, 4, 5), T(7, 2, 2, 2)),
            ValueError,
            ['3 channels', 'slices for 2', '(7, 3, 2, 2)'],
        ),
        (lambda: corr2d_multi_in_out(T(3, 4, 5), T(7, 3, 2, 6)), ValueError, ['kernel 2×6', '4×5']),
        (
            lambda: corr2d_multi_in_out(T(3, 4, 5), T(7, 3, 2, 2), T(3)),
            ValueError,
            ['(3,)', '7 output channels', '(7,)'],
        ),
        (
            lambda: corr2d_multi_in_out(T(3, 4, 5), T(7, 3, 2, 2), 1.0),
            TypeError,
            ['bias is a float', '7'],
        ),
        (
            lambda: corr2d_multi_in_out(T(3, 4, 5), T(0, 3, 2, 2)),
            ValueError,
            ['0 output', 'at least 1'],
        ),
        (lambda: corr2d_1x1(T(3, 4, 5), T(2, 3, 1, 2)), ValueError, ['1×2', 'corr2d_multi_in_out']),
        (
            lambda: corr2d_1x1(T(3, 4, 5), T(2, 4, 1, 1)),
            ValueError,
            ['3 channels', 'slices for 4', '(2, 3, 1, 1)'],
        ),
        (
            lambda: corr2d_1x1(T(3, 4, 5), T(2, 3)),
            ValueError,
            ['K has 2 axes', 'K[:, :, None, None]'],
        ),
        (
            lambda: corr2d_1x1(T(3, 4, 5), T(2, 3, 1, 1).double()),
            TypeError,
            ['torch.float32', 'torch.float64'],
        ),
        (
            lambda: corr2d_grouped(T(4, 4, 5), T(6, 4, 2, 2), 2),
            ValueError,
            ['4 channels', '2 in each of 2 groups', '(6, 2, 2, 2)'],
        ),
        (
            lambda: corr2d_grouped(T(4, 4, 5), T(6, 1, 2, 2), 4),
            ValueError,
            ['4 groups', '4 input and 6 output', '1, 2'],
        ),
        (
            lambda: corr2d_grouped(T(4, 4, 5), T(6, 1, 2, 2), 0),
            ValueError,
            ['groups=0', 'from 1 on'],
        ),
        (lambda: conv_params(4, 6, 3, groups=3), ValueError, ['3 groups', '1, 2']),
        (lambda: conv_macs(0, 6, 3, 5), ValueError, ['in_channels=0', 'from 1 on']),
        (lambda: conv_params(6, 1, -1), ValueError, ['kernel_size=-1', 'from 1 on']),
        (lambda: conv_params(6, -1, 3), ValueError, ['out_channels=-1', 'from 1 on']),
        (lambda: conv_params(6, 1, (3, 0)), ValueError, ['kernel_size[1]=0', 'from 1 on']),
        (lambda: conv_params(6, 1, (3, 3, 3)), ValueError, ['(3, 3, 3)', '3 numbers']),
        (lambda: conv_params(6, 1, 3.0), TypeError, ['kernel_size=3.0']),
        (lambda: conv_params(6, True, 3), TypeError, ['out_channels=True']),
        (lambda: conv_params(6, 2, 3, groups=2.0), TypeError, ['groups=2.0']),
        (lambda: conv_params(6, 2, 3, bias='no'), TypeError, ["bias='no'", 'True or False']),
        (lambda: conv_macs(6, 1, 3, -5), ValueError, ['out_size=-5', 'from 1 on']),
        (lambda: conv_macs(6, 1, 3, (5, 0)), ValueError, ['out_size[1]=0']),
        (lambda: conv_macs(6, 1, 3, '5'), TypeError, ["out_size='5'"]),
        (
            lambda: conv_params(10**7, 10**7 - 1, 3, groups=7),
            ValueError,
            ['7 groups', 'that do: 1'],
        ),
        (lambda: corr2d_grouped(T(4, 4, 5), T(6, 1, 2, 2), 2.0), TypeError, ['groups=2.0']),
        (lambda: depthwise_separable(0, 6, 3), ValueError, ['in_channels=0']),
        (lambda: depthwise_separable(4, 6, 3, padding=-1), ValueError, ['padding=-1', 'from 0 on']),
        (
            lambda: depthwise_separable(4, 6, 3, stride=(1, 2, 3)),
            ValueError,
            ['stride', '3 numbers'],
        ),
    ],
)
def test_bad_input_says_what_would_work(call, error, words):
    with pytest.raises(error) as e:
        call()
    for word in words:
        assert word in str(e.value), f'{word!r} is missing in: {e.value}'


def test_worked_example():
    X = torch.stack([torch.arange(9.0).reshape(3, 3), torch.arange(1.0, 10).reshape(3, 3)])
    K = torch.tensor([[[0.0, 1], [2, 3]], [[1, 2], [3, 4]]])
    assert corr2d_multi_in(X, K).tolist() == [[56, 72], [104, 120]]
    assert corr2d_multi_in_out(X, torch.stack([K, K + 1, K + 2]))[:, 0, 0].tolist() == [56, 76, 96]


def test_whole_numbers_of_numpy_and_torch():
    i = np.int64
    assert conv_params(i(3), i(8), i(5)) == conv_params(3, 8, 5) == 608
    assert conv_params(torch.tensor(4), 6, np.array([3, 2]), np.uint8(2), np.bool_(True)) == 6 * (
        2 * 6 + 1
    )
    assert conv_macs(i(3), 8, [5, i(5)], i(7)) == conv_macs(3, 8, 5, 7)
    assert isinstance(conv_params(i(3), i(8), i(5)), int) and isinstance(
        conv_macs(3, 8, 5, i(7)), int
    )
    X, K = torch.randn(4, 5, 6), torch.randn(6, 2, 2, 3)
    assert torch.equal(corr2d_grouped(X, K, i(2)), corr2d_grouped(X, K, 2))
    assert depthwise_separable(i(4), i(6), i(3), i(1), i(2))(X[None]).shape == (1, 6, 3, 3)


def bytes_of(*rows):
    return torch.tensor(rows, dtype=torch.uint8)


@pytest.mark.parametrize(
    'f, X, K, args, want',
    [
        (
            corr2d_multi_in,
            bytes_of([[200, 30]], [[100, 9]]),
            bytes_of([[1]], [[1]]),
            (),
            [[300, 39]],
        ),
        (
            corr2d_multi_in_out,
            bytes_of([[200, 30]]),
            bytes_of([[[1, 2]]], [[[0, 1]]]),
            (),
            [[[260]], [[30]]],
        ),
        (
            corr2d_multi_in_out,
            bytes_of([[200, 30]]),
            bytes_of([[[1]]]),
            (bytes_of(60),),
            [[[260, 90]]],
        ),
        (
            corr2d_1x1,
            bytes_of([[200, 30]], [[100, 9]]),
            bytes_of([[[1]], [[1]]]),
            (),
            [[[300, 39]]],
        ),
        (
            corr2d_grouped,
            bytes_of([[200]], [[100]]),
            bytes_of([[[2]]], [[[3]]]),
            (2,),
            [[[400]], [[300]]],
        ),
    ],
)
def test_sums_do_not_wrap_around(f, X, K, args, want):
    with pytest.raises(
        ValueError, match=r'torch.uint8 holds only 0 to 255; use X.long\(\) and K.long\(\)'
    ):
        f(X, K, *args)
    args = [a.long() if isinstance(a, torch.Tensor) else a for a in args]
    assert f(X.long(), K.long(), *args).tolist() == want
