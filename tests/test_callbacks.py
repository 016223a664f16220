"Whatever ends a run, the promised weights are what is left; a checkpoint knows its own run."
import math
import os
import signal
import subprocess
import sys
import threading
from functools import partial

import numpy as np
import pytest
import torch
from conftest import ROOT
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from d2lcnn import train as T
from d2lcnn.callbacks import EMA, Callback, Checkpoint, EarlyStopping, Schedule
from d2lcnn.data import digits
from d2lcnn.run import MOMENTS


@pytest.fixture(scope='module')
def data():
    return digits(batch_size=100, size=8, limit=350, device='cpu')


def net():
    layers = nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Dropout(.2)
    return nn.Sequential(*layers, nn.Linear(216, 10))


def fit(n, data, *args, **kwargs):
    return T.fit(n, data, *args, verbose=False, **{'init': 'xavier', **kwargs})


class At(Callback):
    "Does something at a step, or at another moment."
    order = 50

    def __init__(self, step, what):
        self.when, self.what = step, what

    def after_step(self, run):
        if run.step == self.when:
            self.what()

    def identity(self, run):
        return {}  # decides no number


def interrupt():
    raise KeyboardInterrupt


class WeightsByEpoch(Callback):
    "The weights that were validated, epoch by epoch."
    order = 60

    def __init__(self):
        self.seen = []

    def after_epoch(self, run):
        self.seen.append(run.weights())


# ------------------------------------------------------------------ what is left

@pytest.mark.parametrize('step', [5, 9, 11])
@pytest.mark.parametrize('what', [interrupt, lambda: 1 / 0], ids=['Ctrl-C', 'an error'])
def test_a_broken_epoch_leaves_the_last_whole_one(data, step, what):
    "4 steps an epoch: after step 5 one epoch is whole, after 9 and 11 two."
    n, kept = net(), WeightsByEpoch()
    try:
        fit(n, data, 5, .1, callbacks=[At(step, what), kept])
    except ZeroDivisionError:
        pass
    assert len(kept.seen) == (step - 1) // 4
    assert_close(n.state_dict(), kept.seen[-1], rtol=0, atol=0)


def test_an_interrupted_first_epoch_leaves_the_initialization(data):
    n, m = net(), net()
    h = fit(n, data, 3, .1, callbacks=[At(2, interrupt)], seed=4)
    assert h.epochs == 0 and h.stopped == 'interrupted after 0 of 3 epochs'
    fit(m, data, 0, .1, seed=4)
    assert_close(n.state_dict(), m.state_dict(), rtol=0, atol=0)


def test_interrupted_with_patience_the_best_come_back(data):
    n, kept = net(), WeightsByEpoch()
    h = fit(n, data, 30, 1., callbacks=[EarlyStopping(100), kept, At(47, interrupt)])
    best = h.valid_loss.index(min(h.valid_loss))
    assert h.epochs == 11 and best < 10, 'this run must end worse than its best'
    assert_close(n.state_dict(), kept.seen[best], rtol=0, atol=0)
    assert h.test_acc is None


def test_interrupted_with_an_average_the_last_whole_average_stays(data):
    n, kept = net(), WeightsByEpoch()
    fit(n, data, 5, .1, callbacks=[EMA(.9), kept, At(10, interrupt)])
    assert_close(n.state_dict(), kept.seen[1], rtol=0, atol=0)


def test_a_diverged_run_keeps_its_last_whole_epoch(data):
    n, kept = net(), WeightsByEpoch()

    def spoil():
        with torch.no_grad():
            n[0].weight.fill_(math.nan)
    with pytest.raises(T.TrainingDiverged, match='weights of the 2 epochs before') as e:
        fit(n, data, 5, .1, callbacks=[At(9, spoil), kept])
    assert e.value.history.epochs == 2
    assert_close(n.state_dict(), kept.seen[1], rtol=0, atol=0)


def test_early_stopping_needs_a_validation_loss(data):
    for valid in (None, [], [(torch.full((4, 1, 8, 8), .5), torch.zeros(4).long())]):
        if valid:
            n = nn.Sequential(net(), nn.Module())
            n[1].forward = lambda X: X / 0 * 0  # nan in every output
        else:
            n = net()
        with pytest.raises(ValueError, match='validation'):
            fit(n, (data.train, valid, None), 2, .1, callbacks=[EarlyStopping(3)])


def test_at_the_end_every_callback_is_told(data):
    told = []

    class Ends(Callback):
        def __init__(self, name, fails=False):
            self.name, self.fails = name, fails

        def end(self, run):
            told.append(self.name)
            if self.fails:
                raise RuntimeError('broken')
    with pytest.raises(RuntimeError, match='broken'):
        fit(net(), data, 1, .1, callbacks=[Ends('a', True), Ends('b'), EarlyStopping(1)])
    assert told == ['a', 'b']


def test_a_callback_of_the_readers_own(data):
    class Moments(Callback):
        def __init__(self):
            self.seen = []

    def note(moment):
        return lambda self, run: self.seen.append(moment)
    for moment in MOMENTS:
        setattr(Moments, moment, note(moment))
    m = Moments()
    fit(net(), data, 2, .1, callbacks=[m])
    epoch = ['before_epoch', *['after_step'] * 4, 'before_valid', 'after_epoch']
    assert m.seen == ['start', *epoch, *epoch, 'end']


@pytest.mark.parametrize('callback, error', [
    (lambda: EMA(1), ValueError), (lambda: EMA(2), ValueError), (lambda: EMA(-1), ValueError),
    (lambda: EMA(math.nan), ValueError), (lambda: EMA('much'), TypeError),
    (lambda: EMA(True), TypeError), (lambda: EarlyStopping(0), ValueError),
    (lambda: EarlyStopping(1.5), TypeError), (lambda: EarlyStopping(True), TypeError),
    (lambda: Schedule(3), ValueError), (lambda: Schedule(None), ValueError)])
def test_bad_options_say_so_when_they_are_made(callback, error):
    with pytest.raises(error, match='decay|patience|schedule'):
        callback()


def test_no_callback_is_long():
    import inspect
    from d2lcnn import callbacks
    own = [c for c in vars(callbacks).values()
           if inspect.isclass(c) and issubclass(c, Callback) and c is not Callback]
    lengths = {c.__name__: len(inspect.getsource(c).splitlines()) for c in own}
    assert len(own) >= 6 and max(lengths.values()) <= 25, lengths


# ------------------------------------------------------------------ Ctrl-C at any moment

INTERRUPTED = '''
import json, os, signal, sys, threading, torch
from torch import nn
from d2lcnn.callbacks import EMA, Callback, Checkpoint, EarlyStopping, Schedule
from d2lcnn.data import digits
from d2lcnn.train import fit

torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, where tests run in the background
data = digits(batch_size=100, size=8, device='cpu')


class Keep(Callback):
    order = 60

    def __init__(self, delay):
        self._delay, self._kept = delay, []

    def start(self, run):
        threading.Timer(self._delay, os.kill, (os.getpid(), signal.SIGINT)).start()

    def after_epoch(self, run):
        self._kept.append(run.weights())

    def state_dict(self):
        return {}


def run(delay, path):
    layers = nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Dropout(.2)
    net, keep = nn.Sequential(*layers, nn.Linear(216, 10)), Keep(delay)
    own = [EMA(.9), Schedule('cosine'), EarlyStopping(10**6), Checkpoint(path)] if path else []
    h = fit(net, data, 10**4, .1, init='xavier', callbacks=[*own, keep], verbose=False)
    kept = keep._kept
    best = h.valid_loss.index(min(h.valid_loss)) if own and kept else -1
    left = net.state_dict().items()
    same = all(torch.equal(v, kept[best][k]) for k, v in left) if kept else None
    return dict(epochs=h.epochs, kept=len(kept), same=same, stopped=h.stopped)


for i, delay in enumerate(json.loads(sys.argv[1])):
    print(json.dumps(run(delay, f'{sys.argv[2]}/{i}.pt' if i % 2 else None)), flush=True)
'''


@pytest.mark.slow
def test_ctrl_c_at_ten_random_moments(tmp_path):
    "With schedule, average, early stopping and checkpoint, and without any."
    import json
    delays = (torch.rand(10, generator=torch.Generator().manual_seed(0)) * .5).tolist()
    command = [sys.executable, '-c', INTERRUPTED, json.dumps(delays), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=100)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == 10 and any(r['same'] for r in results)
    for r in results:
        assert r['epochs'] == r['kept'] and r['same'] in (True, None), r
        assert r['stopped'] == f'interrupted after {r["epochs"]} of 10000 epochs'


def test_the_signal_handler_is_put_back(data):
    before = signal.getsignal(signal.SIGINT)
    fit(net(), data, 1, .1)
    assert signal.getsignal(signal.SIGINT) is before
    done = []
    thread = threading.Thread(target=lambda: done.append(fit(net(), data, 1, .1).epochs))
    thread.start()
    thread.join()
    assert done == [1], 'fit works outside the main thread, too'


# ------------------------------------------------------------------ checkpoints

def warm(factor):
    return lambda t: factor


class Factor:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, t):
        return self.factor


def local_init(std):
    def init(n):
        for p in n.parameters():
            nn.init.normal_(p, std=std)
    return init


SAME = [
    dict(lr=np.logspace(-2, -1, 2)[1]),
    dict(optimizer=partial(torch.optim.SGD, momentum=np.float64(.9))),
    dict(optimizer=partial(torch.optim.AdamW, betas=(np.float64(.5), .9), weight_decay=np.int64(0))),
    dict(init=partial(local_init(.1))),
    dict(init=local_init(.1)),
    dict(callbacks=lambda: [Schedule(warm(1.))]),
    dict(callbacks=lambda: [Schedule(Factor(.5)), EMA(np.float32(.5)), EarlyStopping(np.int64(9))]),
    dict(loss=nn.CrossEntropyLoss(label_smoothing=.1)),
    dict(loss=lambda Y_hat, y: F.cross_entropy(Y_hat, y) * 2),
]


@pytest.mark.parametrize('how', SAME, ids=range(len(SAME)))
def test_a_checkpoint_holds_what_the_run_has(data, tmp_path, how):
    "Stopped in the third of four epochs and started again: the numbers of the whole."
    how = dict(how)
    lr, make = how.pop('lr', .05), how.pop('callbacks', list)
    whole = fit(net(), data, 4, lr, callbacks=make(), **how)
    path = tmp_path / 'run.pt'
    fit(net(), data, 4, lr, callbacks=[*make(), Checkpoint(path), At(10, interrupt)], **how)
    halves = fit(net(), data, 4, lr, callbacks=[*make(), Checkpoint(path)], **how)
    assert whole.batch_loss == halves.batch_loss and whole.test_loss == halves.test_loss


BASE = dict(lr=.05, loss=F.cross_entropy, init='xavier', seed=0, optimizer=torch.optim.SGD)
OTHERS = [
    (dict(lr=.06), 'lr was 0.05, is 0.06'),
    (dict(seed=1), 'seed was 0, is 1'),
    (dict(loss=partial(F.cross_entropy, label_smoothing=.5)), 'loss'),
    (dict(loss=nn.CrossEntropyLoss(label_smoothing=.5)), 'loss'),
    (dict(init='he'), "init was 'xavier', is 'he'"),
    (dict(optimizer=torch.optim.Adam), 'optimizer'),
    (dict(optimizer=partial(torch.optim.SGD, momentum=.9)), 'optimizer'),
    (dict(callbacks=[Schedule(lambda t: 1.)]), 'schedule'),
    (dict(callbacks=[EMA(.9)]), 'ema'),
    (dict(callbacks=[EarlyStopping(3)]), 'earlystopping'),
    (dict(net=lambda: nn.Sequential(*net()[:4], nn.Dropout(.3), net()[5])), 'net'),
    (dict(net=lambda: nn.Sequential(*net()[:2], nn.Sigmoid(), *net()[3:])), 'net'),
    (dict(data=dict(seed=1)), 'train'), (dict(data=dict(normalize=True)), 'train'),
    (dict(data=dict(augment=lambda X: X.flip(-1))), 'train'), (dict(data=dict(limit=349)), 'train'),
    (dict(data=dict(valid=150)), 'train'), (dict(data=dict(batch_size=50)), 'train'),
]


@pytest.mark.parametrize('change, words', OTHERS, ids=[w for _, w in OTHERS])
def test_another_run_is_refused(data, tmp_path, change, words):
    def train(how, epochs):
        how = {**BASE, **how}
        settings = dict(batch_size=100, size=8, limit=350, device='cpu')
        d = digits(**{**settings, **how.pop('data', {})})
        n, own = how.pop('net', net)(), how.pop('callbacks', [])
        return fit(n, d, epochs, how.pop('lr'), callbacks=[*own, Checkpoint(tmp_path / 'a.pt')], **how)
    train({}, 1)
    with pytest.raises(ValueError, match='belongs to another run') as e:
        train(change, 2)
    assert words in str(e.value), e.value


def test_two_schedules_are_two_runs(data, tmp_path):
    def train(f, epochs=2):
        return fit(net(), data, epochs, .05, callbacks=[Schedule(f), Checkpoint(tmp_path / 's.pt')])
    train(lambda t: 1.)
    with pytest.raises(ValueError, match='schedule is another one|schedule was'):
        train(lambda t: .001)
    with pytest.raises(ValueError, match='epochs was 2, is 3'):
        train(lambda t: 1., 3)
    train(lambda t: 1.)


def test_what_cannot_be_held_is_refused_before_training(data, tmp_path):
    class Opaque:
        __slots__ = ('f',)

        def __call__(self, Y_hat, y):
            return F.cross_entropy(Y_hat, y)

    class Odd(Callback):
        def start(self, run):
            self._file = open(os.devnull)
    steps = []

    class Count(Callback):
        def after_step(self, run):
            steps.append(1)
    for how in (dict(loss=Opaque()), dict(callbacks=[Odd()])):
        own = [*how.pop('callbacks', []), Count(), Checkpoint(tmp_path / 'x.pt')]
        with pytest.raises(ValueError, match='cannot have a checkpoint'):
            fit(net(), data, 1, .1, callbacks=own, **how)
    assert not steps and not os.listdir(tmp_path)


@pytest.mark.parametrize('content', [b'', b'PK\x03\x04', 'half', {'epoch': 3}, [1, 2]])
def test_an_unreadable_file_is_named(data, tmp_path, content):
    path = tmp_path / 'c.pt'
    if content == 'half':
        fit(net(), data, 1, .1, callbacks=[Checkpoint(path)])
        path.write_bytes(path.read_bytes()[:1000])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match='c.pt is not a whole checkpoint') as e:
        fit(net(), data, 2, .1, callbacks=[Checkpoint(path)])
    assert 'weights_only' not in str(e.value) and 'give Checkpoint another path' in str(e.value)


def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match='is a folder'):
        Checkpoint(tmp_path)
    (tmp_path / 'file').write_text('')
    with pytest.raises(ValueError, match='is a file, not a folder'):
        Checkpoint(tmp_path / 'file' / 'c.pt')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert Checkpoint('~/deep/c.pt')._path == tmp_path / 'deep' / 'c.pt'


def test_a_stopped_run_stays_stopped(data, tmp_path):
    path = tmp_path / 'run.pt'
    runs = []
    for _ in range(3):
        n = net()
        runs.append((fit(n, data, 40, 1., callbacks=[EarlyStopping(2), Checkpoint(path)]), n))
    (first, a), (second, b), (third, c) = runs
    assert first.epochs == second.epochs == third.epochs < 40
    assert first.stopped == second.stopped == third.stopped and first.test_acc == third.test_acc
    assert_close(a.state_dict(), c.state_dict(), rtol=0, atol=0)


# ------------------------------------------------------------------ killed

KILLED = '''
import os, random, signal, sys, time, torch
from pathlib import Path
from torch import nn
from d2lcnn.alexnet import random_flip
from d2lcnn.callbacks import EMA, Checkpoint, Schedule
from d2lcnn.data import digits
from d2lcnn.files import save
from d2lcnn.lenet import lenet
from d2lcnn.train import fit

torch.set_num_threads(1)
folder, kills = Path(sys.argv[1]), int(sys.argv[2])
data = digits(batch_size=100, size=28, limit=400, device='cpu', augment=random_flip)


def run(out, *more):
    net = nn.Sequential(*list(lenet())[:-1], nn.Dropout(.2), nn.Linear(84, 10))
    own = [EMA(.9), Schedule('one_cycle'), *more]
    adam = torch.optim.Adam
    fit(net, data, 12, .01, optimizer=adam, init='xavier', callbacks=own, verbose=False)
    save(net, folder / out)


start = time.time()
run('whole')
seconds = time.time() - start
random.seed(0)
killed = finished = 0
while killed < kills or not (folder / 'got').exists():
    if (folder / 'got').exists():
        assert (folder / 'got').read_bytes() == (folder / 'whole').read_bytes()
        finished += 1
        (folder / 'got').unlink()
        (folder / 'c.pt').unlink()
    child = os.fork()
    if not child:
        run('got', Checkpoint(folder / 'c.pt'))
        os._exit(0)
    end = time.time() + (random.random() * seconds / 3 if killed < kills else 600)
    while time.time() < end and not os.waitpid(child, os.WNOHANG)[0]:
        time.sleep(.002)
    if time.time() >= end:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        killed += 1
assert (folder / 'got').read_bytes() == (folder / 'whole').read_bytes()
print(killed, finished + 1)
'''


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
def test_killed_at_thirty_random_moments_it_ends_with_the_same_weights(tmp_path):
    "LeNet with schedule, average, dropout and augmentation: bit for bit the uninterrupted run's."
    command = [sys.executable, '-c', KILLED, str(tmp_path), '30']
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert done.returncode == 0, done.stderr
    killed, finished = map(int, done.stdout.split())
    assert killed == 30 and finished >= 1
