"What keeps the house in order: short lines, one statement a line, small rooms, imports one way."
import ast
import json
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

from d2lcnn.places import find_chapters

PACKAGE = ROOT / 'd2lcnn'
MODULES = [p for p in sorted(PACKAGE.rglob('*.py')) if p.name not in ('_modidx.py', '__main__.py')]
KIT = [p for p in sorted((ROOT / 'nbs').rglob('*.ipynb'))
       if p.parts[-2] in ('kit', 'exercises') or p.parts[-3] == 'kit']


def dotted(path):
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def source_of(path):
    "A generated module without nbdev's list of names, whose width nobody chooses."
    return re.sub(r"^__all__ = \[.*?\]", '', path.read_text(encoding='utf-8'), flags=re.S | re.M)


def of_the_kit(path):
    "Was the module made from a notebook of the kit?"
    return bool(re.search(r'File to edit: .*nbs/kit/', path.read_text(encoding='utf-8')))


# ------------------------------------------------------------------ lines

@pytest.mark.parametrize('path', MODULES, ids=dotted)
def test_no_line_is_wider_than_100_columns(path):
    wide = [f'{n}: {line}' for n, line in enumerate(source_of(path).split('\n'), 1) if len(line) > 100]
    assert not wide, wide


@pytest.mark.parametrize('path', KIT, ids=lambda p: p.relative_to(ROOT / 'nbs').as_posix())
def test_no_line_of_the_kits_notebooks_is_wider(path):
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    lines = [line for c in cells if c['cell_type'] == 'code'
             for line in ''.join(c['source']).split('\n') if not line.startswith('#|')]
    assert not [line for line in lines if len(line) > 100]


def test_ruff_finds_nothing():
    "The rules are in pyproject.toml: one statement a line, no lambda with a name, no loose ends."
    ruff = shutil.which('ruff') or shutil.which('ruff', path=str(ROOT / '.venv' / 'bin'))
    command = [ruff] if ruff else [sys.executable, '-m', 'ruff']
    done = subprocess.run([*command, 'check', '--no-cache', 'd2lcnn', 'nbs/kit', 'nbs/exercises'],
                          cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


# ------------------------------------------------------------------ rooms

def test_no_module_of_the_kit_is_long():
    lengths = {dotted(p): len(p.read_text(encoding='utf-8').splitlines())
               for p in MODULES if of_the_kit(p)}
    assert len(lengths) > 40 and max(lengths.values()) <= 450, sorted(lengths.items(), key=lambda x: -x[1])[:5]


def imported(path):
    "The modules of the package that a module imports, at its head or inside its functions."
    name, tree = dotted(path), ast.parse(path.read_text(encoding='utf-8'))
    package = name if path.name == '__init__.py' else name.rpartition('.')[0]
    known, found = {dotted(p) for p in MODULES}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            up = package.split('.')[:len(package.split('.')) - max(node.level - 1, 0)]
            base = '.'.join([*(up if node.level else []), *([node.module] if node.module else [])])
            names = {f'{base}.{a.name}' for a in node.names}
            found |= names | (set() if names <= known else {base})
    return (found & known) - {name, 'd2lcnn'}


def circle(graph):
    "A list of names that leads back to its first; None when there is none."
    done = set()

    def walk(name, path):
        if name in path:
            return path[path.index(name):] + [name]
        if name in done:
            return None
        for other in sorted(graph[name]):
            if found := walk(other, [*path, name]):
                return found
        done.add(name)
        return None
    for name in sorted(graph):
        if found := walk(name, []):
            return found
    return None


def test_imports_run_one_way():
    "Also those inside functions: a late import only hides a circle."
    graph = {dotted(p): imported(p) for p in MODULES}
    assert {'d2lcnn.data', 'd2lcnn.callbacks'} <= graph['d2lcnn.train'], 'the reader of imports works'
    assert circle({'a': {'b'}, 'b': {'c'}, 'c': {'a'}}) == ['a', 'b', 'c', 'a']
    assert circle(graph) is None, ' -> '.join(circle(graph))


LAYERS = [['guard', 'files', 'places'], ['data', 'summary', 'plot', 'draw'],
          ['callbacks', 'engine'], ['train'], ['experiment'], ['conv', 'pooling'], ['lenet', 'densenet'],
          ['zoo'], ['record'], ['bench', 'compare', 'speed']]


def test_each_floor_rests_on_those_below():
    "DESIGN's order, reached through any number of steps."
    graph = {dotted(p): imported(p) for p in MODULES}

    def below(name, seen):
        for other in graph[name] - seen:
            seen.add(other)
            below(other, seen)
        return seen
    for i, floor in enumerate(LAYERS):
        above = {f'd2lcnn.{name}' for later in LAYERS[i + 1:] for name in later}
        for name in floor:
            assert not below(f'd2lcnn.{name}', set()) & above, name


def test_the_command_line_only_reads_arguments():
    "Nothing of the book imports it."
    users = [dotted(p) for p in MODULES if 'd2lcnn.cli' in imported(p)]
    assert not users


# ------------------------------------------------------------------ one set of checks

CHAPTERS = [p for p in MODULES if re.search(r'File to edit: \.\./nbs/(\d\d_|foundations/)', p.read_text(encoding='utf-8'))]


def test_chapters_have_no_checks_of_whole_numbers():
    "NumPy's numbers pass because `guard` takes them; a second set of checks would not."
    with_code = [p for p in find_chapters(nbs=ROOT / 'nbs') if '#| default_exp' in p.read_text(encoding='utf-8')]
    assert len(CHAPTERS) == len(with_code) >= 14
    for path in CHAPTERS:
        text = path.read_text(encoding='utf-8')
        assert not re.search(r'operator\.index|isinstance\(\w+, \(?int\b', text), dotted(path)
