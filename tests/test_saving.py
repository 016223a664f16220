"Nothing is lost: full disks, killed writers, damaged checkpoints, files of another run."

import functools
import json
import os
import re
import sys
import time

import pytest
import torch
from faulty import dead_pid, full_disk, left_by, listed
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close
from torch.utils.data import DataLoader, Subset, TensorDataset

from d2lcnn import checkpoint, experiment, files, record, train as T
from d2lcnn.callbacks import EMA, Callback, Checkpoint, EarlyStopping, Schedule
from d2lcnn.checkpoint import BadCheckpoint, NotSaved, identity, structure
from d2lcnn.data import digits

unix = pytest.mark.skipif(os.name != 'posix', reason='limits of file sizes are POSIX')


@pytest.fixture(scope='module')
def data():
    return digits(batch_size=100, size=8, limit=350, device='cpu')


def net():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def fit(n, data, *args, **kwargs):
    return T.fit(n, data, *args, verbose=False, **{'init': 'xavier', **kwargs})


# ------------------------------------------------------------------ left over


def test_what_dead_processes_left_is_swept_and_nothing_else(tmp_path):
    dead = dead_pid()
    gone = f'.a.txt.{left_by(dead)}.tmp'
    own = f'.a.txt.{left_by(os.getpid())}.tmp'  # of an earlier process that had our number
    stay = [
        f'.a.txt.{left_by(os.getppid())}.tmp',  # alive
        f'.a.txt.{left_by(dead, "00000000")}.tmp',  # of another machine
        f'.b.txt.{left_by(dead)}.tmp',  # of another file
        f'.a.txt.{dead}.tmp',
        '.a.txt.tmp',
        'a.txt.tmp',
        f'.a.txt.{left_by(dead)}.tmp2',
    ]
    for name in (gone, own, *stay):
        (tmp_path / name).write_text('')
    with files.atomic(tmp_path / 'a.txt') as part:
        with files.atomic(tmp_path / 'a.txt') as other:  # another thread's, say
            assert part != other
            part.write_text('1')
            other.write_text('2')
    assert listed(tmp_path) == sorted([*stay, 'a.txt'])
    assert (tmp_path / 'a.txt').read_text() == '1'


def test_an_old_left_over_of_another_machine_goes_too(tmp_path):
    path = tmp_path / f'.a.{left_by(1, "00000000")}.tmp'
    for age, there in ((3600, True), (90_000, False)):
        path.write_text('')
        os.utime(path, (time.time() - age,) * 2)
        files.writable(tmp_path / 'a')
        assert path.exists() == there


def test_scratch_folders_of_killed_processes_go(tmp_path, monkeypatch):
    monkeypatch.setattr(files.tempfile, 'gettempdir', lambda: str(tmp_path))
    for name in (f'd2lcnn-{left_by(dead_pid())}', 'd2lcnn-abcdefgh', f'd2lcnn-{left_by(os.getppid())}'):
        (tmp_path / name / 'deep').mkdir(parents=True)
    with files.scratch() as folder:
        assert len(os.listdir(tmp_path)) == 3 and folder.parent == tmp_path
        (folder / 'x').write_text('')
    assert len(os.listdir(tmp_path)) == 2 and not list(tmp_path.glob(f'*{os.getpid()}*'))


@unix
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / 'disk').mkdir()
    (tmp_path / 'a').symlink_to(tmp_path / 'disk' / 'b')
    for text in '12':
        files.write_text(tmp_path / 'a', text)
        assert (tmp_path / 'a').is_symlink() and (tmp_path / 'disk' / 'b').read_text() == text
    assert listed(tmp_path) == ['a', 'disk', 'disk/b']


# ------------------------------------------------------------------ full disks


@unix
def test_a_full_disk_keeps_the_old_file_and_names_it(tmp_path):
    path, n = tmp_path / 'a.st', net()
    files.save(n, path)
    before = path.read_bytes()
    with full_disk(1000):
        with pytest.raises(OSError, match='a.st is not written .*what was there before is unchanged'):
            files.save(net(), path)
        with pytest.raises(OSError, match='b.txt is not written .*nothing is there'):
            files.write_text(tmp_path / 'b.txt', 'x' * 2000)
    assert path.read_bytes() == before and listed(tmp_path) == ['a.st']


class FillAt(Callback):
    "The disk is full from this epoch on."

    order = 70

    def __init__(self, epoch, stack):
        self._epoch, self._stack = epoch, stack

    def after_epoch(self, run):
        if run.epoch == self._epoch:
            self._stack.enter_context(full_disk(2000))

    def state_dict(self):
        return {}

    def identity(self, run):
        return {}


@unix
@pytest.mark.parametrize('epoch', [1, 3])
def test_a_full_disk_loses_neither_the_file_nor_the_history(data, tmp_path, epoch):
    from contextlib import ExitStack

    own = [EMA(.9), Schedule('cosine'), EarlyStopping(9)]
    whole = fit(net(), data, 5, .1, callbacks=own)
    path, n = tmp_path / 'run.pt', net()
    with ExitStack() as stack:
        more = [Checkpoint(path), FillAt(epoch, stack)]
        with pytest.raises(NotSaved, match=f'epoch {epoch} could not be saved') as e:
            fit(n, data, 5, .1, callbacks=[*own, *more])
    error = e.value
    assert error.history.epochs == epoch and error.history.batch_loss == whole.batch_loss[: 4 * epoch]
    assert 'File too large' in str(error) or 'No space' in str(error)
    assert str(path) in str(error) and 'run the same again' in str(error) and 'sys.last_value' in str(error)
    if epoch > 1:
        assert 'is that of the 2 epochs before' in str(error)
        body = checkpoint.state_of(path)
        assert len(body['history']['loss']) == epoch - 1
    else:
        assert 'does not exist yet' in str(error)
    assert listed(tmp_path) == ['run.pt'] * (epoch > 1)
    again, m = fit(net(), data, 5, .1, callbacks=[*own, Checkpoint(path)]), net()
    assert again.batch_loss == whole.batch_loss and again.test_acc == whole.test_acc


def test_every_error_that_ends_a_run_carries_its_history(data):
    class Breaks(Callback):
        def after_step(self, run):
            if run.step == 9:
                raise LookupError('broken')

    with pytest.raises(LookupError) as e:
        fit(net(), data, 5, .1, callbacks=[Breaks()])
    assert e.value.history.epochs == 2 and len(e.value.history.loss) == 2


@unix
def test_a_full_disk_while_recording_keeps_what_was_there(tmp_path):
    how = dict(limit=200, epochs=1, data='digits', verbose=False, weights=True)
    path = record.record('lenet', 'modern', 0, tmp_path, **how)
    before = {p: p.read_bytes() for p in tmp_path.rglob('*') if p.is_file()}
    run = json.loads(path.read_text())
    run['behavior'] = [0.0] * len(run['behavior'])  # stale
    path.write_text(json.dumps(run))
    before[path] = path.read_bytes()
    with full_disk(1500), pytest.raises(OSError, match='could not be saved|is not written'):
        record.record('lenet', 'modern', 0, tmp_path, **how)
    assert {p: p.read_bytes() for p in tmp_path.rglob('*') if p.is_file()} == before


# ------------------------------------------------------------------ stopped, and run again


def test_a_run_that_a_later_callback_stops_stays_stopped(data, tmp_path):
    class Enough(Callback):
        order = 95  # after the checkpoint

        def after_epoch(self, run):
            if run.epoch >= 2:
                run.stop('enough')

    runs = [fit(n := net(), data, 9, .1, callbacks=[Enough(), Checkpoint(tmp_path / 'a.pt')]) and n
            for _ in range(3)]
    assert_close(runs[0].state_dict(), runs[2].state_dict(), rtol=0, atol=0)
    h = fit(net(), data, 9, .1, callbacks=[Enough(), Checkpoint(tmp_path / 'a.pt')])
    assert h.epochs == 2 and h.stopped == 'enough'


@pytest.mark.parametrize('more', [[], [EMA(.9)], [EMA(.9), Schedule('cosine')]], ids=len)
def test_an_early_stopped_run_ends_the_same_any_number_of_times(data, tmp_path, more):
    seen = []
    for _ in range(4):
        n = net()
        h = fit(n, data, 30, 2., callbacks=[*more, EarlyStopping(2), Checkpoint(tmp_path / 'a.pt')])
        seen.append((h.epochs, h.stopped, h.test_loss, n.state_dict()))
    assert seen[0][0] < 30
    for other in seen[1:]:
        assert other[:3] == seen[0][:3]
        assert_close(other[3], seen[0][3], rtol=0, atol=0)


# ------------------------------------------------------------------ damaged and foreign checkpoints


def test_every_flipped_bit_is_noticed(data, tmp_path):
    path = tmp_path / 'a.pt'
    fit(net(), data, 1, .1, callbacks=[Checkpoint(path)])
    good, g = path.read_bytes(), torch.Generator().manual_seed(0)
    places = [*range(120), *torch.randint(len(good), (150,), generator=g).tolist(), len(good) - 1]
    for at in places:
        bad = bytearray(good)
        bad[at] ^= 1 << at % 8
        path.write_bytes(bad)
        with pytest.raises(BadCheckpoint) as e:
            checkpoint._body(path)
        assert str(path) in str(e.value) and 'delete it' in str(e.value), at


@pytest.mark.parametrize('change, words', [
    (lambda b: b[:-1], 'it holds .* bytes of'),
    (lambda b: b + b'x', 'it holds .* bytes of'),
    (lambda b: b[:30], 'its first line is damaged|it holds'),
    (lambda b: b.replace(b'checkpoint 2 ', b'checkpoint 3 ', 1), 'it is of version 3'),
    (lambda b: b.replace(b'checkpoint 2 ', b'checkpoint x ', 1), 'its first line is damaged'),
    (lambda b: b'', 'it is empty'),
    (lambda b: b'\x80\x04N.', 'it begins with'),
    (lambda b: b'<html>', "it begins with b'<html>'"),
])
def test_what_is_wrong_with_a_file_is_said(data, tmp_path, change, words):
    path = tmp_path / 'a.pt'
    fit(net(), data, 1, .1, callbacks=[Checkpoint(path)])
    path.write_bytes(change(path.read_bytes()))
    kept = path.read_bytes()
    with pytest.raises(BadCheckpoint, match=words) as e:
        fit(net(), data, 2, .1, callbacks=[Checkpoint(path)])
    assert str(path) in str(e.value) and 'To begin anew, delete it' in str(e.value)
    assert not re.search('weights_only|pickle|trust', str(e.value)) and path.read_bytes() == kept


def test_a_folder_in_its_place_and_more_epochs_than_asked(data, tmp_path):
    path = tmp_path / 'a.pt'
    fit(net(), data, 3, .1, callbacks=[Checkpoint(path)])
    with pytest.raises(BadCheckpoint, match='holds 3 epochs, and this run has only 2'):
        fit(net(), data, 2, .1, callbacks=[Checkpoint(path)])
    own = Checkpoint(tmp_path / 'b.pt')
    (tmp_path / 'b.pt').mkdir()
    with pytest.raises(BadCheckpoint, match='b.pt cannot be read: Is a directory'):
        fit(net(), data, 2, .1, callbacks=[own])


def test_begun_anew_where_the_program_named_the_file(data, tmp_path, capsys):
    path = tmp_path / 'a.pt'
    path.write_bytes(b'old')
    h = fit(net(), data, 2, .1, callbacks=[Checkpoint(path, anew=True)])
    assert h.epochs == 2 and 'this run begins anew' in capsys.readouterr().out
    assert fit(net(), data, 2, .1, callbacks=[Checkpoint(path, anew=True)]).seconds == h.seconds
    assert not capsys.readouterr().out


def test_shown_or_not_it_is_the_same_run(data, tmp_path, capsys):
    path = tmp_path / 'a.pt'
    T.fit(net(), data, 1, .1, init='xavier', callbacks=[Checkpoint(path)], verbose=True)
    assert fit(net(), data, 2, .1, callbacks=[Checkpoint(path)]).epochs == 2


class Own(nn.Module):
    def __init__(self, act, size=(3, 3)):
        super().__init__()
        self.dense, self.act, self.size = nn.Linear(64, 10), act, size

    def forward(self, X):
        return self.act(self.dense(X.flatten(1)))


class OwnLoss(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def forward(self, Y_hat, y):
        return self.weight * F.cross_entropy(Y_hat, y)


def test_the_functions_that_a_layer_calls_are_part_of_the_net():
    assert structure(Own(torch.relu)) == structure(Own(torch.relu))
    assert structure(Own(torch.relu)) != structure(Own(torch.sigmoid))
    assert structure(Own(torch.relu)) != structure(Own(torch.relu, (5, 5)))
    assert structure(Own(lambda X: X)) != structure(Own(lambda X: 2 * X))
    other = type('Own', (Own,), {'forward': lambda self, X: self.dense(X.flatten(1))})
    assert structure(other(torch.relu)) != structure(Own(torch.relu))


def as_in_a_notebook(text):
    "The names that a cell defines."
    names = {'__name__': '__main__', 'nn': nn, 'F': F, 'Callback': Callback}
    exec(text, names)
    return names


LOSS = '''
class Loss(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale, self.like = scale, Loss

    def forward(self, Y_hat, y):
        return {} * self.scale * F.cross_entropy(Y_hat, y)


def again(n):
    return again(n - {}) if n else 0
'''


def test_classes_of_a_notebook_can_call_super_and_themselves(data, tmp_path):
    one, same, two = (as_in_a_notebook(LOSS.format(k, k)) for k in (1, 1, 2))
    assert identity(one['again']) == identity(same['again']) != identity(two['again'])
    losses = one['Loss'](1.), same['Loss'](1.), two['Loss'](1.), one['Loss'](2.)
    found = [identity(l) for l in losses]
    assert found[0] == found[1] and found[0] != found[2] and found[0] != found[3]
    how = dict(callbacks=[Checkpoint(tmp_path / 'a.pt')])
    fit(net(), data, 1, .1, loss=losses[0], **how)
    fit(net(), data, 2, .1, loss=losses[1], **how)
    with pytest.raises(BadCheckpoint, match='loss is another one'):
        fit(net(), data, 2, .1, loss=losses[2], **how)


OWN = '''
class Noise(Callback):
    def after_step(self, run):
        run.seen = {}
'''


def test_a_callback_is_known_by_what_it_does(data, tmp_path):
    path = tmp_path / 'a.pt'
    one, same, two = (as_in_a_notebook(OWN.format(k))['Noise'] for k in (1, 1, 2))
    fit(net(), data, 1, .1, callbacks=[one(), Checkpoint(path)])
    fit(net(), data, 2, .1, callbacks=[same(), Checkpoint(path)])
    with pytest.raises(BadCheckpoint, match='noise is another one'):
        fit(net(), data, 2, .1, callbacks=[two(), Checkpoint(path)])
    with pytest.raises(BadCheckpoint, match='noise'):
        fit(net(), data, 2, .1, callbacks=[same(), same(), Checkpoint(path)])
    with pytest.raises(BadCheckpoint, match='noise was given, is not'):
        fit(net(), data, 2, .1, callbacks=[Checkpoint(path)])


def test_frozen_and_double_weights_make_another_run(data, tmp_path):
    how = dict(callbacks=[Checkpoint(tmp_path / 'a.pt')])
    fit(net(), data, 1, .1, **how)
    frozen = net()
    frozen[1].weight.requires_grad_(False)
    with pytest.raises(BadCheckpoint, match='weights'):
        fit(frozen, data, 2, .1, **how)


X = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
Y = torch.arange(40) % 10


class Scaled(TensorDataset):
    def __init__(self, *tensors, transform=None):
        super().__init__(*tensors)
        self.transform = transform


def loader(images=X, labels=Y, rows=None, seed=None, shuffle=True, transform=None, batch_size=10):
    data = Scaled(images, labels, transform=transform)
    data = data if rows is None else Subset(data, rows)
    g = None if seed is None else torch.Generator().manual_seed(seed)
    return DataLoader(data, batch_size, shuffle, generator=g)


@pytest.mark.parametrize('other', [
    dict(images=X + 1), dict(labels=Y.flip(0)), dict(shuffle=False), dict(seed=1), dict(batch_size=20),
    dict(rows=range(40)), dict(transform=torch.sigmoid)], ids=lambda o: [*o][0])
def test_a_loaders_data_and_order_are_part_of_the_run(tmp_path, other):
    how = dict(callbacks=[Checkpoint(tmp_path / 'a.pt')])
    fit(net(), (loader(), loader(), None), 1, .1, **how)
    assert fit(net(), (loader(), loader(), None), 2, .1, **how).epochs == 2
    for splits in ((loader(**other), loader()), (loader(), loader(**other))):
        with pytest.raises(BadCheckpoint, match='train is another|valid is another'):
            fit(net(), (*splits, None), 3, .1, **how)


def test_identities_hold_what_compares_badly():
    nan = float('nan')
    assert checkpoint._same(identity([nan, 1]), identity([nan, 1]))
    assert not checkpoint._same(identity(True), identity(1))
    assert identity(frozenset('abcdefgh')) == identity(frozenset('hgfedcba'))
    import numpy as np

    big = np.arange(100.)
    assert identity(big) == identity(big.copy()) != identity(big + 1)
    part = functools.partial(max, 1)
    own = [part]
    own.append(own)
    assert identity(own) == ['list around it' if v is own else identity(v) for v in own]


# ------------------------------------------------------------------ damaged files are named


def test_a_damaged_experiment_is_named(tmp_path):
    variants = {'A': experiment.Variant(net)}
    e = experiment.Experiment('99.damaged', '?', variants, experiment.Settings(epochs=1), (.1, .2, .4), folder=tmp_path)
    try:
        for text, words in (('{"runs": [', 'is damaged'), ('[1]', 'holds no runs'), ('{"runs": 3}', 'holds no runs')):
            files.write_text(e.file, text)
            with pytest.raises(ValueError, match=f'99.damaged.json {words}'):
                experiment.runs_of(e)
    finally:
        del experiment.EXPERIMENTS['99.damaged']


def test_weights_that_were_asked_for_later_are_recorded(tmp_path):
    how = dict(limit=200, epochs=1, data='digits', verbose=False)
    path = record.record('lenet', 'modern', 0, tmp_path, **how)
    kept = tmp_path / 'weights' / 'lenet.safetensors'
    assert not kept.exists()
    record.record('lenet', 'modern', 0, tmp_path, weights=True, **how)
    assert kept.exists()
    before = path.stat().st_mtime_ns, kept.stat().st_mtime_ns
    record.record('lenet', 'modern', 0, tmp_path, weights=True, **how)
    assert (path.stat().st_mtime_ns, kept.stat().st_mtime_ns) == before


# ------------------------------------------------------------------ killed as it ended


def test_the_checkpoint_of_a_recorded_run_goes(tmp_path):
    how = dict(limit=200, epochs=1, data='digits', verbose=False)
    path = record.record('lenet', 'modern', 0, tmp_path, **how)
    left = path.with_name(f'.{path.stem}.pt')
    left.write_bytes(b'x')
    record.record('lenet', 'modern', 0, tmp_path, **how)
    assert not left.exists()


def test_the_checkpoint_of_a_run_of_an_experiment_goes(tmp_path, monkeypatch):
    settings, variants = experiment.Settings(epochs=1), {'A b': experiment.Variant(net)}
    e = experiment.Experiment('99.ended', '?', variants, settings, (.1, .2, .4), folder=tmp_path)
    try:
        files.write_text(e.file, json.dumps(dict(runs=[dict(variant='A b', lr=.1, seed=0)])))
        left = experiment.part_of(e, 'A b', .1, 0)
        left.write_bytes(b'x')
        monkeypatch.setattr(experiment, 'missing', lambda e: None)
        assert experiment.record_experiment(e) and not left.exists()
    finally:
        del experiment.EXPERIMENTS['99.ended']
