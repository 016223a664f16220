"""Settings shared by all tests: quick budget, no window, and one answer to the question whether the data sets can be had.

Tests run side by side, as many at a time as there are cores, four at most; `-n 0` runs them one after the other."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = (
    shutil.which('chromium') or shutil.which('google-chrome') or shutil.which('chromium-browser')
)
CORES = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1

os.environ['D2LCNN_BUDGET'] = 'quick'
os.environ['MPLBACKEND'] = 'Agg'
# before torch is loaded: each worker has its share of the cores, and threads that wait do not spin
workers = int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', 1))
if workers > 1:
    os.environ.setdefault('OMP_NUM_THREADS', str(max(1, CORES // workers)))
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    "One test that is named runs here, where a debugger reaches it."
    named = any('::' in a for a in config.args) or config.option.usepdb
    return 0 if named or CORES == 1 else min(CORES, 4)


def pytest_configure(config):
    from d2lcnn.book import prepare_data

    if hasattr(config, 'workerinput'):
        config.stash['data'] = config.workerinput['data']
        os.environ.update(config.workerinput['env'])
    else:  # downloads when it can; else the chapters run on the digits
        config.stash['data'] = prepare_data()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    "Workers need not look for the data again."
    node.workerinput['data'] = node.config.stash['data']
    offline = os.environ.get('D2LCNN_OFFLINE')
    node.workerinput['env'] = {'D2LCNN_OFFLINE': offline} if offline else {}


def pytest_collection_modifyitems(items):
    "What opens a browser is slow."
    for item in items:
        if 'browser' in item.fixturenames:
            item.add_marker('slow')


def pytest_report_header(config):
    return config.stash['data']


@pytest.fixture(scope='module')
def browser():
    "A headless Chromium; skips where there is none."
    if not CHROMIUM:
        pytest.skip('no Chromium on the PATH (apt-get install chromium)')
    sync_api = pytest.importorskip(
        'playwright.sync_api', reason='playwright is not installed (pip install "d2lcnn[dev]")'
    )
    quiet = ('quic', 'background-networking', 'component-update')
    args = ['--no-sandbox', '--disable-dev-shm-usage', *(f'--disable-{q}' for q in quiet)]
    with sync_api.sync_playwright() as p:
        b = p.chromium.launch(executable_path=CHROMIUM, args=args)
        yield b
        b.close()
