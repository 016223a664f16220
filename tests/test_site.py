"The site's parts that can be checked without Quarto; with a `quarto` on the PATH it is rendered."
import importlib.util
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
    if isinstance(node, str): return [node] if node.endswith(('.ipynb', '.qmd')) else []
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


# ---------------------------------------------------------------- what the filter does to the prose

def load_filter():
    spec = importlib.util.spec_from_file_location('site_filter', ROOT / 'nbs' / '_filter.py')
    module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)
    return module


FILTER = load_filter()
PAPERS = FILTER.papers()
CHAPTERS = [p for p in NOTEBOOKS if re.match(r'\d\d_', p.name)]


def prose(nb): return '\n\n'.join(''.join(c['source']) for c in nb['cells'] if c['cell_type'] == 'markdown')


def reading_list(path): return prose(json.loads(path.read_text(encoding='utf-8'))).split('## Further reading')[-1]


def test_bibliography_is_well_formed():
    text = (ROOT / 'nbs' / 'references.bib').read_text(encoding='utf-8')
    assert len(PAPERS) == len({p['key'] for p in PAPERS}) == text.count('\n@') > 70
    for p in PAPERS:
        assert all(p['names']) and re.fullmatch(r'1[89]\d\d|20\d\d', p['year']) and p['url'].startswith('https://') and len(p['title']) > 5, p


def test_every_paper_is_named_by_a_chapter():
    used = {p['key'] for path in CHAPTERS for p in FILTER.named(reading_list(path), PAPERS)}
    assert used == {p['key'] for p in PAPERS}


@pytest.mark.parametrize('path', CHAPTERS, ids=lambda p: p.stem)
def test_citations_resolve_and_the_reading_list_is_linked(path):
    before, after = (prose(nb) for nb in (json.loads(path.read_text(encoding='utf-8')), filtered(json.loads(path.read_text(encoding='utf-8')))))
    cites = re.findall(r'@([a-z]+\d{4}b?)\b', after)
    assert set(cites) <= {p['key'] for p in PAPERS}
    brackets = r'\[[A-Z][^\]\[@`$]+ (?:19|20)\d\d[^\]\[@]*\](?!\()'
    assert not (left := re.findall(brackets, after)), f'not in the reading list: {left}'
    assert len(cites) >= len(re.findall(brackets, before))
    for line in after.split('## Further reading')[1].splitlines():
        if re.match(r'- [A-Z]\. ', line): assert re.search(r'\]\(https?://', line), line


def test_citation_rules():
    he = [p for p in PAPERS if p['key'] in ('he2015', 'he2016', 'he2016b', 'he2019')]; small = [p for p in he if p['key'] in ('he2016', 'he2016b')]
    assert FILTER.cited('see [He, Zhang, Ren, Sun, 2015] and [He, Zhang, Ren, Sun, 2016].', small) == 'see [@he2016] and [@he2016b].'
    assert FILTER.cited('[after He, Zhang, Ren, Sun, 2016, section 4]', small) == '[after @he2016b, section 4]'
    assert FILTER.cited('[He et al., 1999], [1, 2024], [He, 2015](x)', small) == '[He et al., 1999], [1, 2024], [He, 2015](x)'
    assert FILTER.cited('[He, Zhang, 2015]', he) == '[He, Zhang, 2015]', 'two fit: say nothing rather than something wrong'
    kept = '`[He, 2016]` $x [He, 2016]$ [a](b) <i>'
    assert FILTER.outside(kept, str.upper) == '`[He, 2016]` $x [He, 2016]$ [a](b) <i>'
    assert FILTER.linked_titles('- K. He: *Identity Mappings in Deep Residual Networks*, 2016', small) == '- K. He: [*Identity Mappings in Deep Residual Networks*](https://arxiv.org/abs/1603.05027), 2016'


def test_glossary_is_whole_and_its_words_are_explained_once():
    terms = FILTER.terms(); text = (ROOT / 'nbs' / 'glossary.qmd').read_text(encoding='utf-8')
    anchors = re.findall(r'\{#([\w-]+)\}', text)
    assert len(anchors) == len(set(anchors)) > 55
    for word, anchor, zh, meaning in terms: assert zh and len(meaning) > 15 and f'{{#{anchor}}}' in text, word
    for target in re.findall(r'\]\(([^)]+\.ipynb)\)', text): assert (ROOT / 'nbs' / target).exists(), target
    seen = set(); once = FILTER.explained('# Stride\n`stride` The stride, $stride$, and the stride. [stride](x)', terms, seen)
    assert once.count('glossary.qmd#stride') == 1 and once.startswith('# Stride\n`stride` The [stride](glossary.qmd#stride){.term title="步幅: How many pixels') and once.endswith(', $stride$, and the stride. [stride](x)')
    assert FILTER.explained('a stride', terms, seen) == 'a stride'


@pytest.mark.parametrize('path', CHAPTERS, ids=lambda p: p.stem)
def test_words_and_names_lead_somewhere(path):
    after = prose(filtered(json.loads(path.read_text(encoding='utf-8'))))
    links = re.findall(r'\]\(((?:\.\./reference/|glossary)[^)]*)\)', after)
    assert len(links) >= 8
    for link in links:
        file, anchor = link.split('#'); target = (path.parent / file).resolve()
        assert f'{{#{anchor}}}' in target.read_text(encoding='utf-8'), link


def test_page_links_name_the_notebook():
    path = ROOT / 'nbs' / '05_lenet.ipynb'; out = filtered(json.loads(path.read_text(encoding='utf-8')))
    text = ''.join(out['cells'][1]['source'])
    assert text.count('nbs/05_lenet.ipynb') == 4 and 'colab.research.google.com/github/d2lcnn/d2lcnn/blob/main/nbs/05_lenet.ipynb' in text and re.search(r'about \d+ minutes', text)


@pytest.mark.parametrize('path', CHAPTERS, ids=lambda p: p.stem)
def test_first_code_cell_installs_where_the_package_is_missing(path):
    first = next(c for c in json.loads(path.read_text(encoding='utf-8'))['cells'] if c['cell_type'] == 'code')
    text = ''.join(first['source']); assert text.startswith('#| hide') and not first['outputs']
    asked = []
    class Shell: system = staticmethod(asked.append)
    before = sys.path[:]
    try:
        exec(text.replace("find_spec('d2lcnn')", 'None'), {'get_ipython': Shell})
        assert len(asked) == 1 and 'git clone' in asked[0] and sys.path[0] == 'd2lcnn-book'
        asked.clear(); exec(text, {'get_ipython': Shell}); assert not asked
    finally: sys.path[:] = before


# ---------------------------------------------------------------- the reference

def test_reference_is_up_to_date():
    pytest.importorskip('fastcore', reason='fastcore is not installed (pip install "d2lcnn[dev]")')
    done = subprocess.run([sys.executable, 'scripts/reference.py', '--check'], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_reference_has_every_public_name():
    import importlib as il
    pages = {p.stem: p.read_text(encoding='utf-8') for p in (ROOT / 'reference').glob('*.qmd')}
    assert [h for h in hrefs(CONFIG['website']['sidebar']) if h.startswith('reference/')] == ['reference/index.qmd'] + [f'reference/{m}.qmd' for m in re.findall(r'^## \[d2lcnn\.(\w+)\]', pages['index'], re.M)]
    for path in sorted((ROOT / 'd2lcnn').glob('*.py')):
        if path.stem.startswith('_') or path.stem == 'torch': continue
        module = il.import_module(f'd2lcnn.{path.stem}')
        for name in getattr(module, '__all__', []):
            if getattr(getattr(module, name), '__module__', module.__name__) == module.__name__: assert f'\n## {name} {{#{name}}}\n' in pages[path.stem], f'{path.stem}.{name}'
    for text in pages.values(): assert not re.search(r'0x[0-9a-f]{6}|/(?:home|root)/', text)


@pytest.mark.parametrize('path', [*(ROOT / 'reference').glob('*.qmd'), ROOT / '404.qmd', ROOT / 'nbs' / 'glossary.qmd'], ids=lambda p: p.stem)
def test_links_of_plain_pages(path):
    for target in re.findall(r'\]\(([^)\s]+)\)', re.sub(r'```.*?```|`[^`\n]*`', '', path.read_text(encoding='utf-8'), flags=re.S)):
        if re.match(r'[a-z]+:', target): continue
        file, _, anchor = target.partition('#'); other = (path.parent / file).resolve() if file else path
        assert other.exists(), target
        if anchor: assert f'{{#{anchor}}}' in other.read_text(encoding='utf-8'), target


# ---------------------------------------------------------------- what a page weighs and shows

@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.stem)
def test_outputs_are_fit_for_a_page(path):
    nb = filtered(json.loads(path.read_text(encoding='utf-8'))); size = 0
    for c in nb['cells']:
        size += len(''.join(c['source']).encode())
        for o in c.get('outputs', []):
            assert o['output_type'] != 'error' and o.get('name') != 'stderr'
            text = ''.join(o.get('text', [])) + ''.join(''.join(v) for k, v in o.get('data', {}).items() if k.startswith('text/'))
            assert not (found := re.search(r'.{0,60}(?:\b\w*Warning\b: |/(?:home|root|work|tmp)/\w).{0,60}', text)), found[0]
            for img in re.findall(r'<img\b[^>]*>', text): assert re.search(r'\balt="[^"]+"', img), img[:120]
            for svg in re.findall(r'<svg\b[^>]*>', text): assert 'aria-label' in svg or 'aria-hidden' in svg or 'role=' in svg, svg[:120]
            size += len(text.encode()) + sum(len(v) if isinstance(v, str) else sum(map(len, v)) for k, v in o.get('data', {}).items() if k.startswith('image/'))
            if any(k.startswith('image/png') for k in o.get('data', {})): assert '#| fig-alt:' in ''.join(c['source']) or path.parent.name != 'nbs', ''.join(c['source'])[:200]
    assert size < 3_000_000, f'{size:,} bytes'


def test_no_page_asks_another_host():
    "Scripts, fonts and styles come with the page."
    for path in [*(ROOT / 'd2lcnn' / 'assets').glob('*.js'), *(ROOT / 'nbs').glob('_*.scss'), ROOT / 'index.html']:
        assert not re.search(r'(src|href|url|import)\W{1,3}https?://(?!www\.w3\.org|github\.com)', path.read_text(encoding='utf-8')), path.name
    assert CONFIG['format']['html']['html-math-method'] == 'mathml'


@pytest.mark.skipif(not shutil.which('quarto'), reason='no quarto on the PATH: the site is rendered elsewhere')
def test_quarto_renders(tmp_path):
    site = tmp_path / 'site'
    subprocess.run(['quarto', 'render', '--output-dir', str(site)], cwd=ROOT, check=True)
    for p in NOTEBOOKS:
        if p.parent.name == 'exercises': continue
        page = (site / p.relative_to(ROOT)).with_suffix('.html')
        assert page.exists() and '#|' not in Path(page).read_text(encoding='utf-8')


@pytest.mark.browser
def test_formulas_bring_their_font(browser, tmp_path):
    "With a font for formulas the sum sign in a line of its own is tall; without one it is as small as a letter."
    import pypandoc
    formula = pypandoc.convert_text(r'$$\sum_i x_i$$', 'html', format='markdown', extra_args=['--mathml'])
    (tmp_path / 'page.html').write_text(f'<!doctype html><meta charset="utf-8"><style>{re.sub("^(//|/[*]).*$", "", (ROOT / "nbs" / "_math.scss").read_text(encoding="utf-8"), flags=re.M)}</style>{formula}', encoding='utf-8')
    page = browser.new_page(); page.goto((tmp_path / 'page.html').as_uri())
    assert page.evaluate("document.fonts.load('16px \"Book Math\"', '∑').then(faces => faces.length)") == 1
    assert page.locator('mo').first.bounding_box()['height'] > 20  # at 16 pixels; 15 without the font
    page.close()
