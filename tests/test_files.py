"Files are whole or not there, paths are looked at early, and a home folder is meant by ~."
import os

import pytest
from torch import nn
from torch.testing import assert_close

from d2lcnn.files import atomic, load, save, writable


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / 'deep' / 'a.txt'
    with atomic(path) as part:
        part.write_text('one')
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error):
            with atomic(path) as part:
                part.write_text('tw')
                raise error
    assert path.read_text() == 'one' and os.listdir(path.parent) == ['a.txt']


def test_nothing_written_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        with atomic(tmp_path / 'a.txt'):
            pass
    assert not os.listdir(tmp_path)


def test_home_is_meant_by_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    net = nn.Linear(3, 2)
    path = save(net, '~/nets/a.safetensors')
    assert path == tmp_path / 'nets' / 'a.safetensors' and path.is_file()
    assert not (tmp_path / '~').exists()
    other = load(nn.Linear(3, 2), '~/nets/a.safetensors')
    assert_close(other.state_dict(), net.state_dict())


@pytest.mark.parametrize('make, error, words', [
    (lambda p: p, ValueError, 'is a folder'),
    (lambda p: p / 'file' / 'x.st', ValueError, 'is a file, not a folder'),
    (lambda p: p / 'file' / 'deep' / 'x.st', (ValueError, NotADirectoryError), 'file'),
])
def test_bad_places_are_told_at_once(tmp_path, make, error, words):
    (tmp_path / 'file').write_text('')
    with pytest.raises(error, match=words):
        writable(make(tmp_path))
    with pytest.raises(error, match=words):
        save(nn.Linear(1, 1), make(tmp_path))


@pytest.mark.skipif(hasattr(os, 'geteuid') and os.geteuid() == 0, reason='root may write anywhere')
def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match='not writable'):
            writable(tmp_path / 'a')
    finally:
        tmp_path.chmod(0o700)


def test_load_leaves_the_net_alone_when_it_does_not_fit(tmp_path):
    path = save(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)), tmp_path / 'a.st')
    net = nn.Sequential(nn.Linear(3, 2))
    before = net[0].weight.detach().clone()
    with pytest.raises(ValueError, match='the file has 1.bias, the net has not'):
        load(net, path)
    assert_close(net[0].weight.detach(), before)
    bigger = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2), nn.Linear(2, 1))
    with pytest.raises(ValueError, match='the net has 2.bias, 2.weight, the file has not'):
        load(bigger, path)
