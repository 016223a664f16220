"Code written for d2l: whole lessons as plain scripts, and the names they use one by one."
import ast
import os
import re
import subprocess
import sys

import pytest
import torch
from conftest import ROOT
from test_book import CELLS, source

LESSONS = ROOT / 'tests' / 'lessons'
ACC = r'(?:test|val) acc (0\.\d+)'
# lesson: least test accuracy on Fashion-MNIST at the end, and words that it prints
EXPECTED = {
    'first_lenet': (.45, ['Conv2d output shape: \t torch.Size([1, 6, 28, 28])', 'training on ', 'examples/sec on ']), 'port_alexnet': (.3, ['training on  ', 'epoch 2, loss ', ' sec\n']),
    'first_vgg': (.4, ['examples/sec on ']), 'first_nin': (.4, ['epoch 2, loss ', 'checked again']), 'first_googlenet': (.6, ['examples/sec']), 'first_batch_norm': (.6, ['gamma tensor']),
    'first_resnet': (.6, ['Sequential output shape:\t torch.Size([1, 32, 8, 8])']), 'first_densenet': (.6, ['train acc']), 'first_softmax': (.7, ['epoch: (']), 'port_softmax': (.7, ['epoch 1, loss ']),
    'second_lenet': (.65, ['60000 10000 torch.Size([1, 28, 28])', 'Conv2d output shape:\t torch.Size([1, 6, 28, 28])', "lr 0.1, board ['train_loss', 'val_loss', 'val_acc']"]),
    'second_resnet': (.6, ['torch.Size([4, 32, 24, 24])']), 'second_modern': (.4, ["hparams ['lr', 'num_classes']"]), 'second_blocks': (.5, ['BNLeNet: '])}


def test_every_lesson_is_expected(): assert {p.stem for p in LESSONS.glob('*.py')} - {'few'} == set(EXPECTED)


@pytest.mark.parametrize('name', EXPECTED)
def test_lesson_runs_as_a_script(name, tmp_path):
    "No display, no warning, the familiar lines, and a network that has learned."
    env = {k: v for k, v in os.environ.items() if k not in ('DISPLAY', 'WAYLAND_DISPLAY', 'MPLBACKEND')}
    done = subprocess.run([sys.executable, LESSONS / f'{name}.py'], capture_output=True, text=True, encoding='utf-8', env={**env, 'PYTHONIOENCODING': 'utf-8'}, cwd=tmp_path, timeout=300)
    assert done.returncode == 0 and not done.stderr, done.stderr[-2000:]
    if 'handwritten digits instead' in done.stdout: return  # thresholds are for Fashion-MNIST
    least, words = EXPECTED[name]
    for w in words: assert w in done.stdout, done.stdout
    scores = [float(a) for a in re.findall(ACC, done.stdout)]
    last = scores if name.startswith(('second_modern', 'second_blocks', 'first_softmax')) else scores[-1:]
    assert scores and min(last) >= least, done.stdout


def test_lessons_change_only_the_import_line():
    for p in LESSONS.glob('[fps]*_*.py'):
        text = p.read_text(encoding='utf-8')
        assert 'from d2lcnn import torch as d2l\n' in text and text.count('d2lcnn') == 1 + text.count('# d2lcnn'), p.name
        ast.parse(text)


def test_table_lists_every_name():
    import d2lcnn.torch as d2l
    table = next(source(c) for c in CELLS['kit/compat']['cells'] if source(c).startswith('## Every name'))
    listed = {n for row in table.splitlines() if row.startswith('|') for n in re.findall(r'`(\w+)`', row.split('|')[1])}
    public = {n for n in d2l.__all__ if not n.startswith('_')} | {'corr2d'}
    assert listed == public | {'plt', 'np'}, listed ^ public
    for n in listed: assert getattr(d2l, n) is not None


NAMES = """load_data_fashion_mnist train_ch6 train_ch5 train_ch3 train_epoch_ch3 evaluate_accuracy evaluate_accuracy_gpu accuracy try_gpu try_all_gpus Accumulator Animator Timer
get_fashion_mnist_labels show_images set_axes set_figsize use_svg_display plot plt corr2d Residual get_dataloader_workers synthetic_data load_array linreg squared_loss sgd FlattenLayer GlobalAvgPool2d
Module Classifier Trainer DataModule FashionMNIST HyperParameters add_to_class init_cnn LeNet ResNeXtBlock""".split()


def test_names_that_lessons_use():
    from d2lcnn import torch as d2l
    for n in NAMES: assert hasattr(d2l, n), n
    assert hasattr(d2l.Module, 'apply_init') and hasattr(d2l.Classifier, 'layer_summary') and hasattr(d2l.HyperParameters, 'save_hyperparameters')


@pytest.mark.parametrize('name', ['load_data_time_machine', 'MultiHeadAttention', 'BERTModel', 'train_ch13'])
def test_other_names_say_what_is_covered(name):
    from d2lcnn import torch as d2l
    with pytest.raises(AttributeError, match=f'{name}.*convolutional networks.*d2l itself'): getattr(d2l, name)
    with pytest.raises(ImportError): exec(f'from d2lcnn.torch import {name}')


def test_import_is_cheap():
    script = 'import sys, torch; before = set(sys.modules); from d2lcnn import torch as d2l; d2l.Timer; print(*{m.split(".")[0] for m in set(sys.modules) - before})'
    new = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True, check=True).stdout.split()
    assert not {'matplotlib', 'torchvision', 'IPython', 'sklearn', 'ipywidgets'} & set(new), new


def test_animator_is_silent_in_a_terminal(capsys):
    from matplotlib import pyplot as plt
    from d2lcnn import torch as d2l
    plt.close('all')
    a = d2l.Animator(xlabel='epoch', xlim=[1, 3], legend=['loss', 'acc'], yscale='log')
    a.add(1, (2., .5)); a.add(2, (1., None)); a.add(3, [.5, .7])
    assert capsys.readouterr() == ('', '')
    loss, acc = a.axes[0].lines
    assert loss.get_ydata().tolist() == [2, 1, .5] and acc.get_xdata().tolist() == [1, 3]
    assert plt.gcf() is a.fig and a.axes[0].get_yscale() == 'log' and a.axes[0].get_xlim() == (1, 3)
    assert [t.get_text() for t in a.axes[0].get_legend().get_texts()] == ['loss', 'acc']
    plt.close('all')


@pytest.mark.parametrize('X, Y, want', [([1, 2, 3], None, [([0, 1, 2], [1, 2, 3])]), ([1, 2], [3, 4], [([1, 2], [3, 4])]), ([1, 2], [[3, 4], [5, 6]], [([1, 2], [3, 4]), ([1, 2], [5, 6])]),
                                        ([[1, 2], [3, 4, 5]], [[3, 4], [5, 6, 7]], [([1, 2], [3, 4]), ([3, 4, 5], [5, 6, 7])]), (torch.arange(2), [torch.arange(2), torch.ones(2)], [([0, 1], [0, 1]), ([0, 1], [1, 1])])])
def test_plot_takes_one_curve_or_several(X, Y, want):
    from d2lcnn import torch as d2l
    d2l.plt.close('all'); d2l.plot(X, Y)
    assert [(list(l.get_xdata()), list(l.get_ydata())) for l in d2l.plt.gca().lines] == want
    d2l.plt.close('all')


def test_trainer_says_what_a_model_lacks():
    from d2lcnn import torch as d2l
    with pytest.raises(NotImplementedError, match='net'): d2l.Module()(torch.ones(1))
    with pytest.raises(NotImplementedError, match='lr'): d2l.Classifier().configure_optimizers()
    with pytest.raises(RuntimeError, match='trainer'): d2l.Classifier().plot('loss', 1., True)


def test_iterator_moves_to_a_device_once():
    from d2lcnn import data, torch as d2l
    it = d2l.DataIter(d2l._like(*(lambda b: (b, b.images[b.rows], b.labels[b.rows]))(data.digits(batch_size=50, size=8, device='cpu').train), shuffle=True))
    assert it.on('cpu') is it.on(torch.device('cpu')) and len(it) == 25 and it.batch_size == 50
    meta = it.on('meta'); assert meta.images.device.type == 'meta' and it.on('meta') is meta
    n = len(it.dataset)
    with pytest.raises(IndexError, match=f'{n} of {n}'): it.dataset[n]
    assert sum(len(y) for _, y in it) == n
