"Guards: numbers of every library, errors with a way out, a function that stays what it was."

import inspect
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from d2lcnn.guard import (
    alike,
    among,
    at_least,
    fits,
    flag,
    floats,
    groups_divide,
    guarded,
    image,
    kernel_for,
    number,
    one_of,
    pair,
    pair_from,
    slices_match,
    sums_hold,
    tensor,
    whole,
    wholes,
    window_in,
    yes_or_no,
)


class Index:
    def __index__(self):
        return 3


@pytest.mark.parametrize(
    'value',
    [
        3,
        np.int64(3),
        np.uint8(3),
        np.int8(3),
        np.array(3),
        torch.tensor(3),
        torch.tensor(3).byte(),
        Index(),
    ],
)
def test_whole_takes_every_whole_number(value):
    assert whole(value, 'n') == 3 and type(whole(value, 'n', 1, 3)) is int


@pytest.mark.parametrize(
    'value',
    [
        2.0,
        '3',
        b'3',
        None,
        True,
        np.bool_(True),
        torch.tensor(True),
        np.float32(3),
        torch.tensor(3.0),
        torch.ones(2),
        np.ones(2, int),
        [3],
        (3,),
        {3},
        3j,
        Fraction(3),
        math.nan,
        nn.ReLU(),
        int,
    ],
)
def test_whole_refuses_all_else(value):
    with pytest.raises(TypeError, match=r'^n=.* must be a whole number; count them$') as e:
        whole(value, 'n', 1, way='count them')
    assert '\n' not in str(e.value) and len(str(e.value)) < 150


@pytest.mark.parametrize(
    'value, low, high, says',
    [
        (0, 1, None, 'n=0 must be a whole number from 1 on'),
        (np.int64(-2), 0, 9, 'n=-2 must be a whole number from 0 to 9'),
        (2000, None, 1500, 'n=2000 must be a whole number up to 1,500'),
        (10**4000, 0, 9, 'must be a whole number from 0 to 9'),
    ],
)
def test_whole_names_the_range(value, low, high, says):
    with pytest.raises(ValueError) as e:
        whole(value, 'n', low, high)
    assert says in str(e.value) and len(str(e.value)) < 150


@pytest.mark.parametrize(
    'value',
    [
        0.5,
        np.float32(0.5),
        np.float64(0.5),
        torch.tensor(0.5),
        Fraction(1, 2),
        np.array(0.5),
        np.float16(0.5),
    ],
)
def test_number_takes_every_number(value):
    assert number(value, 'x', low=0.5, above=0, below=1) == 0.5
    assert type(number(value, 'x')) is float and number(np.int64(2), 'x') == 2.0


@pytest.mark.parametrize(
    'value',
    [
        '0.5',
        b'1',
        None,
        True,
        np.bool_(False),
        torch.tensor(True),
        1j,
        np.complex64(1),
        torch.tensor(1j),
        [1.0],
        torch.ones(2),
        10**400,
    ],
)
def test_number_refuses_all_else(value):
    with pytest.raises(TypeError, match=r'^x=.* must be a number; say how much$') as e:
        number(value, 'x', way='say how much')
    assert len(str(e.value)) < 150


@pytest.mark.parametrize(
    'value, limits, says',
    [
        (0, dict(above=0), 'x=0 must be above 0'),
        (1.5, dict(low=0, high=1), 'x=1.5 must be at least 0 and at most 1'),
        (1, dict(low=0, below=1), 'x=1 must be at least 0 and below 1'),
        (math.nan, {}, 'x=nan must be finite'),
        (np.float32(np.inf), dict(low=0), 'must be at least 0'),
    ],
)
def test_number_names_the_limits(value, limits, says):
    with pytest.raises(ValueError, match='must be') as e:
        number(value, 'x', **limits)
    assert says in str(e.value)


@pytest.mark.parametrize(
    'value, want',
    [
        (3, (3, 3)),
        (np.int64(3), (3, 3)),
        ((1, 2), (1, 2)),
        ([1, np.int8(2)], (1, 2)),
        ([4], (4, 4)),
        (torch.Size((1, 2)), (1, 2)),
        (np.array([1, 2]), (1, 2)),
        (torch.tensor([1, 2]), (1, 2)),
        (torch.tensor(3), (3, 3)),
        (np.array(3), (3, 3)),
    ],
)
def test_pair(value, want):
    assert pair(value, 'size', 1) == want and all(type(n) is int for n in pair(value, 'size'))


@pytest.mark.parametrize(
    'value, kind, says',
    [
        ((1, 2, 3), ValueError, 'size=(1, 2, 3) has 3 numbers; give one, or two, (height, width)'),
        ((), ValueError, 'size=() has 0 numbers'),
        (
            0,
            ValueError,
            'size=0 must be a whole number from 1 on; give one number for both axes, or two',
        ),
        ((3, 0), ValueError, 'size[1]=0 must be a whole number from 1 on'),
        ((1.5, 1), TypeError, 'size[0]=1.5 must be a whole number'),
        ((True, 1), TypeError, 'size[0]=True must be a whole number'),
        ('33', TypeError, "size='33' must be a whole number"),
        (torch.ones(2), TypeError, 'size[0]=1.0 must be a whole number'),
        (torch.ones(2, 2).int(), TypeError, 'size=Tensor of shape (2, 2) must be a whole number'),
    ],
)
def test_bad_pairs(value, kind, says):
    with pytest.raises(kind) as e:
        pair(value, 'size', 1)
    assert says in str(e.value)


def test_wholes_one_of_flag():
    assert wholes(3, 'n') == (3,) and wholes([1, 2, 3], 'n') == (1, 2, 3)
    assert one_of('avg', 'mode', ('max', 'avg')) == 'avg'
    for bad in ('mean', None, 1, ['max'], torch.ones(2)):
        with pytest.raises(ValueError, match="mode=.* is none of 'max', 'avg'"):
            one_of(bad, 'mode', ('max', 'avg'))
    assert [flag(v, 'b') for v in (True, np.bool_(False), 1, 0, torch.tensor(True))] == [
        1,
        0,
        1,
        0,
        1,
    ]
    for bad in ('no', None, 2, 0.5, torch.ones(2) > 0, []):
        with pytest.raises(TypeError, match='b=.* must be True or False'):
            flag(bad, 'b')


def test_a_guarded_function_stays_what_it_was():
    f = guarded(plain, n=at_least(1), size=pair_from(0), mode=among('a', 'b'), on=yes_or_no)
    assert f.__name__ == 'plain' and f.__doc__ == plain.__doc__ and f.__module__ == plain.__module__
    assert inspect.getsource(f) == inspect.getsource(plain)
    assert inspect.signature(f) == inspect.signature(plain)
    assert f(np.int64(2), 3, on=0) == (2, (3, 3), 'a', False) and f(n=1, size=[1, 2]) == (
        1,
        (1, 2),
        'a',
        True,
    )
    for args, kind, says in [
        ((0, 1), ValueError, 'n=0'),
        ((1, -1), ValueError, 'size=-1'),
        ((1, 1, 'c'), ValueError, "mode='c'"),
        ((1, 1, 'a', 'x'), TypeError, "on='x'"),
        ((1,), TypeError, "plain: missing a required argument: 'size'"),
    ]:
        with pytest.raises(kind, match=says):
            f(*args)


def plain(n, size, mode='a', on=True):
    "All four."
    return n, size, mode, on


def total(*values, scale=1, **more):
    return sum(values) * scale + sum(more.values())


def test_guarding_twice_guards_once():
    f = guarded(plain, n=at_least(1))
    again = guarded(f, n=at_least(5))
    assert again._bare is plain and again.__wrapped__ is plain
    with pytest.raises(ValueError, match='from 5 on'):
        again(4, 1)
    assert again(6, 1)[0] == 6 and f(1, 1)[0] == 1


def test_checks_together_come_last_and_may_change_values():
    def same(given):
        if given['n'] > given['size'][0]:
            raise ValueError('too many')
        given['mode'] = 'b'

    f = guarded(plain, same, n=at_least(1), size=pair_from(0))
    assert f(1, 2) == (1, (2, 2), 'b', True)
    with pytest.raises(ValueError, match='too many'):
        f(3, 2)


def test_starred_arguments_methods_and_pickles():
    f = guarded(total, scale=at_least(1))
    assert f(1, 2, scale=2, more=3) == 9 and f() == 0

    class Layer(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.size = size

    Layer.__init__ = guarded(Layer.__init__, size=pair_from(1))
    assert Layer(3).size == (3, 3) and Layer(size=(1, 2)).size == (1, 2)
    with pytest.raises(TypeError, match='Layer.__init__: missing a required argument'):
        Layer()

    class Wider(Layer):
        def __init__(self, size):
            super().__init__(size + 1)

    assert Wider(3).size == (4, 4)
    from d2lcnn.conv import Conv2D, corr2d

    assert pickle.loads(pickle.dumps(corr2d)) is corr2d
    layer = pickle.loads(pickle.dumps(Conv2D((1, 2))))
    assert layer.weight.shape == (1, 2)


@pytest.mark.parametrize(
    'value, forms, kind, says',
    [
        (3, ['(H, W)'], TypeError, 'X is a int, not a tensor; pass torch.as_tensor(X)'),
        (
            torch.ones(3),
            ['(H, W)'],
            ValueError,
            'X has 1 axis, shape (3,), not (H, W); add what is missing, such as X[None]',
        ),
        (
            torch.tensor(3),
            ['(H, W)'],
            ValueError,
            'X has 0 axes, shape (), not (H, W); add what is missing, such as X[None, None]',
        ),
        (torch.ones(2, 1, 3, 4), ['(H, W)'], ValueError, 'take one, such as X[0, 0]'),
        (
            torch.ones(2, 1, 3),
            ['(N, C)', '(N, C, H, W)'],
            ValueError,
            'not (N, C) or (N, C, H, W); add what is missing, such as X[None]',
        ),
    ],
)
def test_tensor(value, forms, kind, says):
    with pytest.raises(kind) as e:
        tensor(value, 'X', *forms)
    assert says in str(e.value)
    good = torch.ones((2,) * len(forms[0].split(',')))
    assert tensor(good, 'X', *forms) is good


def test_floats_and_alike():
    X = torch.ones(2)
    assert floats(X, 'X') is X and alike(X, 'X', torch.zeros(3), 'K') is X
    for kind in (torch.int64, torch.uint8, torch.bool):
        with pytest.raises(TypeError, match=r'X is torch.*use X.float\(\)'):
            floats(X.to(kind), 'X')


KINDS = (
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.complex64,
)


@pytest.mark.parametrize('a', KINDS, ids=str)
@pytest.mark.parametrize('b', KINDS, ids=str)
def test_the_type_that_is_advised_holds_both(a, b):
    X, K = torch.ones(2, dtype=a), torch.ones(3, dtype=b)
    if a == b:
        return
    with pytest.raises(TypeError) as e:
        alike(K, 'K', X, 'X')
    new = dict(X=X, K=K)
    for way in str(e.value).split('such as ')[1].split(' and '):
        new[way[0]] = eval(way, dict(X=X, K=K, torch=torch))
    X, K = new['X'], new['K']
    whole_numbers = not (a.is_floating_point or a.is_complex or b.is_floating_point or b.is_complex)
    assert X.dtype == K.dtype == (torch.int64 if whole_numbers else torch.promote_types(a, b))


@pytest.mark.parametrize(
    'n, k, p, d, says',
    [
        ((3, 4), (5, 5), None, None, 'kernel 5×5 is larger than the input 3×4; add padding ≥ 1 or'),
        (
            (3, 4),
            (5, 5),
            (0, 0),
            None,
            'kernel 5×5 is larger than the padded input 3×4; '
            'add padding ≥ 1 or use a smaller kernel',
        ),
        ((3, 9), (5, 12), (0, 1), None, '3×11; use padding of at least (1, 2) or'),
        (
            (9,),
            (3,),
            (0,),
            (5,),
            'kernel 3 with dilation 5 spans 11 and is larger than the padded input 9; '
            'add padding ≥ 1 or use a smaller kernel or dilation',
        ),
    ],
)
def test_fits(n, k, p, d, says):
    with pytest.raises(ValueError) as e:
        fits(n, k, p, d)
    assert says in str(e.value)
    fits(n, n, p), fits((9, 9), (3, 3), (0, 0), (4, 4))


def test_the_padding_that_is_advised_by_hand_is_least():
    for n, k in (((3, 4), (5, 5)), ((9, 3), (2, 8)), ((4, 2), (7, 2))):
        X = torch.ones(n)
        with pytest.raises(ValueError) as e:
            fits(n, k, tensor='X')
        sides = eval(str(e.value).split('F.pad(X, ')[1].split('), or')[0])
        padded = tuple(F.pad(X, sides).shape)
        fits(padded, k)
        for axis in (0, 1):
            if padded[axis] > n[axis]:
                less = tuple(a - 2 * (i == axis) for i, a in enumerate(padded))
                with pytest.raises(ValueError):
                    fits(less, k)


def test_groups_and_slices():
    groups_divide(2, 4, 6), groups_divide(1, 1, 1)
    with pytest.raises(
        ValueError,
        match='4 groups do not divide 4 input and 6 output channels; groups that do: 1, 2$',
    ):
        groups_divide(4, 4, 6)
    with pytest.raises(ValueError, match=r'that do: 1, 2, 3.*…$'):
        groups_divide(7, 2**6 * 3**3 * 5, 2**6 * 3**3 * 5)
    with pytest.raises(ValueError, match='0 input and 3 output channels'):
        groups_divide(1, 0, 3)
    slices_match(torch.ones(4, 3, 3), torch.ones(6, 2, 1, 1), 2)
    with pytest.raises(
        ValueError,
        match=r'3 channels but the kernel has slices for 2; give K the shape \(3, 1, 1\)',
    ):
        slices_match(torch.ones(3, 4, 4), torch.ones(2, 1, 1))


@pytest.mark.parametrize('kind', [torch.uint8, torch.int8, torch.int16, torch.int32], ids=str)
def test_sums_hold_just_where_torch_is_right(kind):
    "600 drawn products: refused where, and only where, PyTorch's own differs from that of int64"
    info, g, refused = torch.iinfo(kind), torch.Generator().manual_seed(0), 0
    for _ in range(150):
        top = int((info.max / 4) ** 0.5 * 1.4) + 1
        low = 0 if kind == torch.uint8 else -top
        X = torch.randint(low, top, (2, 4, 5), generator=g).to(kind)
        K = torch.randint(low, top, (3, 2, 1, 2), generator=g).to(kind)
        right = torch.equal(F.conv2d(X[None], K).long(), F.conv2d(X[None].long(), K.long()))
        if right:
            sums_hold(X, K)
            continue
        refused += 1
        with pytest.raises(ValueError, match='holds only'):
            sums_hold(X, K)
    assert 5 < refused < 150
    bias = torch.tensor([info.max], dtype=kind)
    one = torch.ones(1, 1, 1, 1, dtype=kind)
    sums_hold(one[0], one)
    sums_hold(one[0], one, bias=torch.tensor([info.max], dtype=torch.int64))
    with pytest.raises(ValueError, match='holds only'):
        sums_hold(one[0], one, bias=bias)


def test_image_kernel_and_window():
    X, K = torch.ones(3, 4), torch.ones(2, 3)
    assert image(X, 'X', {}) is X and kernel_for('X')(K, 'K', dict(X=X)) is K
    assert window_in('X')(2, 'size', dict(X=X)) == (2, 2)
    for size, says in (
        (4, 'larger than the input 3×4'),
        ((2, 5), 'at least (0, 1)'),
        (0, 'from 1 on'),
    ):
        with pytest.raises(ValueError) as e:
            window_in('X')(size, 'size', dict(X=X))
        assert says in str(e.value)
    four = kernel_for('X', '(c_o, c_i, k_h, k_w)', groups='groups')
    given = dict(X=torch.ones(4, 5, 6), groups=2)
    assert four(torch.ones(6, 2, 3, 3), 'K', given).shape == (6, 2, 3, 3)
    with pytest.raises(
        ValueError, match='4 channels, 2 in each of 2 groups, but the kernel has slices for 4'
    ):
        four(torch.ones(6, 4, 3, 3), 'K', given)
