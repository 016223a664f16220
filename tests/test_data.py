"Data: batches, splits, and everything that can go wrong between a mirror and a disk."

import http.server
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from faulty import dead_pid, left_by
from server import PACKED, TINY, idx, published
from torch.testing import assert_close

import d2lcnn.data as D
from d2lcnn import download


@pytest.fixture
def mirror(monkeypatch):
    "Mirrors here: /good/, /bad/ (wrong bytes), /half/ (breaks off), /slow/, /none/ (404)."
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(False)

        def do_GET(self):
            asked.append(self.path)
            self.answer(True)

        def log_message(self, *_):
            pass

        def answer(self, body):
            _, kind, name = self.path.split('/')
            data = PACKED.get(name, b'')
            if kind == 'none':
                return self.send_error(404)
            if kind == 'bad':
                data = data[:-1] + b'!'
            if kind == 'slow' and body:
                time.sleep(0.3)
            self.send_response(200)
            self.send_header('Content-Length', str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data[: len(data) // 2] if kind == 'half' else data)

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setitem(download.PUBLISHED, 'fashion_mnist', published())
    monkeypatch.delenv('D2LCNN_OFFLINE', raising=False)

    def use(*kinds):
        urls = tuple(f'http://127.0.0.1:{server.server_port}/{k}/' for k in kinds)
        monkeypatch.setitem(D.SETS, 'fashion_mnist', (*D.SETS['fashion_mnist'][:2], urls))
        return urls

    use.asked = asked
    yield use
    server.shutdown()
    server.server_close()


def files(root):
    return sorted(
        p.relative_to(root).as_posix()
        for p in Path(root).rglob('*')
        if p.is_file() and not p.name.startswith('.d2lcnn.')
    )


WHOLE = sorted(f'FashionMNIST/raw/{n}' for n in TINY)


def test_download_then_read(mirror, tmp_path):
    mirror('good')
    train, valid, test = D.fashion_mnist(root=tmp_path, valid=8, batch_size=16, device='cpu')
    assert (train.n, valid.n, test.n) == (32, 8, 12) and files(tmp_path) == WHOLE
    assert {p: (tmp_path / 'FashionMNIST/raw' / p).read_bytes() for p in TINY} == TINY
    asked = len(mirror.asked)
    D.fashion_mnist(root=tmp_path, valid=8, device='cpu')
    assert len(mirror.asked) == asked == 4  # not again


@pytest.mark.parametrize(
    'kinds', [('none', 'good'), ('bad', 'good'), ('half', 'good'), ('none', 'bad', 'half', 'good')]
)
def test_next_mirror_takes_over(mirror, tmp_path, kinds):
    mirror(*kinds)
    D.fetch(root=tmp_path)
    assert files(tmp_path) == WHOLE and D.check_files('fashion_mnist', tmp_path)


@pytest.mark.parametrize('kinds', [('none',), ('bad',), ('half', 'none')])
def test_no_mirror_leaves_nothing_behind(mirror, tmp_path, kinds):
    urls = mirror(*kinds)
    with pytest.raises(D.DataUnavailable) as e:
        D.fashion_mnist(root=tmp_path)
    for words in (
        *urls,
        str(tmp_path),
        'd2lcnn data fetch fashion_mnist',
        'D2LCNN_DATA',
        'digits()',
    ):
        assert words in str(e.value)
    assert files(tmp_path) == []


def test_leftovers_of_a_killed_process_go(mirror, tmp_path):
    mirror('good')
    (tmp_path / 'FashionMNIST/raw').mkdir(parents=True)
    for name in TINY:
        (tmp_path / f'FashionMNIST/raw/.{name}.{left_by(dead_pid())}.tmp').write_bytes(b'x')
    (tmp_path / '.download-stranger').mkdir()
    (tmp_path / '.download-stranger' / 'half').write_bytes(b'x')
    D.fetch(root=tmp_path)
    assert files(tmp_path) == ['.download-stranger/half', *WHOLE]  # only our own leftovers


@pytest.mark.slow
def test_several_processes_download_once(mirror, tmp_path):
    (url,) = mirror('slow')
    script = f'''
import sys
sys.path.insert(0, {str(ROOT / 'tests')!r})
import d2lcnn.data as D
from d2lcnn import download
from server import published
download.PUBLISHED['fashion_mnist'] = published()
D.SETS['fashion_mnist'] = (*D.SETS['fashion_mnist'][:2], ({url!r},))
print(D.fashion_mnist(root={str(tmp_path)!r}, valid=8, device='cpu'))
'''
    ps = [
        subprocess.Popen(
            [sys.executable, '-c', script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for p in ps:
        out, err = p.communicate(timeout=300)
        assert p.returncode == 0 and '32 train, 8 valid, 12 test' in out, err
    assert len(mirror.asked) == 4 and files(tmp_path) == WHOLE


@pytest.mark.parametrize(
    'damage, words',
    [
        (lambda b: b[:1000], '1,000 bytes, but its header announces 31,376'),
        (lambda b: b + b'x', '31,377 bytes'),
        (lambda b: b'<html>not here</html>', 'not an idx file'),
        (lambda b: b'', 'not an idx file'),
    ],
)
def test_damaged_file(mirror, tmp_path, damage, words):
    mirror('good')
    D.fetch(root=tmp_path)
    path = tmp_path / 'FashionMNIST/raw/train-images-idx3-ubyte'
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError) as e:
        D.fashion_mnist(root=tmp_path, valid=8)
    assert (
        words in str(e.value) and str(path) in str(e.value) and 'd2lcnn data fetch' in str(e.value)
    )
    D.fetch(root=tmp_path)  # the way out the message names
    assert path.read_bytes() == TINY[path.name]


def test_files_that_do_not_belong_together(mirror, tmp_path):
    mirror('good')
    D.fetch(root=tmp_path)
    (tmp_path / 'FashionMNIST/raw/train-labels-idx1-ubyte').write_bytes(idx(39))
    with pytest.raises(ValueError, match='do not belong together'):
        D.fashion_mnist(root=tmp_path)


def test_unwritable_root(mirror, tmp_path):
    mirror('good')
    (tmp_path / 'file').write_text('in the way')
    with pytest.raises(D.DataUnavailable, match='cannot write to') as e:
        D.fashion_mnist(root=tmp_path / 'file' / 'below')
    assert (
        'D2LCNN_DATA' in str(e.value)
        and (tmp_path / 'file').read_text() == 'in the way'
        and not mirror.asked
    )


@pytest.mark.skipif(
    not hasattr(os, 'geteuid') or os.geteuid() == 0, reason='root may write everywhere'
)
def test_read_only_root(mirror, tmp_path):
    mirror('good')
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(D.DataUnavailable, match='cannot write to'):
            D.fashion_mnist(root=tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_offline_falls_back_and_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(D, '_told', set())
    monkeypatch.setenv('D2LCNN_OFFLINE', '1')
    with pytest.raises(D.DataUnavailable, match='D2LCNN_OFFLINE'):
        D.fashion_mnist(root=tmp_path / 'none')
    data = D.load_data(
        'fashion_mnist', root=tmp_path / 'none', batch_size=64, size=32, device='cpu'
    )
    assert data.name == 'digits' and next(iter(data.train))[0].shape == (64, 1, 32, 32)
    assert (
        "1,797 handwritten digits" in capsys.readouterr().out and not (tmp_path / 'none').exists()
    )
    D.load_data('fashion_mnist', root=tmp_path / 'none', device='cpu')
    assert not capsys.readouterr().out, 'said once'


def test_unknown_set():
    with pytest.raises(
        ValueError, match="no data set 'cifar'; there are fashion_mnist, mnist, digits"
    ):
        D.load_data('cifar')


@pytest.mark.parametrize(
    'wrong, words',
    [
        (dict(batch_size=0), 'batch_size=0 must be a whole number from 1 on'),
        (dict(size=2.5), 'size=2.5 must be a whole number'),
        (dict(size=0), 'size=0'),
        (dict(valid=1437), 'valid=1437 must be a whole number from 0 to 1,436'),
        (dict(valid=-1), 'valid=-1'),
        (dict(limit=0), 'limit=0'),
        (dict(limit=True), 'limit=True'),
        (dict(seed='a'), "seed='a'"),
        (dict(seed=10**19), 'seed=10000000000000000000'),
        (dict(device=2.5), 'device=2.5'),
        (dict(device='gpu'), "device='gpu'"),
        (dict(device=torch.float64), 'device=torch.float64'),
        (dict(device='cuda:99'), 'CUDA devices'),
        (dict(normalize=(0, 0)), 'std in normalize=0 must be above 0'),
        (dict(normalize=(0, -1)), 'std in normalize=-1'),
        (dict(normalize=0.5), 'normalize=0.5 is no pair'),
        (dict(normalize=(float('nan'), 1)), 'mean in normalize=nan'),
        (dict(augment=3), 'augment=3'),
    ],
)
@pytest.mark.parametrize('make', [D.digits, D.fashion_mnist])
def test_bad_arguments(make, wrong, words, tmp_path):
    if make is D.fashion_mnist:
        if wrong == dict(valid=1437):
            return  # fine there
        wrong = dict(wrong, root=tmp_path)  # arguments are looked at before files or mirrors are
    with pytest.raises((TypeError, ValueError)) as e:
        make(**wrong)
    assert words in str(e.value)


def test_numbers_of_numpy_and_tensors():
    import numpy as np

    a = D.digits(
        batch_size=np.int64(20),
        size=np.uint8(12),
        valid=torch.tensor(30),
        limit=np.int32(50),
        seed=np.int64(4),
        normalize=np.float32([0.25, 0.5]),
        device=torch.device('cpu'),
    )
    b = D.digits(20, 12, 30, 50, 'cpu', 4, (0.25, 0.5))
    for (X, y), (X0, y0) in zip(a.train, b.train, strict=True):
        assert_close(X, X0, rtol=0, atol=0)
        assert torch.equal(y, y0) and y.dtype == torch.int64
    assert len(a.train) == 3 and len(a.train.in_batches(np.int64(25))) == 2


@pytest.mark.parametrize(
    'call, words',
    [
        (lambda b: b.in_batches(0), 'batch_size=0'),
        (lambda b: b.part(3, 3), 'k=3'),
        (lambda b: b.part(0, 0), 'of=0'),
        (lambda b: b.first(-1), 'n=-1'),
        (lambda b: b.set_epoch(1.5), 'epoch=1.5'),
        (lambda b: D.resize(b.images.float(), 8), 'uint8'),
        (lambda b: D.resize(b.images[0], 8), r'\(28, 28\)|\(8, 8\)'),
        (lambda b: D.resize(b.images, 0), 'size=0'),
        (lambda b: D.try_gpu(-1), 'i=-1'),
        (lambda b: D.Batches(b.images, b.labels[:3], b.classes), '3 labels'),
        (lambda b: D.Batches(b.images[:, None], b.labels, b.classes), 'uint8 tensor'),
        (lambda b: D.Batches(b.images, b.labels, b.classes, normalize=(0, 0)), 'above 0'),
    ],
)
def test_bad_batches(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call(D.digits(device='cpu', limit=20).train)


@pytest.mark.parametrize(
    'set_to, want',
    [
        ('"{}/a b"', '{}/a b'),
        ("'{}/a b' ", '{}/a b'),
        ('  {}/a ', '{}/a'),
        ('"~/a"', '{}/a'),
        ('~/a', '{}/a'),
        ('$HOME/a', '{}/a'),
        ('" ${{HOME}}/a"', '{}/a'),
        ('""', None),
        ('  ', None),
    ],
)
def test_data_root(monkeypatch, tmp_path, set_to, want):
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('USERPROFILE', str(tmp_path))
    monkeypatch.setenv('D2LCNN_DATA', set_to.format(tmp_path))
    if want:
        assert D.data_root() == Path(want.format(tmp_path))
    else:
        assert D.data_root().name == 'd2lcnn' and D.data_root().is_absolute()
    with pytest.raises(TypeError, match='root=3'):
        D.data_root(3)
    with pytest.raises(ValueError, match='nobody-of-this-name'):
        D.data_root('~nobody-of-this-name/x')


def test_something_in_the_way_is_said_before_downloading(mirror, tmp_path, monkeypatch):
    mirror('good')
    (tmp_path / 'FashionMNIST').write_text('a file')
    with pytest.raises(D.DataUnavailable, match='FashionMNIST is a file, not a folder'):
        D.fetch(root=tmp_path)
    (tmp_path / 'FashionMNIST').unlink()
    inside = tmp_path / 'FashionMNIST/raw/t10k-labels-idx1-ubyte'
    inside.mkdir(parents=True)
    with pytest.raises(D.DataUnavailable, match='t10k-labels-idx1-ubyte is a folder'):
        D.fetch(root=tmp_path)
    inside.rmdir()
    monkeypatch.setattr(os, 'access', lambda path, mode: False)
    with pytest.raises(D.DataUnavailable, match='no right to write in'):
        D.fetch(root=tmp_path)
    assert not mirror.asked


@pytest.mark.parametrize(
    'name, content, words',
    [
        (
            'train-labels-idx1-ubyte',
            idx(40, high=1)[:8] + bytes([200] * 40),
            'label 200; labels go from 0 to 9',
        ),
        ('train-images-idx3-ubyte', idx(40, 14, 56), '14×56 images; they must be 28×28'),
        ('t10k-labels-idx1-ubyte', idx(12, 1, high=10), r'labels of shape \(12, 1\)'),
        ('t10k-images-idx3-ubyte', idx(12, 784), '784 images'),
        ('train-labels-idx1-ubyte', idx(40, high=11, seed=3), 'label 10'),
    ],
)
def test_whole_files_of_another_set(mirror, tmp_path, name, content, words):
    mirror('good')
    raw = D.fetch(root=tmp_path)
    (raw / name).write_bytes(content)
    with pytest.raises(ValueError, match=words):
        D.fashion_mnist(root=tmp_path, valid=8)
    D.fetch(root=tmp_path)
    assert (raw / name).read_bytes() == TINY[name]


def test_splits_are_disjoint_and_fixed():
    a, b = D.digits(seed=0, device='cpu'), D.digits(seed=5, device='cpu')
    assert (
        not set(a.train.rows.tolist()) & set(a.valid.rows.tolist())
        and a.train.n + a.valid.n == 1437
    )
    assert_close(a.valid.rows, b.valid.rows)  # the same pictures for every seed
    assert a.train.images is a.valid.images and a.train.images.dtype == torch.uint8  # held once
    ya, yb = next(iter(a.train))[1], next(iter(b.train))[1]
    assert not torch.equal(ya, yb)


def test_limit_and_no_validation():
    train, valid, test = D.digits(limit=50, valid=0, batch_size=20, device='cpu')
    assert (train.n, valid.n, test.n, len(train), len(valid)) == (50, 0, 50, 3, 0) and list(
        valid
    ) == []
    assert [len(y) for _, y in train] == [20, 20, 10]


def test_augment_alters_only_what_an_epoch_draws_from_training():
    seen = []

    def invert(X):
        seen.append(tuple(X.shape))
        return 1 - X

    d = D.digits(
        batch_size=100, size=8, limit=150, augment=invert, normalize=(0.25, 0.5), device='cpu'
    )
    plain = D.digits(batch_size=100, size=8, limit=150, device='cpu')
    for (X, y), (X0, y0) in zip(d.train, plain.train):
        assert_close(X, (1 - X0 - 0.25) / 0.5)
        assert_close(y, y0)
    assert seen == [(100, 1, 8, 8), (50, 1, 8, 8)]
    for split, other in zip(d, plain):
        assert_close(split.first(7)[0], (other.first(7)[0] - 0.25) / 0.5)
    for (X, _), (X0, _) in zip(d.valid, plain.valid):
        assert_close(X, (X0 - 0.25) / 0.5)
    assert len(seen) == 2


def test_normalize():
    data = D.digits(normalize=True, valid=0, batch_size=2000, size=8, device='cpu')
    X, _ = next(iter(data.train))
    assert abs(X.mean()) < 0.02 and abs(X.std() - 1) < 0.02
    X2, _ = D.digits(normalize=(0.5, 0.25), device='cpu').train.first(5)
    X3, _ = D.digits(device='cpu').train.first(5)
    assert_close(X2, (X3 - 0.5) / 0.25)


@pytest.mark.parametrize('size', [28, 32, 96, 224, 17])
def test_pixels_equal_torchvisions(size):
    from PIL import Image
    from torchvision import transforms

    images = torch.randint(
        0, 256, (6, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(size)
    )
    T = transforms.Compose([transforms.Resize(size), transforms.ToTensor()])
    theirs = torch.stack([T(Image.fromarray(i.numpy())) for i in images])
    assert_close(D.resize(images, size) / 255, theirs, rtol=0, atol=1.001 / 255)


def test_torchvision_reads_the_same_folder():
    from torchvision.datasets import FashionMNIST

    try:
        here = D.check_files('fashion_mnist')
    except ValueError:
        here = False
    if not here:
        pytest.skip(f'Fashion-MNIST is not in {D.data_root()}')
    train, valid, test = D.fashion_mnist(device='cpu')
    theirs = FashionMNIST(D.data_root(), train=True)
    assert (train.n, valid.n, test.n) == (55_000, 5_000, 10_000) and train.classes == theirs.classes
    assert_close(train.images, theirs.data)
    assert_close(train.labels, theirs.targets)
