"The statistics of chapter 13, its scoreboard and its curves: by hand, against a library, and in a browser."
import html
import itertools
import json
import math
import re

import pytest
import torch
from conftest import ROOT

from d2lcnn import compare as C, record

RUNS = record.load_runs(ROOT / 'results')
ROWS = record.scoreboard(RUNS)


# ---------------------------------------------------------------- statistics

def test_standard_error_is_the_spread_of_measured_accuracies():
    right = (torch.rand(20_000, 400, generator=torch.Generator().manual_seed(0)) < .8).float().mean(1)
    assert math.isclose(C.standard_error(.8, 400), right.std().item(), rel_tol=.02)


@pytest.mark.parametrize('acc, n', [(80, 100), (-.1, 100), (.5, 0)])
def test_standard_error_refuses(acc, n):
    with pytest.raises(ValueError, match=str(acc if n else n)): C.standard_error(acc, n)


def test_mcnemar_counts_and_tosses_coins():
    g = torch.Generator().manual_seed(1); y, a, b = (torch.randint(0, 3, (300,), generator=g) for _ in range(3))
    first, second, p = C.mcnemar(a, b, y)
    assert first == sum(i == k != j for i, j, k in zip(a, b, y)) and second == sum(j == k != i for i, j, k in zip(a, b, y))
    n, tail = first + second, min(first, second)
    by_hand = min(1, 2 * sum(math.comb(n, k) for k in range(tail + 1)) / 2 ** n)
    assert math.isclose(p, by_hand, rel_tol=1e-9) and type(p) is float
    assert C.mcnemar(b, a, y) == (second, first, p) and C.mcnemar(a, a, y) == (0, 0, 1.)


def test_mcnemar_refuses_other_pictures():
    with pytest.raises(ValueError, match='8, 8 and 9 images'): C.mcnemar(*(torch.zeros(n).long() for n in (8, 8, 9)))


@pytest.mark.parametrize('seed', range(20))
def test_pareto_front_is_what_nothing_beats(seed):
    g = torch.Generator().manual_seed(seed); values = torch.randint(0, 6, (12, 2), generator=g).tolist()
    points = {str(i): tuple(v) for i, v in enumerate(values)}
    def beats(p, q): return p[0] <= q[0] and p[1] >= q[1] and p != q
    kept = {points[n] for n in C.pareto(points)}
    assert kept == {p for p in points.values() if not any(beats(q, p) for q in points.values())}
    costs = [points[n][0] for n in C.pareto(points)]
    assert costs == sorted(costs)


def test_shared_errors_of_independent_networks_are_as_chance_says():
    g = torch.Generator().manual_seed(2); y = torch.zeros(200_000, dtype=int)
    a, b = ((torch.rand(len(y), generator=g) < share) * torch.randint(1, 10, (len(y),), generator=g) for share in (.1, .2))
    both, chance, same = C.shared_errors(a, b, y)
    assert abs(both - chance) < 4 * chance ** .5 and abs(same - both / 9) < 4 * (both / 9) ** .5


# ---------------------------------------------------------------- recorded runs

def test_guesses_are_those_of_the_confusion_matrix():
    for r in RUNS:
        y, said = C.truth(r['data'], ROOT / 'results'), C.guesses(r)
        table = torch.zeros(10, 10, dtype=int); table.index_put_((y, said), torch.tensor(1), accumulate=True)
        assert (table - torch.tensor(r['confusion'])).abs().sum() <= 40, r['name']  # bfloat16 beside float32


def test_truth_is_the_data_set():
    from d2lcnn.data import DataUnavailable, fashion_mnist, mnist
    for load in (fashion_mnist, mnist):
        try: data = load(device='cpu')
        except DataUnavailable: pytest.skip('Fashion-MNIST or MNIST is not on this machine')
        assert torch.equal(C.truth(data.name, ROOT / 'results'), data.test.labels.long())


def test_truth_names_what_there_is():
    with pytest.raises(ValueError, match="'CIFAR'.*Fashion-MNIST"): C.truth('CIFAR', ROOT / 'results')


def test_no_runs_says_where(tmp_path):
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path)) + '.*d2lcnn record'): C.scoreboard_rows(tmp_path)


@pytest.mark.slow
def test_scoreboard_says_what_the_runs_say():
    page = C.scoreboard_table(ROWS).data
    body = [re.findall(r'<td(?: data-value="([^"]*)")?>([^<]*)</td>', line) for line in page.splitlines() if line.startswith('<tr>')]
    assert len(body) == len(ROWS) == 18
    for cells, r in zip(body, ROWS):
        assert cells[0][1] == r['title'] + (' (stale)' if r['stale'] else '')
        of = dict(zip([key for _, key, _ in C.COLUMNS], cells))
        own = [x['test_acc'] for x in RUNS if (x['name'], x['recipe_name']) == (r['name'], r['recipe'])]
        assert of['acc'][1] == f'{sum(own) / len(own):.4f}' and of['runs'][1] == str(len(own)) and (of['sd'][1] == 'one run') == (len(own) == 1)


def test_reduced_and_stale_runs_are_marked():
    page = C.scoreboard_table([ROWS[0] | {'reduced': True, 'stale': True, 'memory': None}]).data
    assert 'classic (reduced)' in page and 'LeNet (stale)' in page and '<td data-value="">–</td>' in page


def test_every_quoted_experiment_is_there():
    known = {p.stem for p in (ROOT / "nbs").glob("[0-9]*.ipynb")}
    for chapter, changed, cell in C.ABLATIONS:
        assert chapter in known and len(re.findall(r'\d\.\d', C.stored_output(chapter, cell, ROOT / 'nbs'))) >= 2, (chapter, changed)
        scores = [C.quoted_rows(chapter, cell, score, ROOT / 'nbs') for score in ('test', 'loss')]
        assert any(len(rows) >= 3 for rows in scores), (chapter, changed)
        for r in scores[0] + scores[1]:
            assert r['variant'] and all(0 <= v < 5 for v in r['values'])
            assert math.isnan(r['mean'][1]) == (len(r['values']) < 3)
    with pytest.raises(KeyError, match='no cell nowhere'): C.stored_output('07_vgg', 'nowhere', ROOT / 'nbs')


def test_quoted_runs_by_hand(monkeypatch):
    printed = '''
one 5×5    lr 0.02: test 0.80 0.82 0.84  mean 0.82, spread 0.02; training loss 0.451
VGG-11, He      : mean loss of the last ten steps 0.844 (no idea: 2.303)
neither     training pictures 0.995, test pictures 0.738, distance +0.257
nothing here'''
    monkeypatch.setattr(C, 'stored_output', lambda chapter, cell, folder: printed)
    one, two = C.quoted_rows('07_vgg', 'x')
    assert (one['variant'], one['values']) == ('one 5×5 lr 0.02', [.8, .82, .84])
    assert math.isclose(one['mean'][0], .82) and math.isclose(one['mean'][1], 4.3027 * .02 / 3 ** .5, rel_tol=1e-4)
    assert (two['variant'], two['values']) == ('neither', [.738]) and math.isnan(two['mean'][1])
    losses = C.quoted_rows('07_vgg', 'x', 'loss')
    assert [(r['variant'], r['values']) for r in losses] == [('one 5×5 lr 0.02', [.451]), ('VGG-11, He', [.844])]


# ---------------------------------------------------------------- in a browser

@pytest.fixture(scope='module')
def page(browser): return browser.new_page(viewport={'width': 900, 'height': 900})


@pytest.fixture(scope='module')
def opened(page, tmp_path_factory):
    f = tmp_path_factory.mktemp('page') / 'page.html'; problems = []
    page.on('pageerror', lambda e: problems.append(str(e)))
    page.on('request', lambda r: r.url.startswith('http') and problems.append(r.url))
    own = [r for r in RUNS if r['data'] == 'Fashion-MNIST']
    f.write_text('<!doctype html><meta charset="utf-8"><title>t</title><body>' + C.scoreboard_table(ROWS).data + C.curves_element(own).data, encoding='utf-8')
    page.goto(f.as_uri()); page.wait_for_function("() => document.querySelector('d2l-scoreboard').shadowRoot?.querySelector('button')")
    yield page
    assert not problems


@pytest.mark.browser
def test_scoreboard_sorts_by_click(opened):
    column = "i => [...document.querySelector('d2l-scoreboard').shadowRoot.querySelectorAll('tbody tr')].map(tr => tr.cells[i].textContent)"
    before = {tuple(t) for t in opened.evaluate("() => [...document.querySelector('d2l-scoreboard').shadowRoot.querySelectorAll('tbody tr')].map(tr => [...tr.cells].map(c => c.textContent))")}
    for i, (title, key, _) in enumerate(C.COLUMNS):
        opened.locator('d2l-scoreboard button').nth(i).click()
        for turn in range(2):
            shown = opened.evaluate(column, i)
            if key in ('title', 'recipe'): assert [re.sub(r"\W", "", s.lower()) for s in shown] == sorted((re.sub(r"\W", "", s.lower()) for s in shown), reverse=bool(turn)), title
            else:
                missing = ('–', 'one run')
                values = [float(s.replace(',', '')) for s in shown if s not in missing]
                assert values == sorted(values, reverse=not turn), title
                assert not {*missing} & {*shown[:len(values)]}, title
            opened.locator('d2l-scoreboard button').nth(i).press('Enter')  # and back, with the keyboard
    assert {tuple(t) for t in opened.evaluate("() => [...document.querySelector('d2l-scoreboard').shadowRoot.querySelectorAll('tbody tr')].map(tr => [...tr.cells].map(c => c.textContent))")} == before


@pytest.mark.browser
def test_scoreboard_fits_beside_the_contents_of_a_page(opened):
    "778 pixels, what a page of 1280 has: the last column is whole."
    box = "w => { const e = document.querySelector('d2l-scoreboard'); e.style.width = w; return [e.scrollWidth, e.clientWidth] }"
    needed, given = opened.evaluate(box, '778px')
    assert needed <= given == 778
    opened.evaluate(box, '')


@pytest.mark.browser
def test_curves_are_the_recorded_ones(opened):
    box = opened.locator('d2l-curves'); paths = "() => document.querySelector('d2l-curves').shadowRoot.querySelectorAll('path').length"
    names = box.locator('fieldset').first.locator('label').all_inner_texts()
    assert [n.strip() for n in names] == ['LeNet', 'LeNet-BN', 'AlexNet', 'VGG-11', 'NiN', 'GoogLeNet', 'ResNet-18', 'DenseNet']
    for c in box.locator('input').all(): c.check()
    own = [r for r in RUNS if r['data'] == 'Fashion-MNIST']
    assert opened.evaluate(paths) == len(own)
    for key, x, recipe in itertools.product(('valid_acc', 'train_acc', 'loss'), ('epoch', 'seconds'), ('classic', 'modern')):
        box.locator('select').nth(0).select_option(key), box.locator('select').nth(1).select_option(x), box.locator('select').nth(2).select_option(recipe)
        some = [r for r in own if r['recipe_name'] == recipe]
        best = max(some, key=lambda r: r[key][-1]) if key != 'loss' else min(some, key=lambda r: r[key][-1])
        assert f'{len(some)} runs' in (said := box.locator('p[role=status]').inner_text()) and f'{best[key][-1]:.4f}' in said
        d = opened.evaluate("() => [...document.querySelector('d2l-curves').shadowRoot.querySelectorAll('path')].map(p => p.getAttribute('d').slice(1).split('L').map(q => q.split(' ').map(Number)))")
        ends = sorted(zip((r[key][-1] for r in some), (c[-1][1] for c in d)))
        assert all(a[1] >= b[1] - .11 for a, b in zip(ends, ends[1:])), 'higher values lie higher'
        times = [sum(r['seconds']) if x == 'seconds' else len(r[key]) for r in some]
        far = max(range(len(some)), key=lambda i: times[i])
        assert math.isclose(d[far][-1][0], 624, abs_tol=.2)
    for c in box.locator('input').all(): c.uncheck()
    assert box.locator('p[role=status]').inner_text() == 'Tick a network.'


def test_elements_hold_their_data_escaped():
    page = C.curves_element([RUNS[0]]).data
    given = json.loads(html.unescape(re.search(r'runs="([^"]*)"', page)[1]))
    assert given[0]['valid_acc'] == [round(v, 4) for v in RUNS[0]['valid_acc']] and given[0]['recipe'] == 'classic'
