"Chapters in a real JupyterLab in a real browser, from the first cell to the last."
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from conftest import ROOT

IDLE = """() => { const w = window.jupyterapp?.shell.currentWidget, k = w?.sessionContext?.session?.kernel;
  return !!k && k.connectionStatus === 'connected' && k.status === 'idle' }"""
RUN_ALL = "() => { window.done = false; window.jupyterapp.commands.execute('notebook:run-all-cells').finally(() => window.done = true) }"
CELLS = '() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells'


LESSONS = ['first_lenet', 'second_lenet']


def lessons_notebook(path):
    "Two lessons written for d2l, each in a cell, unchanged"
    import nbformat
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell((ROOT / 'tests' / 'lessons' / f'{name}.py').read_text(encoding='utf-8')) for name in LESSONS])
    nb.metadata.kernelspec = {'display_name': 'python3', 'language': 'python', 'name': 'python3'}
    nbformat.write(nb, path)


@pytest.fixture(scope='module')
def lab(tmp_path_factory):
    "A JupyterLab on this machine, serving a copy of the notebooks; gives its address by notebook."
    pytest.importorskip('jupyterlab', reason='jupyterlab is not installed (pip install "d2lcnn[dev]")')
    import shutil
    work = tmp_path_factory.mktemp('lab'); shutil.copytree(ROOT / 'nbs', work / 'nbs')
    lessons_notebook(work / 'nbs' / 'lessons.ipynb')
    with socket.socket() as s: s.bind(('127.0.0.1', 0)); port = s.getsockname()[1]
    token = secrets.token_hex(16)
    settings = work / 'settings' / '@jupyterlab'
    def setting(extension, name, **values): (settings / extension).mkdir(parents=True, exist_ok=True); (settings / extension / f'{name}.jupyterlab-settings').write_text(json.dumps(values))
    setting('apputils-extension', 'notification', fetchNews='false', checkForUpdates=False)
    setting('notebook-extension', 'tracker', windowingMode='none')
    env = {**os.environ, 'JUPYTER_CONFIG_DIR': str(work / 'config'), 'JUPYTERLAB_SETTINGS_DIR': str(settings.parent), 'JUPYTERLAB_WORKSPACES_DIR': str(work / 'workspaces')}
    env.pop('MPLBACKEND', None)  # a reader's kernel draws into the notebook
    log = open(work / 'lab.log', 'w')
    server = subprocess.Popen([sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root', '--ip=127.0.0.1', f'--port={port}', '--ServerApp.port_retries=0',
        f'--IdentityProvider.token={token}', f'--ServerApp.root_dir={work / "nbs"}', '--LabApp.expose_app_in_browser=True'], env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        for _ in range(240):
            try: urllib.request.urlopen(f'http://127.0.0.1:{port}/api/status?token={token}', timeout=2); break
            except OSError: time.sleep(.5)
        else: pytest.fail('JupyterLab did not start:\n' + (work / 'lab.log').read_text()[-2000:])
        yield lambda notebook: f'http://127.0.0.1:{port}/lab/tree/{notebook}?token={token}&reset'
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:  # it asks its notebooks first, on a busy machine for long
            server.kill()
            server.wait()
        log.close()


def opened(browser, lab, name):
    "The notebook in JupyterLab, its kernel idle; and a list to which errors of the page are added"
    page = browser.new_page(viewport={'width': 1280, 'height': 900}); problems = []
    page.on('pageerror', lambda e: problems.append(str(e)))
    page.goto(lab(f'{name}.ipynb'))
    page.wait_for_selector('.jp-Notebook .jp-Cell', timeout=120_000); page.wait_for_function(IDLE, timeout=120_000)
    return page, problems


def run_all(page):
    page.evaluate(RUN_ALL)
    page.wait_for_function('() => window.done', timeout=480_000); page.wait_for_function(IDLE, timeout=60_000); page.wait_for_timeout(1000)
    return page.evaluate(CELLS)


def pictures(cell): return sum('image/png' in o.get('data', {}) for o in cell['outputs'])


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize('name', ['01_conv', '05_lenet'])
def test_chapter_in_jupyterlab(browser, lab, name):
    page, problems = opened(browser, lab, name)
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs').catch(() => window.jupyterapp.commands.execute('editmenu:clear-all'))")
    cells = run_all(page); stored = json.loads((ROOT / 'nbs' / f'{name}.ipynb').read_text(encoding='utf-8'))['cells']
    code = [(c, s) for c, s in zip(cells, stored) if c['cell_type'] == 'code' and ''.join(c['source']).strip()]
    for c, _ in code:
        assert c['execution_count'], f'did not run: {"".join(c["source"])[:200]}'
        for o in c['outputs']:
            assert o['output_type'] != 'error', f'{o.get("ename")}: {o.get("evalue")}'
            assert o.get('name') != 'stderr', ''.join(o['text'])[:300]
    assert [pictures(c) for c, _ in code] == [pictures(s) for _, s in code]  # as many figures as the book stores, and none left half drawn
    drawn = page.evaluate("() => [...document.querySelectorAll('.jp-OutputArea img')].filter(i => i.naturalWidth > 50).length")
    assert drawn >= sum(pictures(c) for c, _ in code) > 0
    wide = page.evaluate("() => { const n = document.querySelector('.jp-Notebook'); return n.scrollWidth - n.clientWidth }")
    assert wide < 5 and not problems
    page.close()


@pytest.mark.slow
@pytest.mark.browser
def test_lessons_written_for_d2l_in_jupyterlab(browser, lab):
    "The curve grows while the cell runs, one picture of it stays, and the familiar lines are printed."
    page, problems = opened(browser, lab, 'lessons')
    page.evaluate(RUN_ALL)
    live = '() => document.querySelectorAll(".jp-CodeCell")[0].querySelectorAll("img").length'
    page.wait_for_function(live, timeout=120_000)
    early = page.evaluate('() => document.querySelectorAll(".jp-CodeCell")[0].querySelector("img").src')
    assert not page.evaluate('() => window.done'), 'the first picture comes while the cell runs'
    page.wait_for_function(f'(early) => {{ const i = document.querySelectorAll(".jp-CodeCell")[0].querySelector("img"); return i && i.src !== early }}', arg=early, timeout=120_000)
    page.wait_for_function('() => window.done', timeout=480_000); page.wait_for_function(IDLE, timeout=60_000); page.wait_for_timeout(1000)
    cells = page.evaluate(CELLS)
    for cell, count in zip(cells, (1, 2)):  # the second lesson ends with a row of pictures
        assert all(o['output_type'] != 'error' and o.get('name') != 'stderr' for o in cell['outputs']), cell['outputs']
        shown = sum(any(k.startswith('image/') for k in o.get('data', {})) for o in cell['outputs'])
        assert shown == count, [list(o.get('data', o)) for o in cell['outputs']]
    text = ''.join(''.join(o.get('text', '')) for o in cells[0]['outputs'])
    for words in ('training on cpu', 'train acc', 'examples/sec on'): assert words in text or not words.endswith('cpu')
    assert not problems
    page.close()
