"""Bad inputs, drawn: every public name of the package is called with arguments of the wrong kind, rank, size or type.

    python -m tests.draw                      50,000 draws and a table
    python -m tests.draw --draws 5000 --keep FILE   goes on where FILE left off
    python -m tests.draw --only conv.corr2d   one name, or all whose name begins so
    python -m tests.draw --only conv.corr2d --repeat 17   one draw, with its traceback

A draw depends on the seed, the name and its number alone. What comes of it is one of five things:

answer    a value; where PyTorch or a formula defines it, the same value
clear     an error raised by a sentence of ours that names what was given
obscure   an error in the words of Python, PyTorch, NumPy or matplotlib, from inside the package
silent    an answer where there is none, or another than PyTorch's
hang      no end within the time limit
"""

import argparse
import ast
import collections
import contextlib
import functools
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

os.environ.setdefault('MPLBACKEND', 'Agg')
os.environ.setdefault('D2LCNN_BUDGET', 'quick')

import torch

import d2lcnn

sys.path.insert(0, str(Path(__file__).resolve().parent))
from drawn import DRAWERS, WEIGHTS  # noqa: E402

OUTCOMES = ('answer', 'clear', 'obscure', 'silent', 'hang')
PACKAGE = Path(d2lcnn.__file__).resolve().parent
SEED, DRAWS, SECONDS = 0, 50_000, 10.0
MEMORY = 8 << 30  # a draw that asks for more than so much address space gets an error


# ------------------------------------------------------------------ what comes of a draw

class TooLong(BaseException):
    "Not an Exception: no handler of the package may catch it."


@contextlib.contextmanager
def limited(seconds):
    def ring(*_):
        raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def bounded(size=MEMORY):
    "Inside, the process has at most so much more address space than now."
    try:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        now = int(Path('/proc/self/statm').read_text().split()[0]) * os.sysconf('SC_PAGE_SIZE')
        resource.setrlimit(resource.RLIMIT_AS, (now + size, hard))
    except (ImportError, OSError, ValueError):  # not on this system
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@functools.lru_cache(None)
def _raises(path):
    "The lines of a file on which a `raise` statement with an exception of its own stands."
    tree = ast.parse(Path(path).read_text(encoding='utf-8'))
    lines = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            lines.update(range(node.lineno, node.end_lineno + 1))
    return lines


def is_clear(error, given):
    "Was it raised by a sentence of ours, which names an argument or a number?"
    if isinstance(error, SystemExit):
        return True  # argparse has printed what is wrong
    tb = error.__traceback__
    while tb.tb_next is not None:
        tb = tb.tb_next
    path = Path(tb.tb_frame.f_code.co_filename)
    if not path.is_relative_to(PACKAGE) or tb.tb_lineno not in _raises(str(path)):
        return False
    text = str(error)
    named = any(re.search(rf'\b{re.escape(name)}\b', text) for name in given)
    said = named or re.search(r"[\d`;=('\"]", text) is not None  # an argument, a value, a way out
    return len(text.split()) >= 4 and said


def outcome(draw, seconds=SECONDS):
    "(one of OUTCOMES, what was said)"
    try:
        with limited(seconds), quiet():
            answer = draw.call()
    except TooLong:
        return 'hang', f'no end within {seconds:g} s'
    except (Exception, SystemExit) as e:
        said = f'{type(e).__name__}: {e}'
        return ('clear' if is_clear(e, draw.given) else 'obscure'), said
    if draw.refuse:
        return 'silent', f'no error, but {answer!r:.200}'
    if draw.want is not None:
        try:
            with limited(seconds), quiet():
                wrong = draw.want(answer)
        except TooLong:
            return 'hang', 'no end in the comparison'
        if wrong:
            return 'silent', wrong
    return 'answer', ''


@contextlib.contextmanager
def quiet():
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter('ignore')
        with contextlib.redirect_stderr(io.StringIO()):
            yield


def drawn(name, number, seed=SEED):
    "The draw of this number for a name."
    torch.manual_seed(number)
    with quiet():
        return DRAWERS[name](random.Random(f'{seed} {name} {number}'))


def shown(draw):
    "The arguments in a line."
    def one(v):
        try:
            if isinstance(v, torch.Tensor):
                return f'tensor{tuple(v.shape)}:{str(v.dtype)[6:]}:{str(v.layout)[6:]}'
            return ' '.join(f'{v!r}'.split())[:80]
        except Exception:
            return f'<{type(v).__name__}>'
    return ', '.join(f'{k}={one(v)}' for k, v in draw.given.items())


def schedule(names, weights):
    "Names in a round, over and over; those of weight n come n times in it."
    most = max(weights.get(n, 1) for n in names)
    return [n for turn in range(most) for n in names if weights.get(n, 1) > turn]


class Tally:
    "Counts by name, and what was found."

    def __init__(self):
        self.counts = collections.defaultdict(collections.Counter)
        self.found, self.done = [], 0

    def add(self, name, number, kind, said, draw):
        self.counts[name][kind] += 1
        if kind in ('obscure', 'silent', 'hang'):
            self.found.append((kind, name, number, said[:300], shown(draw)[:300]))

    def total(self):
        return sum(self.counts.values(), collections.Counter())

    def table(self):
        groups = collections.defaultdict(collections.Counter)
        for name, counts in self.counts.items():
            groups[name.rpartition('.')[0]].update(counts)
        rows = [*sorted(groups.items()), ('all', self.total())]
        wide = max(len(group) for group, _ in rows)
        head = f'{"module":{wide}}  {"draws":>7}' + ''.join(f'  {o:>7}' for o in OUTCOMES)
        lines = [head, '-' * len(head)]
        for group, counts in rows:
            n = sum(counts.values())
            numbers = ''.join(f'  {counts[o]:7,}' for o in OUTCOMES)
            lines.append(f'{group:{wide}}  {n:7,}{numbers}')
        n, counts = max(1, sum(self.total().values())), self.total()
        lines.append(f'obscure: {counts["obscure"] / n:.2%} of {n:,} draws')
        return '\n'.join(lines)

    def to_json(self):
        return json.dumps(dict(done=self.done, counts=self.counts, found=self.found))

    @classmethod
    def of_json(cls, text):
        tally, read = cls(), json.loads(text)
        tally.done, tally.found = read['done'], read['found']
        for name, counts in read['counts'].items():
            tally.counts[name].update(counts)
        return tally


def draws(first, last, seed=SEED, only='', tally=None, seconds=SECONDS, tell=None):
    "Make the draws with the numbers from `first` up to `last`; in a folder of their own."
    names = [n for n in DRAWERS if n.startswith(only)]
    rounds, tally = schedule(names, WEIGHTS), tally or Tally()
    with elsewhere(), bounded():
        for i in range(first, last):
            name, number = rounds[i % len(rounds)], i
            draw = drawn(name, number, seed)
            kind, said = outcome(draw, seconds)
            if kind == 'hang':  # again, in case the machine was busy
                kind, said = outcome(drawn(name, number, seed), seconds)
            tally.add(name, number, kind, said, draw)
            tally.done = i + 1
            close_figures()
            if tell:
                tell(tally)
    return tally


def close_figures():
    plt = sys.modules.get('matplotlib.pyplot')
    if plt:
        plt.close('all')


@contextlib.contextmanager
def elsewhere():
    "In an empty folder: drawn texts may be taken for file names."
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def main(argv=None):
    parser = argparse.ArgumentParser('python -m tests.draw', description='Draw bad inputs.')
    parser.add_argument('--draws', type=int, default=DRAWS)
    parser.add_argument('--seed', type=int, default=SEED)
    parser.add_argument('--seconds', type=float, default=SECONDS, help='limit of one draw')
    parser.add_argument('--only', default='', help='names that begin so, such as conv.corr2d')
    parser.add_argument('--keep', type=Path, help='file to go on from')
    parser.add_argument('--first', type=int, default=0, help='number of the first draw')
    parser.add_argument('--jobs', type=int, default=1, help='so many processes, a part of the draws each')
    parser.add_argument('--repeat', type=int, help='one draw of the name that --only gives')
    parser.add_argument('--show', type=int, default=40, help='findings to print')
    args = parser.parse_args(argv)
    if args.repeat is not None:
        with elsewhere(), bounded():
            draw = drawn(args.only, args.repeat, args.seed)
            print(shown(draw))
            print(*outcome(draw, args.seconds), sep=': ')
            try:
                print(draw.call())
            except BaseException:
                traceback.print_exc()
        return 0
    tally, began = Tally(), time.monotonic()
    tally.done = args.first
    if args.jobs > 1:
        return report(side_by_side(args), args.show)
    keep = args.keep.resolve() if args.keep else None
    if keep and keep.exists():
        tally = Tally.of_json(keep.read_text())

    def tell(tally):
        if tally.done % 500:
            return
        print(f'{tally.done:,} of {args.draws:,}, {time.monotonic() - began:.0f} s', flush=True)
        if keep:
            keep.write_text(tally.to_json())

    draws(tally.done, args.draws, args.seed, args.only, tally, args.seconds, tell)
    if keep:
        keep.write_text(tally.to_json())
    return report(tally, args.show)


def side_by_side(args):
    "The draws in several processes, each with a part of them and a file of its own to go on from."
    keep, cuts = args.keep or Path('drawn.json'), range(args.jobs + 1)
    edges = [args.first + (args.draws - args.first) * k // args.jobs for k in cuts]
    files = [keep.with_name(f'{keep.stem}-{k}{keep.suffix}') for k in range(args.jobs)]
    command = [sys.executable, __file__, '--seed', str(args.seed), '--seconds', str(args.seconds),
               '--only', args.only, '--show', '0']
    parts = [subprocess.Popen([*command, '--first', str(a), '--draws', str(b), '--keep', str(f)])
             for a, b, f in zip(edges, edges[1:], files)]
    for part in parts:
        part.wait()
    tally = Tally()
    for file in files:
        part = Tally.of_json(file.read_text())
        for name, counts in part.counts.items():
            tally.counts[name].update(counts)
        tally.found += part.found
    return tally


def report(tally, show):
    "Findings and table; 1 where something was silently wrong or did not end."
    for kind, name, number, said, given in tally.found[:show]:
        print(f'{kind}: {name} #{number}: {given}\n    {said}')
    print(tally.table())
    total = tally.total()
    return 1 if total['silent'] or total['hang'] else 0


if __name__ == '__main__':
    sys.exit(main())
