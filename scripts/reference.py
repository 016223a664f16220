#!/usr/bin/env python3
"""Write the API reference, reference/*.qmd, from signatures, docstrings and the comments beside the parameters.

    python scripts/reference.py          write it
    python scripts/reference.py --check  exit with 1 if it is not what the package would give
"""
import importlib, inspect, json, re, sys
from pathlib import Path

from fastcore.docments import docments

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
NOTE = '<!-- Made by scripts/reference.py: edit the notebook that exports the module. -->\n'
REPO = re.search(r'repo-url: (\S+)', (ROOT / '_quarto.yml').read_text(encoding='utf-8'))[1]
SKIP = {'__main__', '_modidx', '__init__', 'torch'}  # `torch` gives names of other modules under the names of d2l


def modules():
    "(name, notebook) of every module, in the order of the book."
    notebooks = sorted((ROOT / 'nbs').glob('[0-9]*.ipynb')) + sorted((ROOT / 'nbs' / 'kit').glob('*.ipynb'))
    for path in notebooks:
        found = re.search(r'#\| *default_exp (\S+)', '\n'.join(''.join(c['source']) for c in json.loads(path.read_text(encoding='utf-8'))['cells'] if c['cell_type'] == 'code'))
        if found and found[1] not in SKIP: yield found[1], path.relative_to(ROOT)


def public(module):
    "The names a module stands for, with their objects; those that it only passes on are left out."
    own = importlib.import_module(f'd2lcnn.{module}')
    for name in own.__all__:
        thing = getattr(own, name)
        if getattr(thing, '__module__', own.__name__) == own.__name__: yield name, thing


def text_of(doc): return inspect.cleandoc(doc).strip() if doc else ''


def cell(text): return ' '.join(str(text).split()).replace('|', '\\|')


def plain(default):
    "A default as source code, or its name."
    if default is inspect.Parameter.empty: return ''
    if inspect.isfunction(default) or inspect.isclass(default): return f'`{default.__name__}`'
    text = repr(default)
    return f'`{text}`' if len(text) < 60 and '<' not in text else '…'


def signature(name, thing, method=False):
    try: parameters = list(inspect.signature(thing).parameters.values())
    except (ValueError, TypeError): return f'{name}(…)'
    if method and parameters and parameters[0].name == 'self': parameters = parameters[1:]
    parts, star = [], False
    for p in parameters:
        if p.kind is p.VAR_POSITIONAL: star = True
        if p.kind is p.KEYWORD_ONLY and not star: parts.append('*'); star = True
        mark = {p.VAR_POSITIONAL: '*', p.VAR_KEYWORD: '**'}.get(p.kind, '')
        parts.append(mark + p.name + ('' if p.default is p.empty else '=' + plain(p.default).strip('`')))
    line = f'{name}({", ".join(parts)})'
    return line if len(line) < 100 else f'{name}(\n    ' + ',\n    '.join(parts) + ')'


def comments(thing):
    "Parameter -> what the comment beside it says; `return` too."
    try: found = docments(thing, full=True)
    except Exception: return {}
    return {k: v['docment'] for k, v in found.items() if isinstance(v, dict) and v.get('docment') and v['docment'] is not inspect.Parameter.empty}


def table(thing):
    said = comments(thing)
    try: parameters = inspect.signature(thing).parameters
    except (ValueError, TypeError): return ''
    rows = [f'| `{n}` | {cell(plain(p.default))} | {cell(said[n])} |' for n, p in parameters.items() if n in said]
    out = '\n'.join(['| parameter | default | meaning |', '|---|---|---|', *rows]) + '\n\n' if rows else ''
    return out + (f'**Gives** {cell(said["return"])}\n\n' if said.get('return') else '')


def entry(name, thing):
    "One name: heading, signature, description, parameters, methods."
    if not callable(thing): return f'## {name} {{#{name}}}\n\n```python\n{name} = {shown(thing)}\n```\n\n'
    out = f'## {name} {{#{name}}}\n\n```python\n{"class " if inspect.isclass(thing) else ""}{signature(name, thing)}\n```\n\n'
    doc = text_of(thing.__doc__)
    if doc and not doc.startswith(f'{name}('): out += f'{doc}\n\n'
    out += table(thing.__init__ if inspect.isclass(thing) and '__init__' in vars(thing) and not hasattr(thing, '__dataclass_fields__') else thing)
    if inspect.isclass(thing):
        for method, f in vars(thing).items():
            f = f.fget if isinstance(f, property) else getattr(f, '__func__', f)
            if method.startswith('_') or not inspect.isfunction(f) or not f.__doc__: continue
            out += f'### {name}.{method} {{#{name}.{method}}}\n\n```python\n{signature(method, f, method=True)}\n```\n\n{text_of(f.__doc__)}\n\n{table(f)}'
    return out


def shown(value):
    text = repr(value)
    return text if len(text) <= 300 and '<' not in text and '/' not in text[:2] else f'…  # {type(value).__name__}' + (f' of {len(value)}' if hasattr(value, '__len__') else '')


def page(module, notebook):
    own = importlib.import_module(f'd2lcnn.{module}')
    title = json.dumps(f'd2lcnn.{module}')
    head = f'---\ntitle: {title}\nsubtitle: {json.dumps(text_of(own.__doc__), ensure_ascii=False)}\n---\n\n{NOTE}\n'
    head += f'Explained in [{notebook.stem.replace("_", " ")}](../{notebook.as_posix()}), source in [d2lcnn/{module}.py]({REPO}/blob/main/d2lcnn/{module}.py).\n\n'
    return head + ''.join(entry(n, t) for n, t in public(module))


def index(all_modules):
    lines = ['---', 'title: "Reference"', 'subtitle: "Every public name of the package, by module."', '---', '', NOTE]
    for module, notebook in all_modules:
        names = list(public(module))
        if not names: continue
        lines += [f'## [d2lcnn.{module}]({module}.qmd)', '', text_of(importlib.import_module(f'd2lcnn.{module}').__doc__), '', '| name | what it does |', '|---|---|']
        lines += [f'| [`{n}`]({module}.qmd#{n}) | {cell(text_of(t.__doc__).split(chr(10))[0]) if callable(t) else ""} |' for n, t in names] + ['']
    return '\n'.join(lines)


def pages():
    "Path -> text of every page."
    found = [(m, nb) for m, nb in modules() if list(public(m))]
    return {'index.qmd': index(found), **{f'{m}.qmd': page(m, nb) for m, nb in found}}


if __name__ == '__main__':
    folder, want = ROOT / 'reference', pages()
    have = {p.name: p.read_text(encoding='utf-8') for p in folder.glob('*.qmd')}
    if '--check' in sys.argv[1:]:
        if have != want: sys.exit('reference/ is not what the package gives: run python scripts/reference.py')
    else:
        folder.mkdir(exist_ok=True)
        for name in have.keys() - want.keys(): (folder / name).unlink()
        for name, text in want.items(): (folder / name).write_text(text, encoding='utf-8', newline='\n')
