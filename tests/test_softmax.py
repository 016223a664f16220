"Chapter f2: softmax, cross-entropy and accuracy equal to PyTorch's over random cases, bad input refused."

import inspect
import json

import pytest
import torch
from conftest import ROOT
from hypothesis import given, settings, strategies as st
from torch.nn import functional as F
from torch.testing import assert_close

from d2lcnn import softmax as module
from d2lcnn.softmax import accuracy, cross_entropy, softmax

SIZES = st.integers(1, 7)
SEEDS = st.integers(0, 10**6)
SCALES = st.sampled_from([0.01, 1, 30, 1000, 1e5])


def scores(seed, n, c, scale=3.0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, c, generator=g) * scale, torch.randint(0, c, (n,), generator=g)


@settings(max_examples=60, deadline=None)
@given(SEEDS, SIZES, SIZES, SCALES)
def test_softmax_is_torchs_at_every_scale(seed, n, c, scale):
    Z, _ = scores(seed, n, c, scale)
    P = softmax(Z)
    assert_close(P, Z.softmax(1))
    assert_close(P.sum(1), torch.ones(n))
    assert (P >= 0).all()
    assert_close(softmax(Z + 500), P, rtol=1e-2, atol=1e-2 if scale > 1 else 1e-3)
    assert_close(softmax(Z[None].expand(2, n, c)), Z[None].expand(2, n, c).softmax(-1))
    assert_close(softmax(Z[0]), Z[0].softmax(0))


@settings(max_examples=60, deadline=None)
@given(SEEDS, SIZES, SIZES, SCALES, st.sampled_from(['mean', 'sum', 'none']))
def test_cross_entropy_and_its_gradient_are_torchs(seed, n, c, scale, reduction):
    Z, y = scores(seed, n, c, scale)
    ours, theirs = Z.clone().requires_grad_(), Z.clone().requires_grad_()
    a = cross_entropy(ours, y, reduction)
    b = F.cross_entropy(theirs, y, reduction=reduction)
    assert_close(a, b, rtol=1e-4, atol=1e-4)
    a.sum().backward()
    b.sum().backward()
    assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)
    with_bytes = cross_entropy(Z, y.to(torch.uint8), reduction)
    assert_close(with_bytes, a.detach())


@settings(max_examples=40, deadline=None)
@given(SEEDS, SIZES, SIZES)
def test_the_gradient_is_probability_minus_truth(seed, n, c):
    Z, y = scores(seed, n, c)
    Z.requires_grad_()
    cross_entropy(Z, y).backward()
    truth = F.one_hot(y, c)
    assert_close(Z.grad, (softmax(Z.detach()) - truth) / n, rtol=1e-4, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 30), SIZES)
def test_accuracy_counts(seed, n, c):
    Z, y = scores(seed, n, c)
    right = sum(int(row.argmax()) == int(label) for row, label in zip(Z, y))
    assert accuracy(Z, y) == pytest.approx(right / n)


Z, Y = torch.zeros(3, 4), torch.tensor([0, 3, 1])


@pytest.mark.parametrize(
    'call, error, words',
    [
        (lambda: softmax([1.0, 2]), TypeError, 'Z is a list.*torch.as_tensor'),
        (lambda: softmax(torch.tensor(1.0)), ValueError, 'no scores'),
        (lambda: softmax(torch.zeros(3, 0)), ValueError, r'\(3, 0\) has no scores'),
        (lambda: softmax(torch.tensor([1, 2])), TypeError, r'Z\.float\(\)'),
        (lambda: cross_entropy(Z[0], Y), ValueError, 'Y_hat has 1 axis'),
        (lambda: cross_entropy(Z, Y[:2]), ValueError, '3 rows of logits but 2 labels'),
        (lambda: cross_entropy(Z, Y.float()), TypeError, r'y is torch.float32.*y\.long\(\)'),
        (lambda: cross_entropy(Z, Y + 1), ValueError, 'y goes from 1 to 4; 4 logits .* 0 to 3'),
        (lambda: cross_entropy(Z, Y - 1), ValueError, 'y goes from -1 to 2'),
        (lambda: cross_entropy(Z, F.one_hot(Y)), ValueError, 'y has 2 axes'),
        (lambda: cross_entropy(Z, Y, 'average'), ValueError, "'average' is none of 'mean'"),
        (lambda: cross_entropy(Z[:0], Y[:0]), ValueError, 'empty'),
        (lambda: cross_entropy(Z.long(), Y), TypeError, 'not floating-point'),
        (lambda: accuracy(Z, Y[:1]), ValueError, 'one label per row'),
        (lambda: accuracy(Z, [0, 3, 1]), TypeError, 'y is a list'),
    ],
)
def test_bad_input_is_refused_with_the_way_out(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize('name', ['softmax', 'cross_entropy', 'accuracy'])
def test_a_taught_function_pasted_alone_does_the_same(name):
    f, space = getattr(module, name), dict(torch=torch)
    exec(inspect.getsource(f), space)
    Z, y = scores(0, 5, 4)
    for args in [(Z,)] if name == 'softmax' else [(Z, y)]:
        assert_close(space[name](*args), f(*args))
    assert inspect.signature(f) == inspect.signature(space[name])


def test_the_stored_run_of_the_chapter_reaches_83_per_cent():
    "A linear model, all training images, the whole test set."
    cells = json.loads((ROOT / 'nbs/foundations/f2_softmax.ipynb').read_text(encoding='utf-8'))['cells']
    texts = {
        ''.join(c['source']): ''.join(''.join(o.get('text') or o['data'].get('text/plain', '')) for o in c['outputs'])
        for c in cells
        if c['cell_type'] == 'code'
    }
    loaded = next(t for s, t in texts.items() if "load_data('fashion_mnist'" in s)
    assert '55,000 train, 5,000 valid, 10,000 test' in loaded and 'budget laptop' in loaded
    scored = next(t for s, t in texts.items() if s.endswith('accuracy(Y_hat, y_test)') and 'X_test' in s)
    assert 0.83 <= float(scored) < 0.87
