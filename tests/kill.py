"""Kills what writes files, again and again, fills the disk under it, and looks at what is left.

`python -m tests.kill` does it 200 times to a training with every callback, 50 times inside a save, 50 times to
`d2lcnn record`, 30 times to `d2lcnn run --store` and 30 times to a download, with a full disk at each, and prints a table;
`--few` is the sample that the tests run. Every end must be that of an undisturbed program, bit for bit, or what was there
before; and after the next start no temporary file may be left. Needs `fork`."""

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ['D2LCNN_BUDGET'] = 'quick'

import torch
from faulty import full_disk, listed, own_scratch, temporaries
from safetensors.torch import load_file
from torch import nn

from d2lcnn import book, checkpoint, download, files, record, train
from d2lcnn.callbacks import EMA, Checkpoint, EarlyStopping, Schedule
from d2lcnn.data import digits
from d2lcnn.zoo import random_flip

PHASES = ('half', 'written', 'synced', 'replaced')  # of a write: where in it the program dies


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def dies(phase, nth):
    "From now on this process kills itself in its nth write, in that phase."
    fsync, replace, count = os.fsync, os.replace, [0]

    def synced(descriptor):
        if not os.path.isdir(f'/proc/self/fd/{descriptor}') and count[0] == nth - 1:
            if phase == 'half':
                os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            if phase in ('half', 'written'):
                die()
        fsync(descriptor)

    def replaced(a, b):
        count[0] += 1
        if count[0] == nth and phase == 'synced':
            die()
        replace(a, b)
        if count[0] == nth and phase == 'replaced':
            die()

    os.fsync, os.replace = synced, replaced


@contextlib.contextmanager
def quiet():
    "Nothing is shown; what went to stderr."
    with open(os.devnull, 'w') as nowhere, contextlib.redirect_stdout(nowhere):
        with contextlib.redirect_stderr(io.StringIO()) as said:
            yield said


def process(work, seconds=600.0):
    "Do the work in a process of its own; killed after so many seconds. Was it killed, by whomsoever?"
    child = os.fork()
    if not child:
        status = 1
        try:
            with quiet() as said:
                work()
            status = 0
        except BaseException as e:
            sys.__stderr__.write(f'{said.getvalue()}{type(e).__name__}: {e}\n')
        os._exit(status)
    end = time.time() + seconds
    while time.time() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, 'the program failed'
            return os.WIFSIGNALED(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def then(first, work):
    first()
    work()


class Program:
    "What is killed: `work(folder)` and how its end is looked at."

    name, longest = '', 0.5  # up to which part of its time it is killed
    room = 1000  # bytes that still fit on the full disk: less than any of its files

    def __init__(self, folder):
        self.folder = folder
        for n in ('whole', 'got'):
            (folder / n).mkdir(parents=True)
        (folder / 'tmp').mkdir()
        tempfile.tempdir = str(folder / 'tmp')
        self.prepare()
        with quiet():
            self.work(folder / 'whole')  # here, so that all is loaded before processes part
        self.wanted, start = self.end(folder / 'whole'), time.time()
        assert not process(partial(self.work, folder / 'got'))
        self.seconds = time.time() - start
        assert self.end(folder / 'got') == self.wanted
        self.afresh()
        self.kills = self.ends = self.wrong = self.left = 0

    def prepare(self):
        "Once, before anything is killed; what it loads the processes need not."

    def afresh(self):
        shutil.rmtree(self.folder / 'got')
        (self.folder / 'got').mkdir()

    def between(self, got):
        "After a kill: is everything old or new, and whole?"
        return True

    def disturbed(self, first=None, seconds=600.0):
        "One start that is killed."
        got = self.folder / 'got'
        work = partial(self.work, got)
        killed = process(partial(then, first, work) if first else work, seconds)
        self.kills += killed
        self.wrong += not self.between(got)
        return killed

    def ended(self):
        "The next start, left alone: is its end that of the undisturbed program?"
        got = self.folder / 'got'
        assert not process(partial(self.work, got))
        self.look(got)
        self.afresh()

    def look(self, got):
        self.ends += 1
        self.wrong += self.end(got) != self.wanted
        self.left += len(temporaries(got)) + len(own_scratch())

    def at_random(self, kills):
        while self.kills < kills:
            if not self.disturbed(None, random.random() * self.seconds * self.longest):
                self.look(self.folder / 'got')
                self.afresh()
        self.ended()

    def in_writes(self, kills, most):
        "Dies in each phase of its first write, its second …"
        for i in range(kills):
            phase, nth = PHASES[i % len(PHASES)], 1 + i // len(PHASES) % most
            assert self.disturbed(partial(dies, phase, nth)), (phase, nth)
            self.ended()

    def full(self, times):
        for i in range(times):
            got = self.folder / 'got'
            self.before_full(got)
            before = self.seen(got)
            assert not process(partial(self.on_full_disk, got, i))
            self.wrong += not self.untouched(got, before, i)
            self.kills += 1
            self.ended()

    def before_full(self, got):
        pass

    def seen(self, got):
        return {n: (got / n).read_bytes() for n in listed(got) if (got / n).is_file()}

    def untouched(self, got, before, i):
        return self.seen(got) == before

    def on_full_disk(self, got, i):
        with full_disk(self.room):
            try:
                self.work(got)
            except OSError:
                return
        raise AssertionError('the disk was not full')


class Fit(Program):
    "A training with every callback, by itself."

    name = '`fit`, every callback'
    patience, epochs = 2, 14

    def prepare(self):
        self.data = digits(batch_size=100, size=8, limit=300, device='cpu', augment=random_flip)

    def work(self, folder, *more):
        layers = nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2)
        net = nn.Sequential(*layers, nn.Linear(216, 10))
        own = [EMA(0.8), Schedule('one_cycle'), EarlyStopping(self.patience), *more]
        how = dict(optimizer=torch.optim.Adam, init='xavier', callbacks=[*own, Checkpoint(folder / 'c.pt')])
        history = train.fit(net, self.data, self.epochs, 0.2, **how)
        files.save(net, folder / 'net')
        kept = {k: v for k, v in history.to_dict().items() if k not in ('seconds', 'examples_per_s')}
        files.write_text(folder / 'history', json.dumps(kept))

    def end(self, folder):
        return (folder / 'net').read_bytes(), (folder / 'history').read_bytes()

    def between(self, got):
        path = got / 'c.pt'
        if path.exists():
            checkpoint.state_of(path)
        return True

    def untouched(self, got, before, i):
        "The file of the epoch before is whole, and the history was the exception's."
        epochs = int((got / 'told').read_text())
        (got / 'told').unlink()
        there = len(checkpoint.state_of(got / 'c.pt')['history']['loss']) if (got / 'c.pt').exists() else 0
        return epochs == 1 + i and there == i and not temporaries(got)

    def on_full_disk(self, got, i):
        with contextlib.ExitStack() as stack:

            class Fills(train.Callback):
                order = 70

                def after_epoch(self, run):
                    if run.epoch == 1 + i:
                        stack.enter_context(full_disk(1000))

                def identity(self, run):
                    return {}

            try:
                self.work(got, Fills())
                raise AssertionError('the disk was not full')
            except checkpoint.NotSaved as e:
                epochs = e.history.epochs
        (got / 'told').write_text(str(epochs))


class Saves(Fit):
    name = '`fit`, inside a save'


class Record(Program):
    name = '`d2lcnn record --weights`'
    how = dict(limit=100, epochs=3, data='digits', verbose=False, weights=True)
    longest = 1.0

    def prepare(self):
        record.record('lenet', 'modern', 0, self.folder / 'warm', **self.how)

    def work(self, folder):
        record.record('lenet', 'modern', 0, folder, **self.how)

    def end(self, folder):
        (run,) = (folder / 'runs').glob('*.json')
        kept = json.loads(run.read_text())
        for k in ('seconds', 'total_seconds', 'examples_per_s', 'date'):
            kept.pop(k)
        weights = load_file(folder / 'weights/lenet.safetensors')  # its metadata have no fixed order
        return kept, {k: v.numpy().tobytes() for k, v in weights.items()}, listed(folder)

    def between(self, got):
        "Whole, or not there; and where the run's file is, the weights are, too."
        runs, weights = list((got / 'runs').glob('*.json')), got / 'weights/lenet.safetensors'
        for run in runs:
            json.loads(run.read_text())
        return weights.exists() or not runs

    def untouched(self, got, before, i):
        return self.seen(got) == before and not temporaries(got)


AS_IT_IS = book.run_chapter, book._clean


class Store(Program):
    "A chapter is run and stored; in a kernel, or, where the writing is what is killed, without."

    name, kernel = '`d2lcnn run --store`', True

    def prepare(self):
        import nbformat
        from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

        cells = [new_markdown_cell('# A chapter\n> To store.'), new_code_cell("print('stored')")]
        self.empty = nbformat.writes(new_notebook(cells=cells))
        done = nbformat.reads(self.empty, 4)
        done.cells[1].outputs = [nbformat.v4.new_output('stream', name='stdout', text='stored\n')]
        self.done, self.notes = nbformat.writes(done), book.note_outputs

    def work(self, folder):
        nbs = folder / 'nbs'
        nbs.mkdir(exist_ok=True)
        (folder / 'results' / 'runs').mkdir(parents=True, exist_ok=True)
        path = nbs / '07_some.ipynb'
        if not path.exists():
            path.write_text(self.empty)
        book.run_chapter, book._clean = AS_IT_IS if self.kernel else (self.without_kernel, print)
        result = book.run_and_store(path, 'quick')
        if not result['ok']:
            raise OSError(result['error'])

    def without_kernel(self, path, out, **_):
        files.write_text(out / path.name, self.done)
        return dict(chapter=path.stem, cells=1, seconds=1.0, trained=[], ok=True)

    def seen(self, got):
        found = {n: (got / n).read_text() for n in listed(got) if (got / n).is_file()}
        return {k: v.replace(time.strftime('%Y-%m-%d'), 'today') for k, v in found.items()}

    def end(self, folder):
        cells = json.loads((folder / 'nbs/07_some.ipynb').read_text())['cells']
        notes = json.loads((folder / 'results/outputs.json').read_text())
        return [c.get('outputs') for c in cells], notes['07_some']['code'], listed(folder)

    def between(self, got):
        path, note = got / 'nbs/07_some.ipynb', got / 'results/outputs.json'
        if note.exists():
            json.loads(note.read_text())
        return not path.exists() or path.read_text() == self.empty or 'stored\\n"' in path.read_text()

    def before_full(self, got):
        "What is there is older: a chapter without outputs, with a note on another one."
        (got / 'nbs').mkdir()
        (got / 'nbs/07_some.ipynb').write_text(self.empty)
        files.write_text(got / 'results/outputs.json', '{"01_other": {"code": "x", "behavior": {}}}\n')
        (got / 'results' / 'runs').mkdir()

    def disturbed(self, first=None, seconds=600.0):
        kernels = self.kernels() if self.kernel else ()
        killed = super().disturbed(first, seconds)
        if self.kernel:  # they see within seconds that nobody wants them, and end
            end = time.time() + 20
            while (new := self.kernels() - kernels) and time.time() < end:
                time.sleep(0.2)
            self.left += len(new)
            for pid in new:
                os.kill(pid, signal.SIGKILL)
        return killed

    @staticmethod
    def kernels():
        "Kernels that this program has started, directly or not."
        found = set()
        for path in Path('/proc').glob('[0-9]*/environ'):
            with contextlib.suppress(OSError):
                if f'D2LCNN_KILL={os.getpid()}\0'.encode() in path.read_bytes():
                    if b'ipykernel' in (path.parent / 'cmdline').read_bytes():
                        found.add(int(path.parent.name))
        return found


class StoreWrites(Store):
    name, kernel, room = '`d2lcnn run --store`, inside a save', False, 200


class Download(Program):
    name, longest = 'a download', 1.0

    def prepare(self):
        import filelock  # noqa: F401: loaded once
        import tqdm  # noqa: F401
        from server import Server, published

        self.server = Server.running()
        base = self.server.__enter__().mirrors('good')
        download.SETS['fashion_mnist'] = (*download.SETS['fashion_mnist'][:2], base)
        download.PUBLISHED['fashion_mnist'] = published()
        os.environ.pop('D2LCNN_OFFLINE', None)

    def work(self, folder):
        try:
            download.fetch(root=folder)
        except download.DataUnavailable as e:
            raise OSError(str(e)) from None

    def end(self, folder):
        return self.seen(folder)

    def seen(self, got):
        return {k: v for k, v in super().seen(got).items() if k not in ('.d2lcnn.lock', '.d2lcnn.status')}

    def between(self, got):
        for path in (got / 'FashionMNIST/raw').glob('*'):
            if not path.name.startswith('.'):
                download.idx_shape(path)
        return True


ROWS = [  # program, what is done to it, how often, how often in the sample
    (Fit, 'at_random', (), 200, 4),
    (Fit, 'full', (), 8, 1),
    (Saves, 'in_writes', (6,), 50, 4),
    (Record, 'at_random', (), 30, 0),
    (Record, 'in_writes', (5,), 20, 4),
    (Record, 'full', (), 3, 1),
    (Store, 'at_random', (), 14, 0),
    (StoreWrites, 'in_writes', (3,), 16, 4),
    (StoreWrites, 'full', (), 3, 1),
    (Download, 'at_random', (), 20, 0),
    (Download, 'in_writes', (5,), 20, 4),
    (Download, 'full', (), 3, 1),
]
DONE = dict(at_random='killed at random', in_writes='killed inside a write', full='disk full')


def row(kind, what, options, times):
    "One line of the table; None where nothing is to be done."
    memory = '/dev/shm' if os.path.isdir('/dev/shm') else None  # what a kill leaves is the same there
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        program = kind(Path(folder))
        start = time.time()
        getattr(program, what)(times, *options)
        seconds = time.time() - start
        tempfile.tempdir = None
    print(f'| {program.name} | {DONE[what]} | {program.kills} | {program.ends} | {program.wrong} | {program.left} | {seconds:.0f} |', flush=True)
    return program.wrong + program.left


def real_disk():
    "A checkpoint on a disk that is really full, where this user may mount one; else None."
    with tempfile.TemporaryDirectory() as folder:
        command = ['mount', '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', folder]
        if shutil.which('mount') is None or subprocess.run(command, capture_output=True).returncode:
            return None
        try:
            return _really_full(Path(folder))
        finally:
            subprocess.run(['umount', folder], check=True)


def _really_full(folder):
    program, filler = Fit.__new__(Fit), folder / 'filler'
    program.prepare()

    class Fills(train.Callback):
        order = 70

        def after_epoch(self, run):
            if run.epoch == 3:
                with contextlib.suppress(OSError), open(filler, 'wb', buffering=0) as f:
                    while True:
                        f.write(bytes(1024))

        def identity(self, run):
            return {}

    with quiet():
        try:
            program.work(folder, Fills())
            return 1
        except checkpoint.NotSaved as e:
            fine = e.history.epochs == 3 and 'No space left on device' in str(e)
        there = len(checkpoint.state_of(folder / 'c.pt')['history']['loss'])
    return int(not (fine and there == 2 and not temporaries(folder)))


def main(few=False, only=''):
    "Prints the table; how many ends were wrong."
    torch.set_num_threads(1)
    random.seed(0)
    os.environ['D2LCNN_KILL'] = str(os.getpid())
    print('| program | what is done to it | times | ends looked at | wrong | temporaries left | seconds |')
    print('|---|---|---|---|---|---|---|')
    bad = 0
    for kind, what, options, many, sample in ROWS:
        times = sample if few else many
        if times and only.lower() in f'{kind.name} {DONE[what]}'.lower():
            bad += row(kind, what, options, times)
    full = real_disk()
    said = 'may not mount one here' if full is None else 'the file before, the history: ' + ('lost' if full else 'kept')
    print(f'A disk that is really full: {said}')
    return bad + (full or 0)


if __name__ == '__main__':
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument('--few', action='store_true', help='a sample of everything')
    ap.add_argument('only', nargs='?', default='', help='rows with this in their first two columns')
    args = ap.parse_args()
    sys.exit(bool(main(args.few, args.only)))
