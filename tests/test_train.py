"fit, evaluate, save and load: same numbers for the same seed, nothing left behind, and a helpful word when it goes wrong."
import json
import math
import os
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset

from d2lcnn import train as T
from d2lcnn.callbacks import Checkpoint, EarlyStopping
from d2lcnn.data import digits
from d2lcnn.engine import Engine


@pytest.fixture(scope='module')
def data(): return digits(batch_size=100, size=8, limit=350, device='cpu')


def net(): return nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Dropout(.2), nn.Linear(216, 10))
def fit(n, data, *args, **kwargs): return T.fit(n, data, *args, verbose=False, **{'init': 'xavier', **kwargs})


def test_learns_and_keeps_its_circumstances(data):
    h = fit(net(), data, 6, .1, seed=3)
    assert h.loss[-1] < h.loss[0] / 2 and h.test_acc > .7
    assert [len(x) for x in (h.loss, h.train_acc, h.valid_loss, h.valid_acc, h.seconds)] == [6] * 5 and len(h.batch_loss) == 6 * 4
    assert (h.seed, h.budget, h.device, h.recipe['lr'], h.recipe['batch_size']) == (3, 'quick', 'cpu', .1, 100)
    for words in ('loss', 'train acc', 'valid acc', 'test acc', 'examples/s on cpu', 'budget quick', 'seed 3'): assert words in str(h)
    assert json.loads(json.dumps(h.to_dict()))['test_acc'] == h.test_acc


def test_is_the_loop_written_out(data):
    "The numbers of fit are those of the plainest loop there is."
    a = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)); h = fit(a, data, 2, .5, seed=1)
    b = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)); torch.manual_seed(1); T.xavier(b)
    opt, losses = torch.optim.SGD(b.parameters(), lr=.5), []
    for epoch in range(2):
        data.train.set_epoch(epoch)
        for X, y in data.train:
            l = F.cross_entropy(b(X), y); opt.zero_grad(); l.backward(); opt.step(); losses.append(l.item())
    assert_close(torch.tensor(h.batch_loss), torch.tensor(losses), rtol=1e-4, atol=1e-5)
    n = [100, 100, 100, 50]
    assert math.isclose(h.loss[0], sum(l * k for l, k in zip(losses, n)) / 350, rel_tol=1e-4)
    assert math.isclose(h.test_acc, sum((b(X).argmax(1) == y).sum().item() for X, y in data.test) / data.test.n, abs_tol=1e-6)


def test_seed_decides(data):
    runs = [fit(net(), data, 2, .1, seed=s).batch_loss for s in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


def test_global_rng_and_modes_stay(data):
    n = net(); n[1].eval(); before = [m.training for m in n.modules()]
    torch.manual_seed(5); want = torch.rand(3); torch.manual_seed(5)
    fit(n, data, 1, .1); T.evaluate(n, data.test); T.predict(n, data.valid)
    assert_close(torch.rand(3), want); assert [m.training for m in n.modules()] == before


def test_any_loader_will_do():
    g = torch.Generator().manual_seed(0); X = torch.randn(60, 1, 5, 7, generator=g); y = (X.mean((1, 2, 3)) > 0).long()
    loader = DataLoader(TensorDataset(X, y), batch_size=16)
    h = fit(nn.Sequential(nn.Flatten(), nn.Linear(35, 2)), (loader, None, None), 3, .1, device='cpu')
    assert h.epochs == 3 and h.test_acc is None and math.isnan(h.valid_acc[-1]) and 'test acc' not in str(h) and 'nan' not in str(h)


def test_interrupt_keeps_the_finished_epochs(data):
    class Impatient:
        device = torch.device('cpu'); passes = 0
        def __len__(self): return len(data.train)
        def __iter__(self):
            self.passes += 1
            for i, batch in enumerate(data.train):
                if self.passes == 3 and i == 1: raise KeyboardInterrupt
                yield batch
    n = net(); h = fit(n, (Impatient(), data.valid, data.test), 5, .1)
    assert h.epochs == 2 and h.stopped == 'interrupted after 2 of 5 epochs' and h.test_acc is None and n.training
    assert 'interrupted after 2 of 5' in str(h)


def test_nan_names_epoch_step_and_causes(data):
    class Poison(nn.Module):
        def __init__(self): super().__init__(); self.lin, self.calls = nn.Linear(64, 10), 0
        def forward(self, X):
            self.calls += self.training
            return self.lin(X.flatten(1)) * (math.nan if self.calls == 7 else 1)
    with pytest.raises(T.TrainingDiverged) as e: fit(Poison(), data, 4, .1)
    for words in ('nan in epoch 2, step 3 of 4', 'lr=0.1 here, try lr=0.01', 'init="xavier"'): assert words in str(e.value)
    assert e.value.history.epochs == 1


def test_patience_takes_the_best_weights_back(data):
    n = net(); h = fit(n, data, 40, 1.0, callbacks=[EarlyStopping(2)])
    assert h.epochs < 40 and 'no better validation loss' in h.stopped
    assert math.isclose(T.evaluate(n, data.valid).loss, min(h.valid_loss), rel_tol=1e-4)


def test_starts_by_name(data):
    a, b = fit(net(), data, 1, .01, init='he', seed=1), fit(net(), data, 1, .01, init=T.he, seed=1)
    assert a.batch_loss == b.batch_loss != fit(net(), data, 1, .01, init='xavier', seed=1).batch_loss and a.recipe['init'] == 'he'
    with pytest.raises(ValueError, match="'kaiming' is no initialization; take 'xavier', 'he'"): fit(net(), data, 1, .01, init='kaiming')


def test_best_weights_also_when_all_epochs_run(data, tmp_path):
    n = net(); h = fit(n, data, 12, 1.0, callbacks=[EarlyStopping(100)])
    assert h.epochs == 12 and h.stopped is None and h.valid_loss[-1] > min(h.valid_loss), 'this run must end worse than its best'
    assert math.isclose(T.evaluate(n, data.valid).loss, min(h.valid_loss), rel_tol=1e-4)
    m, path, best = net(), tmp_path / 'run.pt', 1 + h.valid_loss.index(min(h.valid_loss))  # the best epoch lies before the break
    def train(n, epochs):
        return fit(n, data, epochs, 1.0, callbacks=[EarlyStopping(100), Checkpoint(path)])
    train(net(), best)
    train(m, best + 1)
    assert math.isclose(T.evaluate(m, data.valid).loss, min(h.valid_loss), rel_tol=1e-4)


def test_resume_is_exact(data, tmp_path):
    whole = fit(net(), data, 4, .1)
    path = tmp_path / 'deep' / 'run.pt'
    fit(net(), data, 2, .1, callbacks=[Checkpoint(path)])
    halves = fit(net(), data, 4, .1, callbacks=[Checkpoint(path)])
    assert whole.batch_loss == halves.batch_loss and whole.test_acc == halves.test_acc and os.listdir(path.parent) == ['run.pt']
    with pytest.raises(ValueError, match='lr was 0.1, is 0.2'): fit(net(), data, 4, .2, callbacks=[Checkpoint(path)])


def test_options_still_learn(data):
    engines = [dict(engine=Engine(amp=True)), dict(engine=Engine(channels_last=True))]
    for options in (*engines, dict(optimizer=torch.optim.Adam)):
        h = fit(net(), data, 3, .01 if 'optimizer' in options else .1, **options)
        assert h.loss[-1] < h.loss[0], options


@pytest.mark.parametrize('kwargs, error, words', [
    (dict(epochs=2.5), TypeError, 'epochs=2.5 must be a whole number'),
    (dict(epochs=True), TypeError, 'epochs=True'),
    (dict(epochs=-1), ValueError, 'epochs=-1 must be a whole number from 0 to'),
    (dict(lr=0), ValueError, 'lr=0 must be above 0'),
    (dict(lr=-.1), ValueError, 'lr=-0.1'),
    (dict(lr=math.nan), ValueError, 'lr=nan must be above 0'),
    (dict(lr='fast'), TypeError, "lr='fast' must be a number"),
    (dict(lr=True), TypeError, 'lr=True'),
    (dict(optimizer='SGD'), TypeError, 'optimizer=torch.optim.SGD'),
    (dict(optimizer=partial(torch.optim.SGD, lr=.1)), ValueError, 'brings lr=0.1 and `fit` lr=0.1'),
    (dict(optimizer=torch.optim.SGD(net().parameters(), .1)), TypeError, 'optimizer=torch.optim.SGD'),
])
def test_bad_arguments(data, kwargs, error, words):
    with pytest.raises(error) as e:
        fit(net(), data, **{'epochs': 1, 'lr': .1, **kwargs})
    assert words in str(e.value)


def test_numpy_numbers_are_numbers(data):
    same = [fit(net(), data, e, lr).batch_loss for e, lr in ((1, .1), (np.int64(1), np.float64(.1)), (torch.tensor(1), torch.tensor(.1, dtype=torch.float64)))]
    assert same[0] == same[1] == same[2]
    assert fit(net(), data, np.uint8(1), np.float32(.5)).recipe['lr'] == .5


def test_the_loop_is_short():
    "DESIGN: a body that fits on one screen."
    import ast
    import inspect
    f, = ast.parse(inspect.getsource(T.fit)).body
    body = f.body[1:]
    assert body[-1].end_lineno - body[0].lineno + 1 <= 35


def test_generator_needs_a_length(data):
    with pytest.raises(TypeError, match='length'): fit(net(), ((b for b in data.train), None, None), 1, .1)


def test_xavier_bounds():
    conv = T.xavier(nn.Conv2d(4, 6, (3, 5))); a = math.sqrt(6 / (15 * (4 + 6)))
    assert .9 * a < conv.weight.abs().max() <= a and not conv.bias.any()


def test_save_and_load(tmp_path):
    a, b = net(), net(); a[1].running_mean.add_(3.)
    path = T.save(a, tmp_path / 'new' / 'a.safetensors', seed=1)
    T.load(b, path); assert_close(b.state_dict(), a.state_dict()); assert os.listdir(path.parent) == ['a.safetensors']


def test_load_says_what_does_not_fit(tmp_path):
    path = T.save(net(), tmp_path / 'a.safetensors')
    other = nn.Sequential(nn.Conv2d(1, 7, 3))
    with pytest.raises(ValueError, match=r'0.weight is \(6, 1, 3, 3\) in the file and \(7, 1, 3, 3\) in the net'): T.load(other, path)
    before = other[0].weight.clone()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match='not a whole safetensors file'): T.load(net(), path)
    with pytest.raises(FileNotFoundError, match='no weights'): T.load(net(), tmp_path / 'none')
    assert_close(other[0].weight, before)


def test_confusion_matrix(data):
    n = net(); fit(n, data, 4, .1); M = T.confusion_matrix(n, data.test)
    assert M.sum() == data.test.n and math.isclose(M.diag().sum() / M.sum(), T.evaluate(n, data.test).acc, abs_tol=1e-6)
    y = torch.cat([y for _, y in data.test]); assert_close(M.sum(1), torch.bincount(y, minlength=10))


def test_budget(monkeypatch, capsys):
    for name, want in (('quick', 1), ('laptop', 5), ('full', None)):
        monkeypatch.setenv('D2LCNN_BUDGET', name); assert T.budget(limit=(1, 5, None)).limit == want
    assert 'budget full: limit=all' in capsys.readouterr().out
    monkeypatch.delenv('D2LCNN_BUDGET'); assert T.budget_name() == ('full' if torch.cuda.is_available() else 'laptop')
    monkeypatch.setenv('D2LCNN_BUDGET', 'fast')
    with pytest.raises(ValueError, match="'fast'; it must be one of quick, laptop, full"): T.budget(limit=(1, 2, 3))
