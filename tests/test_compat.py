"Code written for d2l: whole lessons as plain scripts, and the names they use one by one."

import ast
import os
import re
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
import torch
from conftest import ROOT
from test_book import CELLS, source

LESSONS = ROOT / 'tests' / 'lessons'
ACC = r'(?:test|val) acc (0\.\d+)'
# lesson: least test accuracy on Fashion-MNIST at the end, and words that it prints
EXPECTED = {
    'first_lenet': (
        0.45,
        ['Conv2d output shape: \t torch.Size([1, 6, 28, 28])', 'training on ', 'examples/sec on '],
    ),
    'port_alexnet': (0.3, ['training on  ', 'epoch 2, loss ', ' sec\n']),
    'first_vgg': (0.4, ['examples/sec on ']),
    'first_nin': (0.4, ['epoch 2, loss ', 'checked again']),
    'first_googlenet': (0.6, ['examples/sec']),
    'first_batch_norm': (0.6, ['gamma tensor']),
    'first_resnet': (0.6, ['Sequential output shape:\t torch.Size([1, 32, 8, 8])']),
    'first_densenet': (0.6, ['train acc']),
    'first_softmax': (0.7, ['epoch: (']),
    'port_softmax': (0.7, ['epoch 1, loss ']),
    'second_lenet': (
        0.65,
        [
            '60000 10000 torch.Size([1, 28, 28])',
            'Conv2d output shape:\t torch.Size([1, 6, 28, 28])',
            "lr 0.1, board ['train_loss', 'val_loss', 'val_acc']",
        ],
    ),
    'second_resnet': (0.6, ['torch.Size([4, 32, 24, 24])']),
    'second_modern': (0.4, ["hparams ['lr', 'num_classes']"]),
    'second_blocks': (0.5, ['BNLeNet: ']),
}


def test_every_lesson_is_expected():
    assert {p.stem for p in LESSONS.glob('*.py')} - {'few'} == set(EXPECTED)


@pytest.mark.slow
@pytest.mark.parametrize('name', EXPECTED)
def test_lesson_runs_as_a_script(name, tmp_path):
    "No display, no warning, the familiar lines, and a network that has learned."
    hidden = ('DISPLAY', 'WAYLAND_DISPLAY', 'MPLBACKEND')
    env = {k: v for k, v in os.environ.items() if k not in hidden}
    done = subprocess.run(
        [sys.executable, LESSONS / f'{name}.py'],
        capture_output=True,
        text=True,
        encoding='utf-8',
        env={**env, 'PYTHONIOENCODING': 'utf-8'},
        cwd=tmp_path,
        timeout=300,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr[-2000:]
    if 'handwritten digits instead' in done.stdout:
        return  # thresholds are for Fashion-MNIST
    least, words = EXPECTED[name]
    for w in words:
        assert w in done.stdout, done.stdout
    scores = [float(a) for a in re.findall(ACC, done.stdout)]
    if not name.startswith(('second_modern', 'second_blocks', 'first_softmax')):
        scores = scores[-1:]
    assert scores and min(scores) >= least, done.stdout


def test_lessons_change_only_the_import_line():
    for p in LESSONS.glob('[fps]*_*.py'):
        text = p.read_text(encoding='utf-8')
        assert 'from d2lcnn import torch as d2l\n' in text, p.name
        assert text.count('d2lcnn') == 1 + text.count('# d2lcnn'), p.name
        ast.parse(text)


def test_table_lists_every_name():
    import d2lcnn.torch as d2l

    texts = [source(c) for c in CELLS['kit/compat']['cells']]
    table = next(text for text in texts if text.startswith('## Every name'))
    rows = [row.split('|')[1] for row in table.splitlines() if row.startswith('|')]
    listed = {n for row in rows for n in re.findall(r'`(\w+)`', row)}
    public = {n for n in d2l.__all__ if not n.startswith('_')} | {'corr2d'}
    assert listed == public | {'plt', 'np'}, listed ^ public
    for n in listed:
        assert getattr(d2l, n) is not None


def test_every_name_has_one_home():
    "d2lcnn.torch gives what the modules of d2lcnn.compat define, each name once."
    import d2lcnn.torch as d2l

    homes = sorted(p.stem for p in (ROOT / 'd2lcnn' / 'compat').glob('[!_]*.py'))
    modules = [import_module(f'd2lcnn.compat.{home}') for home in homes]
    theirs = [n for module in modules for n in module.__all__]
    assert len(theirs) == len(set(theirs)) and set(theirs) == set(d2l.__all__) - {'plt', 'np'}
    for module in modules:
        for n in module.__all__:
            assert getattr(d2l, n) is getattr(module, n), n
    assert set(d2l.__all__) - {'plt', 'np'} <= set(dir(d2l)) and d2l.corr2d and d2l.nn is torch.nn


NAMES = """
load_data_fashion_mnist train_ch6 train_ch5 train_ch3 train_epoch_ch3 evaluate_accuracy
evaluate_accuracy_gpu accuracy try_gpu try_all_gpus Accumulator Animator Timer
get_fashion_mnist_labels show_images set_axes set_figsize use_svg_display plot plt corr2d
Residual get_dataloader_workers synthetic_data load_array linreg squared_loss sgd FlattenLayer
GlobalAvgPool2d Module Classifier Trainer DataModule FashionMNIST HyperParameters add_to_class
init_cnn LeNet ResNeXtBlock
""".split()


def test_names_that_lessons_use():
    from d2lcnn import torch as d2l

    for n in NAMES:
        assert hasattr(d2l, n), n
    assert hasattr(d2l.Module, 'apply_init') and hasattr(d2l.Classifier, 'layer_summary')
    assert hasattr(d2l.HyperParameters, 'save_hyperparameters')


@pytest.mark.parametrize(
    'name', ['load_data_time_machine', 'MultiHeadAttention', 'BERTModel', 'train_ch13']
)
def test_other_names_say_what_is_covered(name):
    from d2lcnn import torch as d2l

    with pytest.raises(AttributeError, match=f'{name}.*convolutional networks.*d2l itself'):
        getattr(d2l, name)
    with pytest.raises(ImportError):
        exec(f'from d2lcnn.torch import {name}')


CHEAP = """
import sys, torch
before = set(sys.modules)
from d2lcnn import torch as d2l
d2l.Timer
print(*{m.split(".")[0] for m in set(sys.modules) - before})
"""


def test_import_is_cheap():
    command = [sys.executable, '-c', CHEAP]
    new = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not {'matplotlib', 'torchvision', 'IPython', 'sklearn', 'ipywidgets'} & set(new), new


def test_animator_is_silent_in_a_terminal(capsys):
    from matplotlib import pyplot as plt
    from d2lcnn import torch as d2l

    plt.close('all')
    a = d2l.Animator(xlabel='epoch', xlim=[1, 3], legend=['loss', 'acc'], yscale='log')
    a.add(1, (2.0, 0.5))
    a.add(2, (1.0, None))
    a.add(3, [0.5, 0.7])
    assert capsys.readouterr() == ('', '')
    loss, acc = a.axes[0].lines
    assert loss.get_ydata().tolist() == [2, 1, 0.5] and acc.get_xdata().tolist() == [1, 3]
    assert plt.gcf() is a.fig and a.axes[0].get_yscale() == 'log' and a.axes[0].get_xlim() == (1, 3)
    assert [t.get_text() for t in a.axes[0].get_legend().get_texts()] == ['loss', 'acc']
    plt.close('all')


@pytest.mark.parametrize(
    'X, Y, want',
    [
        ([1, 2, 3], None, [([0, 1, 2], [1, 2, 3])]),
        ([1, 2], [3, 4], [([1, 2], [3, 4])]),
        ([1, 2], [[3, 4], [5, 6]], [([1, 2], [3, 4]), ([1, 2], [5, 6])]),
        ([[1, 2], [3, 4, 5]], [[3, 4], [5, 6, 7]], [([1, 2], [3, 4]), ([3, 4, 5], [5, 6, 7])]),
        (torch.arange(2), [torch.arange(2), torch.ones(2)], [([0, 1], [0, 1]), ([0, 1], [1, 1])]),
    ],
)
def test_plot_takes_one_curve_or_several(X, Y, want):
    from d2lcnn import torch as d2l

    d2l.plt.close('all')
    d2l.plot(X, Y)
    assert [(list(l.get_xdata()), list(l.get_ydata())) for l in d2l.plt.gca().lines] == want
    d2l.plt.close('all')


def test_trainer_says_what_a_model_lacks():
    from d2lcnn import torch as d2l

    with pytest.raises(NotImplementedError, match='net'):
        d2l.Module()(torch.ones(1))
    with pytest.raises(NotImplementedError, match='lr'):
        d2l.Classifier().configure_optimizers()
    with pytest.raises(RuntimeError, match='trainer'):
        d2l.Classifier().plot('loss', 1.0, True)


def test_iterator_moves_to_a_device_once():
    from d2lcnn import data, torch as d2l
    from d2lcnn.compat.data import _like

    train = data.digits(batch_size=50, size=8, device='cpu').train
    images, labels = train.images[train.rows], train.labels[train.rows]
    it = d2l.DataIter(_like(train, images, labels, shuffle=True))
    assert it.on('cpu') is it.on(torch.device('cpu')) and len(it) == 25 and it.batch_size == 50
    meta = it.on('meta')
    assert meta.images.device.type == 'meta' and it.on('meta') is meta
    n = len(it.dataset)
    with pytest.raises(IndexError, match=f'{n} of {n}'):
        it.dataset[n]
    assert sum(len(y) for _, y in it) == n


@pytest.mark.parametrize('whole', [np.int64, np.uint8, torch.tensor])
def test_numpy_and_tensors_count_too(whole):
    "The second argument decides between the spellings: is it a whole number, of whatever library?"
    from d2lcnn import torch as d2l

    X = torch.randn(2, 3, 6, 8)
    for block in (
        d2l.Residual(whole(3), whole(5), True, whole(2)),
        d2l.Residual(3, whole(5), use_1x1conv=True, strides=whole(2)),
        d2l.Residual(whole(5), True, whole(2)),
        d2l.Residual(3, num_channels=whole(5), use_1x1conv=True, stride=whole(2)),
    ):
        assert block(X).shape == (2, 5, 3, 4)


@pytest.mark.parametrize('batch_size', [3, np.int64(3), torch.tensor(3)])
def test_batch_size_chooses_the_port(batch_size, capsys):
    "Where the first edition has the updater, d2lzh_pytorch has the batch size, and prints lines."
    from d2lcnn import torch as d2l

    torch.manual_seed(0)
    net = torch.nn.Linear(4, 2)
    batches = [(torch.randn(3, 4), torch.tensor([0, 1, 1])) for _ in range(2)]
    loss = torch.nn.CrossEntropyLoss()
    d2l.train_ch3(net, batches, batches, loss, 1, batch_size, list(net.parameters()), 0.1)
    line = r'epoch 1, loss \d\.\d{4}, train acc \d\.\d{3}, test acc \d\.\d{3}\n'
    assert re.fullmatch(line, capsys.readouterr().out)
