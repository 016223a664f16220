"Recorded experiments: fair, resumable, and stale exactly when what they compute has changed."
import importlib
import json
import math
import os
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from conftest import ROOT
from torch import nn
from torch.nn import functional as F

from d2lcnn import checkpoint
from d2lcnn import experiment as E
from d2lcnn import train as T
from d2lcnn.evidence import as_text, interval, plot_runs, summed_up
from d2lcnn.init import he


def small(activation=nn.ReLU):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), activation(), nn.Linear(16, 10))


def make(folder, name='99.test', seeds=2, **settings):
    variants = {'ReLU': E.Variant(small), 'tanh': E.Variant(lambda: small(nn.Tanh))}
    how = dict(epochs=2, size=8, data='digits', batch_size=100) | settings
    return E.Experiment(name, 'Which?', variants, E.Settings(**how), (.2, .4, .8), seeds=seeds,
                        tuning_epochs=1, folder=folder)


@pytest.fixture(autouse=True)
def forget():
    before = dict(E.EXPERIMENTS)
    yield
    E.EXPERIMENTS.clear()
    E.EXPERIMENTS.update(before)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    "An experiment, recorded once."
    folder = tmp_path_factory.mktemp('results')
    lines = []
    assert E.record_experiment(make(folder), tell=lines.append)
    E.EXPERIMENTS.pop('99.test')
    (folder / 'lines').write_text('\n'.join(lines))
    return folder


# ------------------------------------------------------------------ what is recorded

def test_every_run_is_on_file_with_its_circumstances(folder):
    kept = json.loads((folder / 'experiments' / '99.test.json').read_text())
    assert kept['question'] == 'Which?'
    final = [r for r in kept['runs'] if r['seed'] != E.TUNING_SEED]
    assert len(final) == 4 and {r['seed'] for r in final} == {0, 1}
    for r in final:
        assert r['examples'] == 1237 and r['epochs'] == 2 == len(r['valid_loss'])
        assert 0 < r['test_acc'] < 1 and r['parameters'] == 64 * 16 + 16 + 170
        assert r['device'] == 'cpu' and r['threads'] and r['versions']['torch'] and r['seconds'] >= 0
    for r in kept['runs']:
        if r['seed'] == E.TUNING_SEED:
            assert r['test_acc'] is None and r['test_loss'] is None, 'the grid never sees the test set'
    lines = (folder / 'lines').read_text().splitlines()
    assert len(lines) == len(kept['runs']) and all('99.test' in line for line in lines)


def test_the_chosen_rate_is_inside_its_grid(folder):
    e = make(folder)
    runs = E.runs_of(e)
    for v in e.variants:
        tried = E.tuned(e, v, runs)
        best = E.best_rate(e, v, runs)
        assert min(tried) < best < max(tried) and tried[best] == min(tried.values())


@pytest.mark.parametrize('losses, then', [
    ({.2: 3, .4: 2, .8: 1}, 1.6), ({.2: 1, .4: 2, .8: 3}, .1), ({.2: 3, .4: 1, .8: 2}, None),
    ({.2: 3}, .4), ({}, .2), ({.2: 3, .4: 2, .8: 1, 1.6: math.inf}, None),
    ({.1: 2, .2: 1, .4: 2, .8: 3}, None), ({.1: 1, .2: 1.5, .4: 2, .8: 3}, .05)])
def test_the_grid_grows_until_it_brackets(tmp_path, losses, then):
    assert E.next_rate(make(tmp_path), losses) == then


def test_grids_first_then_seed_after_seed(tmp_path):
    e, runs, order = make(tmp_path), [], []
    while (todo := E.missing(e, runs)) is not None:
        variant, lr, seed = todo
        loss = abs(math.log(lr / .4)) + 1
        runs.append(dict(variant=variant, lr=lr, seed=seed, valid_loss=[loss]))
        order.append((variant, seed))
    grid = [('ReLU', E.TUNING_SEED)] * 3 + [('tanh', E.TUNING_SEED)] * 3
    assert order == grid + [('ReLU', 0), ('tanh', 0), ('ReLU', 1), ('tanh', 1)]


def test_a_run_that_diverges_is_kept_and_never_chosen(tmp_path):
    e = make(tmp_path)
    run = E.record_one(e, 'ReLU', 1e20, E.TUNING_SEED)
    assert run['stopped'] == 'diverged' and run['loss'] == []
    assert E.tuned(e, 'ReLU', E.runs_of(e)) == {1e20: math.inf}


def test_same_seed_same_start_and_order_for_every_variant():
    s = E.Settings(epochs=1, size=8, data='digits', batch_size=100)
    runs = [E.train_variant(small, s, .1, seed, verbose=False)[1].batch_loss for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]
    limited = E.train_variant(small, replace(s, limit=250), .1, 0, verbose=False)[1]
    assert limited.recipe['examples'] == 250 and len(limited.batch_loss) == 3


# ------------------------------------------------------------------ killed, resumed, out of time

KILLED = '''
import json, os, random, signal, sys, time
from pathlib import Path
import torch
from test_experiment import E, make

torch.set_num_threads(1)
whole, broken, told = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
file = broken / 'experiments' / '99.test.json'


def record(folder, tell):
    E.record_experiment(make(folder, epochs=12, seeds=1), tell=tell)


start = time.time()
record(whole, tell=lambda line: None)
seconds = time.time() - start
told.write_text('')
random.seed(0)
for kill in range(10):
    child = os.fork()
    if not child:
        with open(told, 'a') as f:
            record(broken, tell=lambda line: print(line, file=f, flush=True))
        os._exit(0)
    time.sleep(random.random() * seconds / 4)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    lines = len(told.read_text().splitlines())
    there = len(json.loads(file.read_text())['runs']) if file.exists() else 0
    assert there >= lines, (there, lines)
record(broken, tell=lambda line: None)
'''


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
def test_killed_at_any_moment_nothing_is_lost(tmp_path):
    "Killed ten times; every line that was told is on file, and the end is that of an unbroken run."
    path = os.pathsep.join([str(ROOT), str(ROOT / 'tests'), os.environ.get('PYTHONPATH', '')])
    whole, broken = tmp_path / 'whole', tmp_path / 'broken'
    command = [sys.executable, '-c', KILLED, str(whole), str(broken), str(tmp_path / 'told')]
    env = {**os.environ, 'PYTHONPATH': path}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    files = [f / 'experiments' / '99.test.json' for f in (whole, broken)]
    runs = [json.loads(f.read_text())['runs'] for f in files]
    for r in runs[0] + runs[1]:
        del r['seconds'], r['date']
    assert runs[0] == runs[1]
    assert not [f for f in os.listdir(broken / 'experiments') if f.endswith('.pt')]


def test_out_of_time_it_goes_on_from_its_last_epoch(tmp_path):
    e, lines = make(tmp_path, seeds=1), []
    assert not E.record_experiment(e, deadline=time.time() - 1, tell=lines.append) and not lines
    with pytest.raises(E.OutOfTime):
        E.record_one(replace_epochs(e, 5), 'ReLU', .4, 0, deadline=time.time() - 1)
    part, = e.file.parent.glob('.*.pt')
    assert len(checkpoint.state_of(part)['history']['loss']) == 1
    run = E.record_one(replace_epochs(e, 5), 'ReLU', .4, 0)
    assert len(run['loss']) == 5 and not list(e.file.parent.glob('.*.pt'))


def replace_epochs(e, epochs):
    return replace(e, settings=replace(e.settings, epochs=epochs), behaviors={})


# ------------------------------------------------------------------ stale by behavior

class Twin(nn.Sequential):
    "The same network, written otherwise."

    def __init__(self):
        super().__init__()
        for i, layer in enumerate([nn.Flatten(1), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10)]):
            self.add_module(f'layer{i}', layer)


def slower_loss(Y_hat, y):
    return -(Y_hat.log_softmax(1).gather(1, y[:, None])).mean()


SETTINGS = E.Settings(epochs=2, size=8, data='digits', batch_size=100)


def test_rewriting_changes_no_behavior():
    a = E.behavior(small, SETTINGS, .4)
    assert len(a) == 8 and all(map(math.isfinite, a))
    for make_, settings in ((Twin, SETTINGS), (small, replace(SETTINGS, loss=slower_loss)),
                            (small, replace(SETTINGS, init=T.xavier))):
        assert E.same_behavior(a, E.behavior(make_, settings, .4))


@pytest.mark.parametrize('change', [
    dict(make=lambda: small(nn.Tanh)), dict(init=he), dict(init=None), dict(schedule='one_cycle'),
    dict(loss=lambda Y_hat, y: F.cross_entropy(Y_hat, y, label_smoothing=.1)),
    dict(optimizer=torch.optim.Adam), dict(augment=lambda X: X.flip(-1)), dict(normalize=True),
    dict(make=lambda: nn.Sequential(*small(), nn.LogSoftmax(1), nn.Dropout(.1)))],
    ids=['layer', 'he', 'default', 'schedule', 'loss', 'optimizer', 'augment', 'normalize', 'dropout'])
def test_what_changes_the_numbers_makes_it_stale(change):
    change = dict(change)
    net = change.pop('make', small)
    a, b = E.behavior(small, SETTINGS, .4), E.behavior(net, replace(SETTINGS, **change), .4)
    assert not E.same_behavior(a, b)


def test_another_order_of_batches_makes_it_stale(monkeypatch):
    from d2lcnn.data import Batches
    a, order = E.behavior(small, SETTINGS, .4), Batches.order
    monkeypatch.setattr(Batches, 'order', lambda self: order(self).flip(0))
    assert not E.same_behavior(a, E.behavior(small, SETTINGS, .4))


def test_stale_runs_do_not_count_and_are_made_anew(folder, tmp_path):
    e = make(folder)
    assert E.missing(e) is None
    other = make(folder, init='he')
    assert E.runs_of(other) == [] and E.missing(other) == ('ReLU', .2, E.TUNING_SEED)
    assert len(E.runs_of(make(folder))) == len(E.runs_of(e)) > 0


# ------------------------------------------------------------------ reading

def test_interval_by_hand_and_by_simulation():
    assert interval([.5]) [0] == .5 and math.isnan(interval([.5])[1])
    mean, half = interval([1., 2., 3.])
    assert mean == 2 and math.isclose(half, 4.302652 / math.sqrt(3), rel_tol=1e-5)
    draws = torch.randn(4000, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    held = [abs(m) <= h for m, h in map(interval, draws.tolist())]
    assert abs(sum(held) / 4000 - .95) < .01


def runs(**accs):
    return {v: {s: dict(test_acc=a, lr=.1, macs=2_500_000, parameters=9) for s, a in enumerate(x)}
            for v, x in accs.items()}


def test_differences_are_paired_by_seed():
    rows = summed_up(runs(plain=[.80, .85, .90], wide=[.81, .862, .911]))
    mean, half = rows[1]['difference']
    assert math.isclose(mean, .011, rel_tol=1e-6) and half < .003 < rows[1]['mean'][1]
    text = as_text(rows)
    for words in ('against plain', '0.8500 ± 0.1242', '+0.0110 (+0.0085 … +0.0135)', '2.50 M'):
        assert words in text, text
    found = runs(plain=[.8, .9], wide=[.8, .9], none=[])
    found['wide'][1]['test_acc'] = None
    text = as_text(summed_up(found))
    assert 'none   not recorded yet' in text and '(1 more diverged)' in text


def test_table_and_plot(folder, capsys):
    e = make(folder)
    e.table()
    out = capsys.readouterr().out
    for words in ('ReLU', 'tanh', 'against ReLU', '1,237 training images, 2 epochs', 'rates tried: 0'):
        assert words in out, out
    h = e.run('tanh', verbose=False)
    ax = e.plot(yours=h)
    dots = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_marker() == 'o']
    assert len(dots) == 2, 'every run is a dot'
    assert [t.get_text() for t in ax.texts] == ['n = 2', 'n = 2']
    circle, = [line for line in ax.lines if line.get_markerfacecolor() == 'none']
    assert circle.get_xdata()[0] == h.test_acc and circle.get_ydata()[0] == 1
    assert [t.get_text() for t in ax.get_yticklabels()] == ['ReLU', 'tanh']
    import matplotlib.pyplot as plt
    plt.close('all')
    own = plt.figure().add_subplot()
    assert plot_runs(e.rows(), ax=own) is own
    plt.close('all')


def test_without_runs_it_says_how_to_make_them(tmp_path, capsys):
    e = make(tmp_path)
    e.table()
    out = capsys.readouterr().out
    assert 'not recorded yet' in out and '`d2lcnn record 99.test` makes the runs' in out
    e.plot()


@pytest.mark.parametrize('rates', [(.1, .2), (.2, .1, .4), (.1, .1, .2)])
def test_a_grid_that_cannot_bracket_is_refused(tmp_path, rates):
    with pytest.raises(ValueError, match='rates'):
        E.Experiment('99.x', '?', {'a': E.Variant(small)}, SETTINGS, rates, folder=tmp_path)


def test_a_rate_that_is_given_is_not_tuned(tmp_path):
    "A recipe that is itself the question; its net may bring its own loss."

    class Own(nn.Sequential):
        def loss(self, Y_hat, y):
            return 2 * nn.functional.cross_entropy(Y_hat, y)

    variants = {'as it is': E.Variant(small, lr=.1), 'own loss': E.Variant(lambda: Own(*small()), lr=.1)}
    settings = E.Settings(epochs=2, size=8, data='digits', batch_size=100)
    e = E.Experiment('99.given', '?', variants, settings, seeds=1, folder=tmp_path)
    assert E.record_experiment(e, tell=lambda line: None)
    a, b = E.runs_of(e)
    assert a['seed'] == b['seed'] == 0 and a['lr'] == b['lr'] == .1
    assert b['valid_loss'][0] > 1.5 * a['valid_loss'][0]
    assert e.rows('loss')[0]['values'] == [a['loss'][-1]]
    ax = e.curves(only=['own loss'])
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ['own loss']
    assert list(ax.lines[0].get_ydata()) == b['loss']


def test_unknown_names_list_the_known(tmp_path):
    e = make(tmp_path)
    with pytest.raises(ValueError, match="'ReLU', 'tanh'"):
        e.run('sigmoid')
    with pytest.raises(ValueError, match='99.test'):
        E.experiment('99.nothing')
    assert E.experiment('99.test') is e


# ------------------------------------------------------------------ in the book

def shown_tables():
    for path in sorted((ROOT / 'nbs').glob('[0-9][0-9]_*.ipynb')):
        for cell in json.loads(path.read_text(encoding='utf-8'))['cells']:
            found = re.fullmatch(r'([A-Z_]+)\.table\(\)', ''.join(cell['source']).strip())
            if found:
                yield pytest.param(path.stem[3:], found[1], cell['outputs'], id=found[1])


@pytest.mark.parametrize('module, name, outputs', shown_tables())
def test_a_chapter_shows_the_table_of_its_recorded_runs(module, name, outputs, capsys):
    "Runs that were recorded since then belong into the chapter, too."
    experiment = getattr(importlib.import_module(f'd2lcnn.{module}'), name)
    experiment.table()
    assert ''.join(outputs[0]['text']) == capsys.readouterr().out
    assert all(len(r['values']) >= 3 for r in experiment.rows()), 'three seeds at least'
