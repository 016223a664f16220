"The layer-stack builder against d2lcnn.summary on random stacks, and by hand in a real browser."
import math
import random

import pytest
import torch
from conftest import ROOT

from d2lcnn import page as P, zoo
from d2lcnn.googlenet import googlenet
from d2lcnn.nin import nin
from d2lcnn.summary import summary
from d2lcnn.vgg import vgg

FIELDS = {'conv': 'out k s p', 'max': 'k s p', 'avg': 'k s p', 'relu': '', 'sigmoid': '', 'bn': '', 'dropout': '', 'gap': '', 'flatten': '', 'linear': 'out', 'vgg': 'n out',
          'nin': 'out k s p', 'inception': 'c1 r2 c2 r3 c3 c4', 'residual': 'out s', 'dense': 'n out', 'transition': 'out'}
RANGE = {'out': (1, 12), 'k': (1, 5), 's': (1, 3), 'p': (0, 2), 'n': (1, 3), 'c1': (1, 5), 'r2': (1, 5), 'c2': (1, 5), 'r3': (1, 5), 'c3': (1, 5), 'c4': (1, 5)}
HEAVY = ('vgg', 'nin', 'inception', 'residual', 'dense', 'transition')


def stack(seed):
    r = random.Random(seed); early = [k for k in FIELDS if k not in ('flatten', 'linear', 'gap')]
    kinds = r.choices(early, k=r.randint(1, 6)) + r.choice([[], ['gap', 'flatten', 'linear'], ['flatten', 'bn', 'relu', 'linear'], ['flatten', 'linear', 'sigmoid', 'dropout', 'linear'], ['flatten', 'conv'], ['flatten', r.choice(HEAVY)]])
    return r.randint(1, 3), r.randint(1, 40), [{'kind': k, 'v': {f: r.randint(*RANGE[f]) for f in FIELDS[k].split()}} for k in kinds]


@pytest.fixture(scope='module')
def page(browser, tmp_path_factory):
    f = tmp_path_factory.mktemp('page') / 'page.html'; problems = []
    f.write_text('<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>t</title>' + P.builder().data, encoding='utf-8')
    page = browser.new_page(viewport={'width': 1000, 'height': 1000})
    page.on('pageerror', lambda e: problems.append(str(e))); page.on('request', lambda r: r.url.startswith('http') and problems.append(r.url))
    page.goto(f.as_uri()); page.wait_for_function("() => customElements.get('d2l-builder')")
    yield page
    assert not problems


COMPUTE = '''stacks => { const B = customElements.get('d2l-builder');
    return stacks.map(([c, n, layers]) => { const r = B.compute(c, n, layers); r.rows.forEach(q => { if (q.rf === Infinity) q.rf = -1; }); return [r, B.code(layers, r.rows)]; }) }'''


def made(code):
    space = {}
    exec(code, space)
    return space['net']


def by_summary(net, shape):
    "For each top-level layer: shape, parameters, MACs, receptive field"
    s, rows = summary(net, shape), []
    for i, _ in enumerate(net):
        own = [r for r in s.rows if r.name == str(i) or r.name.startswith(f'{i}.')]
        rows.append((list(own[-1].shape[1:]), sum(r.params for r in own), sum(r.macs for r in own), max(r.rf for r in own)))
    return rows


@pytest.mark.browser
def test_random_stacks_equal_summary(page):
    stacks = [stack(seed) for seed in range(400)]; good = bad = 0; kinds = set()
    for (channels, size, layers), (r, code) in zip(stacks, page.evaluate(COMPUTE, [list(s) for s in stacks])):
        X = torch.zeros(2, channels, size, size); rows = [q for q in r['rows'] if 'shape' in q]
        net = made(code).eval()
        if rows:
            for q, (shape, params, macs, rf) in zip(rows, by_summary(net, (1, channels, size, size)), strict=True):
                assert q['shape'] == shape and q['params'] == params and q['macs'] == macs, (layers, q)
                assert (math.inf if q['rf'] == -1 else q['rf']) == rf[0], (layers, q, rf)
            good += 1; kinds |= {l['kind'] for l in layers[:len(rows)]}
        if r['error']:  # PyTorch refuses it, too
            bad += 1; whole = page.evaluate("([c, n, layers]) => layers[0].kind", [channels, size, layers[len(rows):]])
            with pytest.raises((RuntimeError, ValueError, TypeError)), torch.no_grad(): impossible(net, layers[len(rows)], rows, channels)(X)
            assert whole == layers[len(rows)]['kind'] and len(r['error'].split()) > 8
        else: assert r['params'] == sum(p.numel() for p in net.parameters())
    assert good > 250 and bad > 60 and kinds == set(FIELDS)


def impossible(net, layer, rows, channels):
    "The stack with the layer that the builder refused"
    from torch import nn
    from d2lcnn.densenet import DenseBlock, transition_block
    from d2lcnn.googlenet import Inception
    from d2lcnn.nin import nin_block
    from d2lcnn.resnet import Residual
    from d2lcnn.vgg import vgg_block
    c, v = (rows[-1]['shape'][0] if rows else channels), layer['v']
    make = {'conv': lambda: nn.Conv2d(c, v['out'], v['k'], v['s'], v['p']), 'max': lambda: nn.MaxPool2d(v['k'], v['s'], v['p']), 'avg': lambda: nn.AvgPool2d(v['k'], v['s'], v['p']), 'vgg': lambda: vgg_block(v['n'], c, v['out']),
            'nin': lambda: nin_block(c, v['out'], kernel_size=v['k'], stride=v['s'], padding=v['p']), 'inception': lambda: Inception(c, v['c1'], (v['r2'], v['c2']), (v['r3'], v['c3']), v['c4']),
            'residual': lambda: Residual(c, v['out'], True, v['s']), 'dense': lambda: DenseBlock(v['n'], c, v['out']), 'transition': lambda: transition_block(c, v['out']), 'gap': lambda: nn.AdaptiveAvgPool2d(1)}
    return nn.Sequential(*net, make[layer['kind']]())


@pytest.mark.browser
def test_starting_points_are_the_books_networks(page):
    starts = page.evaluate("() => customElements.get('d2l-builder').NETS")
    assert tuple(starts) == P.STACKS
    key = {'LeNet': 'lenet', 'AlexNet': 'alexnet', 'VGG-11, a quarter wide': 'vgg11', 'ResNet-18': 'resnet18', 'DenseNet': 'densenet'}
    with torch.device('meta'):
        nets = {title: zoo.network(k).make(starts[title][0]) for title, k in key.items()} | {'VGG-11': vgg(), 'NiN': nin(), 'GoogLeNet': googlenet()}
    for (r, code), (title, net) in zip(page.evaluate(COMPUTE, [[1, *starts[t]] for t in nets]), nets.items()):
        size = starts[title][0]; s = summary(net, (1, 1, size, size))
        assert r['error'] is None and r['params'] == sum(p.numel() for p in net.parameters()), title
        assert r['macs'] == sum(q.macs for q in s.rows) and r['rows'][-1]['shape'] == [10], title


def total(page): return page.locator('d2l-builder .total .params').inner_text()


@pytest.mark.browser
def test_build_lenet_by_hand(page):
    b = page.locator('d2l-builder'); b.locator('.net').select_option('an empty stack')
    assert total(page) == '0'
    def add(kind, **values):
        b.locator('.kind').select_option(kind); b.locator('.add').click()
        for f, v in values.items(): b.locator('li').last.locator(f'[data-field={f}]').fill(str(v))
    add('conv', out=6, k=5, p=2); add('sigmoid'); add('avg'); add('conv', out=16, k=5, p=0); add('sigmoid'); add('avg'); add('linear', out=120)
    assert 'Put a Flatten before it: it makes a vector of 400' in b.locator('.error').inner_text()
    add('flatten'); b.locator('li').last.locator('.up').click()
    assert b.locator('.error').count() == 0
    add('sigmoid'); add('linear', out=84); add('sigmoid'); add('linear')
    assert total(page) == '61,706' and b.locator('li').last.locator('.shape').inner_text() == '10'
    b.locator('summary').click(); net = made(b.locator('pre').inner_text())
    assert sum(p.numel() for p in net.parameters()) == 61_706 and net(torch.zeros(1, 1, 28, 28)).shape == (1, 10)
    b.locator('summary').click()


@pytest.mark.browser
def test_remove_move_and_wrong_numbers(page):
    b = page.locator('d2l-builder'); b.locator('.net').select_option('LeNet'); assert total(page) == '61,706'
    first = b.locator('li').first.locator('[data-field=k]'); first.fill('0'); assert total(page) == '61,706'  # no kernel of 0: as it was
    first.press('Tab'); assert first.input_value() == '5'
    b.locator('.size').fill('9'); assert 'does not fit' in b.locator('.error').inner_text() and b.locator('li.after').count() > 5
    b.locator('.size').fill('28'); b.locator('li').nth(1).locator('.remove').focus(); page.keyboard.press('Enter')
    assert b.locator('li').count() == 11 and total(page) == '61,706'
    assert page.evaluate("() => document.querySelector('d2l-builder').shadowRoot.activeElement.className") == 'remove'  # the keyboard goes on from here


@pytest.mark.browser
def test_fits_a_phone(browser, page):
    phone = browser.new_page(viewport={'width': 390, 'height': 800}); phone.goto(page.url); phone.wait_for_function("() => customElements.get('d2l-builder')")
    assert phone.evaluate('() => document.documentElement.scrollWidth') <= 390
    phone.close()


def test_refuses_unknown_stack():
    with pytest.raises(ValueError, match="'Inception-v4'.*ResNet-18"): P.builder('Inception-v4')
