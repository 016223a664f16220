"The first batch is looked at: one error with the numbers and the way out, and right accuracies."
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset

from d2lcnn import train as T
from d2lcnn.batch import check_outputs, hits

G = torch.Generator().manual_seed(0)
X = torch.randn(24, 5, generator=G)
Y3 = torch.arange(24) % 3
A_LOADER = DataLoader(TensorDataset(X, Y3), batch_size=8)


def net(outputs=3):
    return nn.Linear(5, outputs)


def batches(X, *rest):
    return [tuple(t[i:i + 8] for t in (X, *rest)) for i in range(0, 24, 8)]


def fit(n, data, **how):
    return T.fit(n, data, 1, .1, verbose=False, device='cpu', **how)


# ------------------------------------------------------------------ what is no data

@pytest.mark.parametrize('data, error, words', [
    (A_LOADER, TypeError, r'data is one DataLoader; give \(train, valid, test\).*\(loader, None'),
    ((A_LOADER, A_LOADER), ValueError, 'data has 2 parts'),
    ((A_LOADER,) * 4, ValueError, 'data has 4 parts'),
    (X, TypeError, 'data is one Tensor'),
    (7, TypeError, 'data is a int'),
    (((X, Y3), None, None), TypeError, r'train is a tuple of tensors.*DataLoader\(TensorDataset'),
    ((A_LOADER, (X, Y3), None), TypeError, 'valid is a tuple of tensors'),
    ((A_LOADER, 5, None), TypeError, 'valid is a int'),
    ((None, A_LOADER, None), TypeError, 'train'),
    (([], None, None), ValueError, 'no batches'),
])
def test_data_that_is_none(data, error, words):
    with pytest.raises(error, match=words):
        fit(net(), data)


# ------------------------------------------------------------------ what is no batch

NAN = torch.where(torch.arange(24)[:, None] == 3, math.nan, X)
BATCHES = [
    (DataLoader(X, batch_size=8), TypeError, 'not a pair'),
    (batches(X, Y3, Y3), ValueError, 'has 3 parts'),
    (batches(X, Y3[:, None]), ValueError, r'y has shape \(8, 1\).*y.squeeze\(1\)'),
    (batches(X, Y3.int()), TypeError, r'torch.int32.*y.long\(\)'),
    (batches(X, Y3.float()), TypeError, r'torch.float32.*y.long\(\)'),
    (batches(X, Y3 + 1), ValueError, r'run from 1 to 3, but 3 outputs.*y - 1'),
    (batches(X, Y3 - 1), ValueError, 'run from -1 to 1'),
    (batches(X, Y3 * 4), ValueError, 'run from 0 to 8, but 3 outputs.*9 outputs'),
    (batches(NAN, Y3), ValueError, 'X of a batch holds 5 of 40 numbers that are nan'),
    (batches((X * 9).byte(), Y3), TypeError, r'X is torch.uint8.*X.to\(torch.float32\) / 255'),
    (batches(X.double(), Y3), TypeError, r'X is torch.float64.*X.to\(torch.float32\)'),
    ([(X[:8], Y3[:7])], ValueError, '8 examples X but 7 labels y'),
    ([(X[:8].numpy(), Y3[:8])], TypeError, r'X of a batch is a ndarray.*torch.as_tensor\(X\)'),
    ([(X[:8], Y3[:8].tolist())], TypeError, 'y of a batch is a list'),
    ([(X[:0], Y3[:0])], ValueError, 'holds no examples'),
]


@pytest.mark.parametrize('given, error, words', BATCHES, ids=[w[:24] for *_, w in BATCHES])
def test_batches_that_do_not_fit(given, error, words):
    "The same in fit, in evaluate, and, where it is about X, in predict."
    n, before = net(), None
    before = n.weight.detach().clone()
    for ask in (lambda: fit(n, (given, None, None)), lambda: T.evaluate(n, given)):
        with pytest.raises(error, match=words):
            ask()
    assert_close(n.weight.detach(), before)
    if 'X' in words or 'pair' in words or 'parts' in words:
        with pytest.raises(error, match=words):
            T.predict(n, given)


def test_a_label_that_only_comes_later():
    "The first batch is fine; the second has a class too many."
    y = Y3.clone()
    y[12] = 3
    with pytest.raises(ValueError, match='run from 0 to 3, but 3 outputs are for classes 0 to 2'):
        fit(net(), (batches(X, y), None, None))


def test_a_nan_that_only_comes_later_is_not_the_learning_rates_fault():
    for spoilt in (torch.where(torch.arange(24)[:, None] == 20, math.nan, X), X):
        y = X[:, :1].clone()
        if spoilt is X:
            y[13] = math.nan
        with pytest.raises(ValueError, match='[Xy] of a batch holds .* nan or infinite'):
            fit(net(1), (batches(spoilt, y), None, None), loss=F.mse_loss)


def test_outputs_that_do_not_fit():
    class Pair(nn.Linear):
        def forward(self, X):
            return super().forward(X), X
    with pytest.raises(TypeError, match='the net gave a tuple'):
        fit(Pair(5, 3), (batches(X, Y3), None, None))
    with pytest.raises(ValueError, match='1 outputs for 8 examples'):
        check_outputs(torch.zeros(1, 24), Y3[:8])
    with pytest.raises(ValueError, match=r'gave shape \(8,\)'):
        check_outputs(torch.zeros(8), Y3[:8])
    check_outputs(torch.zeros(8, 3), torch.rand(8, 3))
    check_outputs(torch.zeros(8, 3), torch.full((8,), -100))


# ------------------------------------------------------------------ accuracies

def test_two_classes_with_one_output():
    "Binary cross-entropy, labels (N, 1): the accuracy is the share on the right side."
    y = (X.sum(1, keepdim=True) > .4).float()
    for loss, last in ((F.binary_cross_entropy_with_logits, nn.Identity()),
                       (nn.BCEWithLogitsLoss(), nn.Identity()), (F.binary_cross_entropy, nn.Sigmoid())):
        torch.manual_seed(0)
        n = nn.Sequential(net(1), last)
        want = ((n[0](X) > 0) == (y > .5)).float().mean().item()
        assert 0 < want < 1
        assert math.isclose(T.evaluate(n, batches(X, y), loss).acc, want, rel_tol=1e-6)
        h = fit(n, (batches(X, y), batches(X, y), None), loss=loss)
        assert 0 <= h.train_acc[0] <= 1 and 0 <= h.valid_acc[0] <= 1


def test_a_label_for_each_position():
    "Maps (N, C, H, W), labels (N, H, W): a fraction of all positions."
    maps, labels = torch.randn(24, 2, 5, 7, generator=G), torch.randint(4, (24, 5, 7), generator=G)
    n = nn.Conv2d(2, 4, 1)
    want = (n(maps).argmax(1) == labels).float().mean().item()
    got = T.evaluate(n, batches(maps, labels)).acc
    assert math.isclose(got, want, rel_tol=1e-5) and 0 < want < 1
    h = fit(n, (batches(maps, labels), None, None))
    assert 0 < h.train_acc[0] < 1


def test_a_regression_has_no_accuracy():
    y = X @ torch.randn(5, 2, generator=G)
    h = fit(net(2), (batches(X, y), batches(X, y), batches(X, y)), loss=F.mse_loss)
    assert math.isnan(h.train_acc[0]) and math.isnan(h.valid_acc[0]) and math.isnan(h.test_acc)
    assert 'acc' not in str(h) and 'loss' in str(h)
    y = torch.rand(24, generator=G)
    assert math.isnan(hits(torch.rand(24, 1), y, F.mse_loss))


def test_probabilities_of_the_classes():
    p = torch.softmax(torch.randn(24, 3, generator=G), 1)
    n = net()
    want = (n(X).argmax(1) == p.argmax(1)).float().mean().item()
    assert math.isclose(T.evaluate(n, batches(X, p)).acc, want, rel_tol=1e-6)


def test_confusion_with_small_label_types():
    "26 classes with uint8 labels, a perfect classifier: 26 on the diagonal, and so for int16."
    for kind in (torch.uint8, torch.int16, torch.int64):
        y = torch.arange(26).to(kind)
        M = T.confusion_matrix(nn.Identity(), [(torch.eye(26), y)])
        assert_close(M, torch.eye(26, dtype=torch.int64))
    with pytest.raises(ValueError, match='run from 0 to 25, but 3 outputs'):
        T.confusion_matrix(nn.Linear(26, 3), [(torch.eye(26), torch.arange(26))])
    with pytest.raises(ValueError, match='no batches'):
        T.predict(net(), [])
