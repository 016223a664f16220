"What a reader sees in JupyterLab before anything ran: our own outputs are shown, plumbing is folded."

import json
import os
import re
import subprocess
import sys

import nbformat
import pytest
from conftest import ROOT
from nbformat.sign import NotebookNotary
from nbformat.v4 import new_code_cell, new_notebook, new_output
from test_cli import run, run_process

from d2lcnn.places import find_chapters
from d2lcnn.trust import sign

NOTEBOOKS = sorted(p for p in (ROOT / 'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts)


def cells_of(path):
    return json.loads(path.read_text(encoding='utf-8'))['cells']


@pytest.fixture
def drawn(tmp_path):
    "A notebook with a drawing in it."
    path = tmp_path / 'nbs' / '01_drawn.ipynb'
    path.parent.mkdir()
    output = new_output('display_data', {'text/html': '<b>drawn</b>'})
    nbformat.write(new_notebook(cells=[new_code_cell('3', outputs=[output])]), path)
    return path


def trusted(path, folder):
    notary = NotebookNotary(data_dir=str(folder))
    known = notary.check_signature(nbformat.read(path, as_version=4))
    notary.store.close()
    return known


def test_a_signed_notebook_is_trusted_until_it_is_changed(drawn, tmp_path):
    assert not trusted(drawn, tmp_path)
    assert sign([drawn], tmp_path) == 1 and trusted(drawn, tmp_path)
    assert sign([drawn], tmp_path) == 0
    nb = nbformat.read(drawn, as_version=4)
    nb.cells[0].outputs[0].data['text/html'] = '<script>alert(1)</script>'
    nbformat.write(nb, drawn)
    assert not trusted(drawn, tmp_path)


def test_the_folder_of_the_signatures_need_not_be_there(drawn, tmp_path):
    new = tmp_path / 'not' / 'yet'
    assert sign([drawn], new) == 1 and trusted(drawn, new)


def test_what_is_no_notebook_is_passed_over(drawn, tmp_path):
    broken = tmp_path / 'broken.ipynb'
    broken.write_text('{"cells": [')
    assert sign([broken, tmp_path / 'absent.ipynb', drawn], tmp_path) == 1


def test_run_signs_the_notebooks_of_its_book(drawn, tmp_path):
    data = tmp_path / 'share'
    done = run('run', cwd=tmp_path, JUPYTER_DATA_DIR=str(data))
    assert done.returncode == 0, done.stderr
    assert trusted(drawn, data)


@pytest.mark.slow
def test_lab_signs_and_opens_the_chapter(drawn, tmp_path):
    "JupyterLab's own command comes next; one that only prints stands in its place."
    fake = tmp_path / 'fake' / 'jupyterlab'
    fake.mkdir(parents=True)
    (fake / '__init__.py').write_text('')
    (fake / '__main__.py').write_text(
        'import os, sys; print(sys.argv[1:], os.environ["OMP_WAIT_POLICY"])'
    )
    env = dict(PYTHONPATH=f'{fake.parent}{os.pathsep}{ROOT}', JUPYTER_DATA_DIR=str(tmp_path))
    done = run_process('lab', 'drawn', '--', '--no-browser', cwd=tmp_path, **env)
    assert done.returncode == 0, done.stderr
    assert str(drawn) in done.stdout and '--no-browser' in done.stdout and 'PASSIVE' in done.stdout
    assert trusted(drawn, tmp_path)


@pytest.mark.parametrize('chapter', ['99', 'transformers'])
def test_lab_knows_its_chapters(chapter):
    done = run('lab', chapter)
    assert done.returncode == 2 and '05_lenet' in done.stderr


# ---------------------------------------------------------------- folded


def test_plumbing_is_folded_and_lessons_are_not():
    done = subprocess.run(
        [sys.executable, 'scripts/fold.py', '--check'], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    'source, folded',
    [
        ('#| hide\nassert x', True),
        ('#| export\nimport torch', True),
        ('#| default_exp conv', True),
        ('#| label: fig-a\n#| code-fold: true\nplot()', True),
        ('#| exports\ndef f(): pass', False),
        ('#| label: fig-a\nplot()', False),
        ('x = 1\n#| hide', False),
        ('', False),
    ],
)
def test_what_is_folded(source, folded):
    sys.path.insert(0, str(ROOT / 'scripts'))
    try:
        from fold import fold
    finally:
        sys.path.pop(0)
    for before in ({}, {'jupyter': {'source_hidden': True}}):
        cell = dict(cell_type='code', source=source.splitlines(True), metadata=dict(before))
        fold({'cells': [cell]})
        assert cell['metadata'].get('jupyter', {}).get('source_hidden', False) is folded


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.stem)
def test_every_folded_cell_says_so(path):
    "Independently of the script: by the words of the directives."
    for c in cells_of(path):
        text = ''.join(c['source'])
        marks = re.findall(r'^#\| *(hide|export|default_exp|code-fold: true)\b(?!s)', text, re.M)
        if c['cell_type'] == 'code' and marks:
            assert c['metadata'].get('jupyter') == {'source_hidden': True}, text[:200]


@pytest.mark.parametrize('path', find_chapters(nbs=ROOT / 'nbs'), ids=lambda p: p.stem)
def test_a_chapter_begins_with_its_title_and_introduction(path):
    first = cells_of(path)[:3]
    assert [c['cell_type'] for c in first] == ['markdown', 'markdown', 'code']
    assert 'on Colab and Kaggle, once' in ''.join(first[2]['source']), 'before anything is imported'
