"Settings shared by all tests: quick budget, no window, and one answer to the question whether the data sets can be had."
import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = shutil.which('chromium') or shutil.which('google-chrome') or shutil.which('chromium-browser')

os.environ['D2LCNN_BUDGET'] = 'quick'
os.environ['MPLBACKEND'] = 'Agg'


def pytest_configure(config):
    from d2lcnn.cli import prepare_data
    config.stash['data'] = prepare_data()  # downloads when it can; else the chapters run on the digits


def pytest_report_header(config): return config.stash['data']


@pytest.fixture(scope='module')
def browser():
    "A headless Chromium; skips where there is none."
    if not CHROMIUM: pytest.skip('no Chromium on the PATH (apt-get install chromium)')
    sync_api = pytest.importorskip('playwright.sync_api', reason='playwright is not installed (pip install "d2lcnn[dev]")')
    with sync_api.sync_playwright() as p:
        b = p.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox', '--disable-dev-shm-usage', '--disable-quic', '--disable-background-networking', '--disable-component-update'])
        yield b
        b.close()
