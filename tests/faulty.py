"Faults on order, for tests and for `python -m tests.kill`: a full disk, names of dead processes, what lies in a folder."

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from d2lcnn import files


@contextlib.contextmanager
def full_disk(room=0):
    "Within, no file gets past so many bytes: as on a full disk, `write` fails; the code of the error is another."
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def dead_pid():
    "The number of a process that has ended."
    process = subprocess.Popen([sys.executable, '-c', ''])
    process.wait()
    return process.pid


def left_by(pid, here=None):
    "A temporary's name as that process would have given it."
    return f'{here or files._here()}-{pid}-0123abcd'


def listed(folder):
    "Every file and folder below, hidden ones too, as text."
    return sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob('*'))


def temporaries(folder):
    "What is left below a folder of files that were not finished."
    return [name for name in listed(folder) if name.endswith('.tmp')]


def own_scratch():
    "What is left of the package's own temporary folders."
    import tempfile

    return [n for n in os.listdir(tempfile.gettempdir()) if files._left(n.removeprefix('d2lcnn-'), Path(tempfile.gettempdir(), n))]
