"What a file or a reader names stays text, wherever it becomes HTML or SVG."

import ast
import json
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
import torch
from conftest import ROOT
from torch import nn

from d2lcnn import compare, draw, page, record
from d2lcnn.explore import base, blocks, images, receptive_field
from d2lcnn.markup import attributes, escaped, in_script
from d2lcnn.padding_stride import draw_windows
from d2lcnn.summary import summary

HOSTILE = '\'"><img src=x onerror=alert(1)></script></svg><script>alert(2)</script>&amp;<!--'


class Tags(HTMLParser):
    "The tags and attributes of a page, and its text; scripts are left out."

    def __init__(self, page):
        super().__init__()
        self.tags, self.names, self.values, self.text = [], set(), [], ''
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}
        self.values += [value for _, value in attrs]

    def handle_data(self, data):
        self.text += data


def harmless(text, scripts=0):
    "No tag and no attribute came out of the hostile name, and the name can still be read."
    read = Tags(text)
    assert 'onerror' not in read.names and 'src' not in read.names
    assert read.tags.count('img') == 0 and read.tags.count('script') == scripts
    assert HOSTILE in read.text or any(HOSTILE in (v or '') for v in read.values), text[:500]
    return read


def test_the_helper():
    assert escaped('<a b="c" d=\'e\'>&') == '&lt;a b=&quot;c&quot; d=&#x27;e&#x27;&gt;&amp;'
    assert escaped(None) == 'None' and escaped(3) == '3'
    read = Tags(f'<p {attributes(title=HOSTILE, data_value=3)}>')
    assert read.names == {'title', 'data-value'} and read.values == [HOSTILE, '3']
    assert '<' not in in_script({'a': HOSTILE}) and json.loads(in_script({'a': HOSTILE})) == {'a': HOSTILE}


def test_no_other_module_escapes():
    "One helper: `html.escape` stands in markup alone, so what is mended there is mended everywhere."
    for path in (ROOT / 'd2lcnn').rglob('*.py'):
        tree = ast.parse(path.read_text(encoding='utf-8'))
        own = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr == 'escape'
               and isinstance(n.value, ast.Name) and n.value.id == 'html']
        taken = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == 'html']
        assert path.name == 'markup.py' or not own + taken, path


def test_summary():
    Bad = type(HOSTILE, (nn.Linear,), {})
    net = nn.Sequential()
    net.add_module(HOSTILE.replace('.', ''), Bad(3, 2))
    harmless(summary(net, (1, 3))._repr_html_())
    Whole = type(HOSTILE, (nn.Sequential,), {})
    harmless(summary(Whole(nn.Linear(3, 2)), (1, 3))._repr_html_())


ROW = dict(title='LeNet', recipe='classic', year=1998, acc=0.9, sd=0.1, runs=2, epochs=1, size=28,
           parameters=3, macs=3, memory=3, seconds=1.0, examples_per_s=3.0, reduced=False, stale=False)


@pytest.mark.parametrize('key', [key for _, key, _ in compare.COLUMNS])
@pytest.mark.parametrize('value', [HOSTILE, [HOSTILE], {'a': HOSTILE}], ids=['text', 'list', 'dictionary'])
def test_every_column_of_the_scoreboard(key, value):
    "Also where a damaged file holds a list in place of a number."
    text = compare.scoreboard_table([{**ROW, key: value}]).data
    read = Tags(text.split('<script>')[0])
    assert 'onerror' not in read.names and 'img' not in read.tags and 'alert' in read.text


def test_curves():
    run = dict(name='lenet', recipe_name=HOSTILE, seed=HOSTILE, loss=[1.0], train_acc=[1.0], valid_acc=[1.0], seconds=[1.0])
    text = compare.curves_element([run], nets=(HOSTILE,)).data.split('<script>')[0]
    read = harmless(text)
    assert read.tags == ['d2l-curves', 'p'] and read.names == {'nets', 'runs'}
    assert json.loads(read.values[1])[0]['recipe'] == HOSTILE


def test_drawings():
    one = draw.draw_network([('input', (1, 8, 8)), (HOSTILE, (3,))], HOSTILE)
    harmless(one._repr_svg_())
    block = draw.draw_block([[HOSTILE], []], HOSTILE, HOSTILE, HOSTILE, HOSTILE, [HOSTILE], [HOSTILE], HOSTILE)
    harmless(block._repr_svg_())
    assert 'onerror' not in Tags(draw_windows(5, 3)).names


def test_explorers():
    figure = blocks.svg(blocks.words(HOSTILE, (HOSTILE, 'b')), HOSTILE)
    harmless(figure)
    harmless(blocks.svg(blocks.problem(HOSTILE, 500), HOSTILE))
    cells = blocks.grid(1, 1, 30, 'X', lambda i, j: HOSTILE, small=lambda i, j: HOSTILE, title=HOSTILE)
    harmless(blocks.svg(cells, 'a'))
    page_, alt = base.static(figure, HOSTILE)
    assert alt == HOSTILE
    read = Tags(page_)
    assert read.tags.count('img') == 1 and 'onerror' not in read.names and HOSTILE in read.text
    element = base.element('d2l-corr2d', {'x': HOSTILE}, figure).data.split('<script>')[0]
    assert 'onerror' not in Tags(element).names and HOSTILE in Tags(element).values
    assert 'onerror' not in Tags(images.image_block(torch.ones(2, 2), 20, HOSTILE).body).names
    said = receptive_field.draw_receptive_field(f'conv3 {HOSTILE}')
    assert 'onerror' not in Tags(said).names and 'img' not in Tags(said).tags


def test_pages_refuse_names_they_do_not_know():
    for make in (page.builder, page.lenet_page):
        with pytest.raises(ValueError, match='net='):
            make(HOSTILE)


def test_progress(monkeypatch):
    "The bar in a notebook writes numbers, and escapes its text."
    from d2lcnn import progress

    told = []
    monkeypatch.setattr(progress, 'time', SimpleNamespace(time=lambda: 1e9))
    monkeypatch.setattr('IPython.display.display', lambda *a, **k: SimpleNamespace(update=lambda d, **k: told.append(d)))
    bar = progress.NotebookBar(2, 3)
    bar.step(0, 1, 5.0)
    assert Tags(told[-1]['text/html']).tags == ['div', 'progress']


def test_a_run_file_with_html_in_it(tmp_path):
    "From the file to the page: what the review found in `data-value`."
    source = next((ROOT / 'results' / 'runs').glob('lenet-classic-*.json'))
    run = json.loads(source.read_text(encoding='utf-8'))
    run['recipe']['epochs'], run['year'], run['device'] = [HOSTILE], HOSTILE, HOSTILE
    (tmp_path / 'runs').mkdir()
    (tmp_path / 'runs' / source.name).write_text(json.dumps(run), encoding='utf-8')
    rows = [dict(row, stale=True) for row in record.scoreboard(record.load_runs(tmp_path))]
    text = compare.scoreboard_table(rows).data.split('<script>')[0]
    assert 'onerror' not in Tags(text).names and 'alert(1)' in Tags(text).text
