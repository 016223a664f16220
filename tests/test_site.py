"The site's parts that can be checked without Quarto; with a `quarto` on the PATH it is rendered."

import functools
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT
from test_notebooks import CHAPTERS, NOTEBOOKS

CONFIG = yaml.safe_load((ROOT / '_quarto.yml').read_text(encoding='utf-8'))


def hrefs(node):
    if isinstance(node, str):
        return [node] if node.endswith(('.ipynb', '.qmd')) else []
    if isinstance(node, list):
        return [h for n in node for h in hrefs(n)]
    if isinstance(node, dict):
        return [
            h
            for k, n in node.items()
            if k in ('href', 'contents', 'left', 'sidebar', 'navbar')
            for h in hrefs(n)
        ]
    return []


def read(path):
    return json.loads(path.read_text(encoding='utf-8'))


def load_filter():
    spec = importlib.util.spec_from_file_location('site_filter', ROOT / 'nbs' / '_filter.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FILTER = load_filter()


def filtered(nb):
    "What Quarto gets."
    return json.loads(json.dumps(FILTER.page(json.loads(json.dumps(nb)))))


@functools.lru_cache(maxsize=None)
def filtered_text(path):
    return json.dumps(filtered(read(path)))


def page_of(path):
    "The filtered notebook; each one is filtered once in a run of the tests."
    return json.loads(filtered_text(path))


class Once(yaml.SafeLoader):
    "Refuses a key given twice, as Quarto does; PyYAML takes the last one without a word."

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.YAMLError(f'given twice: {sorted(twice)}')
        return super().construct_mapping(node, deep)


def directives(source):
    "The directives of a code cell, read together, as Quarto reads them."
    lines = []
    for line in source.split('\n'):
        if not line.startswith('#|'):
            break
        assert re.match(r'#\| [a-z-]+: \S|#\|   ', line), f'Quarto cannot read {line!r}'
        lines.append(line[3:])
    return yaml.load('\n'.join(lines), Once) or {}


def assert_printed_once(head):
    "Quarto prints subtitle and description; search engines read description-meta."
    assert set(head) == {'title', 'subtitle', 'description-meta'} and all(head.values())
    assert not re.search('[`*$<]', head['description-meta']), 'markup in an attribute'
    assert head['description-meta'].split()[0] in head['subtitle']


def test_every_entry_exists_and_every_chapter_is_listed_once():
    listed = hrefs(CONFIG['website']['sidebar'])
    for h in listed + hrefs(CONFIG['website']['navbar']):
        assert (ROOT / h).is_file(), h
    chapters = [p.relative_to(ROOT).as_posix() for p in CHAPTERS]
    assert [h for h in listed if h in chapters] == chapters
    kit = {p.relative_to(ROOT).as_posix() for p in NOTEBOOKS if 'kit' in p.parts}
    assert kit == {h for h in listed if '/kit/' in h}


def test_every_page_is_in_the_sidebar():
    "And once: of a page that is listed twice, the reader would not know the place."
    rendered = [path for rule in CONFIG['project']['render'] for path in ROOT.glob(rule)]
    pages = {path.relative_to(ROOT).as_posix() for path in rendered}
    listed = hrefs(CONFIG['website']['sidebar'])
    assert len(listed) > 100 and sorted(listed) == sorted(pages - {'404.qmd'})


def sections(node, above=()):
    "The sections of the sidebar, from the outermost in, and the entries right in each."
    for entry in node:
        if isinstance(entry, dict) and 'section' in entry:
            path = (*above, entry['section'])
            yield path, [e for e in entry['contents'] if 'section' not in e]
            yield from sections(entry['contents'], path)


def told(entry):
    "The words of an entry: its own, or the title of its page."
    if isinstance(entry, dict):
        return entry['text']
    if entry.endswith('.qmd'):
        return re.search(r'^title: "(.*)"$', (ROOT / entry).read_text(encoding='utf-8'), re.M)[1]
    return FILTER.texts(read(ROOT / entry), 'markdown')[0].split('\n')[0].removeprefix('# ')


def test_entries_of_the_sidebar_say_what_their_section_does_not():
    "No 'Training' in 'Training', no entry that says the section's name and a colon first."
    found = dict(sections(CONFIG['website']['sidebar']['contents']))
    for path, entries in found.items():
        words = [told(entry) for entry in entries]
        assert len(set(words)) == len(words), path
        for text in words:
            assert text.split(':')[0] not in path, (path, text)


def test_pages_are_called_by_their_titles():
    "In the list of chapters; and no two pages have one title."
    text = prose(read(ROOT / 'nbs' / 'index.ipynb'))
    rows = re.findall(r'^\| \[(\d\d|f\d) (.+?)\]\((\S+\.ipynb)\)', text, re.M)
    paths = [path.relative_to(ROOT / 'nbs').as_posix() for path in CHAPTERS]
    titles = [told(f'nbs/{path}') for path in paths]
    assert rows == [(p.name[:2], *row) for p, row in zip(CHAPTERS, zip(titles, paths))]
    titles = [told(h) for h in hrefs(CONFIG['website']['sidebar'])]
    assert not {title for title in titles if titles.count(title) > 1}


def test_the_reference_is_grouped_as_the_working_parts():
    "Each module stands in the section of its notebook, or alone where that has no other one."
    found = dict(sections(CONFIG['website']['sidebar']['contents']))
    place = {}
    for path, entries in found.items():
        if path[0] != 'Reference':
            for entry in entries:
                place[entry if isinstance(entry, str) else entry['href']] = path
    for path, entries in found.items():
        if path[0] != 'Reference':
            continue
        assert len(entries) < 15
        for entry in entries:
            text = '' if isinstance(entry, dict) else (ROOT / entry).read_text(encoding='utf-8')
            if made_from := re.search(r'Explained in \[.*?\]\(\.\./(.*?)\)', text):
                home = place[made_from[1]]
                part = home[0] if home[0] == 'Foundations' else 'Chapters'
                group = home[1] if home[0] == 'Working parts' else part
                assert path[1:] == (group,) or ('Reference', group) not in found, entry


def test_named_files_exist():
    html = CONFIG['format']['html']
    for f in [
        *html['ipynb-filters'],
        *CONFIG['project']['resources'],
        *(t for ts in html['theme'].values() for t in ts if t.endswith('.scss')),
    ]:
        assert (ROOT / f).exists(), f
    assert CONFIG['execute']['enabled'] is False


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.stem)
def test_filtered_notebook(path):
    nb, out = read(path), page_of(path)
    assert out['cells'][0]['cell_type'] == 'raw'
    head = yaml.load(''.join(out['cells'][0]['source']).strip('-\n'), Once)
    assert_printed_once(head)
    for c in out['cells']:
        assert isinstance(c['source'], list), 'Quarto loses line breaks when a source is one string'
        if c['cell_type'] != 'code':
            continue
        source = ''.join(c['source'])
        directives(source)
        below = re.sub(r'\A(#\|.*\n)*', '', source)
        assert not re.search(r'(?m)^#\|', below), 'a directive below the first line of code'
        for o in c['outputs']:
            kinds = list(o.get('data', {}))
            assert kinds != [FILTER.WIDGET], 'a widget without a static image'
            # Quarto adds require.js and jQuery from another host for either of these
            assert not {'text/html', 'application/javascript'} & set(kinds), kinds

    def lines(nb, kind):
        return sum(len(text.splitlines()) for text in FILTER.texts(nb, kind))

    # only the title and the subtitle moved
    assert lines(out, 'markdown') >= lines(nb, 'markdown') - 4


def test_the_filter_runs_as_quarto_runs_it():
    "A program of its own, in UTF-8 whatever the terminal speaks."
    nb = read(NOTEBOOKS[0])
    nb['cells'].append(markdown('步幅'))
    done = subprocess.run(
        [sys.executable, ROOT / 'nbs' / '_filter.py'],
        input=json.dumps(nb, ensure_ascii=False).encode(),
        capture_output=True,
        check=True,
        env={**os.environ, 'PYTHONIOENCODING': 'ascii'},
    )
    assert json.loads(done.stdout) == filtered(nb)


def code(*lines, outputs=()):
    "A code cell."
    source = [line + '\n' for line in lines[:-1]] + [lines[-1]]
    cell = {'cell_type': 'code', 'id': 'a', 'metadata': {}, 'execution_count': None}
    return {**cell, 'outputs': list(outputs), 'source': source}


def markdown(*lines):
    "A markdown cell."
    return {'cell_type': 'markdown', 'id': 'm', 'metadata': {}, 'source': list(lines)}


def test_filter_rules():
    first = markdown('# A: "b"\n', '> `sub` of [b](c)\n', '\n', 'text')
    hidden = [code('#| default_exp x'), code('#| hide', 'assert 1')]
    exports = [code('#| exports', 'def f():', '    return 1'), code('#| export', 'import os')]
    fig = code('#| code-fold: true', '#| label: fig-a', 'draw()')
    out = filtered({'cells': [first, *hidden, *exports, fig]})
    head, text, shown, folded, figure = (''.join(c['source']) for c in out['cells'])
    told = {'title': 'A: "b"', 'subtitle': '`sub` of [b](c)', 'description-meta': 'sub of b'}
    assert yaml.safe_load(head.strip('-\n')) == told and text == 'text'
    assert shown == 'def f():\n    return 1'
    assert folded == '#| code-fold: true\n#| code-summary: "Code: imports"\nimport os'
    assert figure.startswith('#| code-fold: true\n#| label: fig-a\n')


@pytest.mark.parametrize('value', ['true', 'show', 'false'])
def test_a_fold_that_the_cell_gives_itself_is_kept_and_not_given_again(value):
    out = filtered({'cells': [code('#| export', f'#| code-fold: {value}', 'import os')]})
    source = ''.join(out['cells'][0]['source'])
    assert source.startswith(f'#| code-fold: {value}\n') and source.endswith('\nimport os')
    assert source.count('code-fold') == 1 and ('code-summary' in source) == (value != 'false')


SUMMARIES = {
    'def summary(net):\n    pass\n\n\nclass Row:\n    pass': 'Code: summary, Row',
    'A = 1\nB: int = 2\ndef f(): pass\ndef g(): pass': 'Code: A, B, f, …',
    'def _help(): pass\ndef f(): pass': 'Code: f',
    'def _help(): pass\nf(1)': 'Code: _help',
    '_all_ = ["f"]': 'Code: names passed on',
    'def __getattr__(name): pass': 'Code',
    'import os\nfrom re import sub': 'Code: imports',
    '#| label: fig-a\n#| fig-cap: A\ndef f(): pass': 'Code of the figure',
    '#| code-summary: Mine\ndef f(): pass': None,
    'f(1)': 'Code',
    '%matplotlib inline': 'Code',
}


@pytest.mark.parametrize('source', SUMMARIES)
def test_a_folded_cell_is_called_by_what_it_defines(source):
    cell = code('#| export', *source.split('\n'))
    found = directives(''.join(filtered({'cells': [cell]})['cells'][0]['source']))
    assert found['code-fold'] is True
    assert found['code-summary'] == (SUMMARIES[source] or 'Mine')


def test_folded_cells_of_the_book_have_names_of_their_own():
    found = []
    for path in [p for p in NOTEBOOKS if p.parent.name != 'exercises']:
        for cell in page_of(path)['cells']:
            if cell['cell_type'] == 'code':
                given = directives(''.join(cell['source']))
                found += [given.get('code-summary')] if given.get('code-fold') else []
    assert len(found) > 500 and None not in found
    assert found.count('Code') < 10 and len(set(found)) > 350
    for text in found:
        assert not re.search(r'["`*\\]|__|_\b', text), f'Pandoc would read markup in {text}'


def stream(text):
    "What a cell printed."
    return {'output_type': 'stream', 'name': 'stdout', 'text': text.splitlines(True)}


SENTENCE = (
    'size=31 is too small for 5 blocks that each halve the image: no pixel is left; take 32, which '
    'is the smallest that works, or a network of fewer blocks'
)
TABLES = [
    'ours    0.8 ' + 12 * 'word ' + '\ntheirs  0.9 ' + 20 * 'word ',
    'layer ' + 20 * 'word ' + '\n' + 110 * '-' + '\n0 word',
    'seed 0: ' + 20 * '0.81 ' + '\nseed 1: ' + 20 * '0.82 ',
    'a    ' + 30 * 'word ' + '   0.5\nb    ' + 30 * 'word ' + '   0.7',
]
PROSE = [
    SENTENCE,
    SENTENCE + '\n' + SENTENCE,
    SENTENCE + '\nLayers before it:\n  layer 0 (Conv2d)\n  layer 1 (ReLU)\n',
    'loops   ' + SENTENCE + ' ' + SENTENCE + '\nflipped your function flips the kernel',
]


@pytest.mark.parametrize('texts', [[text] for text in PROSE] + [['short\n', PROSE[0]]])
def test_long_sentences_are_wrapped(texts):
    out = filtered({'cells': [code('f()', outputs=map(stream, texts))]})
    assert directives(''.join(out['cells'][0]['source'])) == {'classes': 'printed-prose'}


@pytest.mark.parametrize(
    'texts', [[text] for text in TABLES] + [[PROSE[0], TABLES[0]], ['short'], ['a  b\nc  d']]
)
def test_tables_and_short_lines_are_not_wrapped(texts):
    out = filtered({'cells': [code('f()', outputs=map(stream, texts))]})
    assert directives(''.join(out['cells'][0]['source'])) == {}


def wrapped(path):
    "The texts of a page that may be wrapped."
    for cell in page_of(path)['cells']:
        if cell['cell_type'] == 'code' and 'classes' in directives(''.join(cell['source'])):
            yield from FILTER.printed(cell)


def test_messages_of_chapters_are_wrapped_and_their_tables_are_not():
    for path in CHAPTERS:
        for text in wrapped(path):
            assert not re.search(r'\S {2,}\S.*\n.*\S {2,}\S.*\S {2,}\S|-----', text), text
    for number, words in (('07', 'pairs'), ('10', 'larger batch'), ('11', 'needs more than one')):
        path = next(p for p in CHAPTERS if p.name.startswith(number))
        assert any(words in text for text in wrapped(path))


def test_elements_have_the_scripts_of_the_package():
    "And the outputs are stored with those of their day."
    stored = "<script>// old\nif (customElements.get('d2l-scoreboard')) {}</script>"
    own = '<script>x = 1</script>'
    got = FILTER.present(f'<p>a</p>{own}{stored}{own}<b>b</b>')
    script = (ROOT / 'd2lcnn' / 'assets' / 'd2l-scoreboard.js').read_text(encoding='utf-8')
    assert got == f'<p>a</p>{own}<script>{script}</script>{own}<b>b</b>'
    unknown = stored.replace('d2l-scoreboard', 'd2l-nothing')
    assert FILTER.present(unknown) == unknown
    path = next(p for p in CHAPTERS if p.stem == '13_compare')
    outputs = [o for c in page_of(path)['cells'] for o in c.get('outputs', [])]
    shown = [''.join(o.get('data', {}).get('text/markdown', [])) for o in outputs]
    assert any(script in text for text in shown)


def test_a_key_given_twice_is_refused():
    assert directives('#| code-fold: true\n#| label: fig-a\nx = 1') == {
        'code-fold': True,
        'label': 'fig-a',
    }
    with pytest.raises(yaml.YAMLError, match='code-fold'):
        directives('#| code-fold: true\n#| code-fold: true\nimport os')


def test_html_is_handed_on_as_raw_markup():
    import pypandoc

    html = ['<p id="a">*not* emphasis</p>\n', '\n', '<pre>```\n', '````</pre>']
    output = {'output_type': 'display_data', 'metadata': {}}
    output['data'] = {'text/html': html, 'text/plain': ['<object>']}
    cell = filtered({'cells': [code('show()', outputs=[output])]})['cells'][0]
    data = cell['outputs'][0]['data']
    assert list(data) == ['text/markdown', 'text/plain'] and data['text/plain'] == ['<object>']
    passed_on = pypandoc.convert_text(''.join(data['text/markdown']), 'html', format='markdown')
    # the comment keeps Quarto from reading tables anew
    assert passed_on.strip() == ''.join(html) + f'\n{FILTER.AS_IT_IS}'


def test_a_notebook_is_found_in_every_folder(tmp_path, monkeypatch):
    places = ['01_a.ipynb', 'kit/b.ipynb', 'kit/explore/c.ipynb', 'kit/a/b/c/d.ipynb']
    monkeypatch.setattr(FILTER, 'NBS', tmp_path / 'nbs')
    copy = tmp_path / 'nbs' / '.ipynb_checkpoints' / '01_a-checkpoint.ipynb'
    for path, name in [(copy, places[0]), *((tmp_path / 'nbs' / p, p) for p in places)]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({'cells': [{'id': name}, {'id': 'same'}]}), encoding='utf-8')
    for name in places:
        assert FILTER.place({'cells': [{'id': name}]}) == f'nbs/{name}'
    assert FILTER.place({'cells': [{'id': 'same'}]}) is None
    assert FILTER.place({'cells': [{}]}) is None and FILTER.place({'cells': []}) is None


def test_every_notebook_is_told_from_the_others():
    for path in NOTEBOOKS:
        assert FILTER.place(read(path)) == path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.stem)
def test_links_between_notebooks(path):
    text = '\n'.join(
        ''.join(c['source'])
        for c in json.loads(path.read_text(encoding='utf-8'))['cells']
        if c['cell_type'] == 'markdown'
    )
    text = re.sub(r'```.*?```|`[^`\n]*`', '', text, flags=re.S)  # layers[0](X) is no link
    for target in re.findall(r'\]\(([^)\s]+)\)', text):
        if not re.match(r'[a-z]+:|#|attachment', target):
            assert (path.parent / target.split('#')[0]).exists(), target


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.stem)
def test_references_resolve(path):
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    text = '\n'.join(''.join(c['source']) for c in cells if c['cell_type'] == 'markdown')
    labels = re.findall(
        r'#\| label: (\S+)',
        '\n'.join(''.join(c['source']) for c in cells if c['cell_type'] == 'code'),
    ) + re.findall(r'\{#((?:eq|fig|sec|tbl)-[\w-]+)', text)
    assert len(labels) == len(set(labels))
    for ref in re.findall(r'@((?:eq|fig|sec|tbl)-[\w-]+)', text):
        assert ref.rstrip('-') in labels, ref


# ---------------------------------------------------------------- what the filter does to the prose


PAPERS = FILTER.papers()


def prose(nb):
    return '\n\n'.join(''.join(c['source']) for c in nb['cells'] if c['cell_type'] == 'markdown')


def reading_list(path):
    return prose(json.loads(path.read_text(encoding='utf-8'))).split('## Further reading')[-1]


def test_bibliography_is_well_formed():
    text = (ROOT / 'nbs' / 'references.bib').read_text(encoding='utf-8')
    assert len(PAPERS) == len({p['key'] for p in PAPERS}) == text.count('\n@') > 70
    for p in PAPERS:
        assert (
            all(p['names'])
            and re.fullmatch(r'1[89]\d\d|20\d\d', p['year'])
            and p['url'].startswith('https://')
            and len(p['title']) > 5
        ), p


def test_every_paper_is_named_by_a_chapter():
    used = {p['key'] for path in CHAPTERS for p in FILTER.named(reading_list(path), PAPERS)}
    assert used == {p['key'] for p in PAPERS}


@pytest.mark.parametrize('path', CHAPTERS, ids=lambda p: p.stem)
def test_citations_resolve_and_the_reading_list_is_linked(path):
    before, after = (
        prose(nb)
        for nb in (
            json.loads(path.read_text(encoding='utf-8')),
            page_of(path),
        )
    )
    cites = re.findall(r'@([a-z]+\d{4}b?)\b', after)
    assert set(cites) <= {p['key'] for p in PAPERS}
    brackets = r'\[[A-Z][^\]\[@`$]+ (?:19|20)\d\d[^\]\[@]*\](?!\()'
    assert not (left := re.findall(brackets, after)), f'not in the reading list: {left}'
    assert len(cites) >= len(re.findall(brackets, before))
    for line in after.split('## Further reading')[1].splitlines():
        if re.match(r'- [A-Z]\. ', line):
            assert re.search(r'\]\(https?://', line), line


def test_citation_rules():
    he = [p for p in PAPERS if p['key'] in ('he2015', 'he2016', 'he2016b', 'he2019')]
    small = [p for p in he if p['key'] in ('he2016', 'he2016b')]
    assert (
        FILTER.cited('see [He, Zhang, Ren, Sun, 2015] and [He, Zhang, Ren, Sun, 2016].', small)
        == 'see [@he2016] and [@he2016b].'
    )
    assert (
        FILTER.cited('[after He, Zhang, Ren, Sun, 2016, section 4]', small)
        == '[after @he2016b, section 4]'
    )
    assert (
        FILTER.cited('[He et al., 1999], [1, 2024], [He, 2015](x)', small)
        == '[He et al., 1999], [1, 2024], [He, 2015](x)'
    )
    assert FILTER.cited('[He, Zhang, 2015]', he) == '[He, Zhang, 2015]', (
        'two fit: say nothing rather than something wrong'
    )
    kept = '`[He, 2016]` $x [He, 2016]$ [a](b) <i>'
    assert FILTER.outside(kept, str.upper) == '`[He, 2016]` $x [He, 2016]$ [a](b) <i>'
    title = '*Identity Mappings in Deep Residual Networks*'
    link = f'[{title}](https://arxiv.org/abs/1603.05027)'
    assert FILTER.linked_titles(f'- K. He: {title}, 2016', small) == f'- K. He: {link}, 2016'


def test_glossary_is_whole_and_its_words_are_explained_once():
    terms = FILTER.terms()
    text = (ROOT / 'nbs' / 'glossary.qmd').read_text(encoding='utf-8')
    anchors = re.findall(r'\{#([\w-]+)\}', text)
    assert len(anchors) == len(set(anchors)) > 55
    for word, anchor, zh, meaning in terms:
        assert zh and len(meaning) > 15 and f'{{#{anchor}}}' in text, word
    for target in re.findall(r'\]\(([^)]+\.ipynb)\)', text):
        assert (ROOT / 'nbs' / target).exists(), target
    seen, kept = set(), ', $stride$, and the stride. [stride](x)'
    once = FILTER.explained(f'# Stride\n`stride` The stride{kept}', terms, seen)
    link = '[stride](glossary.qmd#stride){.term title="步幅: How many pixels'
    assert once.startswith(f'# Stride\n`stride` The {link}') and once.endswith(kept)
    assert once.count('glossary.qmd#stride') == 1
    assert FILTER.explained('a stride', terms, seen) == 'a stride'


@pytest.mark.parametrize('path', CHAPTERS, ids=lambda p: p.stem)
def test_words_and_names_lead_somewhere(path):
    after = prose(page_of(path))
    links = re.findall(r'\]\(((?:(?:\.\./)+reference/|(?:\.\./)?glossary)[^)]*)\)', after)
    assert len(links) >= 8
    for link in links:
        file, anchor = link.split('#')
        target = (path.parent / file).resolve()
        assert f'{{#{anchor}}}' in target.read_text(encoding='utf-8'), link


def test_page_links_name_the_notebook():
    path = ROOT / 'nbs' / '05_lenet.ipynb'
    out = page_of(path)
    text = ''.join(out['cells'][1]['source'])
    assert (
        text.count('nbs/05_lenet.ipynb') == 4
        and 'colab.research.google.com/github/d2lcnn/d2lcnn/blob/main/nbs/05_lenet.ipynb' in text
        and re.search(r'about \d+ minutes', text)
    )


VERSION = re.search(r'^version = (\S+)$', (ROOT / 'settings.ini').read_text(), re.M)[1]


@pytest.mark.parametrize('path', CHAPTERS, ids=lambda p: p.stem)
def test_first_code_cell_installs_where_the_package_is_missing(path):
    first = next(
        c for c in json.loads(path.read_text(encoding='utf-8'))['cells'] if c['cell_type'] == 'code'
    )
    text = ''.join(first['source'])
    assert text.startswith('#| hide') and not first['outputs']
    asked = []

    class Shell:
        system = staticmethod(asked.append)

    before = sys.path[:]
    try:
        exec(text.replace("find_spec('d2lcnn')", 'None'), {'get_ipython': Shell})
        assert len(asked) == 1 and 'git clone' in asked[0] and sys.path[0] == 'd2lcnn-book'
        assert f'--branch v{VERSION} ' in asked[0], 'a tagged version, the one of settings.ini'
        asked.clear()
        exec(text, {'get_ipython': Shell})
        assert not asked
    finally:
        sys.path[:] = before


# what Pandoc must not leave in the text: attributes, link targets, the ends of spans and divs
# (`{#eq-…}` below a formula is Quarto's own and is read after Pandoc)
MARKUP = re.compile(
    r'\{[.#](?!eq-)\w|\b(?:title|href|class)="|\]\(|\]\{|&quot;|^:{3,}|glossary\.qmd'
)


def words_of(node):
    "All words of a Pandoc document that a reader sees as text: no code, formulas, raw markup."
    if isinstance(node, list):
        for child in node:
            yield from words_of(child)
    elif isinstance(node, dict):
        kind, inside = node.get('t'), node.get('c')
        if kind == 'Str':
            yield inside
        elif kind in ('Link', 'Image'):
            yield from words_of(inside[1])
        elif kind not in ('Code', 'CodeBlock', 'Math', 'RawInline', 'RawBlock'):
            yield from words_of(inside)


def left_over(text):
    "Markup that Pandoc took for text."
    import pypandoc

    document = json.loads(pypandoc.convert_text(text, 'json', format='markdown'))
    return [word for word in words_of(document['blocks']) if MARKUP.search(word)]


@pytest.mark.parametrize(
    'path', [p for p in NOTEBOOKS if p.parent.name != 'exercises'], ids=lambda p: p.stem
)
def test_no_markup_is_left_in_the_text(path):
    assert not (left := left_over(prose(page_of(path)))), left[:20]


def test_markup_that_is_left_is_seen():
    inner = '[kernel](glossary.qmd#kernel){.term title="grid"}'
    assert not left_over(f'The {inner} slides, `{{.term}}`.')
    nested = f'A [convolution](glossary.qmd#convolution){{.term title="with a {inner}"}}.'
    assert left_over(nested)


def test_words_are_not_looked_for_in_meanings():
    "The meaning of the first word has the other two in it."
    meaning = 'a kernel on a picture, at each stride'
    glossary = [
        ('Convolution', 'convolution', '卷积', meaning),
        ('Kernel', 'kernel', '核', 'a grid'),
        ('Stride', 'stride', '步幅', 'a step'),
    ]
    seen = set()
    text = FILTER.explained('A convolution moves a kernel. Convolution!', glossary, seen)
    link = '[{0}](glossary.qmd#{0}){{.term title="{1}"}}'
    convolution = link.format('convolution', f'卷积: {meaning}')
    assert text == f'A {convolution} moves a {link.format("kernel", "核: a grid")}. Convolution!'
    assert seen == {'convolution', 'kernel'}, 'the stride is still to be explained'
    again = FILTER.explained(text, glossary[2:], seen)
    assert again == text, 'what is written already is left alone'
    assert (
        FILTER.explained('One stride', glossary, seen)
        == f'One {link.format("stride", "步幅: a step")}'
    )


# ---------------------------------------------------------------- the reference


def test_reference_is_up_to_date():
    pytest.importorskip('fastcore', reason='fastcore is not installed (pip install "d2lcnn[dev]")')
    done = subprocess.run(
        [sys.executable, 'scripts/reference.py', '--check'],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_reference_has_every_public_name():
    import importlib as il

    pages = {p.stem: p.read_text(encoding='utf-8') for p in (ROOT / 'reference').glob('*.qmd')}
    listed = re.findall(r'^## \[d2lcnn\.([\w.]+)\]', pages['index'], re.M)
    shown = [h for h in hrefs(CONFIG['website']['sidebar']) if h.startswith('reference/')]
    assert shown == ['reference/index.qmd', *(f'reference/{m}.qmd' for m in listed)]
    sys.path.insert(0, str(ROOT / 'scripts'))
    try:
        reference = il.import_module('reference')
    finally:
        sys.path.pop(0)
    for path in sorted((ROOT / 'd2lcnn').rglob('*.py')):
        place = path.relative_to(ROOT / 'd2lcnn').with_suffix('').parts
        name = '.'.join(place[:-1] if place[-1] == '__init__' else place)
        if not name or name.startswith(('_', 'exercises')) or name in reference.SKIP:
            continue
        assert (name in pages) != reference.inside(name), name
        if name in pages:
            for n, _ in reference.public(name):
                assert f'\n## {n} {{#{n}}}\n' in pages[name], f'{name}.{n}'
    for text in pages.values():
        assert not re.search(r'0x[0-9a-f]{6}|/(?:home|root)/|<lambda>', text)


@pytest.mark.parametrize(
    'path',
    [*(ROOT / 'reference').glob('*.qmd'), ROOT / '404.qmd', ROOT / 'nbs' / 'glossary.qmd'],
    ids=lambda p: p.stem,
)
def test_links_of_plain_pages(path):
    text = re.sub(r'```.*?```|`[^`\n]*`', '', path.read_text(encoding='utf-8'), flags=re.S)
    for target in re.findall(r'\]\(([^)\s]+)\)', text):
        if re.match(r'[a-z]+:', target):
            continue
        file, _, anchor = target.partition('#')
        other = (path.parent / file).resolve() if file else path
        assert other.exists(), target
        if anchor:
            assert f'{{#{anchor}}}' in other.read_text(encoding='utf-8'), target


@pytest.mark.parametrize(
    'path',
    [*(ROOT / 'reference').glob('*.qmd'), ROOT / 'nbs' / 'glossary.qmd'],
    ids=lambda p: p.stem,
)
def test_front_matter_of_plain_pages(path):
    head = path.read_text(encoding='utf-8').split('---\n')[1]
    assert_printed_once(yaml.load(head, Once))


# ---------------------------------------------------------------- what a page weighs and shows


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.stem)
def test_outputs_are_fit_for_a_page(path):
    nb = page_of(path)
    size = 0
    for c in nb['cells']:
        size += len(''.join(c['source']).encode())
        for o in c.get('outputs', []):
            assert o['output_type'] != 'error' and o.get('name') != 'stderr'
            text = ''.join(o.get('text', [])) + ''.join(
                ''.join(v) for k, v in o.get('data', {}).items() if k.startswith('text/')
            )
            found = re.search(r'Warning\b: |/(?:home|root|work|tmp)/\w', text)
            assert not found, text[max(found.start() - 60, 0) : found.end() + 60]
            for img in re.findall(r'<img\b[^>]*>', text):
                assert re.search(r'\balt="[^"]+"', img), img[:120]
            for svg in re.findall(r'<svg\b[^>]*>', text):
                assert 'aria-label' in svg or 'aria-hidden' in svg or 'role=' in svg, svg[:120]
            size += len(text.encode()) + sum(
                len(v) if isinstance(v, str) else sum(map(len, v))
                for k, v in o.get('data', {}).items()
                if k.startswith('image/')
            )
            if any(k.startswith('image/') for k in o.get('data', {})):
                source = ''.join(c['source'])
                assert '#| fig-alt:' in source or path.parent.name == 'exercises', source[:200]
    assert size < 3_000_000, f'{size:,} bytes'


def test_no_page_asks_another_host():
    "Scripts, fonts and styles come with the page."
    own = re.compile(r'(src|href|url|import)\W{1,3}https?://(?!www\.w3\.org|github\.com)')
    assets, styles = (ROOT / 'd2lcnn' / 'assets').glob('*.js'), (ROOT / 'nbs').glob('_*.scss')
    for path in [*assets, *styles, ROOT / 'index.html']:
        assert not own.search(path.read_text(encoding='utf-8')), path.name
    assert CONFIG['format']['html']['html-math-method'] == 'mathml'


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_the_theme_loads_no_web_font(scheme):
    """The themes below import `$web-font-path` unless it is false.

    They give it with `!default`, which replaces null; and only what stands among the defaults is
    read before them."""
    base, *own = CONFIG['format']['html']['theme'][scheme]
    assert base in ('cosmo', 'darkly') and own
    given = []
    for name in own:
        layer = (ROOT / name).read_text(encoding='utf-8')
        defaults = re.search(r'(?s)/\*-- scss:defaults --\*/(.*?)(?=/\*-- scss:|\Z)', layer)
        if defaults:
            given += re.findall(r'(?m)^\$web-font-path:\s*([^;]+);', defaults[1])
        assert len(re.findall(r'web-font-path:', layer)) <= 1 and '@import' not in layer
    assert given == ['false']


CARD = """<head>
{own}<meta property="og:title" content="A">
<meta property="og:description" content="The site's sentence">
<meta property="og:image" content="{image}">
<meta property="og:image:alt" content="a drawing">
<meta name="twitter:description" content="The site's sentence">
<meta name="twitter:image" content="{image}">
</head><body>og:image</body>
"""


def test_cards_are_about_their_page(tmp_path):
    "The script that Quarto runs after it has rendered the site."
    assert (script := ROOT / CONFIG['project']['post-render']).is_file()
    own = '<meta name="description" content="a &lt; &quot;b&quot;, \\1">\n'
    drawing, photo = 'https://x.org/nbs/data:image/svg+xml;base64,PHN2', 'https://x.org/a.png'
    pages = {'nbs/kit/a.html': (own, drawing), 'b.html': (own, photo), 'c.html': ('', drawing)}
    for name, (tag, image) in pages.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(CARD.format(own=tag, image=image), encoding='utf-8')
    env = {**os.environ, 'QUARTO_PROJECT_OUTPUT_DIR': str(tmp_path)}
    for _ in range(2):  # what is mended stays as it is
        subprocess.run([sys.executable, script], env=env, check=True)
        a, b, c = ((tmp_path / name).read_text(encoding='utf-8') for name in pages)
        text = 'content="a &lt; &quot;b&quot;, \\1">'
        for page in (a, b):
            assert page.count(text) == 3 and "The site's sentence" not in page
        assert c.count("The site's sentence") == 2
        assert b.count(photo) == 2 and 'a drawing' in b
        for page in (a, c):
            assert 'data:' not in page and 'a drawing' not in page
            assert '<meta property="og:title" content="A">' in page and '<body>og:image' in page


BAR = """<nav><a class="nav-link active" href="{up}nbs/index.html" aria-current="page"> Start</a>
<a class="nav-link" href="{up}nbs/01_conv.html"> Chapters</a>
<a class="nav-link" href="{up}nbs/13_compare.html"> Scoreboard</a>
<a class="nav-link" href="{up}reference/index.html"> Reference</a></nav>
<a class="sidebar-link active" href="{up}nbs/a.html">a</a>
"""
MARKED = {
    'nbs/index.html': ('Start', 'page'),
    'nbs/01_conv.html': ('Chapters', 'page'),
    'nbs/05_lenet.html': ('Chapters', 'true'),
    'nbs/13_compare.html': ('Scoreboard', 'page'),
    'reference/index.html': ('Reference', 'page'),
    'reference/train.html': ('Reference', 'true'),
    'nbs/kit/train.html': None,
    'nbs/kit/explore/base.html': None,
    '404.html': None,
}


def test_the_bar_marks_the_page_or_its_part(tmp_path):
    script = ROOT / CONFIG['project']['post-render']
    for name in MARKED:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(BAR.format(up='../' * name.count('/')), encoding='utf-8')
    env = {**os.environ, 'QUARTO_PROJECT_OUTPUT_DIR': str(tmp_path)}
    for _ in range(2):  # what is mended stays as it is
        subprocess.run([sys.executable, script], env=env, check=True)
        for name, want in MARKED.items():
            html = (tmp_path / name).read_text(encoding='utf-8')
            assert html.count('class="nav-link') == 4 and 'sidebar-link active' in html
            links = r'class="nav-link active" href="[^"]*" aria-current="(\w+)"> (\w+)<'
            assert re.findall(links, html) == ([want[::-1]] if want else [])
            assert html.count('aria-current') == html.count('nav-link active') == bool(want)


@pytest.mark.skipif(
    not shutil.which('quarto'), reason='no quarto on the PATH: the site is rendered elsewhere'
)
def test_quarto_renders(tmp_path):
    site = tmp_path / 'site'
    subprocess.run(['quarto', 'render', '--output-dir', str(site)], cwd=ROOT, check=True)
    for p in NOTEBOOKS:
        if p.parent.name == 'exercises':
            continue
        page = (site / p.relative_to(ROOT)).with_suffix('.html')
        html = page.read_text(encoding='utf-8')
        cells = re.sub('<[^>]+>', '', '\n'.join(re.findall(r'(?s)<pre.*?</pre>', html)))
        assert not re.search(r'(?m)^#\|', cells), page.name
        loads = r'<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)="((?:https?:)?//[^"]*)"'
        assert not re.findall(loads, html), page.name
        assert html.count('class="subtitle') == 1 and 'class="description"' not in html
        assert html.count('class="nav-link active"') <= 1
        own = re.search(r'<meta name="description" content="([^"<]+)">', html)[1]
        assert f'<meta property="og:description" content="{own}">' in html
    for sheet in site.rglob('*.css'):
        style = sheet.read_text(encoding='utf-8')
        assert not re.search(r'(@import\W+|url\(["\']?)(url\()?["\']?(https?:)?//', style), sheet


@pytest.mark.browser
def test_formulas_bring_their_font(browser, tmp_path):
    "With a font for formulas the sum sign of a line is tall; without one it is small as a letter."
    import pypandoc

    formula = pypandoc.convert_text(
        r'$$\sum_i x_i$$', 'html', format='markdown', extra_args=['--mathml']
    )
    style = (ROOT / 'nbs' / '_math.scss').read_text(encoding='utf-8')
    style = re.sub('^(//|/[*]).*$', '', style, flags=re.M)
    html = f'<!doctype html><meta charset="utf-8"><style>{style}</style>{formula}'
    (tmp_path / 'page.html').write_text(html, encoding='utf-8')
    page = browser.new_page()
    page.goto((tmp_path / 'page.html').as_uri())
    faces = "document.fonts.load('16px \"Book Math\"', '∑').then(faces => faces.length)"
    assert page.evaluate(faces) == 1
    height = page.locator('mo').first.bounding_box()['height']
    assert height > 20  # at 16 pixels; 15 without the font
    page.close()


FORMULA = r'$$\text{residual}:(I+J_L)\cdots(I+J_2)(I+J_1)=I+\sum_l J_l+\sum_{l>k} J_lJ_k+\cdots$$'
PHONE = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<style>{style}
.page-navigation, .pagination-link {{ display: flex; justify-content: space-between }}
code {{ white-space: pre }} pre {{ overflow: auto }} td code {{ overflow-wrap: anywhere }}</style>
<main>{formula}
<table class="table"><tr><td><a><code>corr2d_multi_in_out</code></a><td><code>{long}</code>
<td>{long}<td><code>{long}</code></table>
<div class="cell printed-prose"><div class="cell-output"><pre><code>{prose}</code></pre></div></div>
<div class="cell"><div class="cell-output"><pre><code>{prose}</code></pre></div></div>
</main><nav class="page-navigation">
<div class="nav-page">
<a class="pagination-link">←<span class="nav-page-text">{long}</span></a></div>
<div class="nav-page">
<a class="pagination-link"><span class="nav-page-text">{long}</span>→</a></div>
</nav><nav id="TOC"><a><code>fit</code></a></nav>"""
LOOK = """() => {
  const at = q => [...document.querySelectorAll(q)], wide = q => at(q)[0].scrollWidth;
  const line = q => getComputedStyle(at(q)[0]).textDecorationLine;
  return {page: document.documentElement.scrollWidth, formula: wide('p'), table: wide('table'),
    prose: at('pre').map(e => e.scrollWidth > e.clientWidth),
    name: at('td code')[0].getClientRects().length,
    lines: [line('main a > code'), line('#TOC code')]};
}"""


@pytest.mark.browser
def test_no_page_is_wider_than_a_phone(browser, tmp_path):
    "Formulas and tables scroll by themselves; names are not broken, the pager's words are."
    import pypandoc

    formula = pypandoc.convert_text(FORMULA, 'html', format='markdown', extra_args=['--mathml'])
    rules = (ROOT / 'nbs' / '_theme.scss').read_text(encoding='utf-8').split('scss:rules --*/')[1]
    style = re.sub(r'(?m)//.*$', '', rules)
    long = 'a_name_of_many_words_' * 2
    html = PHONE.format(style=style, formula=formula, long=long, prose=SENTENCE)
    (tmp_path / 'page.html').write_text(html, encoding='utf-8')
    page = browser.new_page(viewport={'width': 390, 'height': 700})
    page.goto((tmp_path / 'page.html').as_uri())
    seen = page.evaluate(LOOK)
    page.close()
    assert seen['page'] == 390 and min(seen['formula'], seen['table']) > 390
    assert seen['prose'] == [False, True] and seen['name'] == 1
    assert seen['lines'] == ['underline', 'none']


def test_the_theme_keeps_the_bar_in_one_line():
    style = (ROOT / 'nbs' / '_theme.scss').read_text(encoding='utf-8')
    assert '.quarto-navbar-tools { flex-wrap: nowrap; }' in style
    assert '.navbar-brand-container { max-width: calc(100% - 150px) !important; }' in style
