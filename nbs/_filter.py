"""Quarto's notebook filter (`ipynb-filters` in _quarto.yml): a notebook's JSON comes in on standard input and goes out on standard output.

Hidden cells are dropped, plumbing (`#| export`) is folded, nbdev's directives are taken out and Quarto's own (`#| label:`,
`#| fig-cap:` …) are kept. The first cell's `# Title` and `> subtitle` become front matter, and a line of links (Colab, Kaggle,
download, source, reading time) follows. In the prose, `[Name et al., 2015]` becomes a citation when the chapter's reading list names
the paper, a title in the reading list becomes a link, the first mention of a word of the glossary gets its meaning, and public names
of the package lead to the reference. Outputs that only a kernel can show are left to their static picture.
Standard library only: Quarto runs it with whatever Python it finds."""
import json
import re
import sys
import unicodedata
from pathlib import Path

NBS = Path(__file__).resolve().parent
NBDEV = re.compile(r'#\|\s*(default_exp|exports?|exporti|hide|hide_line|hide_input|hide_output|eval|notest|filter_stream)\b')
HIDDEN = re.compile(r'#\|\s*(hide|default_exp)\b(?!:)')
FOLDED = re.compile(r'#\|\s*(export|exporti)\b')
WIDGET = 'application/vnd.jupyter.widget-view+json'


def split(source):
    "Directive lines at the top of a code cell, and the rest."
    lines = source.split('\n'); n = 0
    while n < len(lines) and (lines[n].startswith('#|') or not lines[n].strip()): n += 1
    return lines[:n], lines[n:]


def quote(text): return json.dumps(text, ensure_ascii=False)


def front_matter(source):
    "`# Title`, `> subtitle`, rest  →  a raw cell's YAML, rest."
    m = re.match(r'# (?P<title>.+)\n+(?:> (?P<sub>.+)\n*)?', source)
    if not m: return None, source
    sub = f'subtitle: {quote(m["sub"])}\ndescription: {quote(m["sub"])}\n' if m['sub'] else ''
    return f'---\ntitle: {quote(m["title"])}\n{sub}---', source[m.end():].strip('\n')


# ---------------------------------------------------------------- prose

PROTECTED = re.compile(r'```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$|!?\[[^\]]*\]\([^)]*\)|<[^>\n]+>|https?://\S+|^#[^\n]*|^\|[^\n]*', re.S | re.M)


CITABLE = re.compile(PROTECTED.pattern.replace(r'|^\|[^\n]*', ''), re.S | re.M)  # tables may cite


def outside(text, change, protected=PROTECTED):
    "Change the prose, and leave code, mathematics, links, tags, headings and tables as they are."
    out, at = [], 0
    for m in protected.finditer(text):
        out += [change(text[at:m.start()]), m[0]]; at = m.end()
    return ''.join(out + [change(text[at:])])


def simple(text): return re.sub(r'[^a-z0-9]+', ' ', unicodedata.normalize('NFKD', text.replace('\\', '')).encode('ascii', 'ignore').decode().lower()).strip()


def papers(path=NBS / 'references.bib'):
    "The entries of the bibliography: key, family names, title, year, url."
    found = []
    for m in re.finditer(r'@\w+\{(?P<key>[^,]+),\n(?P<body>.*?)\n\}', path.read_text(encoding='utf-8'), re.S):
        field = dict(re.findall(r'^  (\w+) = \{(.*)\},$', m['body'], re.M))
        found.append({'key': m['key'], 'names': [simple(a.split(',')[0]) for a in field['author'].split(' and ')], 'title': field['title'].strip('{}').replace('\\', ''), 'year': field.get('origdate', field['year']), 'url': field['url']})
    return found


def named(text, all_papers):
    "The papers that a reading list names, by title or by link."
    plain = f' {simple(text)} '
    return [p for p in all_papers if f' {simple(p["title"])} ' in plain or p['url'] in text or len(p['title']) > 25 and f' {simple(p["title"].split(":")[0])} ' in plain]


def cited(text, known):
    "`[Name et al., 2015]` → `[@key]`, where exactly one of the chapter's papers fits."
    def key(reference):
        m = re.fullmatch(r'\s*(?P<before>(?:[a-z]+ )*)(?P<names>[^\d;]+?),? (?P<year>\d{4})(?P<rest>,.*)?', reference)
        if not m: return None
        first = simple(re.split(r',| et al| and ', m['names'])[0])
        fits = [p for p in known if p['names'][0] == first]
        if len(fits) > 1:  # a preprint's year may differ from the conference's by one
            all_names = [simple(n) for n in re.split(r',| and ', m['names'].replace(' et al.', '')) if n.strip()]
            fits = [p for p in fits if p['names'][:len(all_names)] == all_names]
            fits = [p for p in fits if p['year'] == m['year']] or [p for p in fits if abs(int(p['year']) - int(m['year'])) == 1]
        return f'{m["before"]}@{fits[0]["key"]}{m["rest"] or ""}' if len(fits) == 1 else None
    def change(m):
        keys = [key(r) for r in m[1].split(';')]
        return f'[{"; ".join(keys)}]' if all(keys) else m[0]
    return re.sub(r'(?<!\])\[([^\]\[@]+ \d{4}[^\]\[@]*)\](?!\()', change, text)


def linked_titles(text, known):
    "`*Title*` in the reading list → a link to the paper."
    def change(m):
        fits = [p for p in known if simple(m[1]) in (simple(p['title']), simple(p['title'].split(':')[0]))]
        return f'[*{m[1]}*]({fits[0]["url"]})' if len(fits) == 1 and len(m[1]) > 10 else m[0]
    return '\n'.join(re.sub(r'(?<![\[*])\*([^*\n]+)\*(?![\]*])', change, line) if line.startswith('- ') else line for line in text.split('\n'))


def terms(path=NBS / 'glossary.qmd'):
    "The glossary: (word, anchor, Chinese, meaning)."
    found = re.findall(r'^\[(.+?)\]\{#([\w-]+)\}(?: \((.*)\))?\n:   (.*)$', path.read_text(encoding='utf-8'), re.M)
    return [(w, a, zh, re.sub(r' ?\[Chapter.*', '', meaning)) for w, a, zh, meaning in found if w not in ('Block', 'Parameter', 'Batch')]  # too common to mark


def explained(text, glossary, seen):
    "The first mention of a word of the glossary leads there and says what it means."
    for word, anchor, zh, meaning in glossary:
        if anchor in seen: continue
        form = re.escape(word) if word != word.lower() and word[1:] != word[1:].lower() else f'[{word[0].upper()}{word[0].lower()}]{re.escape(word[1:])}'
        pattern = re.compile(rf'(?<![\w\[*_-]){form}(?![\w\]*_-])')
        def change(piece):
            if anchor in seen: return piece
            m = pattern.search(piece)
            if not m: return piece
            seen.add(anchor)
            said = f'{zh}: {meaning}'.replace('"', '&quot;').replace('`', '').replace('$', '')
            return f'{piece[:m.start()]}[{m[0]}](glossary.qmd#{anchor}){{.term title="{said}"}}{piece[m.end():]}'
        text = outside(text, change)
    return text


def names(folder=NBS.parent / 'reference'):
    "Public name → where the reference explains it, for names that only one module has."
    found = {}
    for path in sorted(folder.glob('*.qmd')):
        if path.stem != 'index':
            for name in re.findall(r'^## \S+ \{#(\S+)\}', path.read_text(encoding='utf-8'), re.M): found.setdefault(name, []).append(path.stem)
    return {n: f'reference/{m[0]}.qmd#{n}' for n, m in found.items() if len(m) == 1 and len(n) > 3}


def to_reference(text, where, up):
    "`name` or `name()` in the prose → a link to the reference; not in code, links, headings and tables."
    guard = re.compile(r'```.*?```|!?\[[^\]]*\]\([^)]*\)|<[^>\n]+>|^#[^\n]*|^\|[^\n]*|``[^`]+``', re.S | re.M); out, at = [], 0
    def change(piece): return re.sub(r'`([A-Za-z_]\w*)(\(\))?`', lambda m: f'[{m[0]}]({up}{where[m[1]]})' if m[1] in where else m[0], piece)
    for m in guard.finditer(text): out += [change(text[at:m.start()]), m[0]]; at = m.end()
    return ''.join(out + [change(text[at:])])


# ---------------------------------------------------------------- the page

def place(nb):
    "Which notebook of the book this is; None for another one."
    first = nb['cells'][0].get('id') if nb['cells'] else None
    for path in [*NBS.glob('*.ipynb'), *NBS.glob('kit/*.ipynb'), *NBS.glob('foundations/*.ipynb')]:
        cells = json.loads(path.read_text(encoding='utf-8'))['cells']
        if first and cells and cells[0].get('id') == first: return path.relative_to(NBS.parent).as_posix()


def links(path, nb):
    "Where to open this notebook, and how long it takes to read."
    repo = re.search(r'repo-url: https://github.com/(\S+)', (NBS.parent / '_quarto.yml').read_text(encoding='utf-8'))[1]
    words = sum(len(re.sub(r'<details>.*?</details>', '', ''.join(c['source']), flags=re.S).split()) for c in nb['cells'] if c['cell_type'] == 'markdown')
    code = sum(len(''.join(c['source']).splitlines()) for c in nb['cells'] if c['cell_type'] == 'code')
    minutes = max(5, 5 * round((words / 180 + code / 30) / 5))
    raw = f'https://raw.githubusercontent.com/{repo}/main/{path}'
    return f'''::: {{.chapter-links}}
[Open in Colab](https://colab.research.google.com/github/{repo}/blob/main/{path}) · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/{repo}/blob/main/{path}) · [Download]({raw}) · [View source](https://github.com/{repo}/blob/main/{path}) · about {minutes} minutes to read
:::'''


def page(nb):
    "The notebook as the page should show it."
    path, cells, seen = place(nb), [], set()
    book = bool(path); up = '../' * path.count('/') if book else ''
    chapter = book and re.match(r'nbs/(\d\d_|index)', path)
    glossary, where = (terms() if chapter and 'index' not in path else []), (names() if book else {})
    lists = [''.join(c['source']) for c in nb['cells'] if c['cell_type'] == 'markdown' and '## Further reading' in ''.join(c['source'])]
    known = named('\n'.join(t.split('## Further reading', 1)[1] for t in lists), papers()) if book and lists else []
    for cell in nb['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'code':
            directives, rest = split(source)
            if any(HIDDEN.match(d) for d in directives): continue
            fold = ['#| code-fold: true'] if any(FOLDED.match(d) for d in directives) else []
            source = '\n'.join(fold + [d for d in directives if d.strip() and not NBDEV.match(d)] + rest)
            if not source.strip() and not cell.get('outputs'): continue
            for out in cell.get('outputs', []):
                if len(out.get('data', {})) > 1: out['data'].pop(WIDGET, None)
        elif cell['cell_type'] == 'markdown':
            if not cells:
                head, source = front_matter(source)
                if head:
                    cells.append({'cell_type': 'raw', 'id': 'front-matter', 'metadata': {}, 'source': head.splitlines(True)})
                    if book and 'index' not in path: cells.append({'cell_type': 'markdown', 'id': 'chapter-links', 'metadata': {}, 'source': links(path, nb).splitlines(True)})
                if not source: continue
            if known:
                body, *reading = re.split(r'(?=## Further reading)', source, maxsplit=1)
                source = outside(body, lambda t: cited(t, known), CITABLE) + (linked_titles(reading[0], known) if reading else '')
            if glossary and '## Further reading' not in source: source = explained(source, glossary, seen)
            if where: source = to_reference(source, where, up)
        cells.append({**cell, 'source': source.splitlines(True)})
    return {**nb, 'cells': cells}


if __name__ == '__main__':
    sys.stdin.reconfigure(encoding='utf-8'); sys.stdout.reconfigure(encoding='utf-8')
    json.dump(page(json.load(sys.stdin)), sys.stdout, ensure_ascii=False)
