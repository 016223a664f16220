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
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

D2LCNN = [sys.executable, '-c', 'import sys; from d2lcnn.cli import main; sys.exit(main())']


def run(*args, cwd=ROOT, **env):
    return subprocess.run([*D2LCNN, *args], cwd=cwd, capture_output=True, text=True, env={**os.environ, **env}, timeout=300)


@pytest.fixture
def book(tmp_path):
    "A book of three chapters: one trains, one fails, one is fine."
    def chapter(name, *sources): nbformat.write(new_notebook(cells=[new_markdown_cell('# T'), *map(new_code_cell, sources)]), tmp_path / 'nbs' / f'{name}.ipynb')
    (tmp_path / 'nbs').mkdir()
    chapter('01_train', "import os; print('budget', os.environ['D2LCNN_BUDGET'])", 'from d2lcnn.data import digits\nfrom d2lcnn.train import fit',
            "from torch import nn\nh = fit(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), digits(size=8), 2, .5)")
    chapter('02_broken', 'x = 3', 'x + "a"', 'print("never")')
    chapter('03_fine', 'print("hello")')
    return tmp_path


def test_run_prints_progress_and_a_table(book):
    done = run('run', 'train', '3', cwd=book, D2LCNN_BUDGET='')
    assert done.returncode == 0, done.stderr
    assert '2 chapters, budget quick' in done.stdout and 'data: ' in done.stdout and 'WARNING' not in done.stderr
    table = done.stdout.split('\n\n')[-1]
    assert re.search(r'01_train +3 +\d+\.\d +0\.\d{3} +ok', table) and re.search(r'03_fine +1 +\d+\.\d +- +ok', table) and '2 of 2 ok' in table


def test_failure_is_shown_and_the_rest_runs(book):
    before = {p.name: p.read_bytes() for p in (book / 'nbs').iterdir()}
    done = run('run', '--out', 'out', cwd=book)
    assert done.returncode == 1 and '2 of 3 ok' in done.stdout
    assert 'cell 2 failed with TypeError' in done.stderr and '| x + "a"' in done.stderr
    assert before == {p.name: p.read_bytes() for p in (book / 'nbs').iterdir()}  # the chapters themselves are not touched
    assert sorted(os.listdir(book / 'out')) == ['01_train.ipynb', '02_broken.ipynb', '03_fine.ipynb']
    cells = json.loads((book / 'out' / '01_train.ipynb').read_text())['cells']
    assert 'budget quick' in ''.join(cells[1]['outputs'][0]['text'])
    figures = [o for o in cells[3]['outputs'] if 'image/png' in o.get('data', {})]
    assert len(figures) == 1, 'the live figure ends as one clean figure'
    assert not any('progress' in str(o) for o in cells[3]['outputs'])


def test_budget_reaches_the_chapters(book):
    done = run('run', '1', '--budget', 'full', '--out', 'out', cwd=book)
    assert done.returncode == 0 and 'budget full' in (book / 'out' / '01_train.ipynb').read_text()


@pytest.mark.parametrize('args, words', [
    (['run', '09'], "no chapter '09'; there are 01_train, 02_broken, 03_fine"), (['run', '--budget', 'huge'], 'quick'),
    (['data', 'fetch', 'cifar'], "no data set 'cifar'; there are fashion_mnist, mnist"), (['fly'], 'run')])
def test_wrong_use(book, args, words):
    done = run(*args, cwd=book)
    assert done.returncode == 2 and words in done.stderr and 'Traceback' not in done.stderr


def test_no_book_here(tmp_path):
    done = run('run', cwd=tmp_path, D2LCNN_NBS=str(tmp_path))
    assert done.returncode == 2 and str(tmp_path) in done.stderr and 'D2LCNN_NBS' in done.stderr


@pytest.mark.skipif(os.name != 'posix', reason='sends SIGINT')
def test_interrupt_ends_with_a_table(book):
    nbformat.write(new_notebook(cells=[new_code_cell('import time; open("started", "w"); time.sleep(100)')]), book / 'nbs' / '02_broken.ipynb')
    p = subprocess.Popen([*D2LCNN, 'run'], cwd=book, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if (book / 'nbs' / 'started').exists(): break
        time.sleep(.1)
    p.send_signal(signal.SIGINT); out, err = p.communicate(timeout=60)
    assert p.returncode == 130 and '1 of 3 ok' in out and 'interrupted' in err and 'Traceback' not in err


def test_data_list_and_doctor(tmp_path):
    root = str(tmp_path / 'none')
    done = run('data', 'list', D2LCNN_DATA=root)
    assert done.returncode == 0 and root in done.stdout and 'd2lcnn data fetch mnist' in done.stdout and 'digits' in done.stdout
    done = run('doctor', D2LCNN_DATA=root)
    assert done.returncode == 0 and done.stdout.rstrip().endswith('ready') and 'torch' in done.stdout and 'chapters use the digits' in done.stdout


def test_doctor_names_the_mend(tmp_path):
    raw = tmp_path / 'MNIST' / 'raw'; raw.mkdir(parents=True)
    for n in ('train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte'): (raw / n).write_bytes(b'broken')
    done = run('doctor', D2LCNN_DATA=str(tmp_path))
    assert done.returncode == 1 and '!!  MNIST' in done.stdout and '→ d2lcnn data fetch mnist' in done.stdout and '1 thing to mend' in done.stdout


def test_fetch_without_network(tmp_path):
    done = run('data', 'fetch', 'mnist', D2LCNN_DATA=str(tmp_path / 'none'), D2LCNN_OFFLINE='1')
    assert done.returncode == 1 and 'could not be downloaded' in done.stderr and 'Traceback' not in done.stderr and not (tmp_path / 'none').exists()
