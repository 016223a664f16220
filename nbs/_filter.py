"""Quarto's notebook filter (`ipynb-filters` in _quarto.yml): JSON of a notebook in, JSON out.

It reads standard input and writes standard output. Hidden cells are dropped, plumbing
(`#| export`) is folded, nbdev's directives are taken out and Quarto's own (`#| label:`,
`#| fig-cap:` …) are kept. The first cell's `# Title` and `> subtitle` become front matter, and a
line of links (Colab, Kaggle, download, source, reading time) follows. In the prose,
`[Name et al., 2015]` becomes a citation when the chapter's reading list names the paper, a title in
the reading list becomes a link, the first mention of a word of the glossary gets its meaning, and
public names of the package lead to the reference. Outputs that only a kernel can show are left to
their static image; HTML is handed on as raw markup, because Quarto adds scripts from a content
delivery network to every page with an output of type text/html. The script of an element is the
package's present one, whatever the output was stored with. Long printed sentences are wrapped,
tables are not; a folded cell says which names it defines.

Standard library only: Quarto runs it with whatever Python it finds.
"""

import ast
import functools
import json
import re
import sys
import unicodedata
from pathlib import Path

NBS = Path(__file__).resolve().parent
NBDEV = re.compile(
    r'#\|\s*(default_exp|exports?|exporti|hide|hide_line|hide_input|hide_output'
    r'|eval|notest|filter_stream)\b'
)
HIDDEN = re.compile(r'#\|\s*(hide|default_exp)\b(?!:)')
FOLDED = re.compile(r'#\|\s*(export|exporti)\b')
WIDGET = 'application/vnd.jupyter.widget-view+json'
HTML = 'text/html'
# or Quarto reads tables anew, and loses what Markdown's tables do not have (a hidden caption)
AS_IT_IS = '<!--| quarto-html-table-processing: none -->'
TOO_COMMON = ('Block', 'Parameter', 'Batch', 'Axis')  # words of the glossary that are not marked


def split(source):
    "Directive lines at the top of a code cell, and the rest."
    lines = source.split('\n')
    n = 0
    while n < len(lines) and (lines[n].startswith('#|') or not lines[n].strip()):
        n += 1
    return lines[:n], lines[n:]


def quote(text):
    "A string as YAML (and JSON) writes it."
    return json.dumps(text, ensure_ascii=False)


def plain(text):
    "Text for an attribute: no code, emphasis or formulas."
    return re.sub(r'[`*$]|(?<=\])\([^)]*\)|[\[\]]', '', text)


def front_matter(source):
    """`# Title`, `> subtitle`, rest  →  a raw cell's YAML, rest.

    The subtitle is what search engines show, too; as `description` Quarto would print it again."""
    m = re.match(r'# (?P<title>.+)\n+(?:> (?P<sub>.+)\n*)?', source)
    if not m:
        return None, source
    lines = [f'title: {quote(m["title"])}']
    if m['sub']:
        lines.append(f'subtitle: {quote(m["sub"])}')
        lines.append(f'description-meta: {quote(plain(m["sub"]))}')
    return '\n'.join(['---', *lines, '---']), source[m.end() :].strip('\n')


# ---------------------------------------------------------------- prose

FENCE = r'```.*?```'
CODE = r'`[^`\n]*`'
MATH = r'\$\$.*?\$\$|\$[^$\n]*\$'
LINK = r'!?\[[^\]]*\]\([^)]*\)'
ATTRIBUTES = r'\{[.#][^}\n]*\}'
TAG = r'<[^>\n]+>'
ADDRESS = r'https?://\S+'
HEADING = r'^#[^\n]*'
TABLE = r'^\|[^\n]*'


def either(*patterns):
    "One pattern for several."
    return re.compile('|'.join(patterns), re.S | re.M)


CITABLE = either(FENCE, CODE, MATH, LINK, ATTRIBUTES, TAG, ADDRESS, HEADING)  # tables may cite
PROTECTED = either(CITABLE.pattern, TABLE)
NAMEABLE = either(FENCE, LINK, ATTRIBUTES, TAG, HEADING, TABLE, r'``[^`]+``')


def outside(text, change, protected=PROTECTED):
    "Change the prose, and leave code, mathematics, links, tags, headings and tables as they are."
    out, at = [], 0
    for m in protected.finditer(text):
        out += [change(text[at : m.start()]), m[0]]
        at = m.end()
    return ''.join([*out, change(text[at:])])


def simple(text):
    "Lower-case letters and digits with single spaces: what two spellings of a name share."
    ascii_only = unicodedata.normalize('NFKD', text.replace('\\', '')).encode('ascii', 'ignore')
    return re.sub(r'[^a-z0-9]+', ' ', ascii_only.decode().lower()).strip()


def short(title):
    "A title without its subtitle."
    return title.split(':')[0]


def papers(path=NBS / 'references.bib'):
    "The entries of the bibliography: key, family names, title, year, url."
    text = path.read_text(encoding='utf-8')
    found = []
    for m in re.finditer(r'@\w+\{(?P<key>[^,]+),\n(?P<body>.*?)\n\}', text, re.S):
        field = dict(re.findall(r'^  (\w+) = \{(.*)\},$', m['body'], re.M))
        authors = field['author'].split(' and ')
        paper = {
            'key': m['key'],
            'names': [simple(author.split(',')[0]) for author in authors],
            'title': field['title'].strip('{}').replace('\\', ''),
            'year': field.get('origdate', field['year']),
            'url': field['url'],
        }
        found.append(paper)
    return found


def named(text, all_papers):
    "The papers that a reading list names, by title or by link."
    words = f' {simple(text)} '

    def says(title):
        return f' {simple(title)} ' in words

    def is_named(paper):
        title = paper['title']
        return says(title) or paper['url'] in text or (len(title) > 25 and says(short(title)))

    return [paper for paper in all_papers if is_named(paper)]


REFERENCE = re.compile(
    r'\s*(?P<before>(?:[a-z]+ )*)(?P<names>[^\d;]+?),? (?P<year>\d{4})(?P<rest>,.*)?'
)


def fitting(names, year, known):
    "The papers by these authors; the year decides between several."
    first = simple(re.split(r',| et al| and ', names)[0])
    fits = [p for p in known if p['names'][0] == first]
    if len(fits) < 2:
        return fits
    parts = re.split(r',| and ', names.replace(' et al.', ''))
    all_names = [simple(part) for part in parts if part.strip()]
    fits = [p for p in fits if p['names'][: len(all_names)] == all_names]
    same_year = [p for p in fits if p['year'] == year]
    # a preprint's year may differ from the conference's by one
    return same_year or [p for p in fits if abs(int(p['year']) - int(year)) == 1]


def cited(text, known):
    "`[Name et al., 2015]` → `[@key]`, where exactly one of the chapter's papers fits."

    def key(reference):
        m = REFERENCE.fullmatch(reference)
        fits = fitting(m['names'], m['year'], known) if m else []
        return f'{m["before"]}@{fits[0]["key"]}{m["rest"] or ""}' if len(fits) == 1 else None

    def change(m):
        keys = [key(reference) for reference in m[1].split(';')]
        return f'[{"; ".join(keys)}]' if all(keys) else m[0]

    return re.sub(r'(?<!\])\[([^\]\[@]+ \d{4}[^\]\[@]*)\](?!\()', change, text)


def linked_titles(text, known):
    "`*Title*` in the reading list → a link to the paper."

    def change(m):
        title = simple(m[1])
        fits = [p for p in known if title in (simple(p['title']), simple(short(p['title'])))]
        return f'[*{m[1]}*]({fits[0]["url"]})' if len(fits) == 1 and len(m[1]) > 10 else m[0]

    def linked(line):
        if not line.startswith('- '):
            return line
        return re.sub(r'(?<![\[*])\*([^*\n]+)\*(?![\]*])', change, line)

    return '\n'.join(linked(line) for line in text.split('\n'))


def terms(path=NBS / 'glossary.qmd'):
    "The glossary: (word, anchor, Chinese, meaning)."
    entry = re.compile(r'^\[(.+?)\]\{#([\w-]+)\}(?: \((.*)\))?\n:   (.*)$', re.M)
    found = entry.findall(path.read_text(encoding='utf-8'))
    return [
        (word, anchor, zh, re.sub(r' ?\[Chapter.*', '', meaning))
        for word, anchor, zh, meaning in found
        if word not in TOO_COMMON
    ]


def mention(word):
    "A pattern for a word of the glossary; names (ReLU, LeNet) keep their capitals."
    if word != word.lower() and word[1:] != word[1:].lower():
        form = re.escape(word)
    else:
        form = f'[{word[0].upper()}{word[0].lower()}]{re.escape(word[1:])}'
    return re.compile(rf'(?<![\w\[*_-]){form}(?![\w\]*_-])')


def explained(text, glossary, seen, up=''):
    """The first mention of a word of the glossary leads there and says what it means.

    All mentions are looked up in the text as it came, and written at the end: so none is found
    in a meaning that was written for another."""
    taken = [m.span() for m in PROTECTED.finditer(text)]
    marks = []
    for word, anchor, zh, meaning in glossary:
        if anchor in seen:
            continue
        for m in mention(word).finditer(text):
            if any(m.start() < end and start < m.end() for start, end in taken):
                continue
            seen.add(anchor)
            taken.append(m.span())
            said = f'{zh}: {meaning}'.replace('"', '&quot;').replace('`', '').replace('$', '')
            link = f'[{m[0]}]({up}glossary.qmd#{anchor}){{.term title="{said}"}}'
            marks.append((m.start(), m.end(), link))
            break
    for start, end, link in sorted(marks, reverse=True):
        text = text[:start] + link + text[end:]
    return text


def names(folder=NBS.parent / 'reference'):
    "Public name → where the reference explains it, for names that only one module has."
    found = {}
    for path in sorted(folder.glob('*.qmd')):
        if path.stem == 'index':
            continue
        for name in re.findall(r'^## \S+ \{#(\S+)\}', path.read_text(encoding='utf-8'), re.M):
            found.setdefault(name, []).append(path.stem)
    return {
        name: f'reference/{stems[0]}.qmd#{name}'
        for name, stems in found.items()
        if len(stems) == 1 and len(name) > 3
    }


def to_reference(text, where, up):
    "`name` or `name()` in the prose → a link to the reference."

    def link(m):
        return f'[{m[0]}]({up}{where[m[1]]})' if m[1] in where else m[0]

    return outside(text, lambda piece: re.sub(r'`([A-Za-z_]\w*)(\(\))?`', link, piece), NAMEABLE)


# ---------------------------------------------------------------- the page


@functools.cache
def first_cells(folder):
    "Each notebook of the book by the id of its first cell."
    found = {}
    for path in sorted(folder.rglob('*.ipynb'), reverse=True):
        if '.ipynb_checkpoints' in path.parts:
            continue
        cells = json.loads(path.read_text(encoding='utf-8'))['cells']
        if cells and cells[0].get('id'):
            found[cells[0]['id']] = path.relative_to(folder.parent).as_posix()
    return found


def place(nb):
    "Which notebook of the book this is; None for another one."
    first = nb['cells'][0].get('id') if nb['cells'] else None
    return first and first_cells(NBS).get(first)


def texts(nb, kind):
    "The sources of all cells of one kind."
    return [''.join(cell['source']) for cell in nb['cells'] if cell['cell_type'] == kind]


def minutes(nb):
    "How long a notebook takes to read, to the nearest five minutes; solutions are not counted."
    prose = '\n'.join(texts(nb, 'markdown'))
    words = len(re.sub(r'<details>.*?</details>', '', prose, flags=re.S).split())
    lines = sum(len(text.splitlines()) for text in texts(nb, 'code'))
    return max(5, 5 * round((words / 180 + lines / 30) / 5))


def links(path, nb):
    "Where to open this notebook, and how long it takes to read."
    config = (NBS.parent / '_quarto.yml').read_text(encoding='utf-8')
    repo = re.search(r'repo-url: https://github.com/(\S+)', config)[1]
    blob = f'{repo}/blob/main/{path}'
    ways = {
        'Open in Colab': f'https://colab.research.google.com/github/{blob}',
        'Open in Kaggle': f'https://kaggle.com/kernels/welcome?src=https://github.com/{blob}',
        'Download': f'https://raw.githubusercontent.com/{repo}/main/{path}',
        'View source': f'https://github.com/{blob}',
    }
    row = [f'[{text}]({url})' for text, url in ways.items()]
    row.append(f'about {minutes(nb)} minutes to read')
    return f'::: {{.chapter-links}}\n{" · ".join(row)}\n:::'


def raw_html(html):
    "HTML as Markdown that Pandoc passes on untouched, whatever stands in it."
    longest = max(map(len, re.findall(r'`+', html)), default=0)
    fence = '`' * max(3, longest + 1)
    return f'{fence}{{=html}}\n{html.strip()}\n{AS_IT_IS}\n{fence}\n'


SCRIPT = re.compile(
    r"<script>(?:(?!</script>).)*?customElements\.get\('(?P<tag>d2l-[\w-]+)'\).*?</script>", re.S
)


def present(html, assets=NBS.parent / 'd2lcnn' / 'assets'):
    "HTML with the scripts of its elements as the package has them now."

    def script(m):
        path = assets / f'{m["tag"]}.js'
        return f'<script>{path.read_text(encoding="utf-8")}</script>' if path.is_file() else m[0]

    return SCRIPT.sub(script, html)


def shown_output(output):
    "An output as the page shows it: no widget beside its static image, HTML as raw markup."
    data = dict(output.get('data', {}))
    if len(data) > 1:
        data.pop(WIDGET, None)
    if HTML in data:
        html = present(''.join(data.pop(HTML)))
        data = {'text/markdown': raw_html(html).splitlines(True), **data}
    return {**output, 'data': data} if 'data' in output else output


WIDE = 90  # characters that fit beside the page's contents
WIDEST = 150  # nobody compares columns over longer lines
GAP = re.compile(r'\S( {2,}|\t)(?=\S)')  # between two columns
RULE = re.compile(r'^[-─=+| ]{4,}$', re.M)
WORD = re.compile(r'(?<![\d.])[^\W\d_]+')
NUMBER = re.compile(r'\d[\d.,]*')


def in_columns(text):
    """Has this printed text columns, which would lose their order if its lines were wrapped?

    One line has none. Of several, a gap as between columns tells, a rule, or a long line with more
    numbers than words; behind one first column, very long lines are sentences all the same."""
    lines = text.rstrip().split('\n')
    if len(lines) == 1:
        return False
    gaps = max(len(GAP.findall(line)) for line in lines)
    long = [line for line in lines if len(line) > WIDE]
    in_words = all(len(WORD.findall(line)) > len(NUMBER.findall(line)) for line in long)
    sentences = gaps == 0 or (gaps == 1 and max(map(len, lines)) > WIDEST)
    return bool(RULE.search(text)) or not (in_words and sentences)


def is_prose(texts):
    "Are these outputs long sentences, which the page may wrap?"
    lines = [line for text in texts for line in text.split('\n')]
    return max(map(len, lines), default=0) > WIDE and not any(map(in_columns, texts))


def printed(cell):
    "The texts that a cell shows below it."
    for output in cell.get('outputs', []):
        data = output.get('data', {})
        text = output.get('text') or (data.get('text/plain') if len(data) == 1 else None)
        if text:
            yield ''.join(text)


def defined(tree):
    "The names that a cell defines, in their order; its own helpers only if there is nothing else."
    found = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.append(node.name)
        targets = getattr(node, 'targets', [getattr(node, 'target', None)])
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            found += [target.id for target in targets if isinstance(target, ast.Name)]
    not_told = re.compile(r'__\w+__|_all_')  # Python's own; nbdev's list of names passed on
    found = [name for name in dict.fromkeys(found) if not not_told.fullmatch(name)]
    return [name for name in found if name[0] != '_'] or found


def value(kept, key):
    "What one of the cell's directives says; None where it has no such one."
    for line in kept:
        m = re.match(rf'#\|\s*{key}\s*:\s*(.*)', line)
        if m:
            return m[1].strip()
    return None


def summary(lines, kept):
    "What a folded cell is called."
    if (value(kept, 'label') or '').startswith('fig-'):
        return 'Code of the figure'
    try:
        tree = ast.parse('\n'.join(lines))
    except SyntaxError:
        return 'Code'
    names = defined(tree)
    if len(names) > 3:
        names = [*names[:3], '…']
    if not names and any(isinstance(node, (ast.Import, ast.ImportFrom)) for node in tree.body):
        names = ['imports']
    if not names and any(line.startswith('_all_') for line in lines):
        names = ['names passed on']
    return f'Code: {", ".join(names)}' if names else 'Code'


def code_cell(cell):
    "A code cell as the page shows it; None for one that it does not show."
    directives, rest = split(''.join(cell['source']))
    if any(HIDDEN.match(line) for line in directives):
        return None
    kept = [line for line in directives if line.strip() and not NBDEV.match(line)]
    if any(FOLDED.match(line) for line in directives) and not value(kept, 'code-fold'):
        kept.insert(0, '#| code-fold: true')
    if value(kept, 'code-fold') in ('true', 'show') and not value(kept, 'code-summary'):
        kept.append(f'#| code-summary: {quote(summary(rest, kept))}')
    if is_prose(list(printed(cell))):
        kept.append('#| classes: printed-prose')
    source = '\n'.join(kept + rest)
    outputs = [shown_output(output) for output in cell.get('outputs', [])]
    if not source.strip() and not outputs:
        return None
    return {**cell, 'source': source.splitlines(True), 'outputs': outputs}


def added(kind, name, source):
    "A cell that the notebook itself does not have."
    return {'cell_type': kind, 'id': name, 'metadata': {}, 'source': source.splitlines(True)}


class Prose:
    "What the markdown cells of one notebook are changed by, from its first to its last."

    def __init__(self, nb, path):
        chapter = bool(path) and re.match(r'nbs/(\d\d_|foundations/)', path)
        lists = [text for text in texts(nb, 'markdown') if '## Further reading' in text]
        reading = '\n'.join(text.split('## Further reading', 1)[1] for text in lists)
        self.known = named(reading, papers()) if path and lists else []
        self.glossary = terms() if chapter else []
        self.where = names() if path else {}
        self.up = '../' * path.count('/') if path else ''
        self.seen = set()

    def __call__(self, text):
        if self.known:
            body, *reading = re.split(r'(?=## Further reading)', text, maxsplit=1)
            text = outside(body, lambda piece: cited(piece, self.known), CITABLE)
            text += linked_titles(reading[0], self.known) if reading else ''
        if self.glossary and '## Further reading' not in text:
            text = explained(text, self.glossary, self.seen, self.up.removeprefix('../'))
        return to_reference(text, self.where, self.up) if self.where else text


def page(nb):
    "The notebook as the page should show it."
    path, cells = place(nb), []
    prose = Prose(nb, path)
    for cell in nb['cells']:
        if cell['cell_type'] == 'code':
            cell = code_cell(cell)
            cells += [cell] if cell else []
            continue
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'markdown':
            if not cells:
                head, source = front_matter(source)
                if head:
                    cells.append(added('raw', 'front-matter', head))
                if head and path and 'index' not in path:
                    cells.append(added('markdown', 'chapter-links', links(path, nb)))
                if not source:
                    continue
            source = prose(source)
        cells.append({**cell, 'source': source.splitlines(True)})
    return {**nb, 'cells': cells}


if __name__ == '__main__':
    sys.stdin.reconfigure(encoding='utf-8')
    sys.stdout.reconfigure(encoding='utf-8')
    json.dump(page(json.load(sys.stdin)), sys.stdout, ensure_ascii=False)
