"The site's parts that can be checked without Quarto; with a `quarto` on the PATH it is rendered."
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from test_notebooks import NOTEBOOKS

CONFIG = yaml.safe_load((ROOT / '_quarto.yml').read_text(encoding='utf-8'))


def hrefs(node):
    if isinstance(node, str): return [node] if node.endswith('.ipynb') else []
    if isinstance(node, list): return [h for n in node for h in hrefs(n)]
    if isinstance(node, dict): return [h for k, n in node.items() if k in ('href', 'contents', 'left', 'sidebar', 'navbar') for h in hrefs(n)]
    return []


def filtered(nb):
    done = subprocess.run([sys.executable, ROOT / 'nbs' / '_filter.py'], input=json.dumps(nb).encode(), capture_output=True, check=True)
    return json.loads(done.stdout)


def test_every_entry_exists_and_every_chapter_is_listed_once():
    listed = hrefs(CONFIG['website']['sidebar'])
    for h in listed + hrefs(CONFIG['website']['navbar']): assert (ROOT / h).is_file(), h
    chapters = [p.relative_to(ROOT).as_posix() for p in NOTEBOOKS if re.match(r'\d\d_', p.name)]
    assert [h for h in listed if h in chapters] == sorted(chapters)
    kit = {p.relative_to(ROOT).as_posix() for p in NOTEBOOKS if p.parent.name == 'kit'}
    assert kit == {h for h in listed if '/kit/' in h}


def test_named_files_exist():
    html = CONFIG['format']['html']
    for f in [*html['ipynb-filters'], *CONFIG['project']['resources'], *(t for ts in html['theme'].values() for t in ts if t.endswith('.scss'))]: assert (ROOT / f).exists(), f
    assert CONFIG['execute']['enabled'] is False


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.stem)
def test_filtered_notebook(path):
    nb = json.loads(path.read_text(encoding='utf-8')); out = filtered(nb)
    assert out['cells'][0]['cell_type'] == 'raw'
    head = yaml.safe_load(''.join(out['cells'][0]['source']).strip('-\n'))
    assert head['title'] and head['subtitle'] and set(head) == {'title', 'subtitle', 'description'}
    for c in out['cells']:
        assert isinstance(c['source'], list), 'Quarto loses line breaks when a source is one string'
        text = ''.join(c['source'])
        if c['cell_type'] != 'code': continue
        for line in re.findall(r'(?m)^#\|.*', text):
            assert re.match(r'#\| [a-z-]+: \S', line), f'Quarto cannot read {line!r}'
            yaml.safe_load(line[3:])
        for o in c['outputs']: assert list(o.get('data', {})) != ['application/vnd.jupyter.widget-view+json'], 'a widget without a static picture'
    def lines(nb, kind): return sum(len(''.join(c['source']).splitlines()) for c in nb['cells'] if c['cell_type'] == kind)
    assert lines(out, 'markdown') >= lines(nb, 'markdown') - 4  # only the title and the subtitle moved


def test_filter_rules():
    def code(*lines): return {'cell_type': 'code', 'id': 'a', 'metadata': {}, 'outputs': [], 'execution_count': None, 'source': [l + '\n' for l in lines[:-1]] + [lines[-1]]}
    nb = {'cells': [{'cell_type': 'markdown', 'id': 'm', 'metadata': {}, 'source': ['# A: "b"\n', '> sub\n', '\n', 'text']}, code('#| default_exp x'), code('#| hide', 'assert 1'),
                    code('#| exports', 'def f():', '    return 1'), code('#| export', 'import os'), code('#| code-fold: true', '#| label: fig-a', 'draw()')]}
    head, text, shown, folded, figure = (''.join(c['source']) for c in filtered(nb)['cells'])
    assert yaml.safe_load(head.strip('-\n')) == {'title': 'A: "b"', 'subtitle': 'sub', 'description': 'sub'} and text == 'text'
    assert shown == 'def f():\n    return 1' and folded == '#| code-fold: true\nimport os' and figure.startswith('#| code-fold: true\n#| label: fig-a\n')


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.stem)
def test_links_between_notebooks(path):
    text = '\n'.join(''.join(c['source']) for c in json.loads(path.read_text(encoding='utf-8'))['cells'] if c['cell_type'] == 'markdown')
    text = re.sub(r'```.*?```|`[^`\n]*`', '', text, flags=re.S)  # layers[0](X) is no link
    for target in re.findall(r'\]\(([^)\s]+)\)', text):
        if not re.match(r'[a-z]+:|#|attachment', target): assert (path.parent / target.split('#')[0]).exists(), target


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.stem)
def test_references_resolve(path):
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    text = '\n'.join(''.join(c['source']) for c in cells if c['cell_type'] == 'markdown')
    labels = re.findall(r'#\| label: (\S+)', '\n'.join(''.join(c['source']) for c in cells if c['cell_type'] == 'code')) + re.findall(r'\{#((?:eq|fig|sec|tbl)-[\w-]+)', text)
    assert len(labels) == len(set(labels))
    for ref in re.findall(r'@((?:eq|fig|sec|tbl)-[\w-]+)', text): assert ref.rstrip('-') in labels, ref


@pytest.mark.skipif(not shutil.which('quarto'), reason='no quarto on the PATH: the site is rendered elsewhere')
def test_quarto_renders(tmp_path):
    site = tmp_path / 'site'
    subprocess.run(['quarto', 'render', '--output-dir', str(site)], cwd=ROOT, check=True)
    for p in NOTEBOOKS:
        if p.parent.name == 'exercises': continue
        page = (site / p.relative_to(ROOT)).with_suffix('.html')
        assert page.exists() and '#|' not in Path(page).read_text(encoding='utf-8')
