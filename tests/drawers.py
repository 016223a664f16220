"""How the arguments of every public name are drawn, what must be refused, and what is right."""

import contextlib
import decimal
import fractions
import functools
import importlib
import inspect
import math
import operator
import pkgutil
import statistics
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

import d2lcnn

close = functools.partial(torch.testing.assert_close, equal_nan=True, check_dtype=False)


# ------------------------------------------------------------------ what is public

def modules():
    "Every module of the package, by its name without `d2lcnn.`."
    names = [m.name for m in pkgutil.walk_packages(d2lcnn.__path__, 'd2lcnn.')]
    wanted = [n for n in names if not n.endswith(('__main__', '_modidx'))]
    return {n.removeprefix('d2lcnn.'): importlib.import_module(n) for n in wanted}


def public():
    "name -> object for everything that can be called and is at home here, each once."
    found = {}
    for where, module in modules().items():
        for name in getattr(module, '__all__', ()):
            thing = getattr(module, name)
            home = getattr(thing, '__module__', None) or ''
            if callable(thing) and home == module.__name__ and not isinstance(thing, type(None)):
                found[f'{where}.{name}'] = thing
    return found


# ------------------------------------------------------------------ anything

def _tensor(r):
    "Any tensor, small."
    shape = [r.choice((0, 1, 2, 3, 4, 5, 8)) for _ in range(r.choice((0, 1, 1, 2, 2, 3, 4, 4, 5)))]
    kind = r.choice(DTYPES)
    X = torch.randn(shape, generator=torch.Generator().manual_seed(r.randrange(2**31))) * 3
    X = X.to(kind) if kind != torch.bool else X > 0
    return _spoiled(r, X) if r.random() < 0.3 else X


def _spoiled(r, X):
    "The same tensor in a form that few expect."
    way = r.choice(('nan', 'inf', 'sparse', 'csr', 'meta', 'grad', 'strided', 'empty', 'huge', 'inference'))
    with contextlib.suppress(RuntimeError, TypeError, IndexError, NotImplementedError, ValueError):
        if way in ('nan', 'inf') and X.is_floating_point() and X.numel():
            X = X.clone()
            X.view(-1)[r.randrange(X.numel())] = float(way)
        elif way == 'sparse':
            X = X.to_sparse()
        elif way == 'csr':
            X = X.to_sparse_csr()
        elif way == 'meta':
            X = X.to('meta')
        elif way == 'grad' and X.is_floating_point():
            X = X.clone().requires_grad_()
        elif way == 'strided' and X.ndim:
            X = X.transpose(0, -1)
        elif way == 'empty' and X.ndim:
            X = X[:0]
        elif way == 'huge' and X.is_floating_point():
            X = X * 1e30
        elif way == 'inference':
            with torch.inference_mode():
                X = X.clone()
    return X


DTYPES = (torch.float32, torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8,
          torch.int8, torch.int16, torch.int32, torch.int64, torch.bool, torch.complex64)

_NUMBERS = (0, 1, 2, 3, 5, 7, -1, -2, -7, 10, 28, 255, 10**9, 2**31, 2**63, 10**30, -(10**9),
            0.0, 1.0, 0.5, -0.5, 2.5, 1e-9, 1e308, math.nan, math.inf, -math.inf, 1j, True, False,
            fractions.Fraction(1, 3), decimal.Decimal('0.5'), np.int64(3), np.uint8(2), np.int8(-1),
            np.float32(0.5), np.float64(2), np.float64('nan'), np.bool_(True), np.complex64(1j),
            np.array(2), np.array(0.5), 10**5000)
_THINGS = (None, ..., NotImplemented, '', 'x', '3', 'max', 'avg', 'same', 'cpu', 'cuda', 'gpu', 'meta', '../x',
           'lenet', '05', 'ä\x00', '<b>"', b'', b'3', (), (3,), (2, 3), (1, 2, 3), (1, 1, 28, 28), [], [2], [2, 3],
           (0, 0), (-1, 2), (1.5, 2), (2, None), ('a', 'b'), [[1, 2], [3]], [[1, 2], [3, 4]], {}, {'a': 1},
           {0: 1}, {3}, frozenset(), range(3), range(0), slice(2), int, str, dict, torch.nn.ReLU, len,
           object, Exception, torch.float32, torch.device('cpu'), Path('x'), math, np.float32)


def anything(r):
    "A value of any kind."
    way = r.random()
    if way < 0.3:
        return r.choice(_NUMBERS)
    if way < 0.6:
        return r.choice(_THINGS)
    if way < 0.85:
        return _tensor(r)
    return r.choice(_MADE)(r)


_MADE = (
    lambda r: object(), lambda r: (n for n in (1, 2)), lambda r: iter([1, 2]), lambda r: lambda *a, **k: None,
    lambda r: lambda X: X, lambda r: nn.ReLU(), lambda r: nn.Linear(3, 2), lambda r: nn.Conv2d(1, 2, 3),
    lambda r: nn.Sequential(), lambda r: nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), lambda r: nn.LazyLinear(3),
    lambda r: nn.BatchNorm2d(2), lambda r: np.zeros((0, 3)), lambda r: np.arange(6).reshape(2, 3),
    lambda r: np.ones((4, 4)), lambda r: np.array(['a']), lambda r: np.array([None, 1]),
    lambda r: np.ma.masked_array([1, 2], [0, 1]), lambda r: torch.Size((2, 3)), lambda r: [torch.ones(2)] * 2,
    lambda r: [math.nan, 1.0], lambda r: torch.Generator(), lambda r: nn.Parameter(torch.ones(2, 2)),
    lambda r: {'a': torch.ones(2)}, lambda r: [object()],
)


# ------------------------------------------------------------------ kinds of arguments

@dataclass
class Kind:
    "What an argument may be."

    good: object  # (random, the arguments before) -> a value that must work, if all others do
    fits: object = None  # value -> False where an answer would be wrong; None: nothing is known
    near: tuple = ()  # values just outside
    always: bool = False  # is it given in every draw, also where it has a default?

    def bad(self, r, given):
        if self.near and r.random() < 0.4:
            v = r.choice(self.near)
            return v(r) if callable(v) and getattr(v, '__name__', '') == '<lambda>' else v
        return anything(r)


def _bool(v):
    return isinstance(v, (bool, np.bool_)) or 'bool' in str(getattr(v, 'dtype', ''))


def is_whole(v, low=None, high=None):
    try:
        n = operator.index(v)
    except Exception:
        return False
    return not _bool(v) and (low is None or n >= low) and (high is None or n <= high)


def is_number(v, low=None, high=None, above=None, below=None):
    if _bool(v) or isinstance(v, (str, bytes, complex)) or 'complex' in str(getattr(v, 'dtype', '')):
        return False
    try:
        x = float(v)
    except Exception:
        return False
    fine = math.isfinite(x) and (low is None or x >= low) and (high is None or x <= high)
    return fine and (above is None or x > above) and (below is None or x < below)


def whole(low=0, high=None, good=None):
    top = min(low + 3, high) if high is not None else low + 3
    pick = good or (lambda r, g: r.choice((r.randint(low, top), np.int64(low), low)))
    near = (low - 1, -low - 1, low + 0.5, float(low), str(low), True, False, 10**9, 10**12, 2**70,
            np.float64(low), None, *(() if high is None else (high + 1,)))
    return Kind(pick, lambda v: is_whole(v, low, high), near)


def real(low=None, high=None, above=None, below=None, good=0.5):
    near = tuple(v for v in (low and low - 1e-3, high and high + 1e-3, above, below) if v is not None)
    near += (math.nan, math.inf, -1, '0.5', True, 1j, None, torch.ones(2))
    limits = dict(low=low, high=high, above=above, below=below)
    return Kind(lambda r, g: r.choice((good, np.float64(good), torch.tensor(good))),
                lambda v: is_number(v, **limits), near)


def _parts(v):
    "The whole numbers in a pair, or None."
    if isinstance(v, (tuple, list)):
        return list(v)
    if isinstance(getattr(v, 'ndim', None), int) and v.ndim == 1 and not _odd_form(v):
        return v.tolist()
    return [v]


def _odd_form(v):
    return isinstance(v, torch.Tensor) and (v.is_meta or v.layout != torch.strided)


def pair(low=1, good=None, length=(1, 2)):
    def fits(v):
        try:
            parts = _parts(v)
        except Exception:
            return False
        return len(parts) in length and all(is_whole(n, low) for n in parts)

    pick = good or (lambda r, g: r.choice((low, low + 1, (low, low + 2), [low + 1, low], np.int64(low))))
    near = ((low - 1, low), (low, low, low), (), low - 1, (low, 1.5), (low, True), 'ab', '33', (low, None),
            10**9, (10**6, 10**6), 2**70, torch.tensor([low, low]), torch.ones(2), None)
    return Kind(pick, fits, near)


def flag():
    def fits(v):
        return _bool(v) and getattr(v, 'ndim', 0) == 0 or is_whole(v, 0, 1)

    return Kind(lambda r, g: r.choice((True, False, np.bool_(True), 1)), fits, (None, 'no', 2, -1, 0.5, []))


def among(*choices):
    def fits(v):
        return any(type(v) is type(c) and v == c for c in choices)

    return Kind(lambda r, g: r.choice(choices), fits, ('', None, 0, 'none of them', list(choices), True))


def maps(*shapes, floats=True, low=1, kinds=None, spoil=True):
    "A tensor of one of these shapes; a letter is a size from 2 to 6."
    def good(r, g):
        shape = r.choice(shapes)
        shape = [r.randint(max(2, low), 6) if isinstance(n, str) else n for n in shape]
        X = torch.randn(shape, generator=torch.Generator().manual_seed(r.randrange(2**31)))
        kind = r.choice(kinds or (torch.float32, torch.float32, torch.float64))
        X = X.to(kind) if kind.is_floating_point else (X * 3).abs().to(kind)
        return X

    ranks = {len(s) for s in shapes}

    def fits(v):
        if not isinstance(v, torch.Tensor) or v.ndim not in ranks:
            return False
        return not (floats and not v.is_floating_point())

    def spoiled(r):
        return _spoiled(r, good(r, {}))

    def other_rank(r):
        X = good(r, {})
        return r.choice((X[None], X[0] if X.ndim else X, X[None, None], X.flatten()))

    def other_kind(r):
        return good(r, {}).to(r.choice(DTYPES))

    near = tuple(_named(f) for f in (spoiled, other_rank, other_kind, lambda r: good(r, {}).tolist(),
                                     lambda r: good(r, {}).numpy(), _tensor))
    return Kind(good, fits, near)


def _named(f):
    return lambda r: f(r)


def made(make, *near, fits=None):
    "Whatever `make` makes."
    return Kind(lambda r, g: make(), fits, near)


def of(*values, near=(), fits=None):
    return Kind(lambda r, g: r.choice(values), fits, near)


def optional(kind):
    "The same, or None."
    def good(r, g):
        return None if r.random() < 0.4 else kind.good(r, g)

    fits = None if kind.fits is None else (lambda v: v is None or kind.fits(v))
    return Kind(good, fits, tuple(v for v in kind.near if v is not None))


def always(kind):
    "The same, given in every draw: left out, it would train for minutes."
    return replace(kind, always=True)


text = functools.partial(of, 'a', 'two words', '<b>&"', fits=None)
UNKNOWN = Kind(lambda r, g: anything(r))


def fixed(*values):
    "Never bad: what it may be is for the programmer, not for the reader."
    kind = Kind(lambda r, g: r.choice(values))
    kind.bad = kind.good
    return kind


DEVICE = Kind(lambda r, g: r.choice(('cpu', torch.device('cpu'), None)), None,
              ('gpu', 'cuda', 'cuda:9', 7, -1, 'meta', 'xpu', 'mps', True, '', 'cpu:x'))


def is_net(v):
    return isinstance(v, nn.Module)


def _small_net():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 36, 10))


NET = Kind(lambda r, g: _small_net(), is_net, (None, 'lenet', nn.ReLU, _small_net,
                                               lambda r: nn.LazyLinear(2), lambda r: _small_net().state_dict()))


# ------------------------------------------------------------------ drawers

DRAWERS, WEIGHTS = {}, {}


@dataclass
class Draw:
    "One call, ready to be made."

    call: object  # without arguments
    given: dict = field(default_factory=dict)  # for the report, and for what is clear
    refuse: bool = False  # must there be an error?
    want: object = None  # answer -> None, or a sentence that says what is wrong with it


def arguments(r, kinds, needed):
    "(arguments, must they be refused?)"
    n_bad = r.choices((0, 1, 2, len(kinds)), (25, 50, 20, 5))[0] if kinds else 0
    bad = set(r.sample(list(kinds), min(n_bad, len(kinds))))
    given, refuse = {}, False
    for name, kind in kinds.items():
        if name in bad:
            given[name] = kind.bad(r, given)
        elif name in needed or kind.always or r.random() < 0.5:
            try:
                given[name] = kind.good(r, given)
            except Exception:  # what came before it is bad
                given[name] = kind.bad(r, given)
        else:
            continue
        if kind.fits is not None and not hasattr(given[name], '__next__'):  # it would be used up
            try:
                refuse |= not kind.fits(given[name])
            except Exception:
                pass
    return given, refuse


def draws(name, want=None, times=1, /, then=None, **kinds):
    "Tell how the arguments of a public name are drawn."
    thing = _find(name)
    try:
        parameters = inspect.signature(thing).parameters
    except ValueError:
        parameters = {}
    missing = set(kinds) - set(parameters)
    loose = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    assert not missing or loose, f'{name} has no {missing}'
    needed = {k for k, p in parameters.items() if p.default is p.empty}

    def drawer(r):
        given, refuse = arguments(r, kinds, needed)
        front = [k for k, p in parameters.items() if p.kind is p.POSITIONAL_ONLY and k in given]
        star = next((k for k, p in parameters.items() if p.kind is p.VAR_POSITIONAL), None)

        def call():
            named = {k: v for k, v in given.items() if k not in front and k != star}
            if star in given:  # whatever comes before a star has to be given by place
                order = [k for k in parameters if k in named and parameters[k].kind is parameters[k].POSITIONAL_OR_KEYWORD]
                args = [named.pop(k) for k in order] + list(given[star])
                return thing(*args, **named)
            answer = thing(*(given[k] for k in front), **named)
            return then(r, answer, given) if then else answer

        check = None if want is None else functools.partial(_held, want, given)
        return Draw(call, given, refuse, check)

    DRAWERS[name], WEIGHTS[name] = drawer, times


def _held(want, given, answer):
    "None, or what is wrong with an answer."
    try:
        said = want(answer, **given)
    except AssertionError as e:
        return f'not what is right: {e}'[:300]
    except Exception:
        return None  # PyTorch gives no answer to compare with
    return said if isinstance(said, str) else None


def _find(name):
    module, _, attribute = name.rpartition('.')
    return getattr(importlib.import_module(f'd2lcnn.{module}'), attribute)
