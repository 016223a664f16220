"LeNet in the page: the JavaScript's logits against PyTorch's, and digits drawn with the mouse."

import json

import pytest
import torch
from conftest import ROOT
from torch import nn

from d2lcnn import page as P
from d2lcnn.data import DataUnavailable, fashion_mnist, mnist
from d2lcnn.lenet import lenet5

ASSETS = ROOT / 'd2lcnn' / 'assets'


# ---------------------------------------------------------------- packing


@pytest.mark.parametrize('shape', [(6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (1, 1)])
def test_packing_loses_half_a_step_at_most(shape):
    W = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    back = P.unpack(P.pack(W), shape)
    step = W.flatten(1).abs().amax(1) / 2047
    assert ((back - W).flatten(1).abs().amax(1) <= step / 2 * 1.001 + 1e-7).all()
    assert len(P.pack(W)['text']) == 2 * W.numel()


def test_a_row_of_zeros_stays_zero():
    assert (P.unpack(P.pack(torch.zeros(2, 3)), (2, 3)) == 0).all()


def test_folding_changes_nothing():
    torch.manual_seed(0)
    net = lenet5()
    for m in net:
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_()
            m.running_var.uniform_(0.1, 3)
            m.weight.data.normal_()
            m.bias.data.normal_()
    X = torch.randn(5, 1, 32, 32)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    torch.testing.assert_close(P.folded(net)(X), net.eval()(X), atol=1e-4, rtol=1e-4)
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items()) and not any(
        isinstance(m, nn.BatchNorm2d) for m in P.folded(net)
    )


def test_refuses_what_the_page_cannot_run():
    with pytest.raises(ValueError, match='Dropout cannot run in the page'):
        P._layer(nn.Dropout())
    with pytest.raises(ValueError, match="'lenet5', 'lenet'"):
        P.lenet_page('alexnet')
    with pytest.raises(ValueError, match="'alexnet'"):
        P.page_weights('alexnet')


def differences(a, b, where=''):
    "Where two nets differ by more than processors do: last bits, and, rarely, a rounded weight."
    if type(a) is not type(b):
        yield where
    elif isinstance(a, dict):
        if a.keys() != b.keys():
            yield where
        else:
            for k in a:
                yield from differences(a[k], b[k], f'{where}.{k}')
    elif isinstance(a, list):
        if len(a) != len(b):
            yield where
        else:
            for i, (x, y) in enumerate(zip(a, b)):
                yield from differences(x, y, f'{where}[{i}]')
    elif isinstance(a, float):
        if a != pytest.approx(
            b, rel=1e-6, abs=1e-6 if where.rsplit('.')[-1].startswith('bias') else 0
        ):
            yield where
    elif isinstance(a, str):
        if len(a) != len(b) or sum(x != y for x, y in zip(a, b)) > len(a) / 1000:
            yield where
    elif a != b:
        yield where


def test_asset_check_sees_what_is_no_rounding():
    net = json.loads((ASSETS / 'lenet.json').read_text(encoding='utf-8'))

    def changed(change):
        other = json.loads(json.dumps(net))
        change(other['nets']['lenet'])
        return [*differences(net, other)]

    weights = next(i for i, l in enumerate(net['nets']['lenet']['layers']) if 'weight' in l)
    assert changed(lambda n: None) == []

    def scale(n, by):
        n['layers'][weights]['weight']['scale'][0] *= by

    assert changed(lambda n: scale(n, 1 + 1e-7)) == [] and changed(lambda n: scale(n, 1.001)) == [
        f'.nets.lenet.layers[{weights}].weight.scale[0]'
    ]

    def text(n):
        w = n['layers'][weights]['weight']
        w['text'] = w['text'][::-1]

    assert len(changed(text)) == 1 and len(changed(lambda n: n['classes'].reverse())) > 1


def test_asset_is_made_from_the_recorded_weights(tmp_path):
    try:
        made = P.write_page_nets(tmp_path / 'x.json')
    except DataUnavailable:
        pytest.skip('Fashion-MNIST or MNIST is not on this machine')
    different = [
        *differences(
            *(json.loads(p.read_text(encoding='utf-8')) for p in (made, ASSETS / 'lenet.json'))
        )
    ]
    assert not different, f'{different[:5]}: run d2lcnn.page.write_page_nets()'


def test_sizes():
    nets = json.loads((ASSETS / 'lenet.json').read_text(encoding='utf-8'))['nets']
    assert len(json.dumps([n['layers'] for n in nets.values()])) < 300_000
    assert sum(p.stat().st_size for p in ASSETS.glob('*.js')) < 150_000
    assert (
        sum(
            len(l['weight']['text']) // 2 + len(l['bias'])
            for l in nets['lenet']['layers']
            if 'weight' in l
        )
        == 61_706
    )


# ---------------------------------------------------------------- in a browser


@pytest.fixture(scope='module')
def page(browser, tmp_path_factory):
    f = tmp_path_factory.mktemp('page') / 'page.html'
    problems = []
    f.write_text(
        '<!doctype html><meta charset="utf-8"><title>t</title>'
        '<meta name="viewport" content="width=device-width">' + P.lenet_page().data,
        encoding='utf-8',
    )
    page = browser.new_page(viewport={'width': 900, 'height': 1000})
    page.on('pageerror', lambda e: problems.append(str(e)))
    page.on('request', lambda r: r.url.startswith('http') and problems.append(r.url))
    page.goto(f.as_uri())
    page.wait_for_function("() => customElements.get('d2l-lenet')")
    yield page
    assert not problems


FORWARD = '''([name, pictures]) => { const L = customElements.get('d2l-lenet'), net = L.load(name);
    pictures.forEach(p => L.forward(net, p)); const start = performance.now();
    const Y = pictures.map(p => [...L.forward(net, p).at(-1).data]);
    return [Y, (performance.now() - start) / pictures.length]; }'''


@pytest.mark.browser
@pytest.mark.parametrize('name', ['lenet', 'lenet5'])
def test_forward_equals_pytorch(page, name):
    try:
        data = (
            fashion_mnist(device='cpu', batch_size=200, limit=256)
            if name == 'lenet'
            else mnist(size=32, normalize=True, device='cpu', batch_size=200, limit=256)
        )
    except DataUnavailable:
        pytest.skip('Fashion-MNIST or MNIST is not on this machine')
    X, y = data.test.batch(torch.arange(200))
    if name == 'lenet5':
        assert data.test.normalize == pytest.approx(
            [json.loads(P._asset('lenet.json'))['nets'][name][k] for k in ('mean', 'std')]
        )
    with torch.no_grad():
        right = P.page_weights(name)(X)
    out, ms = page.evaluate(FORWARD, [name, data.test.images[:200].flatten(1).tolist()])
    assert (torch.tensor(out) - right).abs().max() < 1e-4
    assert ms < 10, f'{ms:.1f} ms a pass'


@pytest.mark.browser
def test_layers_in_between_equal_pytorch(page):
    net, x = (
        P.page_weights('lenet'),
        torch.randint(0, 256, (784,), generator=torch.Generator().manual_seed(0)),
    )
    shown = page.evaluate(
        "x => { const L = customElements.get('d2l-lenet');"
        " return L.forward(L.load('lenet'), x).map(o => [...o.data]) }",
        x.tolist(),
    )
    X = x.view(1, 1, 28, 28) / 255
    layers = [m for m in net if not isinstance(m, nn.Flatten)]
    with torch.no_grad():
        for i, m in enumerate(layers):
            if isinstance(m, nn.Linear):
                X = X.flatten(1)
            X = m(X)
            torch.testing.assert_close(
                torch.tensor(shown[i + 1]), X.flatten(), atol=1e-4, rtol=1e-4
            )


def said(page):
    return page.locator('d2l-lenet .said').inner_text()


def draw(page, strokes):
    "Strokes as lists of points in 0 … 1 of the pad, with the mouse"
    box = page.locator('d2l-lenet .pad').bounding_box()
    for points in strokes:
        at = [(box['x'] + x * box['width'], box['y'] + y * box['height']) for x, y in points]
        page.mouse.move(*at[0])
        page.mouse.down()
        for p in at[1:]:
            page.mouse.move(*p, steps=8)
        page.mouse.up()


DIGITS = {
    '1': [[(0.5, 0.15), (0.5, 0.85)]],
    '7': [[(0.25, 0.2), (0.75, 0.2), (0.45, 0.85)]],
    '4': [[(0.35, 0.15), (0.25, 0.55), (0.75, 0.55)], [(0.62, 0.2), (0.62, 0.88)]],
    '0': [
        [
            (0.5, 0.15),
            (0.3, 0.3),
            (0.27, 0.6),
            (0.42, 0.83),
            (0.6, 0.83),
            (0.73, 0.6),
            (0.7, 0.3),
            (0.5, 0.15),
        ]
    ],
    '3': [
        [
            (0.3, 0.2),
            (0.6, 0.17),
            (0.68, 0.32),
            (0.45, 0.48),
            (0.7, 0.62),
            (0.62, 0.82),
            (0.28, 0.82),
        ]
    ],
    '2': [[(0.28, 0.3), (0.45, 0.15), (0.68, 0.25), (0.62, 0.5), (0.28, 0.82), (0.75, 0.82)]],
}


@pytest.mark.browser
@pytest.mark.parametrize('digit', DIGITS)
def test_draw_a_digit_with_the_mouse(page, digit):
    page.locator('d2l-lenet [data-net=lenet5]').click()
    page.locator('d2l-lenet .clear').click()
    assert said(page) == 'Nothing drawn yet.'
    draw(page, DIGITS[digit])
    assert said(page) == f'The network says {digit}.'


@pytest.mark.browser
def test_draw_with_the_keyboard(page):
    page.locator('d2l-lenet [data-net=lenet5]').click()
    pad = page.locator('d2l-lenet .pad')
    pad.focus()
    for _ in range(9):
        pad.press('ArrowUp')
    pad.press('Space')
    for _ in range(18):
        pad.press('ArrowDown')
    assert said(page) == 'The network says 1.'
    pad.press('Delete')
    assert said(page) == 'Nothing drawn yet.'


@pytest.mark.browser
def test_where_a_digit_is_drawn_makes_no_difference(page):
    centred = "ink => [...customElements.get('d2l-lenet').centred(ink, 112)]"
    ink = torch.zeros(112, 112)
    ink[20:70, 30:38] = 255
    ink[62:70, 30:60] = 255
    one, two = (
        torch.tensor(page.evaluate(centred, torch.roll(ink, (i, j), (0, 1)).flatten().tolist()))
        .view(28, 28)
        .float()
        for i, j in ((0, 0), (35, 40))
    )
    assert torch.equal(one, two)
    rows = torch.arange(28.0)
    middle = (one.sum(1) @ rows / one.sum(), one.sum(0) @ rows / one.sum())
    assert (
        all(abs(m - 13.5) < 0.6 for m in middle) and (one.sum(1) > 0).sum() == 20
    )  # 20 pixels high, its centre of mass in the middle


@pytest.mark.browser
def test_garments_maps_and_kernels(page):
    page.locator('d2l-lenet [data-net=lenet]').click()
    pictures = page.locator('d2l-lenet .samples button')
    assert pictures.count() == 20
    pictures.nth(2).click()
    assert said(page).startswith('The network says Trouser')
    maps = page.locator('d2l-lenet .layers .maps button')
    assert maps.count() == 6 + 6 + 16 + 16
    maps.nth(12).click()
    assert (
        page.locator('d2l-lenet .kernels canvas').count() == 6
        and page.locator('d2l-lenet .ring').is_visible()
    )
    maps.nth(1).click()
    assert page.locator('d2l-lenet .kernels canvas').count() == 1
    probs = [
        float(t.split()[0])
        for t in page.locator('d2l-lenet .probs .row span:last-child').all_inner_texts()
    ]
    assert abs(sum(probs) - 100) < 0.6


@pytest.mark.browser
def test_frame_is_the_receptive_field(page):
    "A unit of the last pooling, by hand: 5×5 and 2×2 twice see 16 pixels, 4 apart, from −2 on."
    field = (
        "([name, i, r, c]) => { const L = customElements.get('d2l-lenet');"
        " return L.field(L.load(name), i, r, c) }"
    )
    assert page.evaluate(field, ['lenet', 5, 1, 2]) == [2, 6, 16] and page.evaluate(
        field, ['lenet', 0, 0, 0]
    ) == [-2, -2, 5]
    assert page.evaluate(field, ['lenet5', 0, 2, 4]) == [
        1.75,
        3.5,
        4.375,
    ]  # the picture was enlarged from 28 to 32


@pytest.mark.browser
def test_fits_a_phone(browser, page):
    phone = browser.new_page(viewport={'width': 390, 'height': 800})
    phone.goto(page.url)
    phone.wait_for_function(
        "() => document.querySelector('d2l-lenet').shadowRoot.querySelector('.samples button')"
    )
    assert phone.evaluate('() => document.documentElement.scrollWidth') <= 390
    phone.close()


# ---------------------------------------------------------------- what would run differently


@pytest.mark.parametrize(
    'layer',
    [
        nn.Conv2d(1, 2, (3, 5)),
        nn.Conv2d(1, 2, 3, stride=2),
        nn.Conv2d(1, 2, 3, padding=(1, 0)),
        nn.Conv2d(1, 2, 3, padding='same'),
        nn.Conv2d(1, 2, 3, dilation=2),
        nn.Conv2d(2, 2, 3, groups=2),
        nn.Conv2d(1, 2, 3, padding=1, padding_mode='reflect'),
        nn.ConvTranspose2d(1, 2, 3),
        nn.MaxPool2d(3, stride=2),
        nn.MaxPool2d((2, 3)),
        nn.AvgPool2d(2, padding=1),
        nn.MaxPool2d(2, ceil_mode=True),
    ],
)
def test_layers_that_would_run_differently_are_refused(layer):
    with pytest.raises(ValueError, match='cannot run in the page'):
        P._layer(layer)


@pytest.mark.parametrize(
    'layers',
    [
        [nn.BatchNorm2d(3)],
        [nn.ConvTranspose2d(3, 3, 3), nn.BatchNorm2d(3)],
        [nn.Conv2d(3, 3, 3, bias=False), nn.BatchNorm2d(3)],
        [nn.Conv2d(3, 3, 3), nn.ReLU(), nn.BatchNorm2d(3)],
        [nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3, affine=False)],
        [nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3, track_running_stats=False)],
    ],
)
def test_only_a_convolution_takes_a_batch_norm_in(layers):
    with pytest.raises(ValueError, match='can be folded into a Conv2d with a bias'):
        P.folded(nn.Sequential(*layers))
