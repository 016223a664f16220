"The command line, as a user meets it."

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from contextlib import redirect_stderr, redirect_stdout
from types import SimpleNamespace
from unittest import mock

import nbformat
import pytest
import torch
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from d2lcnn import book as B, cli, data as D
from d2lcnn.board import weights
from d2lcnn.doctor import package_found

D2LCNN = [
    sys.executable,
    '-c',
    'import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); '
    'from d2lcnn.cli import main; sys.exit(main())',
]


def run_process(*args, cwd=ROOT, **env):
    "A command as the shell starts it."
    return subprocess.run(
        [*D2LCNN, *args],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        timeout=300,
    )


def run(*args, cwd=ROOT, **env):
    "A command in this process, which has loaded PyTorch already: its status and what it prints."
    out, err, back = io.StringIO(), io.StringIO(), os.getcwd()
    with mock.patch.dict(os.environ, env), redirect_stdout(out), redirect_stderr(err):
        os.chdir(cwd)
        D._told.clear()
        try:
            status = cli.main([str(a) for a in args])
        except SystemExit as e:
            status = e.code if isinstance(e.code, int) else 1
        except Exception:
            traceback.print_exc()
            status = 1
        finally:
            os.chdir(back)
    return SimpleNamespace(returncode=status, stdout=out.getvalue(), stderr=err.getvalue())


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


@pytest.mark.slow
def test_run_prints_progress_and_a_table(book):
    done = run('run', 'train', '3', cwd=book, D2LCNN_BUDGET='')
    assert done.returncode == 0, done.stderr
    assert (
        '2 chapters, budget quick' in done.stdout
        and 'data: ' in done.stdout
        and 'WARNING' not in done.stderr
    )
    table, next_step = done.stdout.split('\n\n')[-2:]
    assert re.search(r'01_train +\d+\.\d +– +ok', table), table
    assert re.search(r'03_fine +\d+\.\d +– +ok', table) and '2 of 2 ok' in table
    assert next_step.rstrip().endswith('It learns more with --budget laptop.')
    assert 'd2lcnn lab 01 opens nbs/01_train.ipynb' in next_step


@pytest.mark.slow
def test_the_table_tells_what_was_trained_beside_the_recorded_run(book):
    "Accuracy on how many images, and what the recorded run reached, where it saw the same set."
    of = (
        'from d2lcnn.lenet import lenet\nfrom d2lcnn.data import load_data\n'
        'from d2lcnn.train import fit\nfrom d2lcnn.runs import beside\n'
        'data = load_data({}, limit=300)\nh = fit(lenet(), data, 1, .1)\n'
        'beside(h, "lenet", {!r}, draw=False)'
    )
    for name, data in [('01_train', '"fashion_mnist"'), ('03_fine', '"digits"')]:
        cells = [new_code_cell(of.format(data, str(ROOT / 'results')))]
        nbformat.write(new_notebook(cells=cells), book / 'nbs' / f'{name}.ipynb')
    table = run('run', 'train', '3', cwd=book).stdout.split('\n\n')[-2]
    own, digits = (l for l in table.splitlines() if 'LeNet' in l)
    assert re.search(r'03_fine +\d+\.\d +LeNet +300 +1 +0\.\d{3} +ok', digits), digits
    here = '(fashion_mnist is here)' if D.check_files('fashion_mnist') else ''
    recorded = r'0\.[78]\d\d +' if here else ''
    row = rf'01_train +\d+\.\d +LeNet +300 +1 +0\.\d{{3}} +{recorded}ok'
    assert re.search(row, own), own + here


NOTE_TIMES = """
import time, json, os
begin = time.time()
time.sleep({})
json.dump([begin, time.time(), os.environ.get('OMP_NUM_THREADS')], open('{}', 'w'))
"""


def noted(book, jobs, alone=()):
    "Three chapters that note when they ran; gives (begin, end, threads) of each."
    for name in ('01_train', '02_broken', '03_fine'):
        nb = new_notebook(cells=[new_code_cell(NOTE_TIMES.format(2, name))])
        nb.metadata['d2lcnn'] = {'alone': name in alone}
        nbformat.write(nb, book / 'nbs' / f'{name}.ipynb')
    done = run('run', '--jobs', jobs, cwd=book, OMP_NUM_THREADS='')
    assert done.returncode == 0, done.stderr
    names = [l.split()[0] for l in done.stdout.split('\n\n')[-2].splitlines()[2:5]]
    assert names == ['01_train', '02_broken', '03_fine'], 'the table is in reading order'
    return [json.loads((book / 'nbs' / name).read_text()) for name in names]


def overlap(a, b):
    return a[0] < b[1] and b[0] < a[1]


@pytest.mark.slow
def test_chapters_run_side_by_side_and_share_the_cores(book):
    times = noted(book, '3')
    assert all(overlap(a, b) for a in times for b in times)
    assert {t[2] for t in times} == {str(max(1, B.cores() // 3))}
    one, two, three = noted(book, '1')
    assert not overlap(one, two) and not overlap(two, three) and not one[2]


@pytest.mark.slow
def test_a_chapter_that_measures_time_runs_alone(book):
    first, second, third = noted(book, '3', alone=['01_train'])
    assert overlap(second, third) and first[0] > max(second[1], third[1]) and not first[2]


def test_how_many_at_a_time(monkeypatch):
    monkeypatch.setattr(B, 'cores', lambda: 4)
    assert B.jobs_for(14) in (2, 3, 4) and B.jobs_for(2) <= 2
    assert B.jobs_for(14, 'laptop') == B.jobs_for(14, device='cuda') == 1
    assert B.jobs_for(14, store=True) == 1


def test_the_longest_chapter_starts_first(tmp_path, monkeypatch):
    (tmp_path / 'quick.json').write_text('{"05_a": 3, "06_b": 9, "07_c": 5}')
    paths = [tmp_path / f'{n}.ipynb' for n in ('05_a', '06_b', '07_c', '08_new')]
    for p in paths:
        p.write_text('{"metadata": {}}')
    expected = weights(paths, tmp_path)
    assert expected['08_new'] == pytest.approx(17 / 3)
    monkeypatch.setattr(B, 'weights', lambda paths: expected)
    order = []

    def ran(path, board, threads):
        order.append(path.stem)
        time.sleep(0.05)
        return path.stem

    results, stopped = B.run_chapters(paths, ran, jobs=2)
    assert not stopped and results == ['05_a', '06_b', '07_c', '08_new']
    assert order[:2] == ['06_b', '08_new'] and order[-1] == '05_a'


@pytest.mark.slow
@pytest.mark.skipif(os.name != 'posix', reason='a pseudo terminal')
def test_on_a_terminal_the_line_shows_all_that_run_and_the_time_left(book):
    import pty

    for name in ('01_train', '02_broken', '03_fine'):
        cells = [new_code_cell(f'import time; time.sleep({t})') for t in (1, 1)]
        nbformat.write(new_notebook(cells=cells), book / 'nbs' / f'{name}.ipynb')
    at, end = pty.openpty()
    env = {**os.environ, 'COLUMNS': '120'}
    p = subprocess.Popen([*D2LCNN, 'run', '--jobs', '2'], cwd=book, stdout=end, env=env)
    os.close(end)
    seen = b''
    try:
        while part := os.read(at, 4096):
            seen += part
    except OSError:  # how a pseudo terminal ends
        pass
    assert p.wait(60) == 0
    seen = seen.decode()
    assert re.search(r'01_train 1/2  02_broken 1/2  0 of 3 done  \d+ s, about \d+ s left', seen), seen
    assert '2 of 3 done' in seen


@pytest.mark.parametrize('jobs', ['0', '-1', 'two', '1.5'])
def test_wrong_number_of_jobs(book, jobs):
    done = run('run', f'--jobs={jobs}', cwd=book)
    assert done.returncode == 2 and 'from 1 up' in done.stderr and 'Traceback' not in done.stderr


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.skipif(os.name != 'posix', reason='sends SIGINT')
def test_interrupt_ends_with_a_table(book):
    nbformat.write(
        new_notebook(cells=[new_code_cell('import time; open("started", "w"); time.sleep(100)')]),
        book / 'nbs' / '02_broken.ipynb',
    )
    p = subprocess.Popen(
        [*D2LCNN, 'run', '--jobs', '1'],
        cwd=book,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(600):
        if (book / 'nbs' / 'started').exists():
            break
        time.sleep(0.1)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=60)
    assert p.returncode == 130 and '1 of 3 ok' in out, out
    assert 'interrupted' in err and 'Traceback' not in err


@pytest.mark.slow
@pytest.mark.skipif(os.name != 'posix', reason='sends SIGINT')
def test_interrupt_ends_all_kernels_that_run(book):
    for name in ('01_train', '02_broken'):
        wait = f'import os, time; print(os.getpid(), file=open("{name}", "w")); time.sleep(100)'
        nbformat.write(new_notebook(cells=[new_code_cell(wait)]), book / 'nbs' / f'{name}.ipynb')
    pipe = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    p = subprocess.Popen([*D2LCNN, 'run', '--jobs', '2'], cwd=book, **pipe)
    files = [book / 'nbs' / name for name in ('01_train', '02_broken')]
    for _ in range(600):
        if all(f.exists() and f.read_text() for f in files):
            break
        time.sleep(0.1)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=30)
    assert p.returncode == 130 and 'interrupted' in err and 'Traceback' not in err, out + err
    for f in files:
        with pytest.raises(ProcessLookupError):
            os.kill(int(f.read_text()), 0)


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


@pytest.mark.slow
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


def test_a_chapter_of_part_0_is_found_first_and_noted_beside_the_others(book):
    (book / 'nbs' / 'foundations').mkdir()
    path = book / 'nbs' / 'foundations' / 'f1_line.ipynb'
    (book / 'nbs' / '03_fine.ipynb').rename(path)
    found = B.find_chapters(nbs=book / 'nbs')
    assert [p.stem for p in found] == ['f1_line', '01_train', '02_broken']
    done = run('run', 'foundations', '--store', cwd=book)
    assert done.returncode == 0, done.stderr
    assert 'd2lcnn lab f1 opens' in done.stdout and 'f1_line.ipynb' in done.stdout
    assert json.loads((book / 'results/outputs.json').read_text()).keys() == {'f1_line'}
    assert [p.name for p in (book / 'nbs').iterdir() if p.is_dir()] == ['foundations']


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


@pytest.mark.parametrize('chosen, seen', [(None, 'PASSIVE, 1000'), ('ACTIVE', 'ACTIVE, none')])
def test_kernels_do_not_spin_for_long_unless_chosen(book, monkeypatch, chosen, seen):
    monkeypatch.delenv('GOMP_SPINCOUNT', raising=False)
    monkeypatch.delenv('OMP_WAIT_POLICY', raising=False)
    if chosen:
        monkeypatch.setenv('OMP_WAIT_POLICY', chosen)
    path = book / 'nbs' / '01_train.ipynb'
    says = 'print(env["OMP_WAIT_POLICY"], env.get("GOMP_SPINCOUNT", "none"), sep=", ")'
    cell = new_code_cell(f'from os import environ as env\n{says}')
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


@pytest.mark.parametrize('load, ok', [(0.3, True), (7.5, None)])
def test_the_doctor_sees_that_the_machine_is_busy(monkeypatch, load, ok):
    from d2lcnn import doctor

    monkeypatch.setattr(os, 'getloadavg', lambda: (load, 0, 0), raising=False)
    monkeypatch.setattr(doctor, 'cores', lambda: 2)
    what, good, text, mend = next(f for f in doctor.examine() if f[0] == 'cores')
    assert good is ok and f'load {load} on 2 cores' in text and 'OMP_WAIT_POLICY=PASSIVE' in mend
