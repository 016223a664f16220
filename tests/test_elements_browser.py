"""What a reader sees and moves: every explorer in a real JupyterLab, the JavaScript elements on a plain page opened as a file."""
import json, os, random, re, secrets, shutil, socket, subprocess, sys, time, urllib.request
from pathlib import Path

import pytest

from d2lcnn import explore
from d2lcnn.conv import corr2d
from d2lcnn.explore import base, filter, padding_stride, receptive_field
from d2lcnn.padding_stride import conv_out

ASSETS = Path(explore.__file__).parent.parent / 'assets'


# ---------------------------------------------------------------- browser

@pytest.fixture(scope='module')
def chromium(browser): return browser


@pytest.fixture(scope='module')
def page_file(tmp_path_factory):
    "A plain HTML page with ten elements, as `file://` would show it."
    parts = [explore.corr2d_element(), explore.corr2d_element([[1, 2, 0, 3], [0, 1, 5, 2], [4, 0, 9, 8]], [[-1, 0.5], [2, 1]], position=1),
             explore.padding_stride_element(), explore.padding_stride_element(5, 4, dilation=2), explore.pooling_element(), explore.receptive_field_element(),
             explore.channels_element(), explore.filter_element(), explore.hinges_element(), explore.surface_element()]
    f = tmp_path_factory.mktemp('page') / 'page.html'
    f.write_text('<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>t</title>' + '\n'.join(p.data for p in parts), encoding='utf-8')
    return f


@pytest.fixture
def plain(chromium, page_file):
    page = chromium.new_page(viewport={'width': 900, 'height': 900})
    page.troubles = []
    page.on('console', lambda m: m.type in ('error', 'warning') and page.troubles.append(m.text))
    page.on('pageerror', lambda e: page.troubles.append(str(e)))
    page.on('request', lambda r: r.url.startswith('http') and page.troubles.append(f'asked the network for {r.url}'))
    page.goto(page_file.as_uri())
    yield page
    page.close()
    assert not page.troubles


# ---------------------------------------------------------------- the elements' arithmetic against Python

def _matrices(rng):
    H, W = rng.randint(1, 9), rng.randint(1, 11)
    h, w = rng.randint(1, min(5, H)), rng.randint(1, min(5, W))
    return [[[rng.randint(-9, 9) for _ in range(b)] for _ in range(a)] for a, b in ((H, W), (h, w))]


CASES = [_matrices(random.Random(seed)) for seed in range(400)]
SETTINGS = [[rng.randint(1, 14), rng.randint(1, 8), rng.randint(1, 6), rng.randint(0, 5), rng.randint(1, 4)] for rng in map(random.Random, range(800))]  # n, k, s, p, d
ASK = """([cases, settings]) => { const C = customElements.get('d2l-corr2d'), P = customElements.get('d2l-padding-stride');
  return {corr: cases.map(([X, K]) => C.corr2d(X, K)),
          steps: cases.map(([X, K]) => { const n = C.corr2d(X, K).flat().length; return Array.from({length: n}, (_, i) => { const s = C.step(X, K, i); return [s.row, s.col, s.value, s.products.flat().reduce((a, b) => a + b, 0)] }) }),
          settings: settings.map(a => P.compute(...a))} }"""


def _compare(got):
    import torch
    assert len(CASES) >= 400 and len(SETTINGS) >= 800
    for (X, K), Y, steps in zip(CASES, got['corr'], got['steps'], strict=True):
        want = corr2d(torch.tensor(X), torch.tensor(K))
        torch.testing.assert_close(torch.tensor(Y), want)
        assert steps == [[i, j, want[i, j].item(), want[i, j].item()] for i in range(want.shape[0]) for j in range(want.shape[1])]
    impossible = 0
    for (n, k, s, p, d), js in zip(SETTINGS, got['settings'], strict=True):
        assert js['why'] == explore.why_impossible(n, k, p, s, d)
        try: out = conv_out(n, k, s, p, d)
        except ValueError: out, impossible = 0, impossible + 1
        assert js['out'] == out and (js['why'] is None) == (out > 0)
        # how often each cell is read: the gradient of the outputs' sum
        x = torch.zeros(1, 1, n + 2 * p, requires_grad=True)
        if out: torch.nn.functional.conv1d(x, torch.ones(1, 1, k), stride=s, dilation=d).sum().backward()
        reads = x.grad[0, 0].int().tolist() if out else [0] * (n + 2 * p)
        assert js['reads'] == reads == padding_stride._reads(n, k, p, s, d, out)
        if out:
            assert js['unread'] == sum(not a * b for a in reads[p:p + n] for b in reads[p:p + n])
            assert js['left'] == n + 2 * p - ((out - 1) * s + d * (k - 1) + 1)
    assert 100 < impossible < 700


@pytest.mark.browser
def test_arithmetic_of_the_elements_in_a_browser(plain):
    _compare(plain.evaluate(ASK, [CASES, SETTINGS]))


@pytest.mark.browser
def test_pooling_element_pools_as_pytorch(plain):
    import torch
    from torch.nn import functional as F
    rng, cases = random.Random(5), []
    for _ in range(300):
        H, W = rng.randint(1, 8), rng.randint(1, 8)
        cases.append(([[rng.randint(-9, 9) for _ in range(W)] for _ in range(H)], rng.randint(1, 4), rng.randint(1, 4), rng.randint(0, 2), rng.choice(['max', 'avg'])))
    got = plain.evaluate('''cases => { const P = customElements.get('d2l-pooling'); return cases.map(([X, k, s, p, mode]) => { const why = P.why(X.length, X[0].length, k, s, p); return why ?? P.pool(X, k, s, p, mode) }) }''', [list(c) for c in cases])
    refused = 0
    for (X, k, s, p, mode), js in zip(cases, got, strict=True):
        why = explore.why_no_pooling((len(X), len(X[0])), k, s, p)
        if why: refused += 1; assert js == why; continue
        Y = (F.max_pool2d if mode == 'max' else F.avg_pool2d)(torch.tensor(X)[None].float(), k, s, p)[0]
        torch.testing.assert_close(torch.tensor(js).float(), Y)
    assert 20 < refused < 200


@pytest.mark.browser
def test_pooling_element_under_a_readers_hands(plain):
    el = plain.locator('d2l-pooling')
    assert el.locator('.value').inner_text() == '8'  # the largest of 3, 1, 0, 8
    el.locator('select').select_option('avg'); assert el.locator('.value').inner_text() == '3'
    el.get_by_role('button', name='Next').click(); assert el.locator('.value').inner_text() == '1.25'  # 0, 2, 2, 1
    el.locator('input[name=padding]').fill('2'); assert 'more than half of window 2' in el.locator('.why').inner_text()


@pytest.mark.browser
def test_receptive_field_element_counts_as_python(plain):
    rng, stacks = random.Random(7), []
    for _ in range(200): stacks.append(' '.join(rng.choice(['conv', 'pool']) + str(rng.randint(1, 7)) + rng.choice(['', '', f'/{rng.randint(1, 3)}']) + rng.choice(['', '', f'*{rng.randint(1, 3)}']) for _ in range(rng.randint(1, 7))))
    stacks = [s for s in stacks if not re.search(r'pool\S*\*', s)]
    js = plain.evaluate('''stacks => { const F = customElements.get('d2l-receptive-field'); return stacks.map(s => { const l = F.parse(s); return [F.fields(l), F.cone(l).map(c => c.length)] }) }''', stacks)
    for s, (fields, sizes) in zip(stacks, js, strict=True):
        layers = explore.parse_layers(s)
        assert [tuple(f) for f in fields] == explore.receptive_fields(layers) and sizes == [len(c) for c in receptive_field._cone(layers)]
    el = plain.locator('d2l-receptive-field'); box = el.locator('input')
    box.fill('conv3 conv3 conv3'); assert 'one cell sees 7×7 input pixels' in el.locator('.say').inner_text()
    box.fill('conv3 cnv3'); assert 'Layer 2, "cnv3"' in el.locator('.say').inner_text()
    box.fill(''); assert 'no layer yet' in el.locator('.say').inner_text()


@pytest.mark.browser
def test_channels_element_adds_up_as_python(plain):
    import torch
    from d2lcnn.channels import corr2d_multi_in
    rng, cases = random.Random(3), []
    numbers = lambda *shape: [numbers(*shape[1:]) for _ in range(shape[0])] if shape else rng.randint(-9, 9)
    for _ in range(200):
        c, h, w, H, W = (rng.randint(1, n) for n in (4, 3, 3, 3, 4))
        cases.append((numbers(c, h + H - 1, w + W - 1), numbers(c, h, w), rng.randint(-9, 9)))
    got = plain.evaluate("cases => { const C = customElements.get('d2l-channels'); return cases.map(([X, K, b]) => C.forward(X, K, b)) }", [list(c) for c in cases])
    for (X, K, b), js in zip(cases, got, strict=True): torch.testing.assert_close(torch.tensor(js).float(), corr2d_multi_in(torch.tensor(X).float(), torch.tensor(K).float()) + b)
    el = plain.locator('d2l-channels'); value = el.locator('.value')
    assert value.inner_text() == '56' and el.locator('.row').count() == 2  # 19 + 37, as in the chapter
    el.get_by_role('slider', name='Input channels').fill('1'); assert value.inner_text() == '19' and el.locator('.row').count() == 1
    el.get_by_role('slider', name='Bias').fill('-9'); assert value.inner_text() == '10' and '19 − 9 (bias)' in el.locator('.sum').inner_text()
    el.get_by_role('slider', name='Output channel').fill('2'); assert 'Y[2][0, 0]' in el.locator('.sum').inner_text() and value.inner_text() == '26'  # two more at each of four cells that hold 0, 1, 3, 4
    el.get_by_role('button', name='Next').click(); assert 'Y[2][0, 1]' in el.locator('.sum').inner_text() and 'Step 2 of 4' in el.locator('.note').inner_text()


@pytest.mark.browser
def test_hinges_element_draws_as_python(plain):
    import torch
    from d2lcnn.explore import hinges
    cases = [(curve, n) for curve in hinges.CURVES for n in (1, 2, 3, 4, 7, 12, 24)]
    got = plain.evaluate("cases => { const H = customElements.get('d2l-hinges'); return cases.map(([c, n]) => { const net = H.fit(c, n); return [...net, [-3, -1.1, 0.4, 2.9].map(x => H.value(net, x)), H.worst(c, n)] }) }", [list(c) for c in cases])
    for (curve, n), (*net, values, worst) in zip(cases, got, strict=True):
        places, weights, bias = hinges.hinges(curve, n)
        torch.testing.assert_close(torch.tensor([*places, *weights, bias]).double(), torch.tensor([*net[0], *net[1], net[2]]).double())
        x = torch.tensor([-3, -1.1, 0.4, 2.9], dtype=torch.float64)
        torch.testing.assert_close(torch.tensor(values).double(), hinges.line_of(places, weights, bias, x))
        said = re.search('off by ([^ ]+) at most', explore.draw_hinges(curve, n))[1]
        assert explore.blocks.num(worst) == said
    el = plain.locator('d2l-hinges'); say = el.locator('.say')
    assert say.inner_text() == re.search('aria-label="a wave, ([^"]*)"', explore.draw_hinges())[1]
    el.get_by_role('slider', name='Hidden units').fill('12'); assert say.inner_text().startswith('12 hidden units') and el.locator('circle').count() == 12
    el.get_by_role('combobox', name='Curve').select_option('straight pieces')
    assert f'"straight pieces, {say.inner_text()}"' in explore.draw_hinges('straight pieces', 12)


@pytest.mark.browser
def test_surface_element_walks_as_python(plain):
    import torch
    from d2lcnn.explore import surface as walks
    rng, cases = random.Random(11), []
    for surface, s in walks.SURFACES.items():
        for rule in walks.RULES:
            for _ in range(6): cases.append((surface, rule, rng.choice(walks.RATES), rng.randint(0, 200), [rng.uniform(*s.x), rng.uniform(*s.y)]))
    got = plain.evaluate("cases => { const D = customElements.get('d2l-surface'); return cases.map(([s, r, lr, n, p]) => { const path = D.walk(s, r, lr, n, p); return [path.length, path.slice(0, 30), path.at(-1), D.said(s, r, lr, n, path)] }) }", [list(c) for c in cases])
    away = 0
    for (surface, rule, lr, n, start), (length, first, last, said) in zip(cases, got, strict=True):
        path = walks.walk(surface, rule, lr, n, tuple(start))
        if len(path) <= n:  # it runs away, so that roundings grow as well
            away += 1
            assert 'too far away' in said and abs(length - len(path)) <= 1
        else:
            assert length == n + 1
            torch.testing.assert_close(torch.tensor(first), torch.tensor(path[:30]), rtol=1e-6, atol=1e-8)
    assert 10 < away < 100
    for case, (*_, said) in list(zip(cases, got))[::9]:
        surface, rule, lr, n, start = case
        if lr < .1: assert said == walks._where(surface, rule, lr, n, walks.walk(surface, rule, lr, n, tuple(start))), case


@pytest.mark.browser
def test_surface_element_under_a_readers_hands(plain):
    el = plain.locator('d2l-surface'); first, second = el.locator('.say.first'), el.locator('.say.second')
    label = re.search('aria-label="ravine: ([^"]*)"', explore.draw_surface())[1]
    assert f'{first.inner_text()}; {second.inner_text()}' == label
    el.get_by_role('slider', name='Steps').fill('0'); assert 'at (−8, 1.5) after 0 steps' in first.inner_text()
    el.get_by_role('combobox', name='Orange rule').select_option('nothing'); assert second.inner_text() == '' and el.get_by_role('slider', name='Orange rate').is_disabled()
    el.get_by_role('combobox', name='Surface').select_option('bowl'); assert 'at (−3, 1.5)' in first.inner_text()
    box = el.locator('svg.map').bounding_box()
    el.locator('svg.map').click(position={'x': (34 + 250) * box['width'] / 538, 'y': (4 + 150) * box['height'] / 328})  # the middle, (0, 0)
    x, y = (float(el.get_by_role('spinbutton', name=n, exact=True).input_value()) for n in 'xy'); assert abs(x) < .05 and abs(y) < .05
    el.get_by_role('spinbutton', name='x', exact=True).fill('2'); assert 'at (2, ' in first.inner_text()
    el.get_by_role('slider', name='Steps').fill('3'); el.get_by_role('button', name='Walk').click()
    plain.wait_for_function("/after 3 steps/.test(document.querySelector('d2l-surface').shadowRoot.querySelector('.say.first').textContent) && /Walk/.test(document.querySelector('d2l-surface').shadowRoot.querySelector('button').textContent)")


@pytest.mark.browser
def test_filter_element_filters_as_python(plain, tmp_path):
    import torch
    from PIL import Image
    rng = torch.Generator().manual_seed(1)
    cases = [(torch.rand(rows, columns, generator=rng), torch.randn(k, k, generator=rng)) for rows, columns, k in ((5, 9, 3), (12, 5, 5), (30, 17, 3), (20, 41, 5))]
    got = plain.evaluate("cases => { const C = customElements.get('d2l-filter'); return cases.map(([X, K]) => { const Y = C.filter(X.flat(), X.length, X[0].length, K); return [Y.h, Y.w, [...Y.y]] }) }", [[X.tolist(), K.tolist()] for X, K in cases])
    for (X, K), (h, w, y) in zip(cases, got, strict=True): torch.testing.assert_close(torch.tensor(y).view(h, w), explore.apply_filter(X, K), atol=1e-5, rtol=1e-5)
    el = plain.locator('d2l-filter'); picture = el.get_by_role('combobox', name='Picture'); say, how = el.locator('.say'), el.locator('.how')
    picture.select_option('digit 8×8'); plain.wait_for_function("document.querySelector('d2l-filter').picture.name === 'digit 8×8'")
    X = (filter._samples()['digit 8×8']() * 255).round() / 255
    for name, K in explore.KERNELS.items():  # every preset, as the explorer of a notebook says it
        el.get_by_role('combobox', name='Kernel').select_option(name)
        label = re.search('aria-label="([^"]*)"', explore.draw_filter(X, K))[1]
        assert say.inner_text().removeprefix('The weights add up to ').split('. ')[0] in label and how.inner_text().removeprefix('In the result ').rstrip('.') in label, label
        lo, hi = (el.locator(f'.{x}').inner_text() for x in ('lo', 'hi')); assert f'the result runs from {lo} to {hi};' in label
    el.get_by_role('combobox', name='Kernel').select_option('identity'); el.get_by_label('weight in row 1, column 1').fill('-2')
    assert el.locator('.total').inner_text() == '−2' and el.get_by_role('combobox', name='Kernel').input_value() == 'your own weights'
    el.get_by_role('combobox', name='Size').select_option('5'); assert el.locator('.k input').count() == 25 and el.locator('.total').inner_text() == '−2'
    Image.new('RGB', (500, 250), (255, 0, 0)).save(tmp_path / 'red.png'); el.locator('[type=file]').set_input_files(tmp_path / 'red.png')  # a picture of the reader's own, made smaller, in grey
    plain.wait_for_function("document.querySelector('d2l-filter').picture.name === 'red.png'")
    assert el.locator('.tx').inner_text() == 'picture 120×240' and el.locator('.hi').inner_text() == '−0.6'
    (tmp_path / 'no.png').write_text('not a picture'); el.locator('[type=file]').set_input_files(tmp_path / 'no.png')
    plain.wait_for_function("document.querySelector('d2l-filter').shadowRoot.querySelector('.how').classList.contains('why')"); assert how.inner_text().startswith('no.png is not a picture')
    Image.new('L', (4, 4)).save(tmp_path / 'tiny.png'); el.locator('[type=file]').set_input_files(tmp_path / 'tiny.png')
    plain.wait_for_function("document.querySelector('d2l-filter').picture.name === 'tiny.png'"); assert 'The kernel 5×5 is larger than the picture 4×4' in how.inner_text()


PLACES = """width => { const e = document.querySelector('d2l-filter'); e.style.width = width; const at = q => e.shadowRoot.querySelector(q).getBoundingClientRect();
  const ops = [...e.shadowRoot.querySelectorAll('.op')].map(o => o.getBoundingClientRect()), x = at('.x'), y = at('.y');
  return {beside: ops[1].right <= y.left && ops[1].top > y.top && ops[1].bottom < y.bottom, row: x.top < y.bottom && y.top < x.bottom, inside: Math.max(x.right, y.right, at('[type=file]').right) <= e.getBoundingClientRect().right} }"""


@pytest.mark.browser
def test_the_result_of_a_filter_stays_with_its_equals_sign(plain):
    "On a page of 1280 pixels picture, kernel and result are one row; where they are not, the sign moves along."
    for width in ('778px', '600px', '500px', '358px', '300px'):
        for name in ('blur, mean 3×3', 'blur, mean 5×5'):
            plain.locator('d2l-filter').get_by_role('combobox', name='Kernel').select_option(name)
            got = plain.evaluate(PLACES, width)
            assert got['beside'] and got['inside'], (width, name, got)
            assert got['row'] or width != '778px' or '5×5' in name


def test_arithmetic_of_the_elements_in_node(tmp_path):
    node = shutil.which('node')
    if not node: pytest.skip('node is not on the PATH; the browser test asks the same')
    stubs = 'const reg = {}; globalThis.HTMLElement = class {}; globalThis.customElements = {get: n => reg[n], define: (n, c) => { reg[n] = c }};\n'
    script = stubs + '\n'.join(f.read_text(encoding='utf-8') for f in sorted(ASSETS.glob('*.js'))) + f'\nconsole.log(JSON.stringify(({ASK})({json.dumps([CASES, SETTINGS])})));'
    (tmp_path / 'ask.cjs').write_text(script, encoding='utf-8')
    done = subprocess.run([node, str(tmp_path / 'ask.cjs')], capture_output=True, text=True, encoding='utf-8')
    assert done.returncode == 0, done.stderr[-2000:]
    _compare(json.loads(done.stdout))


def test_scripts_stand_alone():
    files = sorted(ASSETS.glob('*.js'))
    assert {f.stem for f in files} == {'d2l-corr2d', 'd2l-padding-stride', 'd2l-pooling', 'd2l-receptive-field', 'd2l-channels', 'd2l-filter', 'd2l-scoreboard', 'd2l-curves', 'd2l-lenet', 'd2l-builder', 'd2l-hinges', 'd2l-surface'}
    for f in files:
        text = f.read_text(encoding='utf-8')
        assert '</script' not in text and not [w for w in ('https:', 'import(', 'require(', 'fetch(') if w in text] and not re.search(r'^\s*import ', text, re.M)
        assert not re.sub(r"'http://www\.w3\.org/2000/svg'", '', text).count('http:')


# ---------------------------------------------------------------- the elements under a reader's hands

@pytest.mark.browser
def test_stepping_element(plain):
    el = plain.locator('d2l-corr2d').first
    value, y = el.locator('.sum .value'), el.locator('.y')
    assert value.inner_text() == '19' and el.locator('.back').is_disabled()
    seen = [y.inner_html()]
    for want in ('25', '37', '43'):  # the four sums of the worked example
        el.get_by_role('button', name='Next').click()
        assert value.inner_text() == want
        seen.append(y.inner_html())
    assert len(set(seen)) == 4 and el.get_by_role('button', name='Next').is_disabled()
    slider = el.get_by_role('slider', name='Position')
    slider.focus()
    plain.keyboard.press('ArrowLeft')
    assert value.inner_text() == '37'
    plain.keyboard.press('Home')
    assert value.inner_text() == '19' and 'step 1 of 4' in slider.get_attribute('aria-valuetext')
    cell = el.get_by_label('kernel, row 1, column 1')
    cell.fill('-2')  # 0·0 + 1·1 + 3·2 + 4·(−2)
    assert value.inner_text() == '−1' and '4·(−2)' in el.locator('.sum').inner_text()
    cell.fill('')  # half-typed: the last number stays
    assert value.inner_text() == '−1'
    second = plain.locator('d2l-corr2d').nth(1)  # attributes set the start, elements do not share state
    assert second.locator('.sum').inner_text().startswith('Y[0, 1]') and second.locator('.sum .value').inner_text() == '5'
    second.evaluate("e => e.setAttribute('position', 0)")
    assert second.locator('.sum').inner_text().startswith('Y[0, 0]')
    second.evaluate("e => e.setAttribute('k', '[[1,1,1,1,1]]')")
    assert 'larger than the input' in second.locator('.sum').inner_text()
    second.evaluate("e => e.setAttribute('k', 'nonsense <b>')")  # falls back to the example
    assert second.locator('.tk').inner_text().startswith('kernel K 2×2')


@pytest.mark.browser
def test_padding_stride_element(plain):
    el = plain.locator('d2l-padding-stride').first
    value, picture = el.locator('.filled .value'), el.locator('.x')
    assert value.inner_text() == '4'
    v = dict(size=6, kernel=3, padding=0, stride=1, dilation=1)
    for name, label, key in (('padding', 'Padding p', 'ArrowRight'), ('stride', 'Stride s', 'ArrowRight'), ('dilation', 'Dilation d', 'ArrowRight'), ('size', 'Input size n', 'ArrowRight'), ('kernel', 'Kernel k', 'ArrowLeft')):
        before = picture.inner_html()
        el.get_by_role('slider', name=label).focus()
        plain.keyboard.press(key)
        v[name] += 1 if key == 'ArrowRight' else -1
        assert value.inner_text() == str(conv_out(v['size'], v['kernel'], v['stride'], v['padding'], v['dilation']))
        assert picture.inner_html() != before
    assert el.locator('code').inner_text() == 'nn.Conv2d(1, 1, kernel_size=2, padding=1, stride=2, dilation=2)'
    before = picture.inner_html()
    el.get_by_role('button', name='Next').click()
    assert picture.inner_html() != before
    el.get_by_role('slider', name='Input size n').focus()
    plain.keyboard.press('Home')
    for label in ('Padding p', 'Kernel k'): el.get_by_role('slider', name=label).focus(); plain.keyboard.press('Home' if label[0] == 'P' else 'End')
    assert 'What would fit: padding ≥ 6' in el.locator('.note').inner_text() and 'impossible' in el.locator('.filled').inner_text()
    second = plain.locator('d2l-padding-stride').nth(1)
    assert explore.why_impossible(5, 4, 0, 1, 2) == second.locator('.note').inner_text()


@pytest.mark.browser
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_elements_fit_a_phone_and_follow_the_theme(chromium, page_file, scheme):
    page = chromium.new_page(viewport={'width': 360, 'height': 800}, color_scheme=scheme)
    page.goto(page_file.as_uri())
    assert page.evaluate('document.scrollingElement.scrollWidth') <= 360
    assert page.evaluate("[...document.querySelectorAll('d2l-corr2d, d2l-padding-stride')].map(e => e.shadowRoot.querySelector('.root').dataset.theme)") == [scheme] * 4
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")  # JupyterLab's theme wins over the system's
    page.wait_for_function("document.querySelector('d2l-corr2d').shadowRoot.querySelector('.root').dataset.theme === 'dark'")
    page.close()


@pytest.mark.browser
def test_picture_stays_where_scripts_do_not_run(chromium, page_file):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_file.as_uri())
    images = page.locator('img')
    assert images.count() == 10 and all(images.nth(i).bounding_box()['width'] > 300 for i in range(10))  # one an element
    assert 'Y[0, 0] = 0·0 + 1·1 + 3·2 + 4·3 = 19' in images.first.get_attribute('alt')
    context.close()


# ---------------------------------------------------------------- JupyterLab

EXPLORERS = ['corr2d', 'padding_stride', 'channels', 'pooling', 'receptive_field', 'filter']
IDLE = """() => { const w = window.jupyterapp?.shell.currentWidget, k = w?.sessionContext?.session?.kernel;
  return !!k && k.connectionStatus === 'connected' && k.status === 'idle'; }"""


def _notebook(path, cells):
    nb = {'cells': [{'cell_type': 'code', 'id': f'c{i}', 'metadata': {}, 'source': src, 'execution_count': None, 'outputs': out} for i, (src, out) in enumerate(cells)],
          'metadata': {'kernelspec': {'display_name': 'python3', 'language': 'python', 'name': 'python3'}}, 'nbformat': 4, 'nbformat_minor': 5}
    path.write_text(json.dumps(nb), encoding='utf-8')


@pytest.fixture(scope='module')
def lab(tmp_path_factory):
    "One JupyterLab for all explorers."
    pytest.importorskip('jupyterlab', reason='jupyterlab is not installed: pip install d2lcnn[lab]')
    work = tmp_path_factory.mktemp('lab')
    (work / 'nbs').mkdir()
    _notebook(work / 'nbs' / 'live.ipynb', [('from d2lcnn import explore', [])] + [(f'explore.explore_{e}()', []) for e in EXPLORERS] + [('explore.corr2d_element()', []), ('explore.padding_stride_element()', [])])
    stored = []
    for e in EXPLORERS:
        x = getattr(explore, f'explore_{e}')()
        page, alt = base.static(x.draw(**x.start))
        stored.append((f'explore.explore_{e}()', [{'output_type': 'display_data', 'metadata': {}, 'data': {'text/html': page, 'text/plain': alt}}]))
    _notebook(work / 'nbs' / 'stored.ipynb', stored)
    def setting(ext, name, **kw):
        (work / 'settings' / '@jupyterlab' / ext).mkdir(parents=True, exist_ok=True)
        (work / 'settings' / '@jupyterlab' / ext / name).write_text(json.dumps(kw))
    setting('apputils-extension', 'notification.jupyterlab-settings', fetchNews='false', checkForUpdates=False)
    setting('notebook-extension', 'tracker.jupyterlab-settings', windowingMode='none')
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    token = secrets.token_hex(16)
    env = {**os.environ, 'JUPYTER_CONFIG_DIR': str(work / 'cfg'), 'JUPYTER_DATA_DIR': str(work / 'data'), 'JUPYTERLAB_SETTINGS_DIR': str(work / 'settings'), 'JUPYTERLAB_WORKSPACES_DIR': str(work / 'ws'), 'OMP_NUM_THREADS': '1'}
    with open(work / 'lab.log', 'w') as log:
        srv = subprocess.Popen([sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root', '--ip=127.0.0.1', f'--port={port}', '--ServerApp.port_retries=0',
                                f'--IdentityProvider.token={token}', f'--ServerApp.root_dir={work / "nbs"}', '--LabApp.expose_app_in_browser=True'], env=env, stdout=log, stderr=subprocess.STDOUT)
        try:
            for _ in range(120):
                try: urllib.request.urlopen(f'http://127.0.0.1:{port}/api/status?token={token}', timeout=2); break
                except OSError: time.sleep(.5)
            else: pytest.fail('JupyterLab did not start: ' + (work / 'lab.log').read_text()[-1000:])
            yield lambda name: f'http://127.0.0.1:{port}/lab/tree/{name}?token={token}&reset'
        finally:
            srv.terminate()
            srv.wait(30)


def _open(page, url):
    page.goto(url)
    page.wait_for_selector('.jp-Notebook .jp-CodeCell', timeout=60_000)
    page.wait_for_function(IDLE, timeout=60_000)


@pytest.fixture(scope='module')
def live(lab, chromium):
    "The notebook with every explorer, run in JupyterLab."
    page = chromium.new_page(viewport={'width': 1280, 'height': 1000})
    _open(page, lab('live.ipynb'))
    page.evaluate("() => { window.done = false; window.jupyterapp.commands.execute('notebook:run-all-cells').finally(() => window.done = true) }")
    page.wait_for_function('() => window.done', timeout=120_000)
    page.wait_for_function(f"() => document.querySelectorAll('.jp-CodeCell .d2l-live svg.d2lx').length === {len(EXPLORERS)}", timeout=30_000)
    yield page
    page.close()


def _cell(page, explorer): return page.locator('.jp-CodeCell').nth(1 + EXPLORERS.index(explorer))


WATCH = """e => { const w = e.querySelector('.d2l-live'); window.moved = new Promise(done => {
  let start; const begin = ev => { start ??= performance.now() };
  for (const k of ['keydown', 'pointerdown', 'click', 'input', 'change']) document.addEventListener(k, begin, {capture: true, once: true});
  const was = w.querySelector('svg.d2lx').innerHTML;
  const o = new MutationObserver(() => { const now = w.querySelector('svg.d2lx'); if (now && now.innerHTML !== was) { o.disconnect(); done(performance.now() - (start ?? performance.now())) } });
  o.observe(w, {subtree: true, childList: true}) }) }"""


def _changed(page, cell, act):
    "Do something, wait for another picture; the label before and after, and the milliseconds from event to picture."
    label = lambda: cell.locator('svg.d2lx').get_attribute('aria-label')
    before = label()
    cell.evaluate(WATCH)
    act()
    ms = page.evaluate("() => Promise.race([window.moved, new Promise((_, no) => setTimeout(() => no('the picture did not change within 10 s'), 10000))])")
    return before, label(), ms


def _press(cell, label, key='ArrowRight'):
    "One key on the slider that stands beside `label`."
    box = cell.locator('.widget-slider').filter(has_text=label)
    def act():
        box.locator('.noUi-handle').focus()
        cell.page.keyboard.press(key)
    return act


@pytest.mark.slow
@pytest.mark.browser
def test_lab_every_explorer_is_live_and_shown_once(live):
    for e in EXPLORERS:
        cell = _cell(live, e)
        assert cell.locator('.d2l-live').is_visible() and not cell.locator('.d2l-static').is_visible()
    cells = live.evaluate("() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells")
    assert not [o for c in cells for o in c['outputs'] if o['output_type'] in ('error', 'stream')]
    assert live.locator('d2l-corr2d .sum .value').inner_text() == '19' and live.locator('d2l-padding-stride .filled .value').inner_text() == '4'


@pytest.mark.slow
@pytest.mark.browser
def test_lab_controls_move_picture_and_numbers(live):
    moves = []
    def move(e, act, before, after):
        was, now, ms = _changed(live, _cell(live, e), act)
        moves.append(ms)
        assert before in was and after in now, (e, was, now)
    c = _cell(live, 'corr2d')
    move('corr2d', _press(c, 'Position'), '= 19', '= 25')
    move('corr2d', c.get_by_role('button', name='Next').click, '= 25', '= 37')
    move('corr2d', lambda: c.locator('select').select_option(label='stripe, edge kernel 1×2'), '= 37', 'step 1 of 42')
    c = _cell(live, 'padding_stride')
    move('padding_stride', _press(c, 'Padding'), 'output 4×4', 'output 6×6')
    move('padding_stride', _press(c, 'Stride'), 'output 6×6', 'output 3×3')
    move('padding_stride', _press(c, 'Kernel', 'End'), 'output 3×3', 'Kernel'.lower() + ' 7')
    move('padding_stride', _press(c, 'Dilation'), 'output 1×1', 'What would fit: padding ≥ 4')
    c = _cell(live, 'channels')
    move('channels', _press(c, 'Position'), '19 + 37 + bias 0 = 56', '25 + 47 + bias 0 = 72')
    move('channels', _press(c, 'Bias'), '= 72', '+ bias 1 = 73')
    move('channels', _press(c, 'Input channels'), '2 input channels', '3 input channels')
    move('channels', _press(c, 'Output channel'), 'Y[0]', 'Y[1]')
    c = _cell(live, 'pooling')
    move('pooling', _press(c, 'Window'), 'max(3, 1, 0, 8) = 8', 'window 3')
    move('pooling', lambda: c.locator('select').select_option(label='average'), 'Max pooling', 'Average pooling')
    move('pooling', _press(c, 'Position'), 'step 1', 'step 2')
    c = _cell(live, 'receptive_field')
    text = c.locator('input[type=text]')
    move('receptive_field', lambda: text.fill('conv3 conv5/2 conv3*2'), '10×10', '15×15')
    move('receptive_field', lambda: text.fill('conv3 cnv3'), '15×15', 'Layer 2, "cnv3"')
    move('receptive_field', lambda: text.fill('conv7'), 'Layer 2', '7×7')
    c = _cell(live, 'filter')
    move('filter', lambda: c.locator('select').nth(1).select_option(label='blur, mean 5×5'), 'add up to 0', '5×5 kernel whose weights add up to 1')
    weight = c.locator('input[type=number]:visible').nth(12)
    def edit(): weight.fill('3'); weight.press('Tab')
    move('filter', edit, 'add up to 1', 'add up to 3.96')
    from PIL import Image
    import io
    f = io.BytesIO()
    Image.linear_gradient('L').resize((60, 40)).save(f, 'PNG')
    def upload():
        with live.expect_file_chooser() as chooser: c.get_by_role('button', name='Use your own image').click()
        chooser.value.set_files({'name': 'mine.png', 'mimeType': 'image/png', 'buffer': f.getvalue()})
    move('filter', upload, 'on a 160×240', 'on a 40×60 image')
    print(f'\nkey to picture in JupyterLab: median {sorted(moves)[len(moves) // 2]:.0f} ms over {len(moves)} moves: {[round(m) for m in moves]}')


@pytest.mark.slow
@pytest.mark.browser
def test_lab_elements_are_live_and_follow_the_theme(live):
    el = live.locator('d2l-padding-stride')
    el.get_by_role('slider', name='Padding p').focus()
    live.keyboard.press('ArrowRight')
    assert el.locator('.filled .value').inner_text() == '6'
    el = live.locator('d2l-corr2d')
    el.get_by_role('button', name='Next').click()
    assert el.locator('.sum .value').inner_text() == '25'
    kernel = el.get_by_label('kernel, row 0, column 0')
    kernel.press('ControlOrMeta+a')
    live.keyboard.type('00')  # in command mode this would restart the notebook's kernel
    kernel.press('ControlOrMeta+a')
    live.keyboard.type('5')
    assert el.locator('.sum .value').inner_text() == '30' and not live.locator('.jp-Dialog').count()
    themes = []
    for theme in ('JupyterLab Dark', 'JupyterLab Light'):
        live.evaluate("t => window.jupyterapp.commands.execute('apputils:change-theme', {theme: t})", theme)
        light = 'true' if 'Light' in theme else 'false'
        live.wait_for_function(f"document.body.dataset.jpThemeLight === '{light}'")
        live.wait_for_timeout(300)
        themes.append([el.locator('.root').get_attribute('data-theme'), _cell(live, 'corr2d').locator('svg.d2lx').evaluate("e => getComputedStyle(e).backgroundColor")])
    assert themes == [['dark', 'rgb(23, 25, 30)'], ['light', 'rgb(255, 255, 255)']]


@pytest.mark.slow
@pytest.mark.browser
def test_lab_saved_and_opened_again_without_running(live, lab, chromium):
    "The saved notebook has widgets without a kernel behind them: the picture stands in, no error text is seen."
    live.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    live.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page = chromium.new_page(viewport={'width': 1280, 'height': 1000})
    _open(page, lab('live.ipynb'))
    page.wait_for_function(f"document.querySelectorAll('.d2l-static img').length >= {len(EXPLORERS)}")
    page.wait_for_timeout(3500)  # the widget manager looks for its models for two seconds
    for e in EXPLORERS:
        cell = _cell(page, e)
        assert cell.locator('.d2l-static img').is_visible() and cell.locator('.d2l-static img').evaluate('e => e.naturalWidth') > 300
        seen = cell.locator('.jp-OutputArea').first.inner_text()
        assert 'run this cell in JupyterLab' in seen and 'widget' not in seen.lower(), seen
    page.close()


@pytest.mark.slow
@pytest.mark.browser
def test_lab_stored_outputs_of_a_fresh_clone(lab, chromium):
    "Nothing is trusted yet: the default pictures are shown all the same."
    page = chromium.new_page(viewport={'width': 1280, 'height': 1000})
    _open(page, lab('stored.ipynb'))
    images = page.locator('.jp-OutputArea-output img')
    page.wait_for_function(f"document.querySelectorAll('.jp-OutputArea-output img').length === {len(EXPLORERS)}")
    page.wait_for_timeout(500)
    assert not page.evaluate('() => window.jupyterapp.shell.currentWidget.content.model.cells.get(0).trusted')
    assert all(images.nth(i).is_visible() and images.nth(i).evaluate('e => e.naturalWidth') > 300 and images.nth(i).get_attribute('alt') for i in range(len(EXPLORERS)))
    page.close()
