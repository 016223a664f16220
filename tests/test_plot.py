"Plots: they take what readers hold, draw what they say, and leave matplotlib as it was."

import io
import subprocess
import sys
import warnings
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import nn
from torch.testing import assert_close

matplotlib.use('agg', force=True)

from d2lcnn.plot import confusion, heat, name_points, plot_history  # noqa: E402
from d2lcnn.plot import show_feature_maps, show_images, show_kernels  # noqa: E402


def bare(rows=1, cols=1):
    return Figure(figsize=(6, 4)).subplots(rows, cols)


def data(ax):
    return np.asarray(ax.images[0].get_array())


def texts(ax):
    return [t.get_text() for t in ax.texts]


def rand(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def history(n, valid=True, test=None):
    return SimpleNamespace(
        loss=[1 / (i + 1) for i in range(n)],
        train_acc=[0.5 + i / 99 for i in range(n)],
        valid_loss=[0.4] * n * valid,
        valid_acc=[0.6] * n * valid,
        test_acc=test,
    )


@pytest.fixture(autouse=True)
def tidy():
    "No warning, no change of global settings, no figure left open by a test"
    before = dict(matplotlib.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        yield
    assert dict(matplotlib.rcParams) == before
    if 'matplotlib.pyplot' in sys.modules:
        sys.modules['matplotlib.pyplot'].close('all')


DRAW = {
    'images': lambda axes=None: show_images(rand(2, 1, 5, 7), axes=axes),
    'kernels': lambda axes=None: show_kernels(rand(2, 1, 3, 5), axes=axes),
    'maps': lambda axes=None: show_feature_maps(rand(2, 5, 7), axes=axes),
    'history': lambda axes=None: plot_history(history(3), ax=axes),
    'heat': lambda axes=None: heat(rand(3, 4), ax=None if axes is None else axes[0]),
    'confusion': lambda axes=None: confusion(
        [[3, 1], [0, 2]], ax=None if axes is None else axes[0]
    ),
}


@pytest.mark.parametrize('name', DRAW)
def test_draws_in_the_axes_it_is_given(name):
    from matplotlib import pyplot as plt

    axes = bare(1, 2)
    got = DRAW[name](axes)
    assert np.ravel(np.array(got, dtype=object))[0] is axes[0] and plt.get_fignums() == []
    axes[0].figure.savefig(io.BytesIO(), format='png')


@pytest.mark.parametrize('name', DRAW)
def test_makes_one_figure_and_does_not_show_it(name, monkeypatch, tmp_path):
    from matplotlib import pyplot as plt

    monkeypatch.setattr(plt, 'show', lambda *a, **k: pytest.fail('plt.show() was called'))
    ax = np.ravel(np.array(DRAW[name](), dtype=object))[0]
    assert len(plt.get_fignums()) == 1 and plt.gcf() is ax.figure
    ax.figure.savefig(tmp_path / 'figure.png')


def test_import_is_light():
    code = (
        "import sys, d2lcnn.plot; heavy = {'matplotlib', 'sklearn', 'torchvision', 'IPython'}\n"
        "assert not heavy & set(sys.modules), 'heavy import'\n"
        "from matplotlib.figure import Figure; from d2lcnn.plot import *\n"
        "heat([[1, -2]], ax=Figure().subplots()); show_images([[1, 2]], axes=Figure().subplots())\n"
        "assert 'matplotlib.pyplot' not in sys.modules, 'pyplot is not needed with axes'"
    )
    subprocess.run([sys.executable, '-c', code], check=True)


# ---------------------------------------------------------------- pictures


def test_images_in_every_form():
    C = rand(3, 3, 5, 7)
    G = C[:, 0]
    for form in (
        G,
        G[:, None],
        list(G),
        list(G[:, None]),
        tuple(G),
        G.numpy(),
        [g.numpy() for g in G],
        G.double(),
        G.clone().requires_grad_(),
        G.flip(-1).flip(-1),
        G.numpy()[:, ::-1][:, ::-1],
        G.permute(0, 2, 1).contiguous().mT,
    ):
        axes = show_images(form, axes=bare(2, 2))
        assert len(axes) == 3
        for ax, g in zip(axes, G):
            assert_close(data(ax).astype(np.float32), g.numpy())
            assert ax.images[0].get_clim() == (0, 1)
    for ax, c in zip(show_images(C, axes=bare(1, 3)), C):
        assert_close(data(ax).astype(np.float32), c.permute(1, 2, 0).numpy())
    assert data(show_images(G[0], axes=bare())[0]).shape == (5, 7)
    mixed = show_images([rand(4, 6), rand(3, 2, 9), rand(1, 3, 3)], axes=bare(1, 3))
    assert [data(ax).shape for ax in mixed] == [(4, 6), (2, 9, 3), (3, 3)]
    assert_close(
        data(show_images(G.to(torch.bfloat16), axes=bare(1, 3))[0]),
        G[0].to(torch.bfloat16).float().numpy(),
    )
    assert data(show_images(G > 0.5, axes=bare(1, 3))[0]).dtype == np.float32


def test_images_share_one_scale():
    B = torch.arange(70, dtype=torch.uint8).reshape(2, 5, 7)
    ax = show_images(B, axes=bare(1, 2))[1]
    assert_close(data(ax), B[1].numpy() / np.float32(255))
    assert ax.images[0].get_clim() == (0, 1)
    X = rand(2, 5, 7) * torch.tensor([1.0, 3.0])[:, None, None] - 0.5
    for ax in show_images(X, axes=bare(1, 2)):
        assert np.allclose(ax.images[0].get_clim(), (X.min(), X.max()))
    C = rand(2, 3, 5, 7) * 4 - 2  # normalised colour: stretched, never clipped
    out = np.stack([data(ax) for ax in show_images(C, axes=bare(1, 2))])
    assert np.isclose(out.min(), 0, atol=1e-6) and np.isclose(out.max(), 1, atol=1e-6)


def test_titles():
    axes = show_images(rand(3, 4, 4), titles=torch.tensor([7, 8, 9]), axes=bare(1, 3))
    assert [ax.get_title() for ax in axes] == ['7', '8', '9']
    assert (
        show_images(rand(2, 4, 4), titles=['a', 'b', 'more'], axes=bare(1, 2))[1].get_title() == 'b'
    )


@pytest.mark.parametrize(
    'images, words',
    [
        (rand(7), r'\(7,\)'),
        (rand(2, 5, 6, 3), r'\(2, 5, 6, 3\).*permute'),
        (rand(2, 16, 5, 6), r'\(2, 16, 5, 6\).*show_feature_maps'),
        (rand(1, 2, 1, 5, 6), r'\(1, 2, 1, 5, 6\)'),
        ([rand(5, 5), rand(4, 5, 5)], r'image 1 has shape \(4, 5, 5\)'),
        (torch.empty(0, 1, 5, 5), 'got 0'),
        (torch.empty(2, 0, 5), '0×5'),
        ([], 'got'),
    ],
)
def test_wrong_images(images, words):
    with pytest.raises(ValueError, match=words):
        show_images(images)


def test_too_few():
    with pytest.raises(ValueError, match='2 titles for 3 images'):
        show_images(rand(3, 4, 4), titles=['a', 'b'])
    with pytest.raises(ValueError, match='3 images need 3 axes, got 2'):
        show_images(rand(3, 4, 4), axes=bare(1, 2))


@pytest.mark.parametrize(
    'n, cols, grid',
    [(1, 8, (1, 1)), (5, 3, (2, 3)), (8, 8, (1, 8)), (9, 8, (2, 8))],
)
def test_grid(n, cols, grid):
    axes = show_images(rand(n, 4, 6), cols=cols)
    spec = axes[0].get_subplotspec().get_gridspec()
    assert (spec.nrows, spec.ncols) == grid and len(axes) == n
    assert [ax.axison for ax in axes[0].figure.axes[n:]] == [False] * (grid[0] * grid[1] - n)


# ---------------------------------------------------------------- kernels and maps


def test_kernels():
    K = torch.randn(4, 3, 2, 5, generator=torch.Generator().manual_seed(0))
    axes, v = show_kernels(K, axes=bare(4, 3)), float(K.abs().max())
    for i, ax in enumerate(axes):
        assert_close(data(ax), K[i // 3, i % 3].numpy())
        assert np.allclose(ax.images[0].get_clim(), (-v, v))
    assert [ax.get_ylabel() for ax in axes[::3]] == ['out 0', 'out 1', 'out 2', 'out 3'] and axes[
        2
    ].get_title() == 'in 2'
    rgba = axes[0].images[0].cmap(0.5)
    assert min(rgba[:3]) > 0.94  # white at zero


def test_kernels_of_layers_and_ranks():
    conv = nn.Conv2d(2, 3, (2, 4))
    for ax, k in zip(show_kernels(conv, axes=bare(3, 2)), conv.weight.detach().flatten(0, 1)):
        assert_close(data(ax), k.numpy())
    back = nn.ConvTranspose2d(
        2, 3, (2, 4)
    )  # stored (c_i, c_o, …): rows are still the output channels
    for ax, k in zip(
        show_kernels(back, axes=bare(3, 2)), back.weight.detach().swapaxes(0, 1).flatten(0, 1)
    ):
        assert_close(data(ax), k.numpy())
    assert (
        len(show_kernels(rand(2, 3), axes=bare())) == 1
        and len(show_kernels(rand(5, 2, 3), axes=bare(1, 5))) == 5
    )
    assert show_kernels(torch.zeros(1, 1, 2, 2), axes=bare())[0].images[0].get_clim() == (-1, 1)


@pytest.mark.parametrize(
    'shape, kw, shown, title',
    [
        ((16, 6, 3, 3), {}, 60, 'first 10 of 16 outputs'),
        ((96, 1, 3, 3), {}, 64, 'first 64 of 96 outputs'),
        ((4, 20, 3, 3), {}, 32, 'first 4 of 4 outputs, 8 of 20 inputs'),
        ((6, 1, 3, 3), dict(max_kernels=2, title='C1'), 2, 'C1: first 2 of 6 outputs'),
        ((5, 3, 2, 2), dict(max_kernels=2), 2, 'first 1 of 5 outputs, 2 of 3 inputs'),
    ],
)
def test_kernels_says_what_it_leaves_out(shape, kw, shown, title):
    axes = show_kernels(rand(*shape), **kw)
    assert len(axes) == shown and axes[0].figure.get_suptitle() == title


def test_wrong_kernels():
    with pytest.raises(TypeError, match='Sequential has no weight.*net'):
        show_kernels(nn.Sequential(nn.Conv2d(1, 1, 1)))
    with pytest.raises(TypeError, match='ReLU'):
        show_kernels(nn.ReLU())
    with pytest.raises(ValueError, match=r'\(7,\)'):
        show_kernels(rand(7))
    with pytest.raises(ValueError, match=r'\(0, 1, 3, 3\)'):
        show_kernels(rand(0, 1, 3, 3))


def test_feature_maps():
    M = rand(3, 4, 7) * torch.tensor([1.0, 5.0, 9.0])[:, None, None]
    for maps in (M, M[None], M[None].numpy(), M.clone().requires_grad_()):
        axes = show_feature_maps(maps, axes=bare(1, 3))
        for ax, m in zip(axes, M):
            assert_close(data(ax), m.numpy())
        assert len({ax.images[0].get_clim() for ax in axes}) == 1 and len(axes[0].figure.axes) == 4
    assert (
        len({ax.images[0].get_clim() for ax in show_feature_maps(M, shared=False, axes=bare(1, 3))})
        == 3
    )
    lo, hi = show_feature_maps(M - 2, axes=bare(1, 3))[0].images[0].get_clim()
    assert lo == -hi
    with pytest.raises(ValueError, match=r'2 images: pick one, maps\[0\]'):
        show_feature_maps(rand(2, 3, 4, 5))
    with pytest.raises(ValueError, match=r'\(4, 5\)'):
        show_feature_maps(rand(4, 5))


# ---------------------------------------------------------------- heat


@pytest.mark.parametrize(
    'X, kw, expected',
    [
        (torch.tensor([[19, 25], [37, 43]]), {}, ['19', '25', '37', '43']),
        ([[0.5, -1, 2]], {}, ['0.50', '-1.00', '2.00']),
        ([[1.25], [-3]], dict(fmt='.1f'), ['1.2', '-3.0']),
        ([[-0.0, float('nan')]], dict(fmt='.1f'), ['0.0', 'nan']),
        (np.array([[True, False]]), {}, ['1', '0']),
        (torch.full((1, 2), 7.0), {}, ['7', '7']),
        ([[float('inf'), 1]], {}, ['inf', '1']),
        (torch.tensor([[200, 3]], dtype=torch.uint8), {}, ['200', '3']),
    ],
)
def test_heat_writes_the_numbers(X, kw, expected):
    assert texts(heat(X, ax=bare(), **kw)) == expected


def luminance(c):
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [
        0.2126,
        0.7152,
        0.0722,
    ]


@pytest.mark.parametrize('cmap', [None, 'viridis', 'gray', 'RdBu_r', 'coolwarm'])
@pytest.mark.parametrize('low', [0, -8])
def test_heat_is_readable_on_every_colour(cmap, low):
    X = torch.linspace(low, 8, 63).reshape(7, 9)
    ax = heat(X, ax=bare(), cmap=cmap)
    im = ax.images[0]
    if low < 0:
        assert im.get_clim() == (-8, 8)
    for t, v in zip(ax.texts, X.flatten().tolist()):
        a, b = sorted(
            (luminance(np.array(im.cmap(im.norm(v))[:3])), 1.0 if t.get_color() == 'white' else 0.0)
        )
        assert (b + 0.05) / (a + 0.05) >= 4.5


def test_heat_numbers_fit_their_cells():
    for X in (rand(2, 3), rand(12, 30) * -99999, rand(20, 4)):
        for ax in (heat(X), heat(X, ax=bare())):
            ax.figure.canvas.draw()
            cell = ax.transData.transform([(0, 0), (1, 1)])
            width, height = np.abs(cell[1] - cell[0])
            for t in ax.texts:
                box = t.get_window_extent()
                assert box.width <= width and box.height <= height


def test_wrong_matrices():
    for X, words in (
        (rand(3), r'got 3; X\[None\]'),
        (rand(1, 1, 3, 3), r'1×1×3×3; pick one'),
        (rand(0, 3), '0×3'),
        (torch.tensor(1.0), 'a single number'),
    ):
        with pytest.raises(ValueError, match=words):
            heat(X)


# ---------------------------------------------------------------- histories


@pytest.mark.parametrize('n', [0, 1, 2, 10, 40])
@pytest.mark.parametrize('valid', [True, False])
@pytest.mark.parametrize('several', [False, True])
def test_history(n, valid, several):
    h = history(n, valid, test=0.8 if n else None)
    axes = plot_history({'a': h, 'b': h} if several else h, ax=bare(1, 2))
    axes[0].figure.canvas.draw()
    loss, acc = axes
    assert (loss.get_xlabel(), loss.get_ylabel(), acc.get_xlabel(), acc.get_ylabel()) == (
        'epoch',
        'loss',
        'epoch',
        'accuracy',
    )
    ticks = [t for t in loss.get_xticks() if 0.5 <= t <= n + 0.5]
    assert all(t == int(t) for t in ticks) and (ticks or n == 0)
    if n == 0:
        return
    assert (
        list(loss.lines[0].get_xdata()) == list(range(1, n + 1))
        and list(loss.lines[0].get_ydata()) == h.loss
    )
    names = [t.get_text() for t in acc.get_legend().get_texts()]
    assert names == (
        ['a', 'b', 'train', 'validation', 'test']
        if several
        else ['train'] + ['validation'] * valid + ['test']
    )
    lines = [line for line in acc.lines if len(line.get_xdata())]
    looks = {
        (line.get_linestyle(), line.get_marker(), line.get_markerfacecolor() == 'white')
        for line in lines
    }
    assert (
        len(looks) == len(lines) - several
    )  # told apart without colour (both runs' test stars look alike)
    star = next(line for line in lines if line.get_marker() == '*')
    assert (list(star.get_xdata()), list(star.get_ydata())) == ([n], [0.8])


def test_history_of_a_run_that_broke_off():
    h = history(3)
    h.loss, h.valid_loss, h.valid_acc = [1.0, float('nan'), float('inf')], [0.5], [0.5]
    del h.test_acc
    axes = plot_history([h], ax=bare(1, 2))
    axes[0].figure.canvas.draw()
    assert len(axes[0].lines[1].get_xdata()) == 1


def test_history_into_axes_of_a_bare_figure_again_and_again():
    axes = bare(1, 2)  # as the live curve does
    for n in range(4):
        for ax in axes:
            ax.clear()
        plot_history(history(n), ax=axes)
        axes[0].figure.canvas.draw()
    assert len(axes[0].lines) == 2
    with pytest.raises(ValueError, match='needs 2 axes, got 1'):
        plot_history(history(1), ax=bare())
    with pytest.raises(ValueError, match='needs 2 axes, got 3'):
        plot_history(history(1), ax=bare(1, 3))
    assert len(plot_history({}, ax=bare(1, 2))) == 2


# ---------------------------------------------------------------- confusion


def test_confusion():
    M = torch.tensor([[50, 3, 0], [8, 40, 2], [0, 1, 9]])
    ax = confusion(M, ['sandal', 'boot', 'bag'], ax=bare())
    assert texts(ax) == ['50', '3', '·', '8', '40', '2', '·', '1', '9']
    assert (
        [t.get_text() for t in ax.get_yticklabels()]
        == [t.get_text() for t in ax.get_xticklabels()]
        == ['sandal', 'boot', 'bag']
    )
    assert (ax.get_xlabel(), ax.get_ylabel()) == ('predicted', 'true')
    assert [p.get_xy() for p in ax.patches] == [(i - 0.5, i - 0.5) for i in range(3)]
    assert [(t.get_position(), t.get_text()) for t in ax.texts][3] == (
        (0, 1),
        '8',
    )  # x = predicted 0, y = true 1
    assert texts(confusion(M, percent=True, ax=bare())) == [
        '94',
        '6',
        '·',
        '16',
        '80',
        '4',
        '·',
        '10',
        '90',
    ]
    assert texts(confusion(torch.zeros(2, 2), ax=bare())) == ['·'] * 4


def test_wrong_confusion():
    for M, classes, words in (
        (rand(2, 3), None, '2×3'),
        (rand(4), None, 'got 4'),
        (torch.tensor([[1, 2], [-1, 4]]), None, '-1'),
        (rand(3, 3), ['a', 'b'], '2 class names for a 3×3 matrix; give 3'),
        (torch.full((2, 2), float('nan')), None, 'nan'),
    ):
        with pytest.raises(ValueError, match=words):
            confusion(M, classes)


# ---------------------------------------------------------------- what can be read in two ways


@pytest.mark.parametrize(
    'shape, words',
    [
        ((30, 40, 3), r'channels last\? use \.permute\(2, 0, 1\)\[None\]; 30 gray images of 40×3'),
        ((9, 8, 4), r'channels last\? use \[\.\.\., :3\]\.permute\(2, 0, 1\)\[None\]'),
        (
            (30, 40, 1),
            r'channels last\? use \[\.\.\., 0\]; 30 gray images of 40×1\? use \[:, None\]',
        ),
        ((2, 30, 40, 1), r'channels last\? use \.permute\(0, 3, 1, 2\)'),
    ],
)
@pytest.mark.parametrize('kind', [torch.Tensor.numpy, torch.Tensor.byte, torch.Tensor.tolist])
def test_channels_last_is_refused_with_the_way_out(shape, words, kind):
    with pytest.raises(ValueError, match=words):
        show_images(kind(rand(*shape)))


def test_the_ways_out_are_ways_out():
    X = rand(30, 40, 3)
    (ax,) = show_images(X.permute(2, 0, 1)[None], axes=bare())
    assert_close(data(ax).astype(np.float32), X.numpy())
    gray = show_images(X[:, None], axes=bare(5, 6))
    assert len(gray) == 30 and data(gray[7]).shape == (40, 3)
    with pytest.raises(ValueError, match=r'image 0 has shape \(30, 40, 3\).*\.permute\(2, 0, 1\)'):
        show_images([X])
    rgba = rand(9, 8, 4)
    assert data(show_images(rgba[..., :3].permute(2, 0, 1)[None], axes=bare())[0]).shape == (
        9,
        8,
        3,
    )


@pytest.mark.parametrize('shape', [(3, 30, 40), (8, 3, 3), (30, 5, 3), (4, 40, 3), (6, 28, 28)])
def test_three_axes_are_gray_images(shape):
    axes = show_images(rand(*shape), axes=bare(5, 6))
    assert len(axes) == shape[0] and {data(ax).shape for ax in axes} == {shape[1:]}


def drawn(axes):
    "The pixels of the figure that the axes belong to."
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(axes[0].figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


@pytest.mark.parametrize('bad', [float('nan'), float('inf'), float('-inf')])
@pytest.mark.parametrize('shape', [(2, 5, 7), (2, 3, 5, 7)])
def test_a_pixel_without_a_value_stays_empty_and_the_rest_as_it_was(bad, shape):
    X = rand(*shape) * 0.8
    broken = X.clone()
    broken[(0,) * (len(shape) - 2) + (1, 2)] = bad
    whole, holed = (show_images(x, axes=bare(1, 2)) for x in (X, broken))
    differ = (drawn(whole) != drawn(holed)).any(-1)
    box = holed[0].get_window_extent()  # 5×7 pixels: one of them is all that may differ
    assert 0 < differ.sum() < 1.5 * box.width * box.height / 35
    assert_close(data(whole[1]), data(holed[1]))
    if len(shape) == 3:
        assert [ax.images[0].get_clim() for ax in holed] == [(0, 1)] * 2


def test_the_stretch_is_that_of_the_known_values():
    X = rand(2, 4, 5) * 8 - 3
    X[0, 0, 0], X[1, 2, 3] = float('nan'), float('inf')
    known = X[X.isfinite()]
    for ax in show_images(X, axes=bare(1, 2)):
        assert np.allclose(ax.images[0].get_clim(), (known.min(), known.max()))


def test_images_without_any_value():
    nothing = torch.full((2, 4, 5), float('nan'))
    assert [ax.images[0].get_clim() for ax in show_images(nothing, axes=bare(1, 2))] == [(0, 1)] * 2
    drawn(show_images(nothing[:, None].expand(2, 3, 4, 5), axes=bare(1, 2)))
    nothing[1] = rand(4, 5)
    axes = show_images(nothing, axes=bare(1, 2))
    assert_close(data(axes[1]), nothing[1].numpy())


def test_integers_beyond_bytes_are_stretched():
    X = torch.tensor([[[0, 4095], [1024, 2048]], [[7, 8], [9, 10]]])
    for form in (X, X.numpy().astype(np.uint16), X.short(), X.double()):
        for ax, x in zip(show_images(form, axes=bare(1, 2)), X):
            assert ax.images[0].get_clim() == (0, 4095)
            assert_close(torch.from_numpy(np.asarray(data(ax), dtype=np.float64)), x.double())
    assert data(show_images(X > 1000, axes=bare(1, 2))[0]).tolist() == [[0, 1], [1, 1]]


def test_counts_may_be_numpys_whole_numbers():
    assert len(show_images(rand(3, 4, 5), cols=np.int64(2))) == 3
    some = show_kernels(rand(9, 1, 3, 3), cols=np.uint8(2), max_kernels=torch.tensor(4))
    assert len(some) == 4
    for f in (show_images, show_feature_maps):
        with pytest.raises(TypeError, match='cols=2.5 must be a whole number'):
            f(rand(3, 4, 5), cols=2.5)
    with pytest.raises(ValueError, match='max_kernels=0 must be a whole number from 1 on'):
        show_kernels(rand(3, 4, 5), max_kernels=0)
    with pytest.raises(ValueError, match='scale=0 must be above 0'):
        show_images(rand(3, 4, 5), scale=0)
    with pytest.raises(TypeError, match='complex numbers have no color'):
        heat(torch.fft.fft2(rand(3, 4)))


@pytest.mark.parametrize('seed', range(3))
def test_names_cover_no_point_no_name_and_no_line(seed):
    g = torch.Generator().manual_seed(seed)
    xs, ys = (10 ** torch.randn(2, 18, generator=g)).tolist()
    fig, ax = plt.subplots(figsize=(6, 4), layout='constrained')
    ax.scatter(xs, ys, s=12)
    ax.set_xscale('log')
    ax.set_yscale('log')
    ax.margins(.1)
    line = sorted(zip(xs, ys))[::6]
    ax.plot(*zip(*line))
    names = [f'network {i}' for i in range(18)]
    texts = name_points(ax, xs, ys, names, colors=['red'] * 18)
    assert [t.get_text() for t in texts] == names and texts[0].get_color() == 'red'
    fig.canvas.draw()
    frame, points = ax.get_window_extent(), ax.transData.transform(np.c_[xs, ys])
    boxes = [t.get_window_extent() for t in texts]
    a, b = ax.transData.transform(line)[:2]
    between = np.linspace(a, b, 200)
    for i, box in enumerate(boxes):
        assert frame.count_contains(box.corners()) == 4
        assert not box.count_overlaps(boxes[:i]) and not box.count_contains(points)
        assert not box.count_contains(between)
    plt.close(fig)
