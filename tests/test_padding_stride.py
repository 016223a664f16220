"conv_out, windows and pixel_use against PyTorch on drawn settings; errors with a way out."

import random
import re
import xml.etree.ElementTree as ET
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from d2lcnn.padding_stride import conv_out, draw_windows, pixel_use, windows

CONVS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def settings(rng, axes):
    "Sizes, kernels, strides, paddings, dilations, one an axis; about one in six does not fit"
    return [
        tuple(rng.randint(lo, hi) for _ in range(axes))
        for lo, hi in ((1, 20 if axes < 3 else 9), (1, 6), (1, 5), (0, 4), (1, 4))
    ]


def fits(n, k, s, p, d):
    return all(d * (k - 1) + 1 <= n + 2 * p for n, k, s, p, d in zip(n, k, s, p, d))


@pytest.mark.parametrize('axes, seed', [(1, 1), (2, 2), (3, 3)])
def test_conv_out_equals_torch(axes, seed):
    "At least 500 settings that PyTorch takes, and every one that it refuses is refused"
    rng, taken, refused = random.Random(seed), 0, 0
    while taken < 500:
        n, k, s, p, d = settings(rng, axes)
        X, K = torch.empty(2, 1, *n), torch.empty(1, 1, *k)
        run = partial(CONVS[axes], X, K, stride=s, padding=p, dilation=d)
        if fits(n, k, s, p, d):
            assert (
                conv_out(n, k, s, p, d)
                == tuple(run().shape[2:])
                == tuple(len(windows(*axis)) for axis in zip(n, k, s, p, d))
            )
            taken += 1
        else:
            with pytest.raises(RuntimeError):
                run()
            with pytest.raises(ValueError, match='larger than the padded input'):
                conv_out(n, k, s, p, d)
            refused += 1
    assert refused > 50


def test_conv_out_whole_numbers_count_for_all_axes():
    rng = random.Random(4)
    for _ in range(500):
        n, k, s, p, d = settings(rng, 2)
        args = [rng.choice([a, a[0]]) for a in (n, k, s, p, d)]
        full = [a if isinstance(a, tuple) else (a, a) for a in args]
        if not fits(*full):
            continue
        want = tuple(
            F.conv2d(
                torch.empty(1, 1, *full[0]), torch.empty(1, 1, *full[1]), None, *full[2:]
            ).shape[2:]
        )
        got = conv_out(*args)
        assert got == want if any(isinstance(a, tuple) for a in args) else (got, got) == want
        assert type(got) is (tuple if any(isinstance(a, tuple) for a in args) else int)


def test_padding_that_is_asked_for_is_enough_and_least():
    "The padding which an error names makes the setting work, and one less does not"
    rng, seen = random.Random(5), 0
    while seen < 500:
        n, k, s, p, d = (a[0] for a in settings(rng, 1))
        if fits((n,), (k,), (s,), (p,), (d,)):
            continue
        with pytest.raises(ValueError) as error:
            conv_out(n, k, s, p, d)
        need = int(re.search(r'padding ≥ (\d+)', str(error.value))[1])
        assert conv_out(n, k, s, need, d) >= 1 and need > p
        with pytest.raises(ValueError):
            conv_out(n, k, s, need - 1, d)
        seen += 1


@pytest.mark.parametrize(
    'args, out',
    [
        (dict(n=240, k=5), 236),
        (dict(n=8, k=3, p=1), 8),
        (dict(n=8, k=3, s=2, p=1), 4),
        (dict(n=7, k=3, s=2, p=1), 4),
        (dict(n=(8, 8), k=(5, 3), p=(2, 1)), (8, 8)),
        (dict(n=(8, 8), k=3, s=2, p=1), (4, 4)),
        (dict(n=(8, 8), k=(3, 5), s=(3, 4), p=(0, 1)), (2, 2)),
        (dict(n=8, k=3, d=2), 4),
        (dict(n=224, k=7, s=2, p=3), 112),
        (dict(n=224, k=16, s=16), 14),
        (dict(n=(30, 50), k=(5, 4), s=(3, 2), p=(2, 3)), (10, 27)),
        (dict(n=1, k=1), 1),
    ],
)
def test_values_of_the_chapter(args, out):
    assert conv_out(**args) == out


def test_integers_of_other_libraries():
    assert conv_out(np.int64(8), torch.tensor(3), s=np.int32(2), p=1) == 4
    assert conv_out(torch.rand(2, 3, 8, 9).shape[-2:], [3, 4]) == (6, 6)
    assert conv_out(np.array([8, 9]), torch.tensor([3, 4]), s=np.uint8(1)) == (6, 6)
    assert windows(np.int64(4), torch.tensor(3), np.int8(1)) == [[0, 1, 2], [1, 2, 3]]
    assert torch.equal(pixel_use(np.array([4, 5]), np.int64(3)), pixel_use((4, 5), 3))
    assert draw_windows(torch.tensor(7), np.int64(3)) == draw_windows(7, 3)


@pytest.mark.parametrize(
    'args, kind, words',
    [
        (
            ((3, 4), 5),
            ValueError,
            ['kernel 5×5', 'larger than the padded input 3×4', 'padding ≥ 1', 'smaller kernel'],
        ),
        ((3, 5), ValueError, ['kernel 5 is', 'input 3;', 'add padding ≥ 1']),
        ((5, 9, 1, 1), ValueError, ['kernel 9', 'input 7;', 'use padding ≥ 2']),
        (((3, 9), (5, 12)), ValueError, ['5×12', '3×9', 'at least (1, 2)']),
        (
            (9, 3, 1, 0, 5),
            ValueError,
            ['kernel 3', 'dilation 5', 'spans 11', 'input 9', 'dilation'],
        ),
        ((8, 3, 0), ValueError, ['stride s=0', 'from 1 on', 's=1 moves one pixel']),
        ((8, 3, -2), ValueError, ['stride s=-2']),
        ((8, 3, 1, -1), ValueError, ['padding p=-1', 'from 0 on', 'slice']),
        ((8, 3, 1, 0, 0), ValueError, ['dilation d=0', 'from 1 on', 'd=1 is']),
        ((8, 0), ValueError, ['kernel k=0']),
        ((0, 1), ValueError, ['input size n=0']),
        (((8, 9), (3, 3, 3)), ValueError, ['n has 2', 'k has 3', 'one number per axis']),
        (((8, 9), 3, (1,)), ValueError, ['n has 2', 's has 1']),
        (((2, 3, 8, 9), 3), ValueError, ['4 numbers', 'X.shape[-2:]']),
        (((), 3), ValueError, ['0 numbers']),
        ((7.5, 3), TypeError, ['n=7.5', '//']),
        ((8.0, 3), TypeError, ['n=8.0']),
        ((8, True), TypeError, ['k=True']),
        ((8, '3'), TypeError, ["k='3'"]),
        ((8, None), TypeError, ['k=None']),
        ((8, 3, (1, 1.5)), TypeError, ['stride s[1]=1.5']),
        ((8, 3, 1, 'same'), TypeError, ["p='same'", '(k-1)//2']),
        ((torch.rand(8, 9), 3), TypeError, ['whole number']),
    ],
)
def test_errors_name_the_numbers_and_the_way_out(args, kind, words):
    with pytest.raises(kind) as error:
        conv_out(*args)
    for word in words:
        assert word in str(error.value)


def test_windows():
    assert windows(7, 3) == [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6]]
    assert windows(8, 3, s=2, p=1) == [[-1, 0, 1], [1, 2, 3], [3, 4, 5], [5, 6, 7]]
    assert windows(6, 2, d=3) == [[0, 3], [1, 4], [2, 5]]
    for bad in ((3, 5), ((7, 8), 3)):
        with pytest.raises(ValueError):
            windows(*bad)


def test_windows_are_what_a_convolution_reads():
    "Output i of a 1-D convolution with unlike weights is the sum over window i of the padded row"
    rng, g = random.Random(6), torch.Generator().manual_seed(6)
    for _ in range(200):
        n, k, s, p, d = (a[0] for a in settings(rng, 1))
        if not fits((n,), (k,), (s,), (p,), (d,)):
            continue
        x, w = torch.randn(n, generator=g), torch.randn(k, generator=g)
        want = F.conv1d(x[None, None], w[None, None], None, s, p, d)[0, 0]
        got = [
            sum(w[j] * x[i] for j, i in enumerate(window) if 0 <= i < n) + torch.tensor(0.0)
            for window in windows(n, k, s, p, d)
        ]
        assert_close(torch.stack(got), want)


def test_pixel_use_is_the_gradient_of_a_convolution_with_ones():
    rng, done = random.Random(7), 0
    while done < 500:
        n, k, s, p, d = settings(rng, 2)
        if not fits(n, k, s, p, d):
            continue
        X = torch.ones(1, 1, *n, requires_grad=True)
        F.conv2d(X, torch.ones(1, 1, *k), None, s, p, d).sum().backward()
        use = pixel_use(n, k, s, p, d)
        assert use.dtype == torch.int64
        assert_close(use.float(), X.grad[0, 0])
        done += 1
    assert pixel_use(6, 3)[0].tolist() == [1, 2, 3, 3, 2, 1] and pixel_use(6, 3)[3, 3] == 9
    with pytest.raises(ValueError, match='2 are needed'):
        pixel_use((4, 5, 6), 3)


def test_drawing_shows_every_window():
    "Well-formed SVG, opaque, with a label; a filled box per tap, a dashed one for what sticks out"
    rng, done = random.Random(8), 0
    while done < 60:
        n, k, s, p, d = (a[0] for a in settings(rng, 1))
        if not fits((n,), (k,), (s,), (p,), (d,)):
            continue
        svg = ET.fromstring(draw_windows(n, k, s, p, d))
        boxes = [e for e in svg.iter('{http://www.w3.org/2000/svg}rect')]
        stops = windows(n, k, s, p, d)
        assert boxes[0].get('fill') == '#fff' and boxes[0].get('width') == svg.get('width')
        assert sum(e.get('stroke') == '#1d4ed8' for e in boxes) == len(stops) * k
        assert sum(e.get('stroke') == '#b91c1c' for e in boxes) == k
        texts = [e.text for e in svg.iter('{http://www.w3.org/2000/svg}text')]
        assert [t for t in texts if t.startswith('→')] == [
            f'→ output {i}' for i in range(len(stops))
        ]
        assert texts.count('pad') == 2 * p
        assert f'fits {len(stops)} times' in svg.get('aria-label')
        w = float(svg.get('width'))
        assert all(0 <= float(e.get('x', 0)) <= w for e in boxes)
        done += 1
