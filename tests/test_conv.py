"Chapter 01 against PyTorch, on drawn, lopsided cases."

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from d2lcnn.conv import Conv2D, corr2d, im2col, input_gradient, rf_sizes

DTYPES = {
    torch.float32: (1e-4, 1e-4),
    torch.float64: (1e-10, 1e-10),
    torch.int64: (0, 0),
    torch.int32: (0, 0),
    torch.float16: (2e-2, 2e-2),
    torch.bfloat16: (1e-1, 1e-1),
    torch.complex64: (1e-4, 1e-4),
}
DEVICES = (
    ['cpu'] + ['cuda'] * torch.cuda.is_available() + ['mps'] * torch.backends.mps.is_available()
)


def draw(seed, dtype=torch.float32, device='cpu'):
    "An image and a kernel that fits, lopsided more often than not, down to 1×1, up to the image"
    g = torch.Generator().manual_seed(seed)

    def n(lo, hi):
        return torch.randint(lo, hi + 1, (), generator=g).item()

    H, W = n(1, 9), n(1, 12)
    h, w = n(1, H), n(1, W)
    if dtype in (torch.int64, torch.int32):
        X, K = (
            torch.randint(-9, 10, (H, W), generator=g),
            torch.randint(-9, 10, (h, w), generator=g),
        )
    else:
        X, K = torch.randn(H, W, generator=g), torch.randn(h, w, generator=g)
    X, K = X.to(device, dtype), K.to(device, dtype)
    if seed % 5 == 0:
        X = X.T.contiguous().T  # memory laid out by columns
    return X, K


def conv2d(X, K):
    return F.conv2d(X[None, None], K[None, None])[0, 0]


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', DTYPES, ids=lambda d: str(d)[6:])
def test_corr2d_equals_conv2d(dtype, device):
    "700 drawn cases on the CPU, 100 a dtype, shape, dtype, device and values"
    rtol, atol = DTYPES[dtype]
    for seed in range(100):
        X, K = draw(seed, dtype, device)
        try:
            want = conv2d(X, K)
        except (RuntimeError, TypeError):
            pytest.skip(f'PyTorch has no conv2d for {dtype} on {device}')
        before = X.clone(), K.clone()
        got = corr2d(X, K)
        torch.testing.assert_close(
            got,
            want,
            rtol=rtol,
            atol=atol,
            msg=lambda m: f'seed {seed}, X {tuple(X.shape)}, K {tuple(K.shape)}: {m}',
        )
        assert (
            got.shape == (X.shape[0] - K.shape[0] + 1, X.shape[1] - K.shape[1] + 1)
            and got.dtype == dtype
        )
        assert torch.equal(X, before[0]) and torch.equal(K, before[1])


def test_gradients_equal_conv2d():
    for seed in range(100):
        X, K = (t.requires_grad_() for t in draw(seed, torch.float64))
        Y, want = corr2d(X, K), conv2d(X, K)
        G = torch.randn(Y.shape, dtype=Y.dtype, generator=torch.Generator().manual_seed(seed))
        torch.testing.assert_close(
            torch.autograd.grad(Y, (X, K), G), torch.autograd.grad(want, (X, K), G)
        )
    X, K = (
        torch.randn(4, 5, dtype=torch.float64, requires_grad=True),
        torch.randn(2, 3, dtype=torch.float64, requires_grad=True),
    )
    assert torch.autograd.gradcheck(corr2d, (X, K)) and torch.autograd.gradgradcheck(corr2d, (X, K))


def test_im2col_equals_unfold():
    for seed in range(500):
        X, K = draw(seed, torch.float64)
        rows = im2col(X, tuple(K.shape))
        torch.testing.assert_close(rows, F.unfold(X[None, None], K.shape)[0].T)
        torch.testing.assert_close(rows @ K.flatten(), corr2d(X, K).flatten())


def test_layer_equals_nn_conv2d():
    for seed in range(50):
        X, K = draw(seed)
        ours, theirs = Conv2D(tuple(K.shape)), nn.Conv2d(1, 1, tuple(K.shape))
        with torch.no_grad():
            (
                ours.weight.copy_(K),
                ours.bias.fill_(0.3),
                theirs.weight.copy_(K[None, None]),
                theirs.bias.fill_(0.3),
            )
        torch.testing.assert_close(ours(X), theirs(X[None, None])[0, 0])
    assert {n: tuple(p.shape) for n, p in Conv2D(3).named_parameters()} == {
        'weight': (3, 3),
        'bias': (1,),
    }
    layer = Conv2D((2, 3))
    layer(torch.randn(5, 7)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in layer.parameters())


def test_worked_numbers():
    X, K = torch.arange(9.0).view(3, 3), torch.arange(4.0).view(2, 2)
    assert corr2d(X, K).tolist() == [[19, 25], [37, 43]]
    assert corr2d(corr2d(X, K), K).tolist() == [[228]]


f = torch.rand
BAD = [
    (f(3, 4), f(5, 5), ValueError, ['kernel 5×5', 'input 3×4', 'padding ≥ 1', 'smaller kernel']),
    (f(3, 9), f(4, 2), ValueError, ['kernel 4×2', 'input 3×9', 'at least (1, 0)', '(0, 0, 1, 1)']),
    (f(9, 3), f(2, 8), ValueError, ['kernel 2×8', 'input 9×3', 'at least (0, 3)', '(3, 3, 0, 0)']),
    (f(2, 1, 6, 8), f(3, 3), ValueError, ['X has 4 axes', '(2, 1, 6, 8)', 'X[0, 0]']),
    (f(6, 8), f(1, 3, 3), ValueError, ['K has 3 axes', '(1, 3, 3)', 'K[0]']),
    (f(6), f(3, 3), ValueError, ['X has 1 axis', 'X[None]']),
    (torch.tensor(1.0), f(3, 3), ValueError, ['X has 0 axes', 'X[None, None]']),
    ([[1.0, 2]], f(1, 2), TypeError, ['X is a list', 'torch.as_tensor']),
    (f(6, 8).numpy(), f(1, 2), TypeError, ['X is a ndarray', 'torch.as_tensor']),
    (f(6, 8), None, TypeError, ['K is a NoneType']),
    (f(6, 8), f(1, 2).double(), TypeError, ['float32', 'float64', 'X.to(K.dtype)']),
    (f(6, 8).double(), f(1, 2), TypeError, ['float64', 'float32', 'K.to(X.dtype)']),
    (f(6, 8), torch.tensor([[1, -1]]), TypeError, ['float32', 'int64', 'K.to(X.dtype)']),
    (
        torch.ones(6, 8, dtype=torch.int64),
        f(1, 2),
        TypeError,
        ['int64', 'float32', 'X.to(K.dtype)'],
    ),
    (f(6, 8) > 0.5, f(1, 2) > 0.5, TypeError, ['torch.bool', 'X.float()']),
    (f(6, 8), torch.empty(1, 2, device='meta'), ValueError, ['cpu', 'meta', 'K.to(X.device)']),
    (f(6, 8), f(0, 2), ValueError, ['kernel 0×2', '1×1']),
    (f(0, 8), f(1, 1), ValueError, ['input 0×8']),
]


@pytest.mark.parametrize(
    'X, K, kind, words', BAD, ids=lambda v: str(tuple(v.shape)) if hasattr(v, 'shape') else ''
)
def test_bad_input_gets_the_numbers_and_the_way_out(X, K, kind, words):
    with pytest.raises(kind) as e:
        corr2d(X, K)
    assert all(w in str(e.value) for w in words), str(e.value)


def test_the_ways_out_work():
    X, K = f(9, 3), f(2, 8)
    with pytest.raises(ValueError) as e:
        corr2d(X, K)
    padded = eval(re.search(r'F\.pad\(.*\)\)', str(e.value))[0], {'F': F, 'X': X})
    assert padded.shape == (9, 9)
    torch.testing.assert_close(corr2d(padded, K), conv2d(padded, K))
    X, K = torch.ones(6, 8, dtype=torch.int64), f(1, 2)
    corr2d(X.to(K.dtype), K)


@pytest.mark.parametrize(
    'size, kind',
    [
        ((0, 2), ValueError),
        (-1, ValueError),
        ((1, 2, 3), ValueError),
        ((), ValueError),
        (2.5, TypeError),
        ('3', TypeError),
        (None, TypeError),
    ],
)
def test_bad_kernel_size(size, kind):
    with pytest.raises(kind, match='kernel_size'):
        Conv2D(size)
    with pytest.raises(kind, match='kernel_size'):
        im2col(f(6, 8), size)


def test_im2col_checks_its_picture():
    with pytest.raises(ValueError, match='larger than the input 3×4'):
        im2col(f(3, 4), 5)
    with pytest.raises(ValueError, match='4 axes'):
        im2col(f(1, 1, 3, 4), 2)


def test_rf_sizes_equal_the_measured_ones():
    "100 drawn stacks: the arithmetic, and the extent of the gradient on a net with these layers"
    g = torch.Generator().manual_seed(0)

    def n(lo, hi):
        return torch.randint(lo, hi + 1, (), generator=g).item()

    for _ in range(100):
        layers = [
            (k, n(1, k)) for k in (n(1, 4) for _ in range(n(1, 4)))
        ]  # stride ≤ kernel: no pixel is skipped
        r = rf_sizes(layers)[-1]
        net = nn.Sequential(
            *[nn.Conv2d(1, 1, k, s, bias=False, dtype=torch.float64) for k, s in layers]
        )
        for p in net.parameters():
            nn.init.uniform_(p, 0.5, 1, generator=g)
        grad = input_gradient(net, torch.zeros(1, 1, r, r, dtype=torch.float64))
        assert net(torch.zeros(1, 1, r, r, dtype=torch.float64)).shape == (1, 1, 1, 1)
        assert (grad != 0).all(), layers  # an input of just r×r: one output, every pixel counts
        wide = input_gradient(net, torch.zeros(1, 1, r + 40, r + 41, dtype=torch.float64))[0, 0]
        assert ((wide != 0).any(1).sum(), (wide != 0).any(0).sum()) == (r, r), layers
    assert rf_sizes([]) == []


def test_input_gradient_leaves_the_net_alone():
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 1, 3)).eval()
    X = torch.randn(2, 2, 9, 8)
    G = input_gradient(net, X)
    assert G.shape == X.shape and not X.requires_grad and not net.training
    assert all(p.grad is None for p in net.parameters())
    with pytest.raises(ValueError, match='cut the net'):
        input_gradient(nn.Sequential(net, nn.Flatten()), X)


BYTES = torch.tensor([[10, 30, 200]], dtype=torch.uint8)
WRAPS = [  # image, kernel, the right value
    (BYTES, torch.tensor([[1, -1]]), [[-20, -170]]),
    (BYTES, torch.tensor([[2, 1]], dtype=torch.uint8), [[50, 260]]),
    (BYTES, torch.tensor([[-1, 1]], dtype=torch.int8), [[20, 170]]),
    (torch.tensor([[-100], [90]], dtype=torch.int8), torch.tensor([[1], [-1]]).char(), [[-190]]),
    (
        torch.tensor([[70_000, 3]], dtype=torch.int32),
        torch.tensor([[70_000, -1]]).int(),
        [[4_899_999_997]],
    ),
    (torch.tensor([[2, 3]]), torch.tensor([[1 + 2j, 1j]]), [[2 + 7j]]),
]


@pytest.mark.parametrize('X, K, want', WRAPS)
def test_the_way_out_of_a_small_type_gives_the_right_value(X, K, want):
    with pytest.raises((TypeError, ValueError)) as e:
        corr2d(X, K)
    ways = re.findall(r'([XK])(\.(?:to\([\w.]+\)|\w+\(\)))', str(e.value))
    new = dict(X=X, K=K)
    for name, way in ways:
        new[name] = eval(name + way, dict(X=X, K=K, torch=torch))
    assert ways and corr2d(**new).tolist() == want, str(e.value)


def test_small_types_work_where_the_sums_fit():
    Y = corr2d(BYTES, torch.tensor([[1, 1]], dtype=torch.uint8))
    assert Y.dtype == torch.uint8 and Y.tolist() == [[40, 230]]


def test_whole_numbers_of_numpy_and_torch_are_sizes():
    for size in (
        np.int64(2),
        torch.tensor(2),
        [2, 2],
        (2, np.int8(2)),
        np.array([2, 2]),
        torch.Size((2, 2)),
    ):
        assert Conv2D(size).weight.shape == (2, 2)
        assert torch.equal(im2col(f(3, 4) * 0 + 1, size), torch.ones(6, 4))
    assert rf_sizes([(np.int64(3), np.int8(2)), torch.tensor([3, 1])]) == [3, 7]
    assert (
        rf_sizes(np.array([[3, 1], [3, 2], [3, 1]]))
        == rf_sizes(zip((3, 3, 3), (1, 2, 1)))
        == [3, 5, 9]
    )


@pytest.mark.parametrize(
    'layers, kind, words',
    [
        ([(3, 0)], ValueError, ['layers[0][1]=0', 'from 1 on']),
        ([(3, 1), (0, 1)], ValueError, ['layers[1][0]=0']),
        ([(3, -2)], ValueError, ['layers[0][1]=-2']),
        ([(3, 1.0)], TypeError, ['layers[0][1]=1.0', '(kernel_size, stride)']),
        ([(True, 1)], TypeError, ['layers[0][0]=True']),
        ([(3, 1, 1)], ValueError, ['layers[0]=(3, 1, 1)', 'two numbers']),
        ([3], ValueError, ['layers[0]=(3,)', 'two numbers']),
        (3, TypeError, ['[(3, 1), (3, 2)]']),
        ('33', TypeError, ['layers[0]', '[(3, 1), (3, 2)]']),
    ],
)
def test_bad_layers(layers, kind, words):
    with pytest.raises(kind) as e:
        rf_sizes(layers)
    assert all(w in str(e.value) for w in words), str(e.value)


@pytest.mark.parametrize(
    'net, X, kind, words',
    [
        (nn.Conv2d(2, 1, 3), f(1, 3, 8, 9), ValueError, ['(1, 3, 8, 9)', '2 channels']),
        (nn.Conv2d(1, 1, 3), f(1, 1, 2, 9), ValueError, ['(1, 1, 2, 9)', 'Kernel size']),
        (nn.Conv2d(1, 1, 3), f(8, 9), ValueError, ['X has 2 axes', 'X[None]']),
        (nn.Conv2d(1, 1, 3), torch.ones(1, 1, 8, 9).byte(), TypeError, ['uint8', 'X.float()']),
        (nn.Conv2d(1, 1, 3), [[1.0]], TypeError, ['X is a list']),
        (nn.Conv2d(1, 1, 3), f(0, 1, 8, 9), ValueError, ['X is empty']),
        (lambda X: X.detach(), f(1, 1, 8, 9), ValueError, ['does not depend on X', 'detach']),
        (lambda X: (X, X), f(1, 1, 8, 9), TypeError, ['net(X) is a tuple']),
        (lambda X: X[..., :0], f(1, 1, 8, 9), ValueError, ['net(X) is empty']),
        ('lenet', f(1, 1, 8, 9), TypeError, ['net is a str']),
    ],
)
def test_bad_input_of_input_gradient(net, X, kind, words):
    with pytest.raises(kind) as e:
        input_gradient(net, X)
    assert all(w in str(e.value) for w in words), str(e.value)
