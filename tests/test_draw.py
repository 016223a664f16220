"Drawings of architectures: sizes as readers hold them, and wrong ones explained."

import numpy as np
import pytest
import torch
from torch import nn

from d2lcnn.draw import draw_block, draw_network, stages_of

STAGES = [('input', (3, 20, 30)), ('conv', (8, 18, 28)), ('flatten', (120,))]


def test_sizes_may_be_numpys_and_tensors_whole_numbers():
    want = draw_network(STAGES, 'three stages', 2)._repr_svg_()
    for kind in (np.int64, np.uint16, torch.tensor):
        stages = [(words, [kind(n) for n in shape]) for words, shape in STAGES]
        assert draw_network(stages, 'three stages', kind(2))._repr_svg_() == want
    shape = torch.empty(3, 20, 30).shape
    assert draw_network([('input', shape), *STAGES[1:]], 'three stages', 2)._repr_svg_() == want


@pytest.mark.parametrize('shape', [(3, 20), (), (3, 0, 4), (3, 2.5, 4), (True,), ('3',)])
def test_wrong_shapes(shape):
    with pytest.raises(ValueError, match=r"stage 'conv' has the shape .*; write \(channels"):
        draw_network([('conv', shape)], 'x')
    with pytest.raises(ValueError, match='per_row=0 must be a whole number from 1 on'):
        draw_network(STAGES, 'x', per_row=0)


def test_stages_of_a_net_leave_no_trace():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten())
    net[1].eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    size = tuple(map(np.int64, (3, 20, 30)))
    assert stages_of(net, size, {0: 'conv'}) == STAGES[:2]
    assert net.training and net[0].training and not net[1].training
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert stages_of(nn.Sequential(nn.MaxPool2d(2)), (1, 6, 8), {0: 'pool'})[1] == (
        'pool',
        (1, 3, 4),
    )


def test_a_block_needs_a_path():
    with pytest.raises(ValueError, match='a block has at least one path'):
        draw_block([], 'nothing')
