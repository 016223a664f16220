"The command line, as a user meets it."

import json
import os
import re
import signal
import subprocess
import sys
import time

import nbformat
import pytest
import torch
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from d2lcnn import book as B
from d2lcnn.doctor import package_found

D2LCNN = [sys.executable, '-c', 'import sys; from d2lcnn.cli import main; sys.exit(main())']


def run(*args, cwd=ROOT, **env):
    return subprocess.run(
        [*D2LCNN, *args],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        timeout=300,
    )


@pytest.fixture
def book(tmp_path):
    "A book of three chapters: one trains, one fails, one is fine."

    def chapter(name, *sources):
        nbformat.write(
            new_notebook(cells=[new_markdown_cell('# T'), *map(new_code_cell, sources)]),
            tmp_path / 'nbs' / f'{name}.ipynb',
        )

    (tmp_path / 'nbs').mkdir()
    chapter(
        '01_train',
        "import os; print('budget', os.environ['D2LCNN_BUDGET'])",
        'from d2lcnn.data import digits\nfrom d2lcnn.train import fit',
        "from torch import nn\nnet = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
        "h = fit(net, digits(size=8), 2, .5)",
    )
    chapter('02_broken', 'x = 3', 'x + "a"', 'print("never")')
    chapter('03_fine', 'print("hello")')
    return tmp_path


def test_run_prints_progress_and_a_table(book):
    done = run('run', 'train', '3', cwd=book, D2LCNN_BUDGET='')
    assert done.returncode == 0, done.stderr
    assert (
        '2 chapters, budget quick' in done.stdout
        and 'data: ' in done.stdout
        and 'WARNING' not in done.stderr
    )
    table = done.stdout.split('\n\n')[-1]
    assert (
        re.search(r'01_train +3 +\d+\.\d +0\.\d{3} +ok', table)
        and re.search(r'03_fine +1 +\d+\.\d +- +ok', table)
        and '2 of 2 ok' in table
    )


def test_failure_is_shown_and_the_rest_runs(book):
    before = {p.name: p.read_bytes() for p in (book / 'nbs').iterdir()}
    done = run('run', '--out', 'out', cwd=book)
    assert done.returncode == 1 and '2 of 3 ok' in done.stdout
    assert 'cell 2 failed with TypeError' in done.stderr and '| x + "a"' in done.stderr
    assert before == {
        p.name: p.read_bytes() for p in (book / 'nbs').iterdir()
    }  # the chapters themselves are not touched
    assert sorted(os.listdir(book / 'out')) == [
        '01_train.ipynb',
        '02_broken.ipynb',
        '03_fine.ipynb',
    ]
    cells = json.loads((book / 'out' / '01_train.ipynb').read_text())['cells']
    assert 'budget quick' in ''.join(cells[1]['outputs'][0]['text'])
    figures = [o for o in cells[3]['outputs'] if 'image/png' in o.get('data', {})]
    assert len(figures) == 1, 'the live figure ends as one clean figure'
    assert not any('progress' in str(o) for o in cells[3]['outputs'])


def test_budget_reaches_the_chapters(book):
    done = run('run', '1', '--budget', 'full', '--out', 'out', cwd=book)
    assert done.returncode == 0 and 'budget full' in (book / 'out' / '01_train.ipynb').read_text()


@pytest.mark.parametrize(
    'args, words',
    [
        (['run', '09'], "no chapter '09'; there are 01_train, 02_broken, 03_fine"),
        (['run', '--budget', 'huge'], 'quick'),
        (['data', 'fetch', 'cifar'], "no data set 'cifar'; there are fashion_mnist, mnist"),
        (['fly'], 'run'),
    ],
)
def test_wrong_use(book, args, words):
    done = run(*args, cwd=book)
    assert done.returncode == 2 and words in done.stderr and 'Traceback' not in done.stderr


def test_no_book_here(tmp_path):
    done = run('run', cwd=tmp_path, D2LCNN_NBS=str(tmp_path))
    assert done.returncode == 2 and str(tmp_path) in done.stderr and 'D2LCNN_NBS' in done.stderr


@pytest.mark.skipif(os.name != 'posix', reason='sends SIGINT')
def test_interrupt_ends_with_a_table(book):
    nbformat.write(
        new_notebook(cells=[new_code_cell('import time; open("started", "w"); time.sleep(100)')]),
        book / 'nbs' / '02_broken.ipynb',
    )
    p = subprocess.Popen(
        [*D2LCNN, 'run'], cwd=book, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for _ in range(600):
        if (book / 'nbs' / 'started').exists():
            break
        time.sleep(0.1)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=60)
    assert (
        p.returncode == 130
        and '1 of 3 ok' in out
        and 'interrupted' in err
        and 'Traceback' not in err
    )


def test_data_list_and_doctor(tmp_path):
    root = str(tmp_path / 'none')
    done = run('data', 'list', D2LCNN_DATA=root)
    assert (
        done.returncode == 0
        and root in done.stdout
        and 'd2lcnn data fetch mnist' in done.stdout
        and 'digits' in done.stdout
    )
    done = run('doctor', D2LCNN_DATA=root)
    assert (
        done.returncode == 0
        and done.stdout.rstrip().endswith('ready')
        and 'torch' in done.stdout
        and 'chapters use the digits' in done.stdout
    )


def test_doctor_names_the_mend(tmp_path):
    raw = tmp_path / 'MNIST' / 'raw'
    raw.mkdir(parents=True)
    for n in (
        'train-images-idx3-ubyte',
        'train-labels-idx1-ubyte',
        't10k-images-idx3-ubyte',
        't10k-labels-idx1-ubyte',
    ):
        (raw / n).write_bytes(b'broken')
    done = run('doctor', D2LCNN_DATA=str(tmp_path))
    assert (
        done.returncode == 1
        and '!!  MNIST' in done.stdout
        and '→ d2lcnn data fetch mnist' in done.stdout
        and '1 thing to mend' in done.stdout
    )


def test_fetch_without_network(tmp_path):
    done = run('data', 'fetch', 'mnist', D2LCNN_DATA=str(tmp_path / 'none'), D2LCNN_OFFLINE='1')
    assert (
        done.returncode == 1
        and 'could not be downloaded' in done.stderr
        and 'Traceback' not in done.stderr
        and not (tmp_path / 'none').exists()
    )


# ---------------------------------------------------------------- paths, looked at before the work

TRAIN = ['train', '--net', 'lenet', '--data', 'digits', '--limit', '64', '--epochs', '1']


def quickly(*args, **kwargs):
    "Refused before anything was trained: nothing printed, no traceback."
    done = run(*args, **kwargs)
    assert done.returncode in (1, 2) and 'Traceback' not in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and 'test acc' not in done.stdout
    return done.stderr


def test_missing_folders_are_made_and_home_is_meant(tmp_path):
    log, weights = 'no/such/h.json', '~/w.safetensors'
    options = ['--json', log, '--save', weights, '--quiet']
    done = run(*TRAIN, *options, cwd=tmp_path, HOME=str(tmp_path / 'home'), PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    assert len(json.loads((tmp_path / log).read_text())['loss']) == 1
    assert (tmp_path / 'home' / 'w.safetensors').is_file() and not (tmp_path / '~').exists()


@pytest.mark.parametrize('option', ['--json', '--save'])
def test_a_folder_is_no_file_to_write(tmp_path, option):
    assert f'{tmp_path} is a folder' in quickly(*TRAIN, option, str(tmp_path))


@pytest.mark.parametrize(
    'command',
    [
        [*TRAIN, '--json', '{file}/h.json'],
        ['bench', 'lenet', '--quick', '--out', '{file}/b.json'],
        ['run', '05', '--out', '{file}'],
        ['record', 'lenet', '--folder', '{file}'],
        ['bench', 'lenet', '--quick', '--out', '{folder}'],
    ],
)
def test_what_cannot_be_written_is_said_at_once(tmp_path, command):
    (tmp_path / 'file').write_text('here')
    of = dict(file=tmp_path / 'file', folder=tmp_path)
    assert str(tmp_path) in quickly(*(a.format(**of) for a in command))


# ---------------------------------------------------------------- one sentence


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
@pytest.mark.parametrize(
    'command',
    [
        [*TRAIN, '--device', 'cuda'],
        ['record', 'lenet', '--device', 'cuda:1', '--folder', '{folder}'],
        ['bench', 'lenet', '--quick', '--device', 'cuda'],
        [*TRAIN, '--device', 'gpu'],
    ],
)
def test_a_device_that_is_not_here(tmp_path, command):
    said = quickly(*(a.format(folder=tmp_path) for a in command))
    assert f"no device '{command[command.index('--device') + 1]}'" in said and 'cpu' in said


@pytest.mark.parametrize('lr', ['1e30', '1e9'])
def test_a_run_that_diverges_says_so_in_a_sentence(tmp_path, lr):
    net = ['train', '--net', 'nin', '--size', '67', '--data', 'digits', '--limit', '64']
    done = run(*net, '--epochs', '3', '--batch-size', '16', '--lr', lr, '--quiet')
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    (line,) = [l for l in done.stderr.splitlines() if l.startswith('d2lcnn train:')]
    assert 'the loss became' in line and '--lr' in line


# ---------------------------------------------------------------- the doctor


def fake_package(folder, version, text=''):
    (folder / 'd2lcnn').mkdir(parents=True)
    (folder / 'd2lcnn' / '__init__.py').write_text(f'__version__ = "{version}"\n{text}')
    return folder


@pytest.fixture
def clone(book, monkeypatch):
    "The tiny book with a package of its own beside it."
    monkeypatch.setenv('PYTHONPATH', str(book))
    return fake_package(book, '0.9.0')


def test_doctor_takes_the_package_of_the_clone(clone):
    what, ok, text, _ = package_found(clone / 'nbs')
    assert (what, ok) == ('d2lcnn', True) and '0.9.0' in text


@pytest.mark.parametrize(
    'version, text, fine',
    [
        ('0.0.9', '', False),
        ('0.9.0', 'changed = 1\n', False),
        ('1.2.0', '', False),
        ('0.9.0', '', True),
    ],
)
def test_doctor_sees_another_package_first(clone, tmp_path, monkeypatch, version, text, fine):
    other = fake_package(tmp_path / 'other', version, text)
    monkeypatch.setenv('PYTHONPATH', f'{other}{os.pathsep}{clone}')
    what, ok, said, mend = package_found(clone / 'nbs')
    assert ok is fine and str(other) in said and version in said
    if not fine:
        assert '0.9.0' in said and f'pip install -e "{clone}"' in mend and str(other) in mend


def test_doctor_is_not_ready_with_an_older_package_first(tmp_path):
    "Run from the clone, where Python searches first; its chapters do not run there."
    old = fake_package(tmp_path / 'old', '0.0.1')
    done = run('doctor', D2LCNN_NBS=str(ROOT / 'nbs'), PYTHONPATH=f'{old}')
    assert done.returncode == 1 and '0.0.1' in done.stdout and 'to mend' in done.stdout
    assert 'pip install -e' in done.stdout


# ---------------------------------------------------------------- storing


def test_storing_keeps_outputs_and_a_note(book):
    done = run('run', '3', '--store', cwd=book)
    assert done.returncode == 0, done.stderr
    (cell,) = [
        c for c in json.loads((book / 'nbs/03_fine.ipynb').read_text())['cells'] if 'outputs' in c
    ]
    assert ''.join(cell['outputs'][0]['text']) == 'hello\n'
    note = json.loads((book / 'results/outputs.json').read_text())['03_fine']
    assert note['budget'] == 'quick' and len(note['code']) == 12 and note['behavior'] == {}


@pytest.mark.parametrize('when', ['early', 'late'])
def test_a_chapter_saved_while_it_ran_is_left_alone(book, monkeypatch, when):
    path = book / 'nbs' / '03_fine.ipynb'
    ran = B.run_chapter

    def saved_meanwhile(p, out):
        result = ran(p, out) if when == 'late' else None
        nb = nbformat.read(path, 4)
        nb.cells.append(new_markdown_cell('a new paragraph'))
        nbformat.write(nb, path)
        return result or ran(p, out)

    monkeypatch.setattr(B, 'run_chapter', saved_meanwhile)
    result = B.run_and_store(path, 'quick')
    assert not result['ok'] and 'changed while it ran' in result['error']
    assert 'a new paragraph' in path.read_text() and 'hello\\n' not in path.read_text()
    kept = re.search(r'they are in (\S+\.ipynb)', result['error'])[1]
    assert 'hello' in open(kept).read() and not (book / 'results').exists()


@pytest.mark.parametrize('broken', ['fsync', 'replace'])
def test_a_full_disk_leaves_the_notebook_whole(book, monkeypatch, broken):
    path = book / 'nbs' / '03_fine.ipynb'
    before = path.read_bytes()
    take = B._take

    def full(*args):
        raise OSError(28, 'No space left on device')

    def take_on_a_full_disk(*args):
        with pytest.MonkeyPatch.context() as m:
            m.setattr(os, broken, full)
            return take(*args)

    monkeypatch.setattr(B, '_take', take_on_a_full_disk)
    result = B.run_and_store(path, 'quick')
    assert not result['ok'] and 'No space left' in result['error']
    assert path.read_bytes() == before and sorted(os.listdir(path.parent)) == [
        '01_train.ipynb',
        '02_broken.ipynb',
        '03_fine.ipynb',
    ]


# ---------------------------------------------------------------- threads


@pytest.mark.parametrize('chosen, seen', [(None, 'PASSIVE'), ('ACTIVE', 'ACTIVE')])
def test_kernels_wait_without_spinning_unless_chosen(book, monkeypatch, chosen, seen):
    monkeypatch.delenv('OMP_WAIT_POLICY', raising=False)
    if chosen:
        monkeypatch.setenv('OMP_WAIT_POLICY', chosen)
    path = book / 'nbs' / '01_train.ipynb'
    cell = new_code_cell('import os; print(os.environ["OMP_WAIT_POLICY"])')
    nbformat.write(new_notebook(cells=[cell]), path)
    assert (
        B.run_chapter(path, book / 'out')['ok'] and seen in (book / 'out' / path.name).read_text()
    )
    assert os.environ.get('OMP_WAIT_POLICY') == chosen


def test_trainings_that_the_benchmark_starts_wait_without_spinning(monkeypatch):
    from d2lcnn import bench

    monkeypatch.delenv('OMP_WAIT_POLICY', raising=False)
    seen = {}

    def started(command, env, **how):
        seen.update(env)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, 'run', started)
    with pytest.raises(KeyboardInterrupt):
        bench.time_to_accuracy('lenet', 'classic', seeds=[0])
    assert seen['OMP_WAIT_POLICY'] == 'PASSIVE'
