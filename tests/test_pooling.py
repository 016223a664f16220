"Chapter 04 against PyTorch, on drawn, lopsided cases; errors with a way out."

import random
import re

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from d2lcnn.pooling import kmax_pool, pool2d

TORCH = {'max': F.max_pool2d, 'avg': F.avg_pool2d}
FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
INTS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
DEVICES = (
    ['cpu'] + ['cuda'] * torch.cuda.is_available() + ['mps'] * torch.backends.mps.is_available()
)


def draw(rng, dtype=torch.float32, rank=None, device='cpu'):
    "Image, window, padding and stride, mostly lopsided; about two in five are refused"
    shape = [rng.randint(1, 3), rng.randint(1, 4), rng.randint(1, 9), rng.randint(1, 12)][
        -(rank or rng.choice((2, 3, 4))) :
    ]
    if len(shape) == 4 and rng.random() < 0.05:
        shape[0] = 0  # an empty batch is fine
    g = torch.Generator().manual_seed(rng.randrange(2**31))
    X = torch.randn(*shape, generator=g) * 9
    X = (X.abs() if dtype == torch.uint8 else X).to(device, dtype)
    if rng.random() < 0.3:
        X = X.transpose(-1, -2).contiguous().transpose(-1, -2)  # memory laid out by columns

    def one_or_two(lo, hi):
        return rng.choice([rng.randint(lo, hi), (rng.randint(lo, hi), rng.randint(lo, hi))])

    return (
        X,
        one_or_two(1, 5),
        rng.choice([0, one_or_two(0, 2)]),
        rng.choice([None, one_or_two(1, 4)]),
    )


def torchs(X, k, mode, p, s):
    "PyTorch's pooling, which takes no picture without a channel"
    Y = TORCH[mode](X[None] if X.ndim == 2 else X, k, s, p)
    return Y[0] if X.ndim == 2 else Y


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('mode', TORCH)
@pytest.mark.parametrize('dtype', FLOATS + INTS, ids=lambda d: str(d)[6:])
def test_pool2d_equals_torch_and_refuses_where_it_refuses(mode, dtype, device):
    "100 calls that PyTorch takes per dtype and mode (no means of whole numbers), and the refused"
    rng, taken, refused = random.Random(f'{mode} {dtype}'), 0, 0
    none = mode == 'avg' and dtype in INTS  # PyTorch takes int64, and cuts the fraction off
    for case in range(200 if none else 1000):
        if taken == 100:
            break
        X, k, p, s = draw(rng, dtype, device=device)
        about = f'case {case}: X {tuple(X.shape)}, window {k}, padding {p}, stride {s}'
        before = X.clone()
        try:
            if none:
                raise RuntimeError
            want = torchs(X, k, mode, p, s)
        except RuntimeError as e:
            if device != 'cpu' and 'not implemented' in str(e):
                pytest.skip(f'PyTorch has no {mode} pooling of {dtype} on {device}')
            with pytest.raises((ValueError, TypeError)):
                pool2d(X, k, mode, p, s)
            refused += 1
            continue
        Y = pool2d(X, k, mode, p, s)
        assert Y.dtype == want.dtype and Y.device == want.device, about
        exact = mode == 'max' or dtype in INTS
        assert_close(
            Y, want, **dict(rtol=0, atol=0) if exact else {}, msg=lambda m: f'{about}: {m}'
        )
        assert torch.equal(X, before), about
        taken += 1
    assert (taken, refused) == (0, 200) if none else taken == 100 and refused > 20


@pytest.mark.parametrize('mode', TORCH)
def test_gradients_equal_torch(mode):
    rng, done = random.Random(mode), 0
    while done < 100:
        X, k, p, s = draw(rng, torch.float64)
        try:
            want = torchs(X.requires_grad_(), k, mode, p, s)
        except RuntimeError:
            continue
        Y = pool2d(X, k, mode, p, s)
        G = torch.randn(Y.shape, dtype=Y.dtype, generator=torch.Generator().manual_seed(done))
        assert_close(torch.autograd.grad(Y, X, G), torch.autograd.grad(want, X, G))
        done += 1


@pytest.mark.parametrize('mode', TORCH)
def test_nan_and_infinities(mode):
    X = torch.randn(2, 7, 9, generator=torch.Generator().manual_seed(0))
    X[0, 0, 0], X[0, 3, 5], X[1, 2, 2], X[1, 6, 8] = (
        float('nan'),
        float('inf'),
        -float('inf'),
        float('nan'),
    )
    assert_close(pool2d(X, 3, mode, 1, 2), TORCH[mode](X, 3, 2, 1), equal_nan=True)
    low = torch.full((4, 5), -float('inf'))
    assert_close(pool2d(low, 3, mode, 1), torchs(low, 3, mode, 1, None))


def test_d2l_numbers():
    "The loop of Dive into Deep Learning, `pool2d(X, (2, 2), mode)`, is ours with stride 1"
    X = torch.arange(9.0).reshape(3, 3)
    assert pool2d(X, (2, 2), stride=1).tolist() == [[4, 5], [7, 8]]
    assert pool2d(X, (2, 2), 'avg', stride=1).tolist() == [[2, 3], [5, 6]]
    X = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert pool2d(X, 3).tolist() == [[[[10]]]]
    assert pool2d(torch.cat((X, X + 1), 1), 3, padding=1, stride=2).tolist() == [
        [[[5, 7], [13, 15]], [[6, 8], [14, 16]]]
    ]


X = torch.arange(20.0).reshape(4, 5)


@pytest.mark.parametrize(
    'args, kind, says',
    [
        ((X, 2, 'mean'), ValueError, "mode='mean' is none of 'max', 'avg'"),
        ((X, 2, None), ValueError, "mode=None is none of 'max', 'avg'"),
        ((X.tolist(), 2), TypeError, 'X is a list, not a tensor; pass torch.as_tensor(X)'),
        (
            (X[0], 2),
            ValueError,
            'X has 1 axis, shape (5,), not (H, W) or (C, H, W) or (N, C, H, W); '
            'add what is missing, such as X[None]',
        ),
        ((X[None, None, None], 2), ValueError, 'X has 5 axes, shape (1, 1, 1, 4, 5)'),
        (
            (X.bool(), 2),
            TypeError,
            "X is torch.bool, which mode 'max' does not take; use X.float()",
        ),
        (
            (X.long(), 2, 'avg'),
            TypeError,
            "X is torch.int64, which mode 'avg' does not take; use X.float()",
        ),
        (
            (X.byte(), 2, 'avg'),
            TypeError,
            "X is torch.uint8, which mode 'avg' does not take; use X.float()",
        ),
        (
            (X.int(), 2, 'avg'),
            TypeError,
            "X is torch.int32, which mode 'avg' does not take; use X.float()",
        ),
        ((X.to(torch.complex64), 2), TypeError, 'X is torch.complex64'),
        ((X[:0], 2), ValueError, 'X is empty, shape (0, 5)'),
        ((X[None][:0], 2), ValueError, 'X is empty, shape (0, 4, 5)'),
        (
            (X, 6),
            ValueError,
            'window 6×6 is larger than the padded input 4×5; '
            'add padding ≥ 1 or use a smaller window',
        ),
        (
            (X, (7, 1)),
            ValueError,
            'window 7×1 is larger than the padded input 4×5; '
            'add padding of at least (2, 0) or use a smaller window',
        ),
        (
            (X, (9, 5), 'max', (2, 1)),
            ValueError,
            'window 9×5 is larger than the padded input 8×7; '
            'use padding of at least (3, 1) or use a smaller window',
        ),
        (
            (X, (3, 4), 'avg', (2, 1)),
            ValueError,
            'padding 2×1 is more than half of the window 3×4, so a window would see more '
            'padding than image; use padding ≤ 1×2 or a larger window',
        ),
        ((X, 1, 'max', 1), ValueError, 'use padding ≤ 0×0 or a larger window'),
        (
            (X, 0),
            ValueError,
            'pool_size=0 must be a whole number from 1 on; '
            'give one number for both axes, or two, (rows, columns)',
        ),
        ((X, (2, -1)), ValueError, 'pool_size[1]=-1 must be a whole number from 1 on'),
        ((X, 2, 'max', -1), ValueError, 'padding=-1 must be a whole number from 0 on'),
        ((X, 2, 'max', 0, 0), ValueError, 'stride=0 must be a whole number from 1 on'),
        (
            (X, (1, 2, 3)),
            ValueError,
            'pool_size=(1, 2, 3) has 3 numbers; give one, or two, (rows, columns)',
        ),
        (
            (X, 2.0),
            TypeError,
            'pool_size=2.0 must be a whole number; '
            'give one number for both axes, or two, (rows, columns)',
        ),
        ((X, True), TypeError, 'pool_size=True must be a whole number'),
        ((X, None), TypeError, 'pool_size=None must be a whole number'),
        ((X, 'same'), TypeError, "pool_size='same' must be a whole number"),
        ((X, 2, 'max', 0, (1, 1.5)), TypeError, 'stride[1]=1.5 must be a whole number'),
    ],
)
def test_errors_name_numbers_and_way_out(args, kind, says):
    with pytest.raises(kind, match=re.escape(says)):
        pool2d(*args)


def test_the_padding_that_is_asked_for_works():
    rng, seen = random.Random(7), 0
    while seen < 300:
        X, k, p, s = draw(rng, rank=2)
        try:
            pool2d(X, k, 'max', p, s)
        except ValueError as e:
            m = re.search(r'padding (?:≤ (\d+)×(\d+)|≥ (\d+)|of at least \((\d+), (\d+)\))', str(e))
            p = [int(n) for n in m.groups() if n]
            p = tuple(p * 2)[:2]
            if '≤' in str(e):  # at most half the window; the window may still be too large
                try:
                    pool2d(X, k, 'max', p, s)
                except ValueError as second:
                    assert '≤' not in str(second)
            else:
                pool2d(X, k, 'max', p, s)
            seen += 1


def test_what_counts_as_a_size():
    import numpy as np

    want = F.max_pool2d(X[None], 2)[0]
    for k in (2, (2,), [2, 2], np.int64(2), torch.tensor(2), torch.Size((2, 2))):
        assert_close(pool2d(X, k), want)
    for s in (None, (), [], 2, (2,)):
        assert_close(pool2d(X, 2, stride=s), want)


def test_kmax_pool():
    rng = random.Random(3)
    for case in range(500):
        shape = [rng.randint(1, 6) for _ in range(rng.randint(1, 4))]
        dim = rng.randrange(-len(shape), len(shape))
        A = torch.randn(*shape, generator=torch.Generator().manual_seed(case))
        k = rng.randint(1, shape[dim])
        Y = kmax_pool(A, k, dim)
        rows, got = A.movedim(dim, -1).reshape(-1, shape[dim]), Y.movedim(dim, -1).reshape(-1, k)
        for row, kept in zip(rows.tolist(), got.tolist()):
            assert kept == [v for v in row if v in sorted(row)[-k:]]
    for bad in (0, 6, -1):
        with pytest.raises(ValueError, match=f'k={bad} of 5 values; use 1 ≤ k ≤ 5'):
            kmax_pool(torch.randn(3, 5), bad)


def test_kmax_pool_says_what_would_work():
    import numpy as np

    R = torch.tensor([[3.0, 9, 1, 7]])
    assert (
        kmax_pool(R, np.int64(2), np.int8(1)).tolist()
        == kmax_pool(R, torch.tensor(2)).tolist()
        == [[9, 7]]
    )
    assert kmax_pool(R.to(torch.uint8), 2).tolist() == [[9, 7]]
    for args, kind, words in [
        ((R, 2.0), TypeError, 'k=2.0 must be a whole number'),
        ((R, True), TypeError, 'k=True must be a whole number'),
        ((R, 2, 2), ValueError, 'dim=2 must be a whole number from -2 to 1'),
        ((R, 2, 'x'), TypeError, "dim='x'"),
        ((R.tolist(), 2), TypeError, 'X is a list, not a tensor'),
        ((R > 2, 2), TypeError, 'X is torch.bool, which has no order; use X.float()'),
        ((R[0, 0], 1), ValueError, 'X[None]'),
    ]:
        with pytest.raises(kind, match=re.escape(words)):
            kmax_pool(*args)


def test_an_average_of_whole_numbers_keeps_its_fraction():
    "Refused as it comes; the advice gives the right value"
    for kind in INTS:
        with pytest.raises(TypeError, match='X.float'):
            pool2d(torch.tensor([[1, 2], [3, 5]], dtype=kind), 2, 'avg')
        assert pool2d(torch.tensor([[1, 2], [3, 5]], dtype=kind).float(), 2, 'avg').item() == 2.75
    big = torch.full((2, 2), 250, dtype=torch.uint8)
    assert pool2d(big.float(), 2, 'avg').item() == 250 and pool2d(big, 2).item() == 250
