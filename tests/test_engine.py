"Schedules, averaged weights, caches, several processes: faster or better, and still the same numbers."
import json
import math
import os
import subprocess
import sys
from functools import partial

import pytest
import torch
from conftest import ROOT
from torch import nn
from torch.testing import assert_close

from d2lcnn import train as T, zoo
from d2lcnn.callbacks import EMA, Checkpoint, EarlyStopping, Schedule
from d2lcnn.data import digits
from d2lcnn.engine import Engine


@pytest.fixture(scope='module')
def data(): return digits(batch_size=100, size=8, limit=350, device='cpu')


def net(): return nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(216, 10))
def fit(n, data, *args, **kwargs): return T.fit(n, data, *args, verbose=False, **{'init': 'xavier', **kwargs})


class Noted(torch.optim.SGD):
    "Remembers the rate of every step"
    rates = []
    def step(self, *args, **kwargs): self.rates.append(float(self.param_groups[0]['lr'])); return super().step(*args, **kwargs)


@pytest.mark.parametrize('schedule', ['one_cycle', 'cosine', lambda t: 1 - t])
def test_schedule_sets_every_steps_rate(data, schedule):
    Noted.rates = []
    h = fit(net(), data, 3, .2, optimizer=Noted, callbacks=[Schedule(schedule)])
    f = T.SCHEDULES.get(schedule, schedule) if isinstance(schedule, str) else schedule
    assert_close(torch.tensor(Noted.rates), torch.tensor([.2 * f(i / 11) for i in range(12)]))
    assert h.recipe['schedule'] == getattr(f, '__name__')


def test_one_cycle_by_hand():
    assert [T.one_cycle(t) for t in (.125, .25, .625)] == [.5, 1, .5] and 0 < T.one_cycle(0) == T.one_cycle(1) < .01
    assert max(T.cosine(t / 1000) for t in range(1001)) <= 1 and T.cosine(1) < .01 and math.isclose(T.cosine(.5), .5)


def test_average_is_the_average(data):
    class Kept(torch.optim.SGD):
        after = []
        def step(self, *args, **kwargs): r = super().step(*args, **kwargs); self.after.append(self.param_groups[0]['params'][0].detach().clone()); return r
    Kept.after, n = [], net(); torch.manual_seed(0); start = T.xavier(n)[0].weight.detach().clone()
    fit(n, data, 2, .1, optimizer=Kept, callbacks=[EMA(.9)])
    average = start
    for step, w in enumerate(Kept.after, 1):
        d = min(.9, step / (step + 10)); average = d * average + (1 - d) * w
    assert_close(n[0].weight.detach(), average)
    assert (n[0].weight - Kept.after[-1]).abs().max() > 1e-4  # and not the last weights


def test_resumed_with_average_and_schedule(data, tmp_path):
    def train(epochs, *more):
        optimizer = partial(torch.optim.SGD, momentum=.9)
        return fit(net(), data, epochs, .05, optimizer=optimizer, callbacks=[EMA(.9), *more])
    whole = train(4)
    train(2, Checkpoint(tmp_path / 'c.pt'))
    halves = train(4, Checkpoint(tmp_path / 'c.pt'))
    assert whole.batch_loss == halves.batch_loss and whole.valid_loss == halves.valid_loss and whole.test_loss == halves.test_loss


def test_average_and_patience_keep_the_best_average(data):
    n = net(); h = fit(n, data, 30, .3, callbacks=[EMA(.9), EarlyStopping(2)])
    assert math.isclose(T.evaluate(n, data.valid).loss, min(h.valid_loss), rel_tol=1e-5)


def test_wrong_choices(data):
    with pytest.raises(ValueError, match="'one_cycle', 'cosine'"): Schedule('warm')
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match='CUDA'): fit(net(), data, 1, .1, engine=Engine(graph=True))


def test_cached_pictures_are_the_resized_ones(data):
    d = digits(batch_size=64, size=20, limit=300, device='cpu', normalize=True); c = d.cached()
    assert c.train.images.dtype == torch.uint8 and c.train.images.shape == (300, 20, 20)
    for a, b in zip(d, c):
        a.set_epoch(3); b.set_epoch(3)
        for (X, y), (X2, y2) in zip(a, b, strict=True): assert torch.equal(X, X2) and torch.equal(y, y2)
    assert c.cached().train is c.train


def test_parts_make_the_whole(data):
    for split, shuffled in ((data.train, True), (data.valid, False)):
        whole = [y for _, y in (split.set_epoch(1), split)[1]]
        for of in (2, 3):
            parts = [split.part(k, of) for k in range(of)]
            for p in parts: p.set_epoch(1)
            drawn = [[y for _, y in p] for p in parts]
            assert all(len(d) == len(p) for d, p in zip(drawn, parts))
            if shuffled: assert all(sorted(torch.cat([d[i] for d in drawn]).tolist()) == sorted(w[:len(w) // of * of].tolist()) for i, w in enumerate(whole))
            else: assert sum(len(y) for d in drawn for y in d) == split.n
    assert sum(len(y) for _, y in data.train.in_batches(33)) == data.train.n


@pytest.mark.slow
@pytest.mark.parametrize('name', ['lenet', 'resnet18'])
def test_two_processes_train_like_one(name, tmp_path):
    "Each takes its half of every batch; gradients, losses and scores are those of one process (batch norm: within noise)."
    env = {**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    args = ['train', '--net', name, '--epochs', '2', '--limit', '400', '--size', '28', '--batch-size', '100', '--data', 'digits', '--lr', '0.02' if name == 'resnet18' else '0.1', '--quiet']
    python = [sys.executable, '-m']; torchrun = ['torch.distributed.run', '--standalone', '--nproc-per-node', '2', '-m', 'd2lcnn']
    for out, how in (('one', ['d2lcnn']), ('two', torchrun)):
        done = subprocess.run([*python, *how, *args, '--json', str(tmp_path / out)], env=env, cwd=ROOT, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    one, two = (json.loads((tmp_path / n).read_text()) for n in ('one', 'two'))
    assert two['recipe']['engine']['processes'] == 2 and len(one['batch_loss']) == len(two['batch_loss']) == 8
    if name == 'resnet18':  # batch norm sees half a batch: the first losses are close, after that the runs go their own ways
        assert abs(two['batch_loss'][0] - one['batch_loss'][0]) < .3 and all(sum(h['batch_loss'][4:]) / 4 < .7 * h['batch_loss'][0] for h in (one, two)); return
    assert_close(torch.tensor(two['batch_loss']), torch.tensor(one['batch_loss']), rtol=1e-3, atol=1e-4)
    assert abs(two['test_acc'] - one['test_acc']) < .01 and math.isclose(two['valid_loss'][-1], one['valid_loss'][-1], rel_tol=1e-3)


def test_zoo_names_everything():
    for name in (*zoo.NETWORKS, *zoo.MNIST):
        n = zoo.network(name)
        for r in (n.classic, n.modern):
            assert n.make(r.size).eval()(torch.rand(1, 1, r.size, r.size)).shape == (1, 10)
            assert r.augment is None or zoo.AUGMENTS[r.augment](torch.rand(3, 1, r.size, r.size)).shape == (3, 1, r.size, r.size)
    for wrong, word in ((dict(name='lenet7'), 'resnet18'), (dict(name='lenet', recipe='old'), "'modern'"), (dict(name='lenet', epoch=3), 'epochs')):
        with pytest.raises(ValueError, match=word): zoo.recipe_of(**wrong)


def test_random_erase():
    torch.manual_seed(0); X = torch.rand(200, 1, 28, 28); Y = zoo.random_erase(X)
    changed = (Y != X).flatten(1)
    assert changed.any(1).float().mean() > .8 and changed.float().mean() < .06
    i = changed.sum(1).argmax(); assert_close(Y[i][Y[i] != X[i]], X[i].mean().expand(int(changed[i].sum())))
