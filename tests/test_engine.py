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

from d2lcnn import record, train as T, zoo
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


@pytest.fixture
def folder(tmp_path):
    record.record('lenet', 'modern', 0, tmp_path, limit=300, epochs=2, data='digits', verbose=False)
    return tmp_path


def test_record_is_complete_and_not_repeated(folder):
    path, = (folder / 'runs').iterdir(); before = path.stat().st_mtime_ns
    assert record.record('lenet', 'modern', 0, folder, limit=300, epochs=2, data='digits', verbose=False) == path and path.stat().st_mtime_ns == before
    r, = record.load_runs(folder, reduced=True)
    assert record.load_runs(folder) == [] and r['reduced'] and not r['stale'] and r['parameters'] == 61_706
    assert sum(map(sum, r['confusion'])) == len(r['guesses']) and math.isclose(sum(r['confusion'][i][i] for i in range(10)) / len(r['guesses']), r['test_acc'], abs_tol=1e-6)
    assert 'LeNet' in record.table(record.scoreboard([r])) and 'stale' not in record.table(record.scoreboard([r]))


def test_other_code_or_recipe_makes_a_run_stale(folder, monkeypatch):
    path, = (folder / 'runs').iterdir(); run = json.loads(path.read_text())
    path.write_text(json.dumps(run | {'code': '0' * 12})); r, = record.load_runs(folder, reduced=True)
    assert r['stale'] and 'stale' in record.table(record.scoreboard([r]))
    assert record.is_stale(run, zoo.recipe_of('lenet', 'modern')) and not record.is_stale(run)
    record.record('lenet', 'modern', 0, folder, limit=300, epochs=2, data='digits', verbose=False)
    assert not record.load_runs(folder, reduced=True)[0]['stale'], 'a stale run is made anew'


def test_fingerprint_follows_the_code_that_decides():
    assert len({record.code_fingerprint(n) for n in (*zoo.NETWORKS, *zoo.MNIST)}) == len(zoo.NETWORKS) + len(zoo.MNIST)
    reached = set(record._reached([*record.ENGINE, ('zoo', 'resnet18')]))
    assert {('resnet', 'Residual'), ('resnet', 'resnet_block'), ('train', 'train_step'), ('data', 'resize')} <= reached
    assert not reached & {('train', '_NotebookBar'), ('resnet', 'Bottleneck'), ('densenet', 'densenet')}


def test_killed_recording_leaves_no_half_file_and_goes_on(tmp_path):
    "Killed after its first epoch; the next start trains only the rest."
    code = ("from d2lcnn import record, train\nimport os, signal, sys\nfrom pathlib import Path\n"
            "write = train._write_checkpoint\n"
            "def once(*a, **k): write(*a, **k); os.kill(os.getpid(), signal.SIGKILL)\n"
            "if sys.argv[2] == 'kill': train._write_checkpoint = once\n"
            "record.record('lenet', 'modern', 1, sys.argv[1], limit=300, epochs=3, data='digits', verbose=False)\n")
    def go(word): return subprocess.run([sys.executable, '-c', code, str(tmp_path), word], capture_output=True, text=True, env={**os.environ, 'CUDA_VISIBLE_DEVICES': ''}, timeout=120)
    assert go('kill').returncode == -9
    assert not list((tmp_path / 'runs').glob('*.json')) and len(list((tmp_path / 'runs').glob('.*.pt'))) == 1
    done = go('on'); assert done.returncode == 0, done.stderr
    r, = record.load_runs(tmp_path, reduced=True)
    record.record('lenet', 'modern', 1, tmp_path / 'whole', limit=300, epochs=3, data='digits', device='cpu', verbose=False)
    whole, = record.load_runs(tmp_path / 'whole', reduced=True)
    assert r['loss'] == whole['loss'] and r['guesses'] == whole['guesses'] and not list((tmp_path / 'runs').glob('.*'))


def test_beside_prints_yours_and_the_recorded(folder, data, capsys):
    h = fit(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), data, 1, .1)
    record.beside(h, 'lenet', folder / 'nowhere'); assert 'no recorded runs of LeNet' in capsys.readouterr().out
    path, = (folder / 'runs').iterdir(); run = json.loads(path.read_text())
    for seed, acc in ((0, .80), (1, .82)):
        (folder / 'runs' / f'lenet-classic-{seed}.json').write_text(json.dumps(run | dict(recipe_name='classic', reduced=False, seed=seed, test_acc=acc, recipe=json.loads(json.dumps(vars(zoo.network('lenet').classic))))))
    ax = record.beside(h, 'lenet', folder); out = capsys.readouterr().out
    assert f'yours: test acc {h.test_acc:.3f}' in out and '0.810 (from 0.800 to 0.820, 2 runs)' in out and 'lessons report 0.820' in out
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ['recorded, classic', 'yours, budget quick']


@pytest.mark.parametrize('acc, share, words', [(.5, 1., 'Below the recorded range'), (.99, 1., 'another seed'), (.81, 1., 'where it should be'), (.5, .1, '10.0% as many')])
def test_advice(acc, share, words):
    h = T.History(loss=[1.] * 10, test_acc=acc, recipe=dict(data='Fashion-MNIST', examples=int(55_000 * share), epochs=10))
    run = dict(data='Fashion-MNIST', examples=55_000, recipe=dict(epochs=10))
    assert words in record._advice(h, [run], .80, .82)


def test_recorded_runs_are_what_the_book_says():
    "What lies in results/: whole, of known networks, and at least as good as the literature's lessons where the book says so."
    runs = record.load_runs(ROOT / 'results')
    assert {(r['name'], r['recipe_name']) for r in runs} == {(n, r) for n in (*zoo.NETWORKS, *zoo.MNIST) for r in zoo.RECIPES}
    for r in runs:
        assert len(r['loss']) == r['recipe']['epochs'] and len(r['guesses']) == 10_000 == sum(map(sum, r['confusion'])) and r['peak_memory'] < 8 * 2 ** 30
        assert r['parameters'] == sum(p.numel() for p in zoo.network(r['name']).make(r['recipe']['size']).parameters())
    mean = {(r['name'], r['recipe']): r['acc'] for r in record.scoreboard(runs)}
    for name, at_least in dict(lenet=.78, vgg11=.911, nin=.865, googlenet=.886, lenet_bn=.85, resnet18=.91, densenet=.885).items(): assert mean[name, 'classic'] >= at_least, name
    assert all(mean[n, 'modern'] > mean[n, 'classic'] for n in (*zoo.NETWORKS, *zoo.MNIST)) and mean['resnet18', 'modern'] >= .95


def test_stale_runs_and_outputs_are_told_apart(tmp_path):
    from nbformat.v4 import new_code_cell, new_notebook
    import nbformat
    (tmp_path / 'nbs').mkdir(); a = tmp_path / 'nbs' / '01_a.ipynb'
    def write(*sources): nbformat.write(new_notebook(cells=[new_code_cell(s) for s in sources]), a)
    write('from d2lcnn.pooling import pool2d', 'pool2d'); first = record.notebook_fingerprint(a)
    record.note_outputs(a, tmp_path / 'results')
    assert record.stale_outputs(tmp_path / 'results', tmp_path / 'nbs') == {'01_a': 'fresh'}
    write('#| hide\n# on Colab and Kaggle, once: the book and its package', 'from d2lcnn.pooling import pool2d', 'pool2d')
    assert record.stale_outputs(tmp_path / 'results', tmp_path / 'nbs') == {'01_a': 'fresh'}
    write('from d2lcnn.pooling import pool2d', 'pool2d  # other'); assert record.stale_outputs(tmp_path / 'results', tmp_path / 'nbs') == {'01_a': 'stale'}
    write('from d2lcnn.conv import corr2d', 'corr2d'); assert record.notebook_fingerprint(a) != first
    assert record.stale_outputs(tmp_path / 'none', tmp_path / 'nbs') == {'01_a': 'unknown'}


def test_stored_outputs_come_from_the_present_code():
    "`d2lcnn run CHAPTER --store` makes a stale chapter's outputs anew. Chapters without a note are older than the notes."
    state = record.stale_outputs(ROOT / 'results', ROOT / 'nbs')
    assert not [c for c, s in state.items() if s == 'stale']
