"""The public names, module by module: what their arguments are, and what their answers must be.

`EXCEPT` lists what is not drawn, each with its reason; tests/test_draw_inputs.py fails for any other name."""

import copy
import math
import statistics
import types

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from drawers import (
    DEVICE, DRAWERS, NET, UNKNOWN, WEIGHTS, Draw, Kind, _parts, _small_net, always, among, anything, arguments, close,
    draws, fixed, flag, is_net, is_number, is_whole, made, maps, modules, of, optional, pair, real, text, whole,
)

import d2lcnn
from d2lcnn import data as data_module

modules()  # all of them, as attributes of the package

# ------------------------------------------------------------------ 01 to 04: equal to PyTorch

image = maps(('H', 'W'), floats=False)


def window(*front, least=1):
    "A kernel that fits into X."
    def good(r, g):
        X = g['X']
        sizes = [c if isinstance(c, int) else c(r, g) for c in front]
        h, w = (r.randint(least, min(3, n)) for n in X.shape[-2:])
        return torch.randn(*sizes, h, w).to(X.dtype)

    base = maps((*front, 'h', 'w') if False else (*'a' * len(front), 'h', 'w'), floats=False)
    return Kind(good, base.fits, base.near)


def exact(v):
    return v.double() if v.dtype in (torch.float16, torch.bfloat16) else v


def like(answer, want, tol=None):
    tol = tol or (dict(rtol=2e-2, atol=2e-2) if answer.dtype in (torch.float16, torch.bfloat16) else {})
    close(answer.detach().to(want.dtype), want.detach(), **tol)


def conv(X, K, bias=None, groups=1):
    wide = X.dtype if X.is_floating_point() or X.is_complex() else torch.int64
    wide = torch.float32 if wide in (torch.float16, torch.bfloat16) else wide
    bias = None if bias is None else bias.to(wide)
    return F.conv2d(X.to(wide)[None], K.to(wide), bias, groups=groups)[0]


draws('conv.corr2d', lambda Y, X, K: like(Y, conv(X[None], K[None, None])[0]), 6, X=image, K=window())
draws('conv.im2col', lambda Y, X, kernel_size: like(Y, F.unfold(
    X.double()[None, None], tuple(_parts(kernel_size) * (3 - len(_parts(kernel_size)))))[0].T), 3,
    X=image, kernel_size=pair(1, lambda r, g: r.choice((1, 2, (1, 2), [2, 1]))))


def _rf(layers):
    r, jump, sizes = 1, 1, []
    for k, s in layers:
        r, jump = r + (int(k) - 1) * jump, jump * int(s)
        sizes.append(r)
    return sizes


def _stack(v):
    return all(len(_parts(p)) == 2 and all(is_whole(n, 1) for n in _parts(p)) for p in list(v))


def same(answer, want):
    return None if answer == want else f'{answer!r:.80} in place of {want!r:.80}'


stack = Kind(lambda r, g: [(r.randint(1, 5), r.randint(1, 3)) for _ in range(r.randint(0, 4))], _stack,
             ([(3, 0)], [(3, -1)], [(0, 1)], [(3,)], [(3, 1, 1)], [3, 1], [(True, 1)], 'ab', [('3', '1')], (3, 1),
              [(3.0, 1)], [(10**9, 10**9)] * 5, {'a': 1}, [np.array([3, 1])], torch.ones(2, 2), [[3, 2]], None))
draws('conv.rf_sizes', lambda a, layers: same(list(map(int, a)), _rf(layers)), 4, layers=stack)

conv_net = Kind(lambda r, g: nn.Conv2d(g_channels(g), 2, 1) if 'X' in g else nn.Conv2d(1, 2, 1), callable,
                (nn.Flatten(), lambda r: nn.Linear(3, 2), lambda r: (lambda X: X.detach()), lambda r: (lambda X: X.argmax(1)),
                 lambda r: (lambda X: (X, X)), lambda r: nn.Conv2d(1, 2, 9), lambda r: (lambda X: X[:, :, :0])))


def g_channels(g):
    return g['X'].shape[-3]


images = maps(('N', 'C', 'H', 'W'))
draws('conv.input_gradient', lambda a, net, X: None if a.shape == X.shape else 'another shape', 4,
      then=None, net=made(lambda: nn.Conv2d(1, 2, 2), *conv_net.near, fits=callable),
      X=maps(('N', 1, 'H', 'W'), (1, 'H', 'W'), kinds=(torch.float32,)))
draws('conv.Conv2D', None, 2, then=lambda r, layer, g: layer(torch.randn(8, 9)), kernel_size=pair())


def apply(name, make, kind, want=None, times=3):
    "Draw what goes into a layer or a network; `make` gives it, anew each time."
    def drawer(r):
        given, refuse = arguments(r, dict(X=kind), {'X'})
        layer = make(r)
        check = None if want is None else lambda answer: _checked(want, layer, answer, given['X'])
        return Draw(lambda: layer(given['X']), given, refuse, check)

    DRAWERS[name], WEIGHTS[name] = drawer, times


def _checked(want, layer, answer, X):
    try:
        return want(layer, answer, X)
    except AssertionError as e:
        return f'not what is right: {e}'[:300]
    except Exception:
        return None


def _logits(net, Y, X):
    return None if Y.shape == (len(X), 10) else f'shape {tuple(Y.shape)}'


apply('conv.Conv2D()', lambda r: d2lcnn.conv.Conv2D((2, 2)), maps(('H', 'W'), low=3, kinds=(torch.float32,)),
      lambda layer, Y, X: like(Y, conv(X[None], layer.weight[None, None])[0] + layer.bias))

one_axis = dict(
    n=whole(1, good=lambda r, g: r.randint(5, 9)), k=whole(1, good=lambda r, g: r.randint(1, 4)),
    s=whole(1), p=whole(0), d=whole(1, good=lambda r, g: 1),
)
_axes = (1, 2, 3)
settings = dict(
    n=pair(1, lambda r, g: r.choice((7, 9, (7, 8), [9, 9])), _axes), k=pair(1, lambda r, g: r.choice((1, 3, (2, 3))), _axes),
    s=pair(1, length=_axes), p=pair(0, length=_axes), d=pair(1, lambda r, g: r.choice((1, 2)), _axes),
)


def _out(a, n, k, s=1, p=0, d=1):
    several = any(isinstance(v, (tuple, list)) or getattr(v, 'ndim', 0) == 1 for v in (n, k, s, p, d))
    m = max(len(_parts(v)) for v in (n, k, s, p, d))
    n, k, s, p, d = ([int(x) for x in _parts(v)] * (m if len(_parts(v)) == 1 else 1) for v in (n, k, s, p, d))
    want = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(n, k, s, p, d))
    if min(want) < 1:
        return f'{a} where no window fits'
    return same(a, want if several else want[0])


draws('padding_stride.conv_out', _out, 6, **settings)
draws('padding_stride.windows', lambda a, n, k, s=1, p=0, d=1: _out(len(a), *(
    int(_parts(v)[0]) for v in (n, k, s, p, d))), 3, **{k: pair(0 if k == 'p' else 1, v.good, (1,)) for k, v in one_axis.items()})
draws('padding_stride.draw_windows', lambda a, **_: None if a.startswith('<svg') else 'no SVG',
      **{k: pair(0 if k == 'p' else 1, v.good, (1,)) for k, v in one_axis.items()})


def _use(a, n, k, s=1, p=0, d=1):
    n, k, s, p, d = ([int(x) for x in _parts(v)] for v in (n, k, s, p, d))
    n, k, s, p, d = (v * 2 if len(v) == 1 else v for v in (n, k, s, p, d))
    X = torch.ones(1, 1, *n, dtype=torch.float64, requires_grad=True)
    F.conv2d(X, torch.ones(1, 1, *k, dtype=torch.float64), None, s, p, d).sum().backward()
    close(a.double(), X.grad[0, 0])


draws('padding_stride.pixel_use', _use, 3, **{k: pair(0 if k == 'p' else 1, v.good, (1, 2)) for k, v in settings.items()})

channels_in = maps(('C', 'H', 'W'), floats=False)


def c_i(r, g):
    return g['X'].shape[0]


def two(r, g):
    return r.randint(1, 3)


draws('channels.corr2d_multi_in', lambda Y, X, K: like(Y, conv(X, K[None])[0]), 4, X=channels_in, K=window(c_i))
draws('channels.corr2d_multi_in_out', lambda Y, X, K, bias=None: like(Y, conv(X, K, bias)), 6, X=channels_in,
      K=window(two, c_i), bias=optional(Kind(lambda r, g: torch.randn(len(g['K'])).to(g['X'].dtype), None,
                                             (1, [1.0], torch.ones(1), torch.ones(2, 2)))))
draws('channels.corr2d_1x1', lambda Y, X, K: like(Y, conv(X, K)), 3, X=channels_in, K=Kind(
    lambda r, g: torch.randn(2, c_i(r, g), 1, 1).to(g['X'].dtype), window(two, c_i).fits,
    (lambda r: torch.ones(2, 3, 1, 1), lambda r: torch.ones(2, 2), lambda r: torch.ones(2, 3, 2, 2))))
draws('channels.corr2d_grouped', lambda Y, X, K, groups: like(Y, conv(X, K, groups=int(groups))), 3,
      X=maps((4, 'H', 'W'), floats=False), K=Kind(lambda r, g: torch.randn(4, 2, 2, 2).to(g['X'].dtype), window(two, c_i).fits,
                                                  (lambda r: torch.ones(4, 4, 2, 2), lambda r: torch.ones(3, 2, 2, 2))),
      groups=whole(1, good=lambda r, g: 2))

layer_sizes = dict(in_channels=whole(1, good=lambda r, g: r.choice((4, 8))), out_channels=whole(1, good=lambda r, g: 4),
                   kernel_size=pair(), groups=whole(1, good=lambda r, g: r.choice((1, 2, 4))))


def _params(a, in_channels, out_channels, kernel_size, groups=1, bias=True):
    i, o, g = int(in_channels), int(out_channels), int(groups)
    if i % g or o % g:
        return f'{a} for {g} groups'
    k = [int(n) for n in _parts(kernel_size)] * (3 - len(_parts(kernel_size)))
    return same(int(a), o * (i // g * math.prod(k) + bool(bias)))


def _macs(a, in_channels, out_channels, kernel_size, out_size, groups=1):
    side = [int(n) for n in _parts(out_size)] * (3 - len(_parts(out_size)))
    i, o, g = int(in_channels), int(out_channels), int(groups)
    k = [int(n) for n in _parts(kernel_size)] * (3 - len(_parts(kernel_size)))
    return f'{a} for {g} groups' if i % g or o % g else same(int(a), o * i // g * math.prod(k) * math.prod(side))


draws('channels.conv_params', _params, 5, **layer_sizes, bias=flag())
draws('channels.conv_macs', _macs, 5, **layer_sizes, out_size=pair())


def _run(shape):
    def then(r, net, given):
        return net(torch.randn(shape(given) if callable(shape) else shape))
    return then


draws('channels.depthwise_separable', then=_run(lambda g: (2, int(g['in_channels']), 12, 12)),
      in_channels=whole(1), out_channels=whole(1), kernel_size=pair(), padding=Kind(
          lambda r, g: r.choice((0, 1, 'valid')), lambda v: v in ('same', 'valid') if isinstance(v, str) else pair(0).fits(v),
          ('same', 'full', -1)), stride=pair(good=lambda r, g: 1))


def _pool(Y, X, pool_size, mode='max', padding=0, stride=None):
    def sizes(v):
        v = [int(n) for n in _parts(v)]
        return v * 2 if len(v) == 1 else v
    k, p = sizes(pool_size), sizes(padding)
    s = k if stride is None or isinstance(stride, (tuple, list)) and not stride else sizes(stride)
    X = X.reshape((1,) * (4 - X.ndim) + X.shape).double()
    want = F.max_pool2d(X, k, s, p) if mode == 'max' else F.avg_pool2d(X, k, s, p)
    like(Y.double(), want.reshape(Y.shape), dict(rtol=1e-2, atol=1e-2))


draws('pooling.pool2d', _pool, 6, X=maps(('H', 'W'), ('C', 'H', 'W'), ('N', 'C', 'H', 'W'), floats=False), pool_size=pair(
    good=lambda r, g: r.choice((1, 2, (2, 1), (1, 2)))), mode=among('max', 'avg'), padding=pair(0, lambda r, g: 0),
    stride=Kind(optional(pair()).good, lambda v: v is None or isinstance(v, (tuple, list)) and not v or pair().fits(v), pair().near))


def _kmax(Y, X, k, dim=-1):
    X, dim = X.double(), int(dim)
    want = X.topk(int(k), dim).values.sort(dim).values
    like(Y.double().sort(dim).values, want)


draws('pooling.kmax_pool', _kmax, 4, X=Kind(maps(('A',), ('A', 'B'), ('A', 'B', 'C'), floats=False).good, lambda v: isinstance(v, torch.Tensor), maps(('A', 'B')).near), k=whole(1, good=lambda r, g: r.choice((1, 2))),
      dim=whole(-5, 4, good=lambda r, g: -1))

# ------------------------------------------------------------------ part 0: equal to PyTorch


def _with_gradient():
    p = nn.Parameter(torch.ones(2))
    p.sum().backward()
    return p


def is_tensor(v):
    return isinstance(v, torch.Tensor)


def given_with(X, *shape):
    "A tensor of this shape and of the type of an argument before it; None stands for its number of columns."
    def good(r, g):
        return torch.randn([g[X].shape[-1] if n is None else n for n in shape]).to(g[X].dtype)
    return good


some_rows = maps(('N', 'D'))
any_floats = Kind(lambda r, g: torch.randn(r.choice(((), (3,), (2, 3), (0,), (2, 1, 2)))).to(r.choice((torch.float32, torch.float64))), lambda v: is_tensor(v) and v.is_floating_point(),
                  (3, None, [1.0], np.ones(3), torch.arange(3), torch.ones(2) > 0, torch.ones(2).half(), torch.ones(2).bfloat16(), torch.ones(2).cfloat(), torch.eye(2).to_sparse(), torch.tensor([math.nan, math.inf, -math.inf])))


def _all_in(r, batches, given):
    "The batches of an iterator, put together."
    return tuple(torch.cat(parts) for parts in zip(*batches))


def _same_rows(answer, X, y, **_):
    got, want = ([tuple(map(repr, row)) for row in zip(*(t.flatten(1).tolist() if t.ndim > 1 else t.tolist() for t in pair_))] for pair_ in (answer, (X, y)))
    return same(sorted(got), sorted(want))


draws('linear.synthetic_data', lambda a, w, num_examples, **_: same([tuple(t.shape) for t in a], [(int(num_examples), len(w)), (int(num_examples), 1)]), 2,
      w=of(torch.tensor([1.0, 2.0]), near=(None, 3, [1, 2], torch.ones(2, 2), torch.ones(0), torch.ones(2).double(), torch.ones(2).half(), torch.ones(2).to('meta'), torch.arange(2))), b=real(good=1.0), num_examples=whole(1), noise=real(0, good=0.1))
draws('linear.linreg', lambda Y, X, w, b: like(Y, F.linear(X, w.reshape(1, -1)).reshape(Y.shape) + b), 3, X=some_rows, w=Kind(
    lambda r, g: given_with('X', *r.choice(((None,), (None, 1))))(r, g), is_tensor, (None, torch.ones(3, 1), [1, 2], torch.ones(2, 2), torch.ones(2, 1).half())),
    b=Kind(lambda r, g: r.choice((1.5, 0, torch.tensor(2.0), torch.zeros(1).to(g['X'].dtype))), lambda v: is_number(v) or is_tensor(v) and v.numel() == 1, ('1', None, True, torch.ones(2), torch.ones(4, 1), [1.0], torch.ones(1).long(), math.nan)))
draws('linear.squared_loss', lambda Y, y_hat, y: like(Y, F.mse_loss(y_hat, y.reshape(y_hat.shape), reduction='none') / 2), 3, y_hat=Kind(maps((4, 1), (4,)).good, is_tensor, maps((4, 1)).near),
      y=Kind(lambda r, g: torch.randn(r.choice(((4,), (4, 1), (1, 4)))).to(g['y_hat'].dtype), is_tensor, (None, torch.ones(3), [1], torch.ones(4) > 0, torch.ones(4).long(), torch.ones(4, 4))))
draws('linear.data_iter', _same_rows, 2, then=_all_in, batch_size=whole(1), X=Kind(maps((4, 2), (4, 1, 3)).good, is_tensor, maps((4, 2)).near),
      y=Kind(lambda r, g: torch.randn(r.choice(((4,), (4, 1)))), is_tensor, (None, torch.ones(3), [1] * 4, torch.tensor(1.0), np.ones(4))))
draws('linear.sgd', then=lambda r, a, g: a, params=made(lambda: [_with_gradient()], None, 3, [], 'ab', {'a': 1}, [torch.ones(2)], [nn.Parameter(torch.ones(2))]), lr=real(above=0, good=0.1), batch_size=whole(1))
draws('linear.load_array', then=lambda r, a, g: len(list(a)), data_arrays=of((torch.ones(4, 2), torch.ones(4)), near=(None, 3, [], (torch.ones(4), torch.ones(3)), ('a', 'b'), torch.ones(4, 2))), batch_size=whole(1), is_train=flag())


def _sgd_step(r):
    "One step beside that of torch.optim.SGD."
    n, lr = r.randint(1, 5), r.choice((0.1, 1, np.float64(0.5)))
    a, b = (nn.Parameter(torch.arange(3.0)) for _ in range(2))
    for p in (a, b):
        (p**2).sum().backward()
    b.grad /= n

    def want(_):
        torch.optim.SGD([b], float(lr)).step()
        close(a, b)
        return None if not a.grad.any() else 'gradients are left'
    return Draw(lambda: d2lcnn.linear.sgd([a], lr, n), dict(params=[a], lr=lr, batch_size=n), False, lambda answer: _checked(lambda *_: want(answer), a, answer, None))


DRAWERS['linear.sgd()'], WEIGHTS['linear.sgd()'] = _sgd_step, 1


scores = Kind(maps(('C',), ('N', 'C'), ('N', 'L', 'C')).good, lambda v: is_tensor(v) and v.is_floating_point(), (*maps(('N', 'C')).near, torch.ones(3, 0), torch.tensor(1.0), torch.tensor([1e30, 0.0]), torch.tensor([-math.inf, 0.0])))
draws('softmax.softmax', lambda Y, Z: like(Y, F.softmax(Z, -1)), 3, Z=scores)
score_rows = Kind(maps(('N', 'C')).good, lambda v: is_tensor(v) and v.ndim == 2 and v.is_floating_point(), (*maps(('N', 'C')).near, torch.ones(0, 3), torch.ones(3, 0), torch.full((2, 3), 1e30)))
truth = Kind(lambda r, g: torch.tensor([r.randrange(g['Y_hat'].shape[1]) for _ in g['Y_hat']]).to(r.choice((torch.int64, torch.int32, torch.uint8))), is_tensor,
             (None, [0, 1], torch.ones(2), torch.zeros(2, 1).long(), torch.tensor([99, 0]), torch.tensor([-1, 0]), torch.zeros(3).bool(), np.arange(2), torch.tensor(1), torch.zeros(2).long().to('meta')))
draws('softmax.cross_entropy', lambda a, Y_hat, y, reduction='mean': like(a, F.cross_entropy(Y_hat, y.long(), reduction=reduction)), 4, Y_hat=score_rows, y=truth, reduction=among('mean', 'sum', 'none'))
draws('softmax.accuracy', lambda a, Y_hat, y: close(torch.tensor(a), (Y_hat.argmax(1) == y).float().mean()), 2, Y_hat=score_rows, y=truth)
linear_layer = Kind(lambda r, g: nn.Linear(g['first'].out_features if 'first' in g else 3, 4), lambda v: isinstance(v, nn.Linear),
                    (None, nn.ReLU(), nn.Linear, lambda r: nn.Linear(3, 4, bias=False), lambda r: nn.Linear(4, 4).double(), lambda r: nn.LazyLinear(4), lambda r: nn.Linear(4, 4, device='meta'), lambda r: nn.Linear(7, 4)))


def _collapsed(one, first, second):
    X = torch.randn(5, first.in_features, dtype=first.weight.dtype)
    close(one(X), second(first(X)), rtol=1e-4, atol=1e-4)


draws('mlp.collapse', _collapsed, 2, first=linear_layer, second=linear_layer)
draws('mlp.relu', lambda Y, x: like(Y, F.relu(x)), 2, x=any_floats)
draws('mlp.sigmoid', lambda Y, x: like(Y, torch.sigmoid(x), dict(rtol=1e-5, atol=1e-6)), 2, x=any_floats)
draws('mlp.tanh', lambda Y, x: like(Y, torch.tanh(x), dict(rtol=1e-5, atol=1e-6)), 2, x=any_floats)


def _dropped(Y, x, p=0.5):
    kept = x / (1 - float(p)) if float(p) < 1 else 0 * x
    close(Y.double(), torch.where(Y == 0, 0 * kept, kept).double(), rtol=1e-2, atol=1e-4)
    return None if Y.shape == x.shape else f'shape {tuple(Y.shape)}'


draws('mlp.dropout', _dropped, 2, x=any_floats, p=real(0, 1))
draws('mlp.mlp', lambda Y, num_classes=10, **_: same(tuple(Y.shape), (2, int(num_classes))), 3, then=lambda r, net, g: net(torch.randn(2, int(g.get('in_features', 784)))), in_features=whole(1), num_classes=whole(1),
      hidden=Kind(lambda r, g: r.choice(((), (3,), [4, 2], 5)), pair(length=range(9)).fits, (0, (3, 0), (3, 1.5), '33', None, True, (3, None), 10**9, (10**6, 10**6))),
      activation=of(nn.ReLU, nn.Tanh, near=(None, 'relu', 3, nn.ReLU(), F.relu, torch.relu, nn.Linear, int, dict, lambda r: (lambda: None))), dropout=real(0, 1))
draws('layers.init_normal', lambda a, module, std=0.01: None if not isinstance(module, nn.Linear) or module.bias is None or not module.bias.any() else 'biases are left',
      module=made(lambda: nn.Linear(3, 2), nn.ReLU(), nn.Linear, None, 'x', lambda r: nn.LazyLinear(2), lambda r: nn.Linear(3, 2, bias=False), fits=is_net), std=real(0))
draws('layers.init_constant', lambda a, module, value=0.5: close(module.weight, torch.full_like(module.weight, float(value))) if isinstance(module, nn.Linear) else None,
      module=made(lambda: nn.Linear(3, 2), nn.ReLU(), nn.Linear, None, 'x', lambda r: nn.LazyLinear(2), fits=is_net), value=real())
some_layers = Kind(lambda r, g: [nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)][:r.randint(0, 3)], lambda v: all(map(is_net, v)))
some_layers.bad = lambda r, g: [anything(r) for _ in range(r.randint(1, 3))]


def _in_a_row(net, layers):
    X = torch.randn(2, 3)
    close(net(X), nn.Sequential(*layers)(X))


draws('layers.MySequential', _in_a_row, layers=some_layers)
apply('layers.Centered()', lambda r: d2lcnn.layers.Centered(), some_rows, lambda layer, Y, X: like(Y, X - X.mean(1, keepdim=True)))
draws('layers.MyLinear', lambda a, in_features, out_features: same(tuple(a(torch.randn(2, int(in_features))).shape), (2, int(out_features))), in_features=whole(1), out_features=whole(1))
apply('layers.MyLinear()', lambda r: d2lcnn.layers.MyLinear(3, 2), maps(('N', 3), kinds=(torch.float32,)), lambda layer, Y, X: like(Y, F.linear(X, layer.weight, layer.bias)))
draws('layers.Scaled', lambda Y, scale: like(Y, scale.expand(2, -1)), then=lambda r, a, g: a(torch.ones(2, len(g['scale'])).to(g['scale'])), scale=of(torch.tensor([1.0, 2.0]), near=(None, 3, [1.0, 2.0], torch.ones(2, 2), torch.arange(2), torch.ones(2).double(), np.ones(2), torch.ones(2).to_sparse())))
apply('layers.Scaled()', lambda r: d2lcnn.layers.Scaled(torch.tensor([1.0, 2.0, 3.0])), maps(('N', 3), kinds=(torch.float32,)), lambda layer, Y, X: like(Y, X * layer.scale))
Opt = d2lcnn.optimizers
weight = Kind(lambda r, g: torch.randn(3, generator=torch.Generator().manual_seed(r.randrange(99))).to(g['w'].dtype if 'w' in g else r.choice((torch.float32, torch.float64))),
              lambda v: is_number(v) or is_tensor(v) and v.is_floating_point(), (3, None, '3', [1.0], torch.ones(2), torch.ones(3).half(), torch.ones(3).long(), torch.ones(3).to_sparse(), torch.ones(3).to('meta'), torch.ones(3).cfloat()))
_fade = real(0, below=1, good=0.8)


def rule_of(name, theirs, **kinds):
    "Draw a rule of an optimizer: after two steps its weight is that of PyTorch's."
    def then(r, w, g):
        rest = {k: v for k, v in g.items() if k not in ('w', 'state')}
        return getattr(Opt, name)(w, state=g['state'], **rest)

    def want(w2, w, g, state, lr, **settings):
        if max(map(float, (lr, *settings.values()))) > 1e30:
            return  # the numbers overflow, in another order than PyTorch's
        p = nn.Parameter(w.detach().clone())
        theirs_ = theirs(p, float(lr), **{k: float(v) for k, v in settings.items()})
        for _ in range(2):
            p.grad = g.clone()
            theirs_.step()
        close(w2, p.detach(), rtol=1e-3, atol=1e-4)

    draws(f'optimizers.{name}', want, 2, then=then, w=weight, g=weight, state=Kind(lambda r, g: {}, lambda v: isinstance(v, dict), (None, 3, [], ())), lr=real(above=0, good=0.1), **kinds)


O, _eps = torch.optim, real(0, good=1e-8)
rule_of('gradient_descent', lambda p, lr: O.SGD([p], lr))
rule_of('momentum', lambda p, lr, beta=0.9: O.SGD([p], lr, momentum=beta), beta=_fade)
rule_of('adagrad', lambda p, lr, eps=1e-10: O.Adagrad([p], lr, eps=eps), eps=_eps)
rule_of('rmsprop', lambda p, lr, beta=0.99, eps=1e-8: O.RMSprop([p], lr, beta, eps), beta=_fade, eps=_eps)
rule_of('adam', lambda p, lr, beta1=0.9, beta2=0.999, eps=1e-8: O.Adam([p], lr, (beta1, beta2), eps), beta1=_fade, beta2=_fade, eps=_eps)
rule_of('adamw', lambda p, lr, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.01: O.AdamW([p], lr, (beta1, beta2), eps, decay), beta1=_fade, beta2=_fade, eps=_eps, decay=real(0, good=0.1))
rules = of(Opt.gradient_descent, Opt.momentum, Opt.adam, near=(None, 'adam', 3, torch.optim.SGD([nn.Parameter(torch.ones(1))], 0.1)))


def _bowl(x, y):
    return x**2 / 4 + y**2


draws('optimizers.descend', lambda a, rule, height, start, lr, steps: same(tuple(a.shape), (int(steps) + 1, 2)), 2, rule=rules, height=of(_bowl, near=(None, 3, 'x')),
      start=of((2.0, 1.0), [1, 2], torch.ones(2), near=(3, None, (1,), (1, 2, 3), 'ab', (1, None), (math.nan, 1), torch.ones(3), torch.ones(2, 2))), lr=real(above=0, good=0.1), steps=whole(0))


draws('optimizers.Optimizer', then=lambda r, a, g: a.step() or a.zero_grad(), params=made(lambda: [_with_gradient()], None, 3, [], 'ab', torch.ones(2), nn.Linear(2, 3), [torch.ones(2)], [nn.Parameter(torch.ones(2)), 3], {'a': 1}),
      lr=real(above=0, good=0.1), rule=rules)

# ------------------------------------------------------------------ 05 to 12: networks

channels, classes = whole(1, good=lambda r, g: r.choice((1, 3))), whole(1, good=lambda r, g: r.choice((2, 10)))


def net_of(name, shape, times=1, /, **kinds):
    def want(Y, **given):
        n = int(given.get('num_classes', 10))
        return None if tuple(Y.shape) == (2, n) else f'logits of shape {tuple(Y.shape)}'

    def then(r, net, given):
        side = int(given.get('size', shape) or shape)
        if side > 300:
            return torch.empty(2, int(given.get('num_classes', 10)))
        with torch.no_grad():
            return net.eval()(torch.randn(2, int(given.get('in_channels', 1)), side, side))

    draws(name, want, times, then=then, **{'in_channels': channels, 'num_classes': classes, **kinds})


def side_from(low):
    return whole(low, good=lambda r, g: r.choice((low, low + 2)))


net_of('lenet.lenet', 28, 3, size=side_from(12))
net_of('lenet.lenet5', 32, 2, size=side_from(16))
net_of('alexnet.alexnet', 224, size=whole(63, good=lambda r, g: r.choice((67, 80))), padding=whole(0, good=lambda r, g: 1))
arch = Kind(lambda r, g: r.choice((((1, 4), (1, 8)), [(1, 4), [2, 8]])),
            lambda v: len(tuple(v)) > 0 and all(len(p) == 2 and is_whole(p[0], 1) and is_whole(p[1], 1) for p in tuple(v)),
            ((), ((1,),), ((0, 4),), ((1, 0),), ((1, 4.0),), 'ab', ((10**9, 4),), ((1, 10**9),), ((True, 4),), 3, None, ((1, 4),) * 40))
net_of('vgg.vgg', 28, 2, arch=arch, size=whole(4, good=lambda r, g: r.choice((8, 12))), hidden=whole(1, good=lambda r, g: 8),
       dropout=real(0, 1))
draws('vgg.vgg_block', then=_run(lambda g: (2, int(g['in_channels']), 8, 8)), num_convs=whole(1), in_channels=whole(1), out_channels=whole(1))
draws('vgg.narrow', lambda a, arch, by: same(a, tuple((int(n), max(1, int(c) // int(by))) for n, c in arch)), arch=arch, by=whole(1))
draws('nin.nin_block', then=_run(lambda g: (2, int(g['in_channels']), 12, 12)), in_channels=whole(1), out_channels=whole(1),
      kernel_size=pair(), stride=pair(), padding=pair(0))
net_of('nin.nin', 67)
draws('nin.he_start', net=NET)
net_of('googlenet.googlenet', 32, width=real(above=0, good=0.25), block=of(d2lcnn.googlenet.Inception, near=(None, 3, 'x')),
       conv=of(d2lcnn.googlenet.conv_relu, d2lcnn.googlenet.conv_bn, near=(None, 3, 'x', nn.Conv2d)))
draws('googlenet.conv_relu', then=_run(lambda g: (2, int(g['in_channels']), 12, 12)), in_channels=whole(1), out_channels=whole(1),
      kernel_size=Kind(lambda r, g: r.choice((1, 3, (1, 3))), lambda v: pair().fits(v) and all(n % 2 for n in _parts(v)), (2, (2, 3), 0, -1)),
      stride=pair())
two_channels = Kind(lambda r, g: (2, 3), lambda v: len(v) == 2 and all(is_whole(n, 1) for n in v), (3, (3,), (1, 0), 'ab', None))
_paths = dict(in_channels=whole(1), c1=whole(1), c2=two_channels, c3=two_channels, c4=whole(1),
              conv=of(d2lcnn.googlenet.conv_relu, near=(None, 3, 'x')))
for _name in ('Inception', 'Inception3x3', 'Inception7x1', 'Only3x3', 'NoSqueeze'):
    draws(f'googlenet.{_name}', then=_run(lambda g: (2, int(g['in_channels']), 8, 8)), **_paths)
draws('googlenet.inception_stage', lambda a, **_: None if len(a) in (2, 5) else 'no stage', in_channels=whole(1),
      number=among(3, 4, 5), block=of(d2lcnn.googlenet.Inception, near=(None, 3)), conv=_paths['conv'], width=real(above=0, good=0.25))
draws('googlenet.scaled', channels=Kind(lambda r, g: r.choice((8, (4, 8), ((4, (1, 2)), 3))), None, (0, -1, 'x', None, (1, 'a'))), width=real(above=0))
draws('googlenet.he', net=NET)
draws('googlenet.conv_bn', then=_run(lambda g: (2, int(g['in_channels']), 12, 12)), in_channels=whole(1), out_channels=whole(1),
      kernel_size=Kind(lambda r, g: 3, lambda v: pair().fits(v) and all(n % 2 for n in _parts(v)), (2, 0)), stride=pair())
draws('googlenet.path_out', lambda a, path: None if is_whole(a, 1) else f'{a!r}', path=NET)
draws('googlenet.WithHeads', net=made(lambda: d2lcnn.googlenet.googlenet(width=1 / 16), _small_net, None, 'googlenet', nn.Linear(2, 2)), num_classes=classes,
      weight=real(0, good=0.3))
bn_size = dict(num_features=whole(1), num_dims=among(2, 3, 4), eps=real(0, good=1e-5), momentum=real(0, 1, good=0.1))
draws('batch_norm.BatchNorm', None, 2, **bn_size)
vector = Kind(lambda r, g: torch.rand(g['X'].shape[1], dtype=g['X'].dtype) + 0.5, lambda v: isinstance(v, torch.Tensor) and v.ndim == 1,
              (None, 1, [1.0], torch.ones(1), torch.ones(2, 2), torch.ones(3).cfloat()))


def _bn(answer, X, gamma, beta, moving_mean, moving_var, eps=1e-5, momentum=0.1, training=True):
    if not is_number01(training):
        return f'training={training!r}'
    m, v = moving_mean.double().clone(), moving_var.double().clone()
    Y = F.batch_norm(X.double(), m, v, gamma.double(), beta.double(), bool(training), float(momentum), float(eps))
    tol = dict(rtol=5e-2, atol=5e-2) if X.dtype in (torch.float16, torch.bfloat16) else dict(rtol=1e-3, atol=1e-3)
    for got, right in zip(answer, (Y, m, v)):
        close(got.double(), right, **tol)


def is_number01(v):
    return isinstance(v, (bool, np.bool_)) or is_whole(v, 0, 1) or isinstance(v, torch.Tensor)


draws('batch_norm.batch_norm', _bn, 6, X=maps(('N', 'C'), ('N', 'C', 'L'), ('N', 'C', 'H', 'W')), gamma=vector, beta=vector, moving_mean=vector,
      moving_var=vector, eps=real(0, good=1e-5), momentum=real(0, 1, good=0.1), training=flag())
apply('batch_norm.BatchNorm()', lambda r: d2lcnn.batch_norm.BatchNorm(3, 4), maps(('N', 3, 'H', 'W'), kinds=(torch.float32,)),
      lambda layer, Y, X: like(Y, nn.BatchNorm2d(3)(X), dict(rtol=1e-3, atol=1e-3)), 3)
net_of('batch_norm.lenet_bn', 28, size=side_from(16), norm=of(d2lcnn.batch_norm.BatchNorm, near=(None, nn.BatchNorm2d, nn.ReLU, 3, lambda r: (lambda a, b: None))))
batches = Kind(lambda r, g: [(torch.randn(4, 1, 8, 8), torch.arange(4)) for _ in range(2)], None,
               (None, 3, [], [1], [(torch.ones(4, 1, 8, 8),)], [torch.ones(4, 1, 8, 8)], [(torch.ones(4, 1, 8, 8).long(), torch.arange(4))],
                [(torch.ones(4, 3, 8, 8), torch.arange(4))], [(torch.ones(0, 1, 8, 8), torch.arange(0))], [('a', 'b')],
                [(torch.full((4, 1, 8, 8), math.nan), torch.arange(4))], [(torch.ones(4, 1, 8, 8), torch.arange(3))],
                [(np.ones((4, 1, 8, 8)), np.arange(4))], [(torch.ones(4, 1, 8, 8).double(), torch.arange(4))], 'batches',
                torch.ones(4, 1, 8, 8), (torch.ones(4, 1, 8, 8), torch.arange(4)), [(torch.ones(4, 1, 7, 7), torch.arange(4))]))
draws('batch_norm.with_fresh_averages', net=made(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(72, 10)),
                                                 None, nn.ReLU(), 'x', fits=is_net), batches=batches, n=whole(1))
draws('batch_norm.fold', lambda a, layer, norm: None if type(a) is type(layer) else 'another layer', 2,
      layer=made(lambda: nn.Conv2d(2, 3, 2), nn.Conv2d(2, 3, 2, bias=False), nn.ReLU(), nn.ConvTranspose2d(2, 3, 2), nn.Linear(2, 3), None,
                 nn.Conv2d(2, 4, 1), nn.Conv2d),
      norm=made(lambda: nn.BatchNorm2d(3).eval(), nn.BatchNorm1d(3), nn.BatchNorm2d(3, affine=False), nn.LayerNorm(3), None, nn.BatchNorm2d(4),
                nn.BatchNorm2d(3, track_running_stats=False), nn.LazyBatchNorm2d()))
_res = dict(in_channels=whole(1, good=lambda r, g: 4), out_channels=whole(1, good=lambda r, g: 4), use_1x1conv=flag(), stride=whole(1, good=lambda r, g: 1))
for _name in ('Residual', 'PreActResidual', 'Bottleneck', 'Plain'):
    draws(f'resnet.{_name}', then=_run(lambda g: (2, int(g['in_channels']), 8, 8)), **_res)
res_block = of(d2lcnn.resnet.Residual, near=(None, 'x', 3, nn.ReLU, nn.Conv2d))
draws('resnet.resnet_block', in_channels=whole(1), out_channels=whole(1), num_residuals=whole(1), first_block=flag(), block=res_block)
net_of('resnet.small_resnet', 8, depth=of(8, 14, near=(0, -4, 9, 8.0, '8', None, 10**9 + 2 - (10**9 + 2 - 2) % 6), fits=lambda v: is_whole(v, 8) and int(v) % 6 == 2),
       block=res_block, widths=Kind(lambda r, g: (2, 3, 4), lambda v: pair(length=(3,)).fits(v), ((2, 3), 3, (1, 2, 0), '123', (10**6,) * 3)))
draws('resnet.near_identity', lambda a, net: None if a is net else 'another network', net=made(lambda: d2lcnn.resnet.small_resnet(8, d2lcnn.resnet.Plain, (2, 3, 4)), *NET.near, fits=is_net))
draws('resnet.resnet_stem', in_channels=channels)
for _name in ('resnet18', 'resnet34', 'resnet50', 'preact_resnet18'):
    net_of(f'resnet.{_name}', 32)
net_of('resnet.resnet', 32, layers=among(18, 34))
draws('densenet.conv_block', then=_run(lambda g: (2, int(g['in_channels']), 4, 4)), in_channels=whole(1), out_channels=whole(1))
draws('densenet.transition_block', then=_run(lambda g: (2, int(g['in_channels']), 4, 4)), in_channels=whole(1), out_channels=whole(1))
draws('densenet.stem', in_channels=channels, channels=whole(1))
draws('densenet.head', channels=whole(1), num_classes=classes)
net_of('densenet.densenet', 32, growth_rate=whole(1), arch=Kind(lambda r, g: (1, 1), lambda v: len(v) > 0 and all(is_whole(n, 1) for n in v),
                                                                ((), 3, (0,), (1.5,), 'ab', (10**9,), (1,) * 50)),
       block=of(d2lcnn.densenet.DenseBlock, d2lcnn.densenet.FrugalDenseBlock, near=(None, 3, 'x', nn.ReLU)))
for _name in ('DenseBlock', 'FrugalDenseBlock'):
    draws(f'densenet.{_name}', then=_run(lambda g: (2, int(g['in_channels']), 4, 4)), num_convs=whole(1), in_channels=whole(1), growth_rate=whole(1))

for _name in ('SumBlock', 'PlainBlock', 'OnceBlock'):
    draws(f'densenet.{_name}', lambda Y, num_convs, width: same(Y.shape[1], int(width)) if Y.shape[1] == int(width) else same(Y.shape[1], int(width) * (int(num_convs) + 1)),
          then=_run(lambda g: (2, int(g['width']), 4, 4)), num_convs=whole(1), width=whole(1))
blocks = Kind(lambda r, g: [r.choice((d2lcnn.densenet.SumBlock, d2lcnn.densenet.PlainBlock, d2lcnn.densenet.OnceBlock))(1, w) for w in (2, 3)[:r.randint(1, 2)]], None,
              (None, 3, [], 'ab', [3], [nn.ReLU()], nn.ReLU(), lambda r: d2lcnn.densenet.SumBlock(1, 2), lambda r: nn.Sequential(d2lcnn.densenet.SumBlock(1, 2)), [d2lcnn.densenet.SumBlock], lambda r: [nn.Conv2d(2, 2, 1)]))
draws('densenet.chain', lambda Y, blocks: same(tuple(Y.shape), (2, 10)), then=_run((2, 1, 32, 32)), blocks=blocks)
apply('densenet.chain()', lambda r: d2lcnn.densenet.chain([d2lcnn.densenet.SumBlock(1, 2)] * 2), maps((2, 1, 29, 29), kinds=(torch.float32,)), _logits, 1)

_nets = {}


def _net(name, make):
    def again(r):
        if name not in _nets:
            _nets[name] = make()
        return _nets[name].train(r.random() < 0.3)
    return again


for _name, _make, _side in (
    ('lenet.lenet()', lambda: d2lcnn.lenet.lenet(), 28), ('lenet.lenet5()', lambda: d2lcnn.lenet.lenet5(), 32),
    ('vgg.vgg()', lambda: d2lcnn.vgg.vgg(((1, 4), (1, 8)), size=12, hidden=8), 12), ('nin.nin()', lambda: d2lcnn.nin.nin(), 67),
    ('googlenet.googlenet()', lambda: d2lcnn.googlenet.googlenet(width=1 / 16), 32), ('batch_norm.lenet_bn()', lambda: d2lcnn.batch_norm.lenet_bn(), 28),
    ('resnet.small_resnet()', lambda: d2lcnn.resnet.small_resnet(8, widths=(2, 3, 4)), 16),
    ('densenet.densenet()', lambda: d2lcnn.densenet.densenet(growth_rate=2, arch=(1, 1)), 29),
):
    apply(_name, _net(_name, _make), maps((2, 1, _side, _side), kinds=(torch.float32,)), _logits, 3)

# ------------------------------------------------------------------ 06 and 08: images in, images out

pixels = maps(('N', 'C', 'H', 'W'))


def _shape(Y, X, **_):
    return None if Y.shape == X.shape else f'shape {tuple(Y.shape)}'


draws('alexnet.hog', lambda Y, X, **_: None if len(Y) == len(X) else 'lost images', X=maps(('N', 1, 8, 8)), bins=whole(1), cell=whole(1, good=lambda r, g: r.choice((2, 4))))
some_images = maps(('N', 'C', 'H', 'W'), floats=False)
draws('alexnet.random_flip', _shape, X=some_images, p=real(0, 1))
draws('alexnet.random_crop', _shape, X=some_images, by=whole(0))
draws('alexnet.random_light', _shape, X=pixels, brightness=real(0, good=0.1), contrast=real(0, good=0.2))
draws('alexnet.augment', _shape, X=pixels)
draws('alexnet.colour_axes', lambda a, X: None if a.shape == (X.shape[1],) * 2 else 'shape', X=pixels)
draws('alexnet.random_colour', _shape, X=pixels, axes=Kind(lambda r, g: torch.eye(g['X'].shape[1]).to(g['X'].dtype), lambda v: isinstance(v, torch.Tensor) and v.ndim == 2,
                                                           (None, torch.eye(9), [[1]])), strength=real(0, good=0.1))

# ------------------------------------------------------------------ 13 and 14

draws('compare.standard_error', lambda a, acc, n: close(torch.tensor(a), torch.tensor(math.sqrt(float(acc) * (1 - float(acc)) / int(n)))), acc=real(0, 1), n=whole(1))
votes = Kind(lambda r, g: torch.tensor([r.randrange(3) for _ in range(6)]), None,
             (None, [], [1, 2], torch.ones(6, 2), 'abc', torch.ones(5).long(), torch.tensor(3), np.arange(6), [1.5] * 6))
for _name in ('mcnemar', 'shared_errors'):
    draws(f'compare.{_name}', a=votes, b=votes, y=votes)
draws('compare.pareto', points=Kind(lambda r, g: {'a': (1, 2), 'b': (2, 3)}, None, ({'a': 1}, [1], {'a': (1,)}, {'a': ('x', 'y'), 'b': (1, 2)}, {'a': (math.nan, 1)})))
draws('compare.truth', data=of('Fashion-MNIST', near=('x', None, 3)), folder=of(None, near=('nowhere', 3, [])))
draws('compare.guesses', run=of({'guesses': '0123'}, near=({}, {'guesses': None}, {'guesses': 'abc'}, None)))
draws('compare.scoreboard_rows', folder=of('nowhere', near=(3, [], 1.5, 'x\x00')))
draws('compare.scoreboard_table', rows=of([], near=(3, [1], [{}], 'x', [{'title': 1}])))
draws('compare.curves_element', runs=of([], near=(3, [1], [{}], 'x')), nets=of(('LeNet',), near=(3, None, 'LeNet', (1, 2))))
draws('compare.stored_output', chapter=of('07_vgg', near=('99_x', 3, None, '../x')), cell=of('3110bfe0', near=('nope', 3, None)), folder=of(None, near=('nowhere', 3)))
draws('compare.quoted_rows', chapter=of('07_vgg', near=('99_x', 3, None)), cell=of('3110bfe0', near=('nope', 3)), score=among('test', 'loss'), folder=of(None, near=('nowhere',)))
draws('speed.timed', f=made(lambda: (lambda: 0), None, 3, 'x', lambda r: (lambda a: 0), fits=callable), repeats=whole(1), device=DEVICE)
draws('speed.operators', step=made(lambda: (lambda: torch.ones(2) + 1), None, 3, 'x', fits=callable), steps=whole(1), device=DEVICE)
draws('speed.amdahl', lambda a, share, gain: close(torch.tensor(float(a)), torch.tensor(1 / (1 - float(share) + float(share) / float(gain)))), 2, share=real(0, 1),
      gain=Kind(lambda r, g: r.choice((2, 3.5, math.inf)), lambda v: v == math.inf or real(above=0).fits(v), (0, -1, math.nan, 'x', None)))
shape4 = Kind(lambda r, g: r.choice(((2, 1, 8, 8), [1, 1, 8, 8])), None, ((1, 8, 8), (0, 1, 8, 8), (2, 3, 8, 8), (2, 1, 9, 9), 8, (2, 1, 8.0, 8), (-1, 1, 8, 8), 'ab',
                                                                          (10**6, 1, 8, 8), (2, 1, 10**6, 10**6), None, (True, 1, 8, 8)))
draws('speed.step_costs', net=NET, shape=shape4, num_classes=whole(1, good=lambda r, g: 10), dtype=of(torch.float32, torch.float16, near=(None, 'x', float, torch.int64)))

# ------------------------------------------------------------------ kit: data

small = dict(batch_size=whole(1, good=lambda r, g: 16), size=optional(whole(1, 4096, good=lambda r, g: r.choice((8, 12)))), limit=optional(whole(1, good=lambda r, g: 20)),
             device=DEVICE, seed=whole(0, 10**12), normalize=Kind(lambda r, g: r.choice((False, True, (0.3, 0.4), None)), None,
                                                                  ((0, 0), (0, -1), 3, 'ab', (1, 2, 3), (math.nan, 1), ('a', 1), torch.ones(2), (0.3, True), 1)),
             augment=of(None, lambda X: X, near=(3, 'flip', lambda r: (lambda X: None), lambda r: (lambda X: X[:1]), lambda r: (lambda: 0))))


def _first(r, d, given):
    X, y = next(iter(d.train))
    if X.dtype != torch.float32 or X.ndim != 4 or not X.isfinite().all() or y.dtype != torch.int64:
        raise AssertionError(f'X {X.dtype}{tuple(X.shape)}, y {y.dtype}')
    return d


draws('data.digits', None, 4, then=_first, **small, valid=whole(0, 1436, good=lambda r, g: r.choice((0, 100))))
for _name in ('fashion_mnist', 'mnist'):  # good files would be read again for each draw: always with a limit
    draws(f'data.{_name}', **{**small, 'batch_size': whole(1, good=lambda r, g: 16), 'valid': whole(0, 59_999, good=lambda r, g: 100),
                              'root': of('nowhere\x00', near=(3, [], b'x'))})
draws('data.load_data', name=among('digits'), valid=optional(whole(0, 1436)), fallback=flag(), batch_size=small['batch_size'], size=small['size'], seed=small['seed'])
draws('data.resize', lambda Y, images, size: None if tuple(Y.shape) == (len(images), 1, int(size), int(size)) and Y.dtype == torch.float32 else 'shape', 3,
      images=maps(('N', 'H', 'W'), floats=False, kinds=(torch.uint8,)), size=whole(1, 4096, good=lambda r, g: r.choice((1, 4, 9))))
draws('data.try_gpu', i=whole(0))
draws('data.find_device', device=DEVICE)
draws('data.mean_and_std', lambda a, normalize: None if a is None or len(a) == 2 else 'no pair', normalize=small['normalize'])
uint8 = maps((12, 8, 8), floats=False, kinds=(torch.uint8,))
draws('data.Batches', None, 4, then=lambda r, b, g: list(b), images=uint8, labels=of(torch.arange(12) % 3, near=(
    None, torch.arange(5), torch.ones(12), torch.ones(12, 2).long(), [1] * 12, torch.arange(12), torch.full((12,), -1), torch.ones(12).bool(), np.arange(12))),
    classes=of(['a', 'b', 'c'], near=(None, 3, 'abc', [], ['a'])), shuffle=flag(), rows=optional(of(torch.arange(5), near=(
        [1, 2], torch.tensor([99]), torch.tensor([-1]), torch.ones(3), 3, torch.ones(12).bool(), torch.ones(2, 2).long()))),
    **{k: small[k] for k in ('batch_size', 'size', 'seed', 'normalize', 'augment')})
_digits = {}


def digits():
    if not _digits:
        _digits['d'] = data_module.digits(batch_size=32, size=8, limit=64, device='cpu')
    d = _digits['d']
    return data_module.Data(d.name, *map(copy.copy, d))


def method(name, make, attribute, times=1, /, want=None, **kinds):
    "Draw the arguments of a method."
    def drawer(r):
        given, refuse = arguments(r, kinds, set(kinds))
        thing = make()
        def call():
            answer = getattr(thing, attribute)(**given)
            return list(answer) if isinstance(answer, types.GeneratorType) else answer
        return Draw(call, given, refuse, None if want is None else lambda a: want(a, **given))

    DRAWERS[name], WEIGHTS[name] = drawer, times


for _name, _kinds in dict(
    set_epoch=dict(epoch=whole(0)), batch=dict(rows=of(torch.arange(3), near=(torch.tensor([10**6]), torch.ones(2), None, 'x', [1], 3, torch.ones(2, 2).long()))),
    part=dict(k=whole(0, good=lambda r, g: 0), of=whole(1, good=lambda r, g: 2)), in_batches=dict(batch_size=whole(1)), first=dict(n=whole(0)), show=dict(n=whole(1, good=lambda r, g: 4)),
).items():
    method(f'data.Batches.{_name}', lambda: digits().train, _name, **_kinds)
draws('data.Data', then=lambda r, d, g: (len(d), repr(d), d.classes), name=of('x'), **{k: made(lambda: digits().train, None, 3, [], 'x') for k in ('train', 'valid', 'test')})
for _name in ('data_root',):
    draws(f'download.{_name}', root=of(None, 'here', near=(3, [], b'x', 'x\x00', 1.5)))
for _name in ('raw_folder', 'check_files'):
    draws(f'download.{_name}', name=among('fashion_mnist', 'mnist'), root=of('here', near=(3, [], 'x\x00')))
draws('download.entry', name=among('fashion_mnist', 'mnist'))
for _name in ('idx_shape', 'read_idx'):
    draws(f'download.{_name}', path=Kind(lambda r, g: 'not there', lambda v: False, (3, None, '.', b'x', 'x\x00')))

# ------------------------------------------------------------------ kit: batch, train, callbacks, engine

labels = Kind(lambda r, g: torch.arange(4), None, (None, [0, 1], torch.ones(4), torch.ones(4, 1).long(), torch.arange(1, 11)[:4] + 7, torch.arange(3), np.arange(4), F.one_hot(torch.arange(4), 10),
                                                   F.one_hot(torch.arange(4), 10).float(), torch.tensor([-1, 0, 1, 2]), torch.tensor(1), torch.arange(4).int()))
logits = Kind(lambda r, g: torch.randn(4, 10), lambda v: isinstance(v, torch.Tensor), (None, (torch.ones(4, 10),), torch.ones(4), torch.ones(3, 10), torch.ones(4, 3), torch.ones(4, 10).long(), torch.ones(4, 0)))
losses = of(F.cross_entropy, nn.CrossEntropyLoss(), near=(None, 'cross_entropy', nn.CrossEntropyLoss, F.mse_loss, nn.NLLLoss(), F.binary_cross_entropy_with_logits, nn.BCELoss(), 3,
                                                          lambda r: (lambda a, b: 0), lambda r: (lambda a: a.sum()), nn.MSELoss, nn.CrossEntropyLoss(reduction='none'), torch.optim.SGD))
three = Kind(lambda r, g: r.choice(((batches.good(r, g), None, None), (batches.good(r, g), batches.good(r, g), batches.good(r, g)))), None,
             (None, 3, [], 'abc', lambda r: batches.good(r, {}), *((b, None, None) for b in batches.near), lambda r: (batches.good(r, {}),) * 2, torch.ones(4, 1, 8, 8), {'train': 1},
              lambda r: (batches.good(r, {}), 3, None), lambda r: ([(torch.randn(4, 1, 8, 8), torch.arange(4) + 9)], None, None), lambda r: (iter(batches.good(r, {})), None, None),
              lambda r: torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(4, 1, 8, 8), torch.arange(4)), 2), lambda r: digits(), lambda r: digits().train))
draws('batch.splits', data=three)
draws('batch.check_batch', batch=Kind(lambda r, g: batches.good(r, g)[0], None, (None, 3, (), (1, 2), 'ab', torch.ones(2, 2), (torch.ones(2),), (torch.ones(3, 2), torch.ones(2)),
                                                                                 (torch.ones(2, 1, 8, 8) * math.nan, torch.ones(2)), [torch.ones(2), None])), net=optional(NET))
draws('batch.looked_at', then=lambda r, a, g: list(a), batches=batches, net=optional(NET))
draws('batch.loss_name', lambda a, loss: None if isinstance(a, str) else f'{a!r}', loss=losses)
draws('batch.check_outputs', Y_hat=logits, y=labels, loss=losses)
draws('batch.watched', then=lambda r, a, g: a(torch.randn(4, 10), torch.arange(4)), loss=losses)
draws('batch.hits', Y_hat=logits, y=labels, loss=losses)
the_net = Kind(lambda r, g: _small_net(), is_net, (None, 'lenet', nn.ReLU, lambda r: nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), lambda r: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
                                                   lambda r: nn.Linear(8, 10), lambda r: _small_net().double(), lambda r: _small_net().half(), lambda r: nn.Sequential(nn.Flatten(1), nn.Linear(64, 1)),
                                                   lambda r: nn.Flatten(), lambda r: nn.Conv2d(3, 10, 8), lambda r: nn.Conv2d(1, 10, 8), lambda r: nn.LazyLinear(10), lambda r: _small_net().to('meta'),
                                                   lambda r: nn.Sequential(nn.Flatten(0), nn.Linear(256, 10)), lambda r: nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.Softmax(1)), lambda r: nn.GRU(8, 10),
                                                   lambda r: _small_net().requires_grad_(False), lambda r: nn.Sequential(nn.Conv2d(1, 2, 9), nn.Flatten(), nn.Linear(2, 10)), lambda r: [nn.Flatten()]))
optimizers = of(torch.optim.SGD, torch.optim.Adam, near=('SGD', None, 3, nn.ReLU, lambda r: torch.optim.SGD([nn.Parameter(torch.ones(1))], 0.1), 'adam', lambda r: (lambda p, lr: None), torch.optim.LBFGS,
                                                         lambda r: __import__('functools').partial(torch.optim.SGD, lr=1), lambda r: __import__('functools').partial(torch.optim.SGD, momentum=-1), torch.optim.lr_scheduler.StepLR))
C = d2lcnn.callbacks
callbacks = Kind(lambda r, g: r.choice(((), [C.Schedule('cosine')], (C.EMA(0.9),))), None, (None, 3, 'cosine', [3], C.Schedule('cosine'), [C.Schedule], [None], [lambda run: None], ['ema'],
                                                                                            lambda r: [C.EarlyStopping(1)], lambda r: [C.Checkpoint('x.pt')] * 2))
E = d2lcnn.engine.Engine
engines = of(None, E(), near=(3, 'fast', E, E(graph=True), E(amp=True)))
whole_run = dict(net=the_net, data=three, epochs=whole(0, good=lambda r, g: r.choice((0, 1))), lr=real(above=0, good=0.1), optimizer=optimizers, loss=losses,
                 init=of(None, 'xavier', 'he', near=('zeros', 3, nn.init.xavier_uniform_, lambda r: (lambda: 0), [])), seed=whole(), device=DEVICE, callbacks=callbacks, engine=engines, verbose=flag())

draws('train.fit', lambda h, epochs, **_: same(h.epochs, int(epochs)) if not h.stopped else None, 14, **{**whole_run, 'seed': whole(-(10**12), 10**12, good=lambda r, g: r.choice((0, 3)))})
draws('train.train_step', then=lambda r, a, g: a(torch.randn(4, 1, 8, 8), torch.arange(4)), net=the_net, optimizer=made(lambda: torch.optim.SGD([nn.Parameter(torch.ones(1))], 0.1), None, 'SGD', torch.optim.SGD), loss=losses,
      context=of(__import__('contextlib').nullcontext, near=(None, 3)))
draws('train.train_epoch', None, 2, net=the_net, batches=batches, optimizer=made(lambda: torch.optim.SGD([nn.Parameter(torch.ones(1))], 0.1), None, 'SGD', torch.optim.SGD), loss=losses,
      context=of(__import__('contextlib').nullcontext, near=(None, 3)), after=of(None, near=(3,)), step=of(None, near=(3,)))
draws('train.mode', then=lambda r, a, g: a.__enter__(), net=NET, training=flag())
draws('train.evaluate', lambda a, **_: None if 0 <= a.acc <= 1 or math.isnan(a.acc) else f'{a}', 4, net=the_net, batches=batches, loss=losses)
draws('train.predict', lambda a, net, batches: None if len(a[0]) == len(a[1]) else 'lost some', 3, net=the_net, batches=batches)
draws('train.confusion_matrix', lambda a, **_: None if a.sum() == 8 else f'{a.sum()} of 8', 3, net=the_net, batches=batches)
draws('train.budget', epochs=Kind(lambda r, g: (1, 2, 3), lambda v: len(v) == 3, ((1, 2), 3, None, 'ab', [])), lr=of((1, 2, 3)))
draws('callbacks.one_cycle', lambda a, t, **_: None if 0 < float(a) <= 1 else f'{a}', t=real(0, 1), warm=real(above=0, below=1, good=0.25))
draws('callbacks.cosine', lambda a, t: None if 0 < float(a) <= 1 else f'{a}', t=real(0, 1))
draws('callbacks.Schedule', None, 2, factor=of('cosine', 'one_cycle', C.cosine, near=('linear', None, 3, [], b'x')))
draws('callbacks.EMA', None, 2, decay=real(0, below=1, good=0.9))
draws('callbacks.EarlyStopping', None, 2, patience=whole(1))
draws('callbacks.Checkpoint', None, 2, path=of('x.pt', near=('', '.', 3, None, b'x', 'x\x00', [], 'a' * 300, '/proc/x/y', '/dev/null/x')))
draws('engine.device_of', net=NET)
draws('engine.device_name', device=of(torch.device('cpu'), near=('cpu', None, 3)))
draws('engine.plain', net=NET)
draws('engine.moved', then=lambda r, a, g: list(a), batches=batches, device=DEVICE, channels_last=flag())
draws('engine.make_optimizer', None, 2, optimizer=optimizers, net=NET, lr=real(above=0, good=0.1))
_maybe = optional(flag())
draws('engine.Engine', None, 2, then=lambda r, e, g: e.on('cpu', batches.good(r, {}), _small_net()), amp=optional(of(False, near=(3, 'yes', True))), channels_last=_maybe, graph=optional(of(False, near=(3, 'yes', True))), compile=of(False, near=('no', 3, None)))
draws('init.xavier', net=NET)
draws('init.he', net=NET)
draws('init.initialization', init=of('xavier', 'he', near=('zeros', None, 3, [], {}, ('he',))))
draws('files.save', None, 2, net=NET, path=of('w.safetensors', near=(3, None, '', '.', b'x', 'x\x00', [], 'a' * 300, '/dev/null/x')))
draws('files.load', None, 2, net=NET, path=Kind(lambda r, g: 'not there', lambda v: False, (3, None, '.', b'x', 'x\x00', '')))
draws('files.writable', path=of('x', near=(3, None, '', '.', b'x', 'x\x00', [], 'a' * 300)), name=of('path'))
draws('files.atomic', then=lambda r, a, g: a.__enter__().write_text('x') and a.__exit__(None, None, None), path=of('x', near=(3, None, b'x', 'x\x00', [])))
H = d2lcnn.history.History
history = Kind(lambda r, g: H([1.0, 0.5], [0.1, 0.2], [1.0, 0.9], [0.1, 0.2]), None, (None, 3, [], {}, [3], 'x', lambda r: H(), lambda r: [H([1.0])], lambda r: {'a': 3}, lambda r: H(loss=['a'])))

# ------------------------------------------------------------------ kit: summary

shapes_in = Kind(lambda r, g: r.choice(((1, 1, 8, 8), [2, 1, 8, 8], (3, 1, 8, 8))), None,
                 ((1, 8, 8), (1, 3, 8, 8), (0, 1, 8, 8), (1, 1, 9, 9), 8, '1188', (1, 1, 8.0, 8), (), [], None, (-1, 1, 8, 8), torch.ones(1, 1, 8, 8), torch.ones(1, 1, 8, 8).long(), ((1, 1, 8, 8), (1, 2)),
                  (True, 1, 8, 8), (10**7, 1, 8, 8), (1, 1, 10**6, 10**6), (2**62, 2**62), np.array([1, 1, 8, 8]), torch.Size((1, 1, 8, 8))))


def _is_small(net):
    return type(net) is nn.Sequential and len(net) == 4


def _count(a, net, input_shape, **_):
    if not _is_small(net):
        return None
    n = input_shape[0] if not isinstance(input_shape, torch.Tensor) else len(input_shape)
    total = int(n) * (2 * 9 * 36 + 72 * 10)
    return same((a.params, a.macs), (sum(p.numel() for p in net.parameters()), total))


small_net = Kind(lambda r, g: _small_net(), is_net, NET.near)
draws('summary.summary', _count, 5, net=small_net, input_shape=shapes_in, depth=optional(whole(0)))
draws('summary.macs', lambda a, net, input_shape: None if not _is_small(net) else same(a, int(len(input_shape) if isinstance(input_shape, torch.Tensor) else input_shape[0]) * (2 * 9 * 36 + 720)), 3, net=small_net, input_shape=shapes_in)
draws('summary.receptive_field', lambda a, net, input_shape: None if not _is_small(net) else same(tuple(a), (3, 3)), 3, net=small_net, input_shape=shapes_in)
draws('summary.shapes', None, 2, net=small_net, input_shape=shapes_in)

# ------------------------------------------------------------------ kit: plots

grid = maps(('H', 'W'), ('N', 'H', 'W'), ('N', 1, 'H', 'W'), ('N', 3, 'H', 'W'), floats=False)
axes = of(None, near=(3, 'x', [], [None], {}))
cmaps = of(None, 'viridis', near=(3, 'no such', [], b'x'))
draws('show.to_numpy', lambda a, x: None if isinstance(a, np.ndarray) else 'no array', x=UNKNOWN)
draws('show.by', shape=of((2, 3), (), near=(3, None, 'x')))
draws('show.show_images', None, 4, images=Kind(grid.good, None, (*grid.near, [], [torch.ones(2, 2), torch.ones(3)], ['a'], [[1, 2], [3]], np.ones((0, 3, 3)), torch.ones(2, 2).cfloat())),
      titles=of(None, near=(3, 'abcdefgh', [], ['a'], torch.arange(9), {})), cols=whole(), scale=real(above=0, good=1.0), cmap=of('gray', 'viridis', near=cmaps.near), axes=axes)
draws('show.show_kernels', None, 3, weight_or_layer=Kind(lambda r, g: r.choice((torch.randn(2, 3, 2, 2), nn.Conv2d(1, 2, 3), torch.randn(4, 3, 3))), None, (None, 3, nn.ReLU(), nn.Linear(2, 3), torch.ones(3), torch.ones(0, 2, 2), 'x', nn.LazyConv2d(2, 3))),
      cols=whole(), max_kernels=whole(1), scale=real(above=0, good=1.0), title=of(None, 'x', near=(3, [])), cmap=cmaps, axes=axes)
draws('show.show_feature_maps', None, 3, maps=Kind(maps(('C', 'H', 'W')).good, None, (torch.ones(2, 3, 4, 4), torch.ones(3), torch.ones(0, 2, 2), None, 'x', [[1], [1, 2]])),
      cols=whole(), title=of(None, 'x', near=(3, [])), scale=real(above=0, good=1.0), cmap=cmaps, shared=flag(), axes=axes)
draws('plot.heat', None, 3, X=Kind(maps(('H', 'W'), floats=False).good, None, (torch.ones(3), torch.ones(0, 2), None, 'x', [[1, 2], [3]], torch.ones(2, 2).cfloat(), [[1, 2]], torch.full((2, 2), math.nan))),
      ax=axes, title=of(None, 'x', near=(3,)), fmt=of(None, '.1f', near=('zz', 3, '{', '')), cmap=cmaps)
draws('plot.plot_history', None, 3, history=history, ax=axes)
draws('plot.confusion', None, 3, matrix=Kind(lambda r, g: torch.randint(0, 9, (3, 3)), None, (torch.ones(2, 3), torch.ones(3), -torch.ones(2, 2), None, 'x', torch.full((2, 2), math.nan), torch.full((2, 2), math.inf), [[1, 2], [3]])),
      classes=of(None, ['a', 'b', 'c'], near=(3, ['a'], 'abc', [1, 2, 3])), ax=axes, percent=flag())
draws('plot.name_points', ax=made(lambda: __import__('matplotlib.pyplot').pyplot.subplots()[1], None, 3), xs=of([1, 2], near=(3, [], ['a', 'b'], [1])), ys=of([1, 2], near=(3, [], [1, 2, 3])), names=of(['a', 'b'], near=(3, [], ['a'])),
      colors=of(None, near=(3, ['red'], ['nocolor', 'x'])), fontsize=real(above=0, good=8))
stages = Kind(lambda r, g: [('input', (1, 8, 8)), ('conv', (4, 6, 6)), ('linear', (10,))], None, ([], [('input', (1, 8))], [('input', 3)], 'ab', None, [3], [('input', (0, 1, 1))], [('a', (10**9, 10**9, 10**9))], [(3, (1, 2, 2))]))
draws('draw.draw_network', stages=stages, alt=text(near=(3, None)), per_row=whole(1))
draws('draw.stages_of', net=NET, size=of((1, 8, 8), near=((3, 8, 8), 8, (1, 7, 7), (), 'ab', None, (1, 10**6, 10**6), (0, 8, 8))), words=of({0: 'conv'}, near=(None, 3, [], ['a'])))
draws('draw.draw_block', paths=of([['a', 'b'], []], near=([], None, 3, [3], 'ab', [[3]], [None])), alt=text(near=(3, None)), join=text(near=(3, None)), start=text(near=(3, None)), end=text(near=(3,)),
      before=of((), ['a'], near=(3, None, 'ab', [3])), after=of((), ['a'], near=(3, None)), title=text(near=(3, None)))

# ------------------------------------------------------------------ explorers

little = Kind(lambda r, g: torch.arange(30.0).reshape(5, 6), None, (None, [[1, 2], [3]], torch.ones(3), torch.ones(20, 30), [[1, 2], [3, 4]], 'x', torch.full((4, 4), math.nan), torch.ones(4, 4).cfloat(), torch.ones(0, 2)))
kernel = Kind(lambda r, g: torch.arange(4.0).reshape(2, 2), None, (None, torch.ones(9, 9), torch.ones(3), 'x', torch.ones(6, 5), [[1]]))
maps3 = Kind(lambda r, g: torch.arange(40.0).reshape(2, 4, 5), None, (torch.ones(4, 4), torch.ones(9, 4, 4), None, 'x', torch.full((2, 4, 4), math.nan), torch.ones(2, 30, 30)))
kernel3 = Kind(lambda r, g: torch.arange(8.0).reshape(2, 2, 2), None, (torch.ones(2, 2), torch.ones(3, 2, 2), torch.ones(2, 9, 9), None, 'x'))
spot = whole(0, good=lambda r, g: 0)


def pictured(r, e, given):
    return e.picture


for _name, _then in (('draw_corr2d', None), ('explore_corr2d', pictured), ('corr2d_element', None)):
    draws(f'explore.corr2d.{_name}', None, 2, then=_then, X=little if _name.startswith('draw') else optional(little), K=kernel if _name.startswith('draw') else optional(kernel), position=spot)
draws('explore.corr2d.positions', X=little, K=kernel)
_figure = dict(size=whole(1, 12, good=lambda r, g: 6), kernel=whole(1, 7, good=lambda r, g: 3), padding=whole(0, 4), stride=whole(1, 5), dilation=whole(1, 3, good=lambda r, g: 1))
draws('explore.padding_stride.draw_padding_stride', None, 2, **_figure, position=spot)
draws('explore.padding_stride.explore_padding_stride', then=pictured, **_figure)
draws('explore.padding_stride.padding_stride_element', **_figure, position=spot)
draws('explore.padding_stride.why_impossible', **{k: v for k, v in zip('nkpsd', (whole(1), whole(1), whole(0), whole(1), whole(1)))})
for _name, _then in (('draw_channels', None), ('explore_channels', pictured)):
    draws(f'explore.channels.{_name}', None, 2, then=_then, X=maps3 if _name.startswith('draw') else optional(maps3), K=kernel3 if _name.startswith('draw') else optional(kernel3), position=spot)
draws('explore.channels.channels_element', X=optional(maps3), K=optional(kernel3), channels=whole(1, good=lambda r, g: 2), output=spot, bias=real(good=0.0), position=spot)
_pool_figure = dict(window=whole(1, good=lambda r, g: 2), stride=whole(1, good=lambda r, g: 2), padding=whole(0, good=lambda r, g: 0), mode=among('max', 'avg'), position=spot)
draws('explore.pooling.draw_pooling', None, 2, X=little, **_pool_figure)
draws('explore.pooling.explore_pooling', then=pictured, X=optional(little), **_pool_figure)
draws('explore.pooling.pooling_element', X=optional(little), **_pool_figure)
draws('explore.pooling.why_no_pooling', size=whole(1), window=whole(1), stride=whole(1), padding=whole(0))
layer_text = of('conv3 pool2', 'conv5/2*2', near=('', 'x', 'conv', 'conv99', 'conv3/2/2', 3, None, b'conv3', [], 'conv3 ' * 20, '<b>', 'conv0', 'conv' + '9' * 6000))
draws('explore.receptive_field.parse_layers', None, 2, text=layer_text)
draws('explore.receptive_field.receptive_fields', layers=layer_text)
draws('explore.receptive_field.draw_receptive_field', None, 2, layers=layer_text, upto=optional(whole(0, good=lambda r, g: 1)))
draws('explore.receptive_field.explore_receptive_field', then=pictured, layers=layer_text)
draws('explore.receptive_field.receptive_field_element', layers=layer_text)
photo = Kind(lambda r, g: torch.rand(12, 14), None, (None, 'no such file', 3, torch.ones(3), torch.ones(2, 2, 2, 2), torch.full((4, 4), math.nan), np.ones((4, 4, 3)), torch.ones(0, 3), [[1, 2], [3]], '.', b'x', torch.ones(4, 4).cfloat()))
kernel_name = Kind(lambda r, g: r.choice(list(d2lcnn.explore.KERNELS)), None, ('no such', None, 3, torch.ones(3, 3), [[1, 2], [3]], torch.ones(3)))
for _name, _then in (('apply_filter', None), ('draw_filter', None), ('explore_filter', pictured), ('filter_element', None)):
    draws(f'explore.filter.{_name}', then=_then, image=photo, kernel=kernel_name)
draws('explore.images.load_image', image=photo, most=whole(1, good=lambda r, g: 20))
draws('explore.images.finite', X=photo, name=of('X'))

for _name, _then in (('draw_autograd', None), ('explore_autograd', pictured)):
    draws(f'explore.autograd.{_name}', then=_then, **{n: real(good=2) for n in 'wxy'})
shape_in = Kind(lambda r, g: r.choice(((3, 1), (1, 4), [3], (1,))), None, (3, None, 'ab', (3, -1), (1.5,), (True, 1), (2, 3, 4), (), (10**9, 1), (40, 40), (0,), torch.ones(2, 2), torch.tensor([3, 1]), {3}, ('3',)))


def _fit(a, b, said):
    try:
        torch.broadcast_shapes(tuple(map(int, a)), tuple(map(int, b)))
    except RuntimeError:
        return None if said else 'no word of shapes that do not fit'
    return said


draws('explore.broadcast.why_no_broadcast', lambda said, a, b: _fit(a, b, said), 2, a=shape_in, b=shape_in)
for _name, _then in (('draw_broadcast', None), ('explore_broadcast', pictured)):
    draws(f'explore.broadcast.{_name}', then=_then, a=shape_in, b=shape_in, position=spot)
_way_down = dict(lr=real(above=0, good=0.1), batch_size=whole(1, 24, good=lambda r, g: r.choice((1, 5, 24))))
draws('explore.descent.descent_path', lambda a, lr, batch_size, steps=40: None if len(a) == int(steps) + 1 or max(map(abs, a[-1])) > 1e6 else f'{len(a)} points', 2, **_way_down, steps=whole(0))
for _name, _then in (('draw_descent', None), ('explore_descent', pictured)):
    draws(f'explore.descent.{_name}', then=_then, **_way_down, step=whole(0, 40))
_curves = dict(curve=among(*d2lcnn.explore.hinges.CURVES), units=whole(1, 24))
draws('explore.hinges.hinges', lambda a, curve, units: same([len(a[0]), len(a[1])], [int(units)] * 2), curve=_curves['curve'], units=whole(1))
for _name, _then in (('draw_hinges', None), ('explore_hinges', pictured), ('hinges_element', None)):
    draws(f'explore.hinges.{_name}', then=_then, **_curves)
few = of([0.0, 1.0], torch.ones(2), near=(None, 3, 'ab', [], [1.0], ['a', 'b'], [math.nan, 1.0], torch.ones(2, 2)))
draws('explore.hinges.line_of', lambda Y, places, weights, bias, x: like(Y, sum(float(w) * F.relu(x - float(k)) for k, w in zip(places, weights)) + float(bias)), 2, places=few, weights=few, bias=real(good=0.5),
      x=Kind(maps(('N',)).good, lambda v: is_tensor(v) and v.ndim == 1, maps(('N',)).near))
for _name, _then in (('draw_softmax', None), ('explore_softmax', pictured)):
    draws(f'explore.softmax.{_name}', then=_then, **{n: real(good=1) for n in 'abc'}, true=whole(0, 2))
U = d2lcnn.explore.surface
_surface, _rule = among(*U.SURFACES), among(*U.RULES)
draws('explore.surface.walk', lambda a, steps, **_: None if len(a) <= int(steps) + 1 else f'{len(a)} points', surface=_surface, rule=_rule, lr=real(above=0, good=0.1), steps=whole(0, good=lambda r, g: 3), start=of((1.0, 2.0), near=(3, None, (1,), 'ab', (math.nan, 1), (1e300, 1))))
draws('explore.surface.plot_paths', surface=_surface, paths=of({'a': [(1.0, 2.0), (0.5, 1.0)], 'b': torch.ones(3, 2)}, {}, near=(None, 3, [], 'ab', {'a': 3}, {'a': []}, {'a': [3]}, {'a': [(1, 2, 3)]}, {'a': [(math.nan, 1.0)]}, {'a': torch.ones(2, 3)}, {'a': torch.ones(2, 2).cfloat()}, {'a': ['ab']}, {3: np.ones((2, 2))}, {'a': torch.ones(2, 2).to('meta')})), ax=axes)
_two_rules = dict(surface=_surface, first=_rule, lr_first=real(above=0, good=0.1), second=among(*U.RULES, U.NO_RULE), lr_second=real(above=0, good=0.1), steps=whole(0, 200, good=lambda r, g: 5))
draws('explore.surface.draw_surface', None, 2, **_two_rules, x=optional(real()), y=optional(real()))
draws('explore.surface.explore_surface', then=pictured, **_two_rules)
draws('explore.surface.surface_element', **_two_rules)

# ------------------------------------------------------------------ kit: exercises, results, records

id_ = of('01.1', '5.2', near=('99.1', '1', 3, None, 1.1, '', 'x.y', b'01.1', '01.99'))
draws('check.check', None, 4, id=id_, answer=UNKNOWN)
draws('check.hint', id=id_)
draws('check.exercises', chapter=of(None, '02', near=('99', 3, [])))
draws('check.exercise', id=of('77.1', near=('1', 3, None)), kind=of(None, near=(3, 'x')))
hints = of(('look',), ['one', 'two'], near=(3, None, 'abc', []))
draws('answers.Number', then=lambda r, e, g: e.judge(3), value=real(), unit=of('', 'px', near=(3,)), tol=real(0), rtol=real(0), hints=hints, wrong=of({1: 'no'}, near=(3, [1])))
draws('answers.Shape', then=lambda r, e, g: e.judge((1, 2)), value=of((1, 2), near=(3, None, 'ab', (1.5,))), hints=hints, wrong=of({(2, 1): 'no'}, near=(3,)))
draws('answers.Choice', then=lambda r, e, g: e.judge('a'), answer=of('a', near=(3, None, '', 'x')), why=of({'a': 'yes', 'b': 'no'}, near=(3, None, {}, {'a': 1})), because=text(near=(3,)), hints=hints)
draws('answers.Function', then=lambda r, e, g: e.judge(lambda X: X), reference=of(lambda X: X, near=(None, 3)), inputs=of(lambda: (torch.ones(2),), near=(None, 3, lambda r: (lambda: 3))), hints=hints, draws=whole(1), seed=whole(0))
values = Kind(lambda r, g: [0.5, 0.6, 0.7], None, ([], [1], ['a'], None, 3, [math.nan, 1.0], {'a': 1}, [1, None], torch.ones(3), np.ones(3), [True, False], [math.inf, 1.0]))
draws('evidence.interval', lambda a, values: close(torch.tensor(float(a[0])), torch.tensor(float(statistics.mean(map(float, values))))), 2, values=values)
runs_by = of({'a': {0: {'test_acc': 0.5}}, 'b': {0: {'test_acc': 0.6}}}, near=({}, None, 3, {'a': 3}, {'a': {0: {}}}, {'a': {0: 3}}, []))
draws('evidence.summed_up', runs=runs_by, score=of('test_acc', near=('x', 3, None)))
draws('evidence.words', score=of('test_acc', near=(3, None)))
row_ = of([dict(variant='a', values=[0.5, 0.6], failed=0, mean=(0.55, 0.1), difference=None, lr=0.1, macs=3, parameters=3)], near=([], None, 3, [3], [{}]))
draws('evidence.as_text', rows=row_, score=of('test_acc', near=(3, None)))
draws('evidence.plot_runs', rows=row_, score=of('test_acc', near=(3, None)), yours=of(None, ('a', 0.5, 'yours'), near=(3, ('x', 1, 'y'), ('a', 'b'))), ax=axes)
two_runs = of({'a': {0: {'test_acc': 0.5, 'loss': [1.0, 0.5]}}, 'b': {0: {'test_acc': 0.6, 'loss': []}}}, near=({}, None, 3, [], 'ab', {'a': 3}, {'a': {0: {}}, 'b': {0: {}}}, {'a': {0: {'test_acc': 0.5, 'loss': [1.0]}}}, {'a': {}, 'b': {}},
              {'a': {0: {'test_acc': 'x', 'loss': 'x'}}, 'b': {0: {'test_acc': 'y', 'loss': [None]}}}, {'a': {0: {'test_acc': None, 'loss': None}}, 'b': {1: {'test_acc': 0.5, 'loss': [0.5]}}}, {0: {0: {'test_acc': 0.1, 'loss': [1.0]}}, None: {0: {'test_acc': 0.2, 'loss': [2.0]}}}))
draws('evidence.value_of', lambda a, run, score: same(a, run[score][-1] if isinstance(run[score], list) else run[score]), run=of({'test_acc': 0.5, 'loss': [1.0, 0.5]}, near=({}, None, 3, [], 'loss', {'loss': 'x', 'test_acc': [[1]]}, {'loss': {}, 'test_acc': True})),
      score=of('test_acc', 'loss', near=('x', 3, None, [])))
draws('evidence.difference', runs=two_runs, score=of('test_acc', 'loss', near=('x', 3, None, [])))
draws('evidence.plot_curves', None, 2, runs=two_runs, curve=of('loss', near=('test_acc', 'x', 3, None, [])), ax=axes)
draws('runs.spread', lambda a, values: close(torch.tensor(float(a[0])), torch.tensor(float(statistics.mean(map(float, values))))), values=values)
draws('runs.load_runs', folder=of('nowhere', near=(3, [], 'x\x00')), name=of(None, 'lenet', near=('x', 3)), recipe=of(None, near=('x', 3)), reduced=flag())
draws('runs.read_run', path=Kind(lambda r, g: 'not there', lambda v: False, (3, None, '.', b'x')))
draws('runs.recorded', name=of('lenet', near=('x', 3, None, [])), folder=of('nowhere', near=(3, [])))
draws('runs.beside', history=history, name=of('lenet', near=('x', 3, None, [])), folder=of('nowhere', near=(3, [])), draw=flag())
draws('places.nbs_dir', start=of(None, '.', near=(3, 'nowhere', [], b'x')))
draws('places.find_chapters', wanted=of((), ('05',), ['lenet'], near=(3, '05', None, ('99',), [3], [None])), nbs=of(None, near=(3, [])))
draws('places.results_dir', folder=of(None, 'x', near=(3, [], b'x', 'x\x00')))
draws('zoo.network', name=of('lenet', 'resnet18', near=('x', None, 3, [], {}, 'LeNet')))
changes = dict(epochs=whole(0), lr=real(above=0, good=0.1), batch_size=whole(1))
draws('zoo.recipe_of', None, 2, name=of('lenet', near=('x', None, 3, [])), recipe=of('classic', 'modern', near=('x', None, 3, [], 'Classic')))
Z = d2lcnn.zoo
draws('zoo.Recipe', epochs=UNKNOWN, lr=UNKNOWN)
draws('zoo.random_erase', lambda Y, X, **_: _shape(Y, X), X=pixels, share=real(0, 1, good=0.3))
draws('zoo.data_of', None, 2, recipe=of(Z.Recipe(1, 0.1, 16, 8, 'digits'), near=(None, 'classic', 3, Z.Recipe(1, 0.1, data='x'), Z.Recipe(1, 0.1, 0, 8, 'digits'), Z.Recipe(1, 0.1, 16, 0, 'digits'), Z.Recipe(1, 0.1, 16, 8, 'digits', augment='x'))),
      seed=whole(0, 10**12), limit=optional(whole(1, good=lambda r, g: 10)), device=DEVICE)
draws('zoo.train_by', None, 2, net=the_net, recipe=of(Z.Recipe(1, 0.1, 16, 8, 'digits'), near=(None, 'classic', 3, Z.Recipe(1, 0.1, optimizer='x'), Z.Recipe(1, -1), Z.Recipe('a', 0.1), Z.Recipe(1, 0.1, init='x'), Z.Recipe(1, 0.1, schedule='x'), Z.Recipe(1, 0.1, ema=2),
      Z.Recipe(1, 0.1, optimizer=3), Z.Recipe(1, 0.1, settings=dict(momentum=-1)), Z.Recipe(1, 0.1, label_smoothing=7), Z.Recipe(1, 0.1, settings=dict(nope=1)))), data=three, seed=whole(-(10**12), 10**12, good=lambda r, g: 0), verbose=flag())
draws('zoo.train', name=of('lenet', near=('x', None, 3)), recipe=of('classic', near=('x', 3, None)), seed=whole(-(10**12), 10**12, good=lambda r, g: 0), data=always(of('digits', near=('x', 3, []))), limit=always(of(16, near=(0, -1, 'x', 1.5))), device=DEVICE,
      callbacks=callbacks, verbose=flag(), epochs=always(of(0, near=(-1, 'x', 1.5, None, True))))
draws('record.record', name=of('x', near=(None, 3, [])), recipe=of('classic', near=('x', 3, None)), seed=UNKNOWN)
S, V = d2lcnn.experiment.Settings, d2lcnn.experiment.Variant
draws('experiment.experiment', name=of('07.pairs', '05.activations', near=('x', None, 3, [])))
draws('experiment.Experiment', name=of('99.drawn', near=(3, None)), question=text(), variants=of({'a': V(_small_net)}, near=(3, None, [], {})), settings=of(S(1), near=(None, 3)), rates=Kind(
    lambda r, g: (0.1, 0.2, 0.4), None, ((0.1,), (0.4, 0.2, 0.1), None, 3, 'abc', (0.1, 'a', 0.3), (-1, 1, 2))), seeds=whole(1), tuning_epochs=whole(1))
draws('page.builder', net=among(*d2lcnn.page.STACKS))
draws('page.lenet_page', net=among('lenet5', 'lenet'))
draws('page.page_weights', name=among('lenet5', 'lenet'))
draws('page.pack', lambda a, W: None if a['rows'] == len(W) else 'rows', W=Kind(maps(('A', 'B'), ('A', 'B', 'C', 'D')).good, lambda v: isinstance(v, torch.Tensor) and v.ndim > 1, maps(('A', 'B')).near))
draws('page.unpack', packed=made(lambda: d2lcnn.page.pack(torch.randn(2, 3)), None, {}, {'text': 'x', 'rows': 2, 'scale': [1]}, 3), shape=of((2, 3), near=((3, 3), None, 'x', (-1, 3))))
draws('page.folded', net=made(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), None, 3, nn.Sequential(nn.BatchNorm2d(2)), nn.Linear(2, 2), nn.ReLU, [nn.ReLU()], fits=is_net))
draws('page.page_net', net=made(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 10)), None, 3, nn.Sequential(nn.GELU()), nn.Linear(2, 2), nn.ReLU, fits=is_net), data=made(digits, None, 3, 'digits', []), samples=whole(0, good=lambda r, g: 1))
draws('narrow.narrowed', net=made(lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.Flatten(), nn.Linear(8, 3)), None, 'x', nn.ReLU(), nn.Sequential(nn.Conv2d(2, 4, 1, groups=2)), fits=is_net), by=whole(1, good=lambda r, g: r.choice((1, 2))))

# ------------------------------------------------------------------ guards themselves: an argument's name is for the message

_name = fixed('n')
draws('guard.whole', lambda a, value, name, low=None, high=None, way='': None if is_whole(value) else f'{a}', 2, value=UNKNOWN, name=_name)
draws('guard.number', lambda a, value, name, **_: None if math.isfinite(a) else f'{a}', 2, value=UNKNOWN, name=_name)
draws('guard.wholes', value=UNKNOWN, name=_name)
draws('guard.pair', lambda a, value, name: None if len(a) == 2 else f'{a}', 2, value=UNKNOWN, name=_name)
draws('guard.one_of', lambda a, value, name, choices: None if value in ('a', 'b') else f'{a}', value=UNKNOWN, name=_name, choices=fixed(('a', 'b')))
draws('guard.flag', lambda a, value, name: None if a in (True, False) else f'{a}', value=UNKNOWN, name=_name)
draws('guard.tensor', lambda a, value, name, forms: None if value.ndim == 2 else 'axes', value=UNKNOWN, name=_name, forms=fixed(('(H, W)',)))
for _f in ('image', 'image_with_channels', 'yes_or_no'):
    draws(f'guard.{_f}', value=UNKNOWN, name=_name, given=fixed({}))

# ------------------------------------------------------------------ code of older lessons

grids = [(torch.randn(4, 1, 8, 8), torch.arange(4)) for _ in range(2)]
loader = Kind(lambda r, g: list(grids), None, batches.near)
draws('compat.data.load_data_fashion_mnist', batch_size=Kind(lambda r, g: 0, lambda v: is_whole(v, 1), (0, -1, None, 'x', 1.5, True)), resize=of(None, 8, (8, 8), near=((8, 9), 0, 'x', (), 1.5)))
draws('compat.data.get_fashion_mnist_labels', labels=Kind(lambda r, g: torch.tensor([0, 9]), None, ([10], [-1], 3, 'ab', None, torch.ones(2, 2), [1.5], torch.tensor(3))))
draws('compat.data.DataIter', then=lambda r, a, g: len(list(a)), batches=made(lambda: digits().train, None, 3, []))
draws('compat.layers.init_cnn', module=made(lambda: nn.Linear(2, 3), nn.ReLU(), _small_net(), fits=None))
draws('compat.layers.Residual', then=None, channels=whole(1, good=lambda r, g: 4), use_1x1conv=flag(), strides=optional(whole(1, good=lambda r, g: 1)))
draws('compat.layers.ResNeXtBlock', num_channels=whole(1, good=lambda r, g: 8), groups=whole(1, good=lambda r, g: 2), bot_mul=real(above=0, good=1.0), use_1x1conv=flag(), strides=whole(1))
draws('compat.layers.resnet18', num_classes=classes, in_channels=channels, output=optional(classes))
draws('compat.scratch.Accumulator', n=whole(0))

curve = Kind(lambda r, g: [1.0, 2.0, 3.0], None, (None, 3, 'abc', [], [[1, 2], [3, 4]], torch.ones(3), torch.ones(2, 2, 2), ['a', 'b'], [None]))
draws('compat.plots.set_figsize', figsize=of((3, 2), near=(3, None, (0, 0), (-1, 2), 'ab', (1, 2, 3), (math.nan, 1), (10**9, 2))))
draws('compat.plots.plot', X=curve, Y=optional(curve), legend=of(None, ['a'], near=(3, 'a')), xlim=of(None, [0, 3], near=(3, [1], 'ab', [0, math.nan])), xscale=among('linear', 'log'), fmts=of(('-',), near=((), None, 3, ('zz',))))
draws('compat.plots.show_images', imgs=Kind(maps(('N', 'H', 'W')).good, None, (None, 3, [], torch.ones(3), [torch.ones(3)], 'ab', torch.ones(2, 5, 4, 4))), num_rows=whole(1), num_cols=optional(whole(1, good=lambda r, g: 8)), titles=of(None, near=(3, ['a'])), scale=real(above=0, good=1.0))
draws('compat.plots.show_fashion_mnist', images=Kind(maps(('N', 1, 'H', 'W')).good, None, maps(('N', 1, 'H', 'W')).near), labels=of(list('abcdefgh'), near=(None, 3, ['a'])))
draws('compat.plots.Animator', then=lambda r, a, g: a.add(1, (2, 3)), xlabel=of(None, 'x', near=(3,)), legend=of(None, ['a'], near=(3,)), xlim=of(None, [1, 3], near=(3, [1])), xscale=among('linear', 'log'), nrows=whole(1, good=lambda r, g: 1), ncols=whole(1, good=lambda r, g: 1), figsize=of((3, 2), near=(3, (0, 0))))
draws('compat.training.accuracy', lambda a, y_hat, y: None if 0 <= a <= max(1, len(y)) else f'{a}', y_hat=logits, y=labels)
for _f in ('evaluate_accuracy',):
    draws(f'compat.training.{_f}', lambda a, **_: None if 0 <= a <= 1 else f'{a}', 2, net=the_net, data_iter=loader, device=DEVICE)
draws('compat.training.evaluate_loss', net=the_net, data_iter=loader, loss=losses)
updater = made(lambda: torch.optim.SGD([nn.Parameter(torch.ones(1))], 0.1), None, 'SGD', 3, torch.optim.SGD)
draws('compat.training.train_epoch_ch3', net=the_net, train_iter=loader, loss=losses, updater=updater)
draws('compat.training.train_ch3', net=the_net, train_iter=loader, test_iter=loader, loss=losses, num_epochs=whole(0, good=lambda r, g: 1), updater=updater)
draws('compat.training.train_ch6', None, 2, net=the_net, train_iter=loader, test_iter=loader, num_epochs=whole(1, good=lambda r, g: 1), lr=real(above=0, good=0.1), device=DEVICE)
draws('compat.training.train_ch5', net=the_net, train_iter=loader, test_iter=loader, batch_size=UNKNOWN, device=of('cpu', near=('gpu', None, 3)), optimizer=updater, num_epochs=whole(1, good=lambda r, g: 1))
draws('compat.training.predict_ch3', net=the_net, test_iter=loader, n=whole(1))
M = d2lcnn.compat.modules if hasattr(d2lcnn, 'compat') else None
draws('compat.modules.LeNet', lr=real(above=0, good=0.1), num_classes=classes)
draws('compat.modules.SoftmaxRegression', num_outputs=whole(1), lr=real(above=0, good=0.1))
draws('compat.modules.SGD', params=made(lambda: [_with_gradient()], None, 3, []), lr=real(above=0, good=0.1))
draws('compat.trainer.Trainer', max_epochs=whole(0, good=lambda r, g: 1), num_gpus=whole(0), gradient_clip_val=real(0, good=0.0))
draws('compat.tensors.gpu', i=whole(0))
draws('compat.tensors.try_gpu', i=whole(0))

# ------------------------------------------------------------------ the command line

words = of('run', 'data', 'train', 'results', 'record', 'doctor', 'lab', 'bench', near=('x', '', '-h', '--version', '--nope'))
EXTRA_WORDS = ('--budget', 'quick', 'nope', '-1', '0', '99', '--device', 'gpu', '--limit', 'x', '--epochs', '1.5', '--minutes', 'nan', '--seed', '-3', '--jobs', '--missing', '--out', '/dev/null/x', '--folder', 'nowhere')


def _command(r):
    "Words that must end in a sentence: always with one among them that cannot be."
    command = r.choice(('run', 'data', 'train', 'results', 'record', 'lab', 'bench'))
    wrong = '--no-such-option' if command == 'bench' else r.choice(('no-such-name', '--no-such-option'))
    line = [command, *r.sample(EXTRA_WORDS, r.randint(0, 3)), wrong]
    return Draw(lambda: d2lcnn.cli.main(line), dict(argv=line), False)


DRAWERS['cli.main'], WEIGHTS['cli.main'] = _command, 2

# ------------------------------------------------------------------ what is not drawn

_INSIDE = 'a part of the machine: what comes in was made by the package itself'
_ANSWERS = 'called with answers of readers, by `check`, which is drawn and catches every error'
_MINUTES = 'measures, records or runs for minutes; its arguments come from the command line, which is drawn'
_RECORD = 'a record that the package fills in'
_TORCH = "hands everything on to PyTorch's method of that name, which speaks for itself"
_BASE = 'a class to write one\'s own from; it takes nothing, or keeps what it is given'

EXCEPT = {  # a module or a name: why it is not drawn
    **dict.fromkeys(('behavior', 'board', 'checkpoint', 'explore.base', 'explore.blocks', 'fresh', 'moves', 'probes', 'progress', 'queue',
                     'reach', 'receptive', 'run', 'trace', 'checks', 'inputs', 'doctor', 'history', 'trust', 'explore.plane'), _INSIDE),
    'mirror': 'speaks with servers; tests/test_data.py draws what they answer',
    **dict.fromkeys(('calls', 'clues', 'diagnose', 'wording', 'exercises'), _ANSWERS),
    **dict.fromkeys(('bench', 'book', 'peaks', 'usual'), _MINUTES),
    **{f'cli.{n}': 'a command: drawn by its words, as cli.main' for n in (
        'output_file', 'output_folder', 'chosen_device', *(f'cmd_{c}' for c in 'run lab data train record results bench doctor'.split()))},
    **{f'compat.tensors.{n}': _TORCH for n in 'reshape to astype transpose expand_dims swapaxes repeat reduce_sum reduce_mean argmax size numpy'.split()},
    **dict.fromkeys(('compat.tensors.cpu', 'compat.tensors.num_gpus', 'compat.tensors.try_all_gpus', 'compat.data.get_dataloader_workers', 'compat.plots.use_svg_display',
                     'compat.scratch.Timer', 'googlenet.pool', 'places.cores', 'places.process_env', 'train.budget_name', 'callbacks.LastWhole', 'callbacks.Progress',
                     'train.Test', 'engine.processes', 'layers.Centered', 'files.own_name', 'files.scratch', 'compat.layers.GlobalAvgPool2d', 'page.write_page_nets'), 'takes no argument that a reader chooses'),
    **dict.fromkeys(('answers.Exercise', 'callbacks.Callback', 'compat.modules.HyperParameters', 'compat.modules.Module', 'compat.modules.Classifier', 'compat.trainer.DataModule',
                     'compat.modules.add_to_class', 'compat.layers.FlattenLayer'), _BASE),
    **dict.fromkeys(('speed.Cost', 'train.Scores', 'summary.Row', 'summary.Summary', 'zoo.Network', 'draw.Drawing', 'download.DataUnavailable', 'runs.Lazy',
                     'experiment.Variant', 'experiment.Settings', 'experiment.OutOfTime', 'explore.receptive_field.Layer', 'explore.surface.Surface'), _RECORD),
    **{f'experiment.{n}': 'a step of recording an experiment, called with an Experiment, which is drawn' for n in (
        'Deadline train_variant facts fixed_images Double behavior same_behavior runs_of variant_behavior tuned next_rate best_rate missing record_one keep record_experiment '
        'counted circumstances run_variant on_file part_of').split()},
    **dict.fromkeys(('runs.is_stale', 'runs.run_file', 'runs.scoreboard', 'runs.table', 'runs.plot_beside', 'explore.images.data_url', 'explore.images.image_block',
                     'show.color_scale', 'files.sweep', 'files.named', 'files.write_text', 'files.read_json', 'places.chapter_number', 'places.home_of', 'engine.summed', 'engine.Recorded', 'train.diverged', 'train.rng_kept', 'train.new_history', 'compat.scratch.Benchmark', 'compat.plots.set_axes',
                     'compat.trainer.FashionMNIST', 'compat.modules.ProgressBoard', 'compat.training.evaluate_accuracy_gpu', 'batch.a_loss', 'batch.batches_for', 'batch.told',
                     'callbacks.a_callback', 'callbacks.callback_list', 'engine.an_optimizer', 'evidence.one_axes', 'show.color_map', 'show.headline'), _INSIDE),
    'markup': 'takes any value; tests/test_markup.py gives it hostile names',
    'download.fetch': 'downloads; tests/test_data.py draws what servers answer',
    **{f'guard.{n}': 'a check, drawn through every function that it guards' for n in (
        'guarded watching at_least pair_from among floats alike fits by groups_divide slices_match sums_hold window_in kernel_for').split()},
}

# what builds many millions of weights for each draw comes a third as often as what does not
_HEAVY = ('alexnet.alexnet', 'nin.nin', 'resnet.resnet18', 'resnet.resnet34', 'resnet.resnet50', 'resnet.preact_resnet18', 'resnet.resnet', 'compat.layers.resnet18',
          'page.page_weights', 'compat.plots.Animator')
WEIGHTS.update({name: 1 if name in _HEAVY else 3 * times for name, times in WEIGHTS.items()})
