"Recorded runs: whole, not repeated, stale when the code computes something else, read and drawn."

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from conftest import ROOT
from torch import nn

from d2lcnn import behavior, data as D, experiment as E, init, lenet, record, runs, train as T, zoo
from d2lcnn.behavior import run_behavior, same
from d2lcnn.data import digits

FEW = dict(limit=300, epochs=2, data='digits', verbose=False)


@pytest.fixture
def folder(tmp_path):
    record.record('lenet', 'modern', 0, tmp_path, **FEW)
    return tmp_path


def test_other_images_are_never_recorded_under_the_name_of_the_set(tmp_path, monkeypatch):
    "Without Fashion-MNIST the digits train, and say so; they do not go on file."
    def nowhere(*args, **kwargs):
        raise D.DataUnavailable('Fashion-MNIST cannot be had:\n - no network')

    monkeypatch.setattr(D, 'fashion_mnist', nowhere)
    monkeypatch.setattr(D, '_told', set())
    assert D.load_data('fashion_mnist', batch_size=64).name == 'digits'
    with pytest.raises(D.DataUnavailable, match='no network'):
        record.record('lenet', 'classic', 0, tmp_path, verbose=False)
    settings = E.Settings(epochs=1)
    variants = {'A': E.Variant(lenet.lenet)}
    of = E.Experiment('99.absent', '?', variants, settings, (.1, .2, .4), folder=tmp_path)
    try:
        with pytest.raises(D.DataUnavailable, match='no network'):
            E.record_experiment(of)
    finally:
        del E.EXPERIMENTS['99.absent']
    assert not [p for p in tmp_path.rglob('*') if p.is_file()]


# ---------------------------------------------------------------- behavior


@pytest.fixture
def afresh():
    "Behaviors are computed, not remembered."
    behavior._run_behavior.cache_clear()
    yield
    behavior._run_behavior.cache_clear()


def changed(name, recipe='classic'):
    "Does the behavior differ from that of the recorded run?"
    run = record.load_runs(ROOT / 'results', name, recipe)[0]
    return runs.is_stale(run)


@pytest.mark.parametrize('name', [*zoo.NETWORKS, *zoo.MNIST])
def test_recorded_runs_are_fresh(name):
    for r in record.load_runs(ROOT / 'results', name):
        assert not r['stale'], (name, r['recipe_name'])


def test_every_network_and_recipe_behaves_differently():
    found = [tuple(r['behavior']) for r in record.load_runs(ROOT / 'results')]
    assert len(set(found)) == len({(r['name'], r['recipe_name']) for r in record.load_runs()})


def test_other_loss_makes_stale(afresh, monkeypatch):
    assert not changed('lenet', 'modern')
    behavior._run_behavior.cache_clear()
    by = zoo.train_by

    def other(net, recipe, *args, **how):
        return by(net, replace(recipe, label_smoothing=0.05), *args, **how)

    monkeypatch.setattr(zoo, 'train_by', other)
    assert changed('lenet', 'modern')


def test_other_order_makes_stale(afresh, monkeypatch):
    def order(self):
        if not self.shuffle:
            return self.rows
        g = torch.Generator(self.device).manual_seed(1_000_033 * self.seed + self.epoch)
        return self.rows[torch.randperm(self.n, generator=g, device=self.device)]

    monkeypatch.setattr(D.Batches, 'order', order)
    assert changed('lenet')


def test_other_initialization_makes_stale(afresh, monkeypatch):
    monkeypatch.setitem(init.INITIALIZATIONS, 'xavier', init.he)
    assert changed('lenet')


def test_other_layer_makes_stale(afresh, monkeypatch):
    def relu(size=28):
        net = lenet.lenet(size=size)
        return nn.Sequential(*(nn.ReLU() if isinstance(m, nn.Sigmoid) else m for m in net))

    monkeypatch.setitem(zoo.NETWORKS, 'lenet', replace(zoo.network('lenet'), make=relu))
    assert changed('lenet')


@pytest.mark.parametrize(
    'change',
    [
        dict(schedule=None),
        dict(ema=None),
        dict(augment=None),
        dict(normalize=False),
        dict(settings=dict(weight_decay=0.01)),
        dict(lr=6.1e-3),
        dict(optimizer='Adam'),
        dict(init='he'),
    ],
)
def test_every_part_of_a_recipe_is_felt(change):
    recipe = zoo.recipe_of('lenet', 'modern')
    assert not same(run_behavior('lenet', recipe), run_behavior('lenet', replace(recipe, **change)))


def test_code_that_is_only_written_differently_stays_fresh(afresh, monkeypatch):
    "Another way to write the same loss, other names, another loop over the layers."

    def cross_entropy(outputs, targets):
        right = outputs.log_softmax(1)[torch.arange(len(targets)), targets]
        return -right.mean()

    def anew(network):
        dense = [m for m in network.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
        for layer in dense:
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        return network

    monkeypatch.setattr(zoo, 'F', SimpleNamespace(cross_entropy=cross_entropy))
    monkeypatch.setitem(init.INITIALIZATIONS, 'xavier', anew)
    assert not changed('lenet')


def test_numbers_are_compared_with_a_tolerance():
    assert same([1.0, 2e-5], [1.00005, 2e-5]) and not same([1.0], [1.0002])
    assert not same([1.0], [1.0, 2.0]) and same([math.nan], [math.nan])


def test_behavior_leaves_the_random_numbers_alone():
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    behavior._run_behavior.cache_clear()
    run_behavior('lenet5', 'modern')
    assert torch.equal(torch.rand(3), expected)


# ---------------------------------------------------------------- recording


def test_record_is_complete_and_not_repeated(folder):
    (path,) = (folder / 'runs').iterdir()
    before = path.stat().st_mtime_ns
    assert record.record('lenet', 'modern', 0, folder, **FEW) == path
    assert path.stat().st_mtime_ns == before
    (r,) = record.load_runs(folder, reduced=True)
    assert record.load_runs(folder) == [] and r['reduced'] and not r['stale']
    assert r['parameters'] == 61_706 and sum(map(sum, r['confusion'])) == len(r['guesses'])
    right = sum(r['confusion'][i][i] for i in range(10)) / len(r['guesses'])
    assert math.isclose(right, r['test_acc'], abs_tol=1e-6)
    text = record.table(record.scoreboard([r]))
    assert 'LeNet' in text and 'stale' not in text


def test_other_behavior_or_recipe_makes_a_run_stale(folder):
    (path,) = (folder / 'runs').iterdir()
    run = json.loads(path.read_text())
    other = [1.001 * v for v in run['behavior']]
    for wrong in (dict(behavior=other), dict(behavior=None), dict(recipe=run['recipe'] | {'old': 1})):
        path.write_text(json.dumps(run | wrong))
        (r,) = record.load_runs(folder, reduced=True)
        assert r['stale'] and 'stale' in record.table(record.scoreboard([r]))
    assert record.is_stale(run, zoo.recipe_of('lenet', 'modern')) and not record.is_stale(run)
    record.record('lenet', 'modern', 0, folder, **FEW)
    assert not record.load_runs(folder, reduced=True)[0]['stale'], 'a stale run is made anew'


@pytest.mark.parametrize('text', ['', '{"name": "lenet"', '[1, 2]', '{"name": "lenet", "seed": 0}'])
def test_a_damaged_file_is_named(folder, text):
    (path,) = (folder / 'runs').iterdir()
    path.write_text(text)
    with pytest.raises(ValueError, match=path.name):
        record.load_runs(folder, reduced=True)


def test_killed_between_weights_and_file(tmp_path, monkeypatch):
    "The weights are there before the run's file is: a file that is there is complete."
    seen = []

    def save(net, path, /, **of):
        seen.append(list((tmp_path / 'runs').glob('*.json')))

    monkeypatch.setattr(record, 'save', save)
    record.record('lenet', 'classic', 0, tmp_path, weights=True, **FEW)
    assert seen == [[]] and len(list((tmp_path / 'runs').glob('*.json'))) == 1


@pytest.mark.slow
def test_killed_recording_leaves_no_half_file_and_goes_on(tmp_path):
    "Killed after its first epoch; the next call trains only the rest."
    code = (
        "from d2lcnn import callbacks, record\nimport os, signal, sys\n"
        "write = callbacks.Checkpoint.after_epoch\n"
        "def once(*a, **k): write(*a, **k); os.kill(os.getpid(), signal.SIGKILL)\n"
        "if sys.argv[2] == 'kill': callbacks.Checkpoint.after_epoch = once\n"
        "record.record('lenet', 'modern', 1, sys.argv[1], limit=300, epochs=3, data='digits',"
        " verbose=False)\n"
    )

    def go(word):
        env = {**os.environ, 'CUDA_VISIBLE_DEVICES': ''}
        command = [sys.executable, '-c', code, str(tmp_path), word]
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)

    assert go('kill').returncode == -9
    assert not list((tmp_path / 'runs').glob('*.json'))
    assert len(list((tmp_path / 'runs').glob('.*.pt'))) == 1
    done = go('on')
    assert done.returncode == 0, done.stderr
    (r,) = record.load_runs(tmp_path, reduced=True)
    how = FEW | dict(epochs=3, device='cpu')
    record.record('lenet', 'modern', 1, tmp_path / 'whole', **how)
    (whole,) = record.load_runs(tmp_path / 'whole', reduced=True)
    assert r['loss'] == whole['loss'] and r['guesses'] == whole['guesses']
    assert not list((tmp_path / 'runs').glob('.*'))


# ---------------------------------------------------------------- reading


def test_beside_prints_yours_and_the_recorded(folder, capsys):
    data = digits(batch_size=100, size=8, limit=350, device='cpu')
    h = T.fit(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), data, 1, 0.1, verbose=False)
    record.beside(h, 'lenet', folder / 'nowhere')
    assert 'no recorded runs of LeNet' in capsys.readouterr().out
    (path,) = (folder / 'runs').iterdir()
    run = json.loads(path.read_text())
    recipe = json.loads(json.dumps(vars(zoo.network('lenet').classic)))
    for seed, acc in ((0, 0.80), (1, 0.82)):
        other = dict(recipe_name='classic', reduced=False, seed=seed, test_acc=acc, recipe=recipe)
        (folder / 'runs' / f'lenet-classic-{seed}.json').write_text(json.dumps(run | other))
    ax = record.beside(h, 'lenet', folder)
    out = capsys.readouterr().out
    assert f'yours: test acc {h.test_acc:.3f}' in out and 'lessons report 0.820' in out
    assert '0.810 (from 0.800 to 0.820, 2 runs)' in out and 'by older code' in out
    labels = [t.get_text() for t in ax.get_legend().get_texts()]
    assert labels == ['recorded, classic', 'yours, budget quick']


@pytest.mark.parametrize(
    'acc, share, words',
    [
        (0.5, 1.0, 'Below the recorded range'),
        (0.99, 1.0, 'another seed'),
        (0.81, 1.0, 'where it should be'),
        (0.5, 0.1, '10.0% as many'),
    ],
)
def test_advice(acc, share, words):
    recipe = dict(data='Fashion-MNIST', examples=int(55_000 * share), epochs=10)
    h = T.History(loss=[1.0] * 10, test_acc=acc, recipe=recipe)
    run = dict(data='Fashion-MNIST', examples=55_000, recipe=dict(epochs=10))
    assert words in runs._advice(h, [run], 0.80, 0.82)


def test_recorded_runs_are_what_the_book_says():
    "Whole, of known networks, and as good as the published lessons where the book says so."
    found = record.load_runs(ROOT / 'results')
    everything = {(n, r) for n in (*zoo.NETWORKS, *zoo.MNIST) for r in zoo.RECIPES}
    assert {(r['name'], r['recipe_name']) for r in found} == everything
    for r in found:
        assert len(r['loss']) == r['recipe']['epochs'] and r['peak_memory'] < 8 * 2**30
        assert len(r['guesses']) == 10_000 == sum(map(sum, r['confusion']))
        net = zoo.network(r['name']).make(r['recipe']['size'])
        assert r['parameters'] == sum(p.numel() for p in net.parameters())
    mean = {(r['name'], r['recipe']): r['acc'] for r in record.scoreboard(found)}
    low = dict(lenet=0.78, vgg11=0.911, nin=0.865, googlenet=0.886, lenet_bn=0.85, resnet18=0.91)
    for name, at_least in (low | dict(densenet=0.885)).items():
        assert mean[name, 'classic'] >= at_least, name
    assert all(mean[n, 'modern'] > mean[n, 'classic'] for n in (*zoo.NETWORKS, *zoo.MNIST))
    assert mean['resnet18', 'modern'] >= 0.95


def test_reading_all_runs_asks_for_nothing(monkeypatch):
    "Whether a run is stale is found out when somebody asks, once."
    asked = []
    monkeypatch.setattr(runs, 'is_stale', lambda r: asked.append(r['name']) or False)
    found = record.load_runs(ROOT / 'results')
    rows = record.scoreboard(found)
    assert not asked
    assert not rows[0]['stale'] and not (rows[0] | {'runs': 3})['stale']
    assert len(asked) == rows[0]['runs']
