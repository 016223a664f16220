"What holds the book together: one source for every value, exports and README up to date, notebooks clean."
import json
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from importlib.metadata import metadata, requires

import pytest
from conftest import ROOT
from test_notebooks import CHAPTERS as PATHS
from test_notebooks import NOTEBOOKS

SETTINGS = ConfigParser(delimiters=['='], interpolation=None)
SETTINGS.read(ROOT / 'settings.ini', encoding='utf-8')
SETTINGS = SETTINGS['DEFAULT']
NAMES = [p.relative_to(ROOT / 'nbs').with_suffix('').as_posix() for p in NOTEBOOKS]
CELLS = {n: json.loads(p.read_text(encoding='utf-8')) for n, p in zip(NAMES, NOTEBOOKS)}
CHAPTERS = [p.relative_to(ROOT / 'nbs').with_suffix('').as_posix() for p in PATHS]


def source(cell): return ''.join(cell['source'])
def code(nb): return [c for c in CELLS[nb]['cells'] if c['cell_type'] == 'code']


def test_metadata_comes_from_settings():
    meta = metadata('d2lcnn')
    assert meta['Name'] == SETTINGS['lib_name'] and meta['Version'] == SETTINGS['version'] and meta['Summary'] == SETTINGS['description']
    assert meta['Requires-Python'] == f'>={SETTINGS["min_python"]}'
    base = [r.replace(' ', '') for r in requires('d2lcnn') if 'extra' not in r]
    def names(rs): return sorted(re.match(r'[\w-]+', r)[0].lower().replace('_', '-') for r in rs)
    assert names(base) == names(SETTINGS['requirements'].split())
    import d2lcnn
    assert d2lcnn.__version__ == SETTINGS['version']


def test_runtime_requirements_are_ranges():
    for r in (SETTINGS['requirements'] + ' ' + SETTINGS['lab_requirements']).split(): assert '==' not in r and '>=' in r, r


@pytest.fixture(scope='module')
def copy(tmp_path_factory):
    "A copy of the repository to export and clean in."
    dst = tmp_path_factory.mktemp('repo') / 'book'
    files = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split('\n')
    for f in filter(None, files):
        if (ROOT / f).is_file(): (dst / f).parent.mkdir(parents=True, exist_ok=True); shutil.copy2(ROOT / f, dst / f)
    subprocess.run('git init -q && git add -A && git -c user.name=t -c user.email=t@example.org commit -qm copy', shell=True, cwd=dst, check=True)
    return dst


@pytest.mark.parametrize('command, where', [('nbdev_export', 'd2lcnn'), ('nbdev_clean', 'nbs')])
def test_gate(copy, command, where):
    "The committed files are what the command gives."
    code = f'from nbdev.{"doclinks" if command == "nbdev_export" else "clean"} import {command}; {command}()'
    done = subprocess.run([sys.executable, '-c', code], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    diff = subprocess.run(['git', 'status', '--porcelain', '--', where, 'pyproject.toml'], cwd=copy, capture_output=True, text=True).stdout
    assert not diff, f'run {command} and commit:\n{diff}' + subprocess.run(['git', 'diff'], cwd=copy, capture_output=True, text=True).stdout[:3000]


def test_readme_is_the_index():
    done = subprocess.run([sys.executable, 'scripts/readme.py', '--check'], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_readme_links_exist():
    for target in re.findall(r'\]\(([^)#\s]+)\)', (ROOT / 'README.md').read_text(encoding='utf-8')):
        if not target.startswith('http'): assert (ROOT / target).exists(), target


def test_index_lists_every_chapter():
    text = '\n'.join(source(c) for c in CELLS['index']['cells'])
    for name in CHAPTERS: assert f'({name}.ipynb)' in text, name


@pytest.mark.parametrize('name', NAMES)
def test_one_notebook_one_module(name):
    exp = [m[1] for c in code(name) for m in [re.search(r'#\|\s*default_exp\s+(\S+)', source(c))] if m]
    if name in ('index', 'foundations/f0_tensors'): return  # they export nothing
    if name == 'kit/compat':  # the import line of old code asks for `torch`
        topic = 'torch'
    else:
        topic = re.sub(r'^(kit/|foundations/)?(\d\d_|f\d_)?', '', name).replace('/', '.')
    assert exp == [topic.replace('explore.index', 'explore.__init__')]


@pytest.mark.parametrize('name', NAMES)
def test_notebook_is_clean(name):
    nb = CELLS[name]
    assert (nb['nbformat'], nb['nbformat_minor']) == (4, 5)
    ids = [c['id'] for c in nb['cells']]
    assert len(set(ids)) == len(ids)
    assert nb['cells'][0]['cell_type'] == 'markdown' and re.match(r'# .+\n+> .+', source(nb['cells'][0])), 'starts with a title and a > subtitle'
    for i, c in enumerate(nb['cells']):
        assert not re.search(r'#\|\s*eval:\s*false', source(c)), f'cell {i} is never run'
        assert not re.search(r'!\[\s*\]\(', source(c)), f'cell {i}: a picture without alt text'
        for o in c.get('outputs', []):
            assert o['output_type'] != 'error', f'cell {i} stores an error'
            assert o.get('name') != 'stderr', f'cell {i} stores something on stderr: {"".join(o["text"])[:200]}'


@pytest.mark.parametrize('name', CHAPTERS)
def test_figures_are_described(name):
    "A cell that draws says in words what it shows."
    for i, c in enumerate(code(name)):
        drawn = any('image/png' in o.get('data', {}) for o in c['outputs'])
        if drawn: assert re.search(r'#\|\s*fig-alt:\s*\S', source(c)), f'code cell {i} draws without fig-alt:\n{source(c)[:300]}'


@pytest.mark.parametrize('name', CHAPTERS)
def test_chapter_anatomy(name):
    text = '\n'.join(source(c) for c in CELLS[name]['cells'] if c['cell_type'] == 'markdown')
    for heading in ('## Summary', '## Exercises', '## Further reading'): assert heading in text, heading
    assert any(c['outputs'] for c in code(name)), 'no stored outputs'
    assert len(text.split()) > 900
    lengths = sorted(len([l for l in source(c).splitlines() if l.strip() and not l.startswith('#|')]) for c in code(name) if source(c).strip())
    assert lengths[len(lengths) // 2] <= 5 and lengths[-1] <= 30, lengths


def test_package_does_not_import_the_tools():
    "The exported package never imports nbdev, fastcore, execnb or Jupyter's server, and the heavy ones only inside functions."
    for path in (ROOT / 'd2lcnn').rglob('*.py'):
        for n, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
            assert not re.match(r'\s*(from|import)\s+(nbdev|fastcore|execnb|ghapi|jupyter_server|jupyterlab)\b', line), f'{path.name}:{n}: {line}'
            assert not re.match(r'(from|import)\s+(ipywidgets|matplotlib|sklearn|torchvision|IPython|nbclient)\b', line), f'{path.name}:{n}: {line}'


def test_import_costs_little():
    "Importing the package loads nothing heavy that torch has not loaded."
    script = 'import sys, torch; before = set(sys.modules); import d2lcnn, d2lcnn.data, d2lcnn.train, d2lcnn.summary, d2lcnn.plot, d2lcnn.lenet; print(*sorted({m.split(".")[0] for m in set(sys.modules) - before}))'
    new = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    assert not {'matplotlib', 'torchvision', 'sklearn', 'ipywidgets', 'IPython', 'nbdev', 'fastcore', 'pandas'} & set(new), new
