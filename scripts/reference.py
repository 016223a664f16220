#!/usr/bin/env python3
"""Write the API reference, reference/*.qmd, from signatures, docstrings and parameters' comments.

python scripts/reference.py          write it
python scripts/reference.py --check  exit with 1 if it is not what the package would give
"""

import importlib
import inspect
import json
import re
import sys
from pathlib import Path

from fastcore.docments import docments

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
NOTE = '<!-- Made by scripts/reference.py: edit the notebook that exports the module. -->\n'
CONFIG = (ROOT / '_quarto.yml').read_text(encoding='utf-8')
REPO = re.search(r'repo-url: (\S+)', CONFIG)[1]
# `torch` gives names of other modules under the names of d2l
SKIP = {'__main__', '_modidx', '__init__', 'torch'}
# what stands behind the modules that readers import; its names are explained where they are passed on
INSIDE = {'answers', 'batch', 'behavior', 'calls', 'clues', 'diagnose', 'doctor', 'download', 'evidence'}
INSIDE |= {'fresh', 'history', 'init', 'mirror', 'moves', 'peaks', 'places', 'probes', 'progress', 'queue'}
INSIDE |= {'reach', 'receptive', 'run', 'runs', 'show', 'trace', 'usual', 'wording'}


def inside(name):
    "Has this module no page of its own?"
    return name in INSIDE or name.startswith(('compat', 'explore.'))


TABLE = '| parameter | default | meaning |\n|---|---|---|'
FEW = 300  # characters of a constant that are printed


def module_of(notebook):
    "The module that a notebook exports, as `#| default_exp` names it; None for none."
    cells = json.loads(notebook.read_text(encoding='utf-8'))['cells']
    code = '\n'.join(''.join(c['source']) for c in cells if c['cell_type'] == 'code')
    found = re.search(r'#\| *default_exp (\S+)', code)
    return found[1].removesuffix('.__init__') if found else None


def modules():
    "(name, notebook) of every module, in the order of the sidebar."
    sidebar = CONFIG.split('\n  sidebar:\n')[1]
    for notebook in re.findall(r'nbs/\S+\.ipynb', sidebar):
        path = ROOT / notebook
        name = module_of(path)
        if name and name not in SKIP and not inside(name):
            yield name, path.relative_to(ROOT)


def load(module):
    "A module of the package."
    return importlib.import_module(f'd2lcnn.{module}')


def public(module):
    "The names a module stands for, with their objects: its own, and those of modules inside."
    own = load(module)
    for name in getattr(own, '__all__', []):
        thing = getattr(own, name)
        home = getattr(thing, '__module__', None) or own.__name__
        if home == own.__name__ or inside(home.removeprefix('d2lcnn.')):
            yield name, thing


def text_of(doc):
    "A docstring without its indentation."
    return inspect.cleandoc(doc).strip() if doc else ''


def cell(text):
    "Text for a table: one line, no bars."
    return ' '.join(str(text).split()).replace('|', '\\|')


def plain(default):
    "A default as source code, or its name."
    if default is inspect.Parameter.empty:
        return ''
    if inspect.isfunction(default) or inspect.isclass(default):
        return f'`{default.__name__}`'
    text = repr(default)
    return f'`{text}`' if len(text) < 60 and '<' not in text else '…'


def parameters_of(thing):
    "Name → parameter; None where Python cannot tell."
    try:
        return inspect.signature(thing).parameters
    except (ValueError, TypeError):
        return None


def signature(name, thing, method=False):
    "The call as one would write it, broken into lines where it is long."
    found = parameters_of(thing)
    if found is None:
        return f'{name}(…)'
    parameters = list(found.values())
    if method and parameters and parameters[0].name == 'self':
        parameters = parameters[1:]
    parts, star = [], False
    for p in parameters:
        star = star or p.kind is p.VAR_POSITIONAL
        if p.kind is p.KEYWORD_ONLY and not star:
            parts.append('*')
            star = True
        mark = {p.VAR_POSITIONAL: '*', p.VAR_KEYWORD: '**'}.get(p.kind, '')
        default = '' if p.default is p.empty else '=' + plain(p.default).strip('`')
        parts.append(mark + p.name + default)
    line = f'{name}({", ".join(parts)})'
    return line if len(line) < 100 else f'{name}(\n    ' + ',\n    '.join(parts) + ')'


def comments(thing):
    "Parameter → what the comment beside it says; `return` too."
    try:
        found = docments(thing, full=True)
    except Exception:
        return {}
    said = {k: v.get('docment') for k, v in found.items() if isinstance(v, dict)}
    return {k: text for k, text in said.items() if text and text is not inspect.Parameter.empty}


def table(thing):
    "The parameters that have a comment, and what is given back."
    said, parameters = comments(thing), parameters_of(thing)
    if parameters is None:
        return ''
    rows = [
        f'| `{name}` | {cell(plain(p.default))} | {cell(said[name])} |'
        for name, p in parameters.items()
        if name in said
    ]
    out = '\n'.join([TABLE, *rows]) + '\n\n' if rows else ''
    return out + (f'**Gives** {cell(said["return"])}\n\n' if said.get('return') else '')


def heading(name, call, level='##'):
    "A heading with an anchor, and the call as code."
    return f'{level} {name} {{#{name}}}\n\n```python\n{call}\n```\n\n'


def methods(name, thing):
    "The documented methods and properties of a class."
    for method, f in vars(thing).items():
        f = f.fget if isinstance(f, property) else getattr(f, '__func__', f)
        if method.startswith('_') or not inspect.isfunction(f) or not f.__doc__:
            continue
        call = signature(method, f, method=True)
        yield heading(f'{name}.{method}', call, '###') + f'{text_of(f.__doc__)}\n\n{table(f)}'


def entry(name, thing):
    "One name: heading, signature, description, parameters, methods."
    if not callable(thing):
        return heading(name, f'{name} = {shown(thing)}')
    is_class = inspect.isclass(thing)
    out = heading(name, ('class ' if is_class else '') + signature(name, thing))
    doc = text_of(thing.__doc__)
    if doc and not doc.startswith(f'{name}('):
        out += f'{doc}\n\n'
    written = is_class and '__init__' in vars(thing) and not hasattr(thing, '__dataclass_fields__')
    out += table(thing.__init__ if written else thing)
    return out + (''.join(methods(name, thing)) if is_class else '')


def shown(value):
    "A constant as source code, or what kind of thing it is."
    text = repr(value)
    if len(text) <= FEW and '<' not in text and '/' not in text[:2]:
        return text
    size = f' of {len(value)}' if hasattr(value, '__len__') else ''
    return f'…  # {type(value).__name__}{size}'


def front_matter(title, subtitle):
    "Title, subtitle, and the same without markup for search engines."
    rows = {'title': title, 'subtitle': subtitle}
    rows['description-meta'] = re.sub(r'[`*$]', '', subtitle)
    lines = [f'{key}: {json.dumps(text, ensure_ascii=False)}' for key, text in rows.items()]
    return '\n'.join(['---', *lines, '---', '', NOTE])


def page(module, notebook):
    "The reference of one module."
    own = load(module)
    source = Path(own.__file__).resolve().relative_to(ROOT).as_posix()
    head = front_matter(f'd2lcnn.{module}', text_of(own.__doc__))
    explained = f'[{notebook.stem.replace("_", " ")}](../{notebook.as_posix()})'
    head += f'\nExplained in {explained}, source in [{source}]({REPO}/blob/main/{source}).\n\n'
    return head + ''.join(entry(name, thing) for name, thing in public(module))


def index(all_modules):
    "The list of all modules and names."
    lines = [front_matter('Reference', 'Every public name of the package, by module.')]
    for module, _ in all_modules:
        lines += [f'## [d2lcnn.{module}]({module}.qmd)', '', text_of(load(module).__doc__), '']
        lines += ['| name | what it does |', '|---|---|']
        for name, thing in public(module):
            first = text_of(thing.__doc__).split('\n')[0] if callable(thing) else ''
            lines.append(f'| [`{name}`]({module}.qmd#{name}) | {cell(first)} |')
        lines.append('')
    return '\n'.join(lines)


def pages():
    "Path → text of every page."
    found = [(module, notebook) for module, notebook in modules() if list(public(module))]
    texts = {f'{module}.qmd': page(module, notebook) for module, notebook in found}
    return {'index.qmd': index(found), **texts}


def main(check):
    "Write the pages, or say that they are out of date."
    folder, want = ROOT / 'reference', pages()
    have = {p.name: p.read_text(encoding='utf-8') for p in folder.glob('*.qmd')}
    if check and have != want:
        sys.exit('reference/ is not what the package gives: run python scripts/reference.py')
    if check:
        return
    folder.mkdir(exist_ok=True)
    for name in have.keys() - want.keys():
        (folder / name).unlink()
    for name, text in want.items():
        (folder / name).write_text(text, encoding='utf-8', newline='\n')


if __name__ == '__main__':
    main('--check' in sys.argv[1:])
