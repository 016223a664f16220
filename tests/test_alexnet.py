"AlexNet: counts, shapes, gradients, errors, equality with a re-derivation and with torchvision's; HOG and augmentation."
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from d2lcnn.alexnet import alexnet, augment, colour_axes, hog, random_colour, random_crop, random_flip, random_light
from d2lcnn.summary import macs, receptive_field

STAGES = [  # type, shape after it for a batch of 2 pictures of 224 pixels, parameters
    ('Conv2d', (2, 96, 54, 54), 11_712), ('ReLU', (2, 96, 54, 54), 0), ('MaxPool2d', (2, 96, 26, 26), 0),
    ('Conv2d', (2, 256, 26, 26), 614_656), ('ReLU', (2, 256, 26, 26), 0), ('MaxPool2d', (2, 256, 12, 12), 0),
    ('Conv2d', (2, 384, 12, 12), 885_120), ('ReLU', (2, 384, 12, 12), 0),
    ('Conv2d', (2, 384, 12, 12), 1_327_488), ('ReLU', (2, 384, 12, 12), 0),
    ('Conv2d', (2, 256, 12, 12), 884_992), ('ReLU', (2, 256, 12, 12), 0), ('MaxPool2d', (2, 256, 5, 5), 0),
    ('Flatten', (2, 6400), 0),
    ('Linear', (2, 4096), 26_218_496), ('ReLU', (2, 4096), 0), ('Dropout', (2, 4096), 0),
    ('Linear', (2, 4096), 16_781_312), ('ReLU', (2, 4096), 0), ('Dropout', (2, 4096), 0),
    ('Linear', (2, 10), 40_970)]


def count(net): return sum(p.numel() for p in net.parameters())


def test_stages_and_parameters():
    net, X, seen = alexnet().eval(), torch.rand(2, 1, 224, 224), []
    with torch.no_grad():
        for layer in net:
            X = layer(X)
            seen.append((type(layer).__name__, tuple(X.shape), count(layer)))
    assert seen == STAGES
    assert count(net) == 46_764_746 and all(p.requires_grad for p in net.parameters())
    assert net[16].p == net[19].p == 0.5
    assert macs(net, (1, 1, 224, 224)) == 938_146_176
    assert receptive_field(net, (1, 1, 224, 224)) == (195, 195)


@pytest.mark.parametrize('in_channels, num_classes, size, side, batch', [(3, 7, 65, 1, 2), (3, 10, 96, 1, 3), (2, 1, 97, 2, 2), (1, 13, 129, 3, 2), (4, 1000, 81, 1, 5)])
def test_other_channels_classes_sizes(in_channels, num_classes, size, side, batch):
    net = alexnet(in_channels, num_classes, size).eval()
    with torch.no_grad(): Y = net(torch.rand(batch, in_channels, size, size))
    assert Y.shape == (batch, num_classes) and torch.isfinite(Y).all() and Y.std(0).max() > 0
    change = 96 * 121 * (in_channels - 1) + 4096 * (256 * side**2 - 6400) + 4097 * (num_classes - 10)
    assert count(net) == 46_764_746 + change


@pytest.mark.parametrize('padding, smallest', [(0, 67), (1, 65), (2, 63), (5, 57)])
def test_smallest_size(padding, smallest):
    "The size that the error names works, the one below it does not, and torch agrees."
    for size in (smallest - 1, smallest - 8, 1, 0, -3):
        with pytest.raises(ValueError, match=f'size={size} is too small.* padding={padding}.* the smallest that works is {smallest}$'): alexnet(size=size, padding=padding)
    net = alexnet(size=smallest, padding=padding).eval()
    with torch.no_grad(): assert net(torch.rand(2, 1, smallest, smallest)).shape == (2, 10)
    with pytest.raises(RuntimeError), torch.no_grad(): net[:13](torch.rand(2, 1, smallest - 1, smallest - 1))


def test_every_size_gives_the_head_what_it_expects():
    features = alexnet(size=65)[:14].eval()
    for size in range(65, 140, 7):
        with torch.no_grad(): n = features(torch.rand(1, 1, size, size)).shape[1]
        with torch.device('meta'): assert alexnet(size=size)[14].in_features == n


@pytest.mark.parametrize('wrong', [dict(size=224.0), dict(size='224'), dict(size=(224, 224)), dict(size=None), dict(size=True), dict(padding=1.0), dict(padding='same'), dict(padding=None), dict(padding=False)])
def test_whole_numbers(wrong):
    with pytest.raises(TypeError, match=f'{next(iter(wrong))}=.* whole number'): alexnet(**wrong)


def test_negative_padding():
    with pytest.raises(ValueError, match='padding=-1 must be a whole number from 0 on'): alexnet(padding=-1)


def test_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    net = alexnet(3, 7, 65)
    F.cross_entropy(net(torch.rand(4, 3, 65, 65)), torch.tensor([0, 6, 2, 5])).backward()
    for name, p in net.named_parameters(): assert p.grad is not None and torch.isfinite(p.grad).all() and p.grad.abs().max() > 1e-9, name


def test_dropout_in_training_only():
    torch.manual_seed(0)
    net, X = alexnet(size=65), torch.rand(2, 1, 65, 65)
    with torch.no_grad():
        assert not torch.equal(net(X), net(X))
        net.eval(); assert torch.equal(net(X), net(X))


def test_no_nan_for_extreme_pictures():
    net = alexnet(size=65).eval()
    with torch.no_grad():
        for X in (torch.zeros(2, 1, 65, 65), torch.ones(2, 1, 65, 65), 1e3 * torch.randn(2, 1, 65, 65)): assert torch.isfinite(net(X)).all()


@pytest.mark.parametrize('channels, size, padding', [(1, 70, 1), (3, 99, 0)])
def test_is_its_formulas(channels, size, padding):
    "Convolutions as matrix products, pooling as the maximum over windows."
    torch.manual_seed(1)
    net = alexnet(channels, 7, size, padding).eval()
    with torch.no_grad():
        for p in net.parameters(): p.normal_(0, 0.05 if p.ndim > 1 else 0.5)
    K1, b1, K2, b2, K3, b3, K4, b4, K5, b5, W1, c1, W2, c2, W3, c3 = (p.detach() for p in net.parameters())
    relu = lambda X: X.clamp(min=0)
    def conv(X, K, b, stride, pad):
        k, out = K.shape[-1], (X.shape[-1] + 2 * pad - K.shape[-1]) // stride + 1
        return relu((K.flatten(1) @ F.unfold(X, k, padding=pad, stride=stride) + b[:, None]).view(len(X), -1, out, out))
    def pool(X): return X.unfold(2, 3, 2).unfold(3, 3, 2).amax((-1, -2))
    X = torch.randn(3, channels, size, size)
    H = pool(conv(pool(conv(X, K1, b1, 4, padding)), K2, b2, 1, 2))
    H = pool(conv(conv(conv(H, K3, b3, 1, 1), K4, b4, 1, 1), K5, b5, 1, 1)).reshape(3, -1)
    Y = relu(relu(H @ W1.T + c1) @ W2.T + c2) @ W3.T + c3
    with torch.no_grad(): torch.testing.assert_close(net(X), Y, rtol=1e-3, atol=1e-3)


def test_agrees_with_torchvision():
    "torchvision's has fewer kernels in three layers; a network of the same widths from our layers gives its logits."
    from torchvision.models import alexnet as theirs
    torch.manual_seed(2)
    ref, net, widths = theirs(num_classes=7).eval(), alexnet(3, 7, 224, padding=2).eval(), {}
    convs = [m for m in ref.features if isinstance(m, nn.Conv2d)]
    ours = [i for i, m in enumerate(net) if isinstance(m, nn.Conv2d)]
    for i, m in zip(ours, convs):
        assert (net[i].kernel_size, net[i].stride, net[i].padding) == (m.kernel_size, m.stride, m.padding)
        net[i] = m
    dense = [m for m in ref.classifier if isinstance(m, nn.Linear)]
    for i, m in zip((14, 17, 20), dense):
        assert net[i].weight.shape == m.weight.shape  # 256·6·6, 4096, 4096
        net[i].load_state_dict(m.state_dict())
    X = torch.rand(2, 3, 224, 224)
    with torch.no_grad(): torch.testing.assert_close(net(X), ref(X), rtol=1e-4, atol=1e-5)


def test_a_small_step_lowers_the_loss():
    torch.manual_seed(0)
    net, X, y = alexnet(2, 5, 65).eval(), torch.rand(4, 2, 65, 65), torch.tensor([4, 0, 3, 1])
    before = F.cross_entropy(net(X), y)
    before.backward()
    with torch.no_grad():
        for p in net.parameters(): p -= 0.01 * p.grad
        assert F.cross_entropy(net(X), y) < before - 1e-5


# hand-made features

def test_hog_against_loops():
    torch.manual_seed(0)
    X, bins, cell = torch.rand(2, 1, 13, 10, dtype=torch.double), 5, 3
    H = torch.zeros(2, bins, 4, 3, dtype=torch.double)
    for n in range(2):
        at = lambda i, j: X[n, 0, min(max(i, 0), 12), min(max(j, 0), 9)].item()
        for i in range(12):
            for j in range(9):
                dx, dy = at(i, j + 1) - at(i, j - 1), at(i + 1, j) - at(i - 1, j)
                k = int(math.atan2(dy, dx) % math.pi / math.pi * bins) % bins
                H[n, k, i // cell, j // cell] += math.hypot(dx, dy) / cell**2
    blocks = [H[:, :, i:i + 2, j:j + 2].reshape(2, -1) for i in range(3) for j in range(2)]
    want = torch.stack([b / (b.norm(dim=1, keepdim=True) + 0.1) for b in blocks], 2)
    got = hog(X.float(), bins, cell)
    assert got.shape == (2, bins * 4 * 6)
    torch.testing.assert_close(got.view(2, bins * 4, 6).double(), want, rtol=1e-4, atol=1e-5)


def test_hog_does_not_see_brightness():
    X = torch.rand(3, 1, 28, 28)
    assert hog(X).shape == (3, 1296)
    torch.testing.assert_close(hog(X), hog(X + 0.3), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(hog(X), hog(1 - X), rtol=1e-2, atol=2e-2)  # an edge and its opposite are one direction


# augmentation: lopsided pictures, a batch of many

@pytest.fixture
def X(): return torch.rand(200, 3, 9, 14, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('f', [random_flip, random_crop, random_light, augment, lambda X: random_colour(X, colour_axes(X))], ids=['flip', 'crop', 'light', 'augment', 'colour'])
def test_augmentation_keeps_shape_range_and_input(f, X):
    copy = X.clone()
    torch.manual_seed(0); Y = f(X)
    assert Y.shape == X.shape and Y.dtype == X.dtype and Y.min() >= 0 and Y.max() <= 1 and torch.equal(X, copy)
    torch.manual_seed(0); assert torch.equal(f(X), Y)
    one = X[:1].expand(50, -1, -1, -1)
    assert len({tuple(y.flatten().tolist()) for y in f(one)}) > 1, 'each picture has its own random numbers'
    assert f(X[:, :1]).shape == (200, 1, 9, 14)


def test_flip_is_a_mirror_image_or_nothing(X):
    torch.manual_seed(0)
    Y = random_flip(X)
    same, mirrored = ((Y == Z).flatten(1).all(1) for Z in (X, X.flip(-1)))
    assert (same ^ mirrored).all() and 60 < mirrored.sum() < 140
    assert torch.equal(random_flip(X, p=0), X) and torch.equal(random_flip(X, p=1), X.flip(-1))


def test_crop_is_a_window_of_the_padded_picture(X):
    torch.manual_seed(0)
    Y, P, seen = random_crop(X, by=2), F.pad(X, (2, 2, 2, 2)), set()
    for p, y in zip(P, Y):
        where = [(i, j) for i in range(5) for j in range(5) if torch.equal(p[:, i:i + 9, j:j + 14], y)]
        assert len(where) == 1
        seen.add(where[0])
    assert len(seen) == 25, 'all 5×5 places occur'


def test_light_changes_brightness_and_contrast():
    X = 0.4 + 0.2 * torch.rand(100, 1, 6, 8)
    torch.manual_seed(0); Y = random_light(X, brightness=0.1, contrast=0)
    moves = (Y - X).flatten(1)
    assert moves.std(1).max() < 1e-6 and moves.mean(1).min() < -0.05 and moves.mean(1).max() > 0.05 and moves.abs().max() <= 0.1 + 1e-6
    torch.manual_seed(0); Y = random_light(X, brightness=0, contrast=0.5)
    torch.testing.assert_close(Y.mean((1, 2, 3)), X.mean((1, 2, 3)))
    ratio = Y.flatten(1).std(1) / X.flatten(1).std(1)
    assert 0.5 <= ratio.min() < 0.7 and 1.3 < ratio.max() <= 1.5


def test_colour_axes_are_the_principal_components():
    torch.manual_seed(0)
    direction = torch.tensor([2., -1., 0.5])
    X = 0.5 + 0.05 * torch.randn(4, 1, 9, 7) * direction.view(1, 3, 1, 1) + 0.001 * torch.randn(4, 3, 9, 7)
    axes = colour_axes(X)
    assert abs(F.cosine_similarity(axes[:, 0], direction, 0)) > 0.999 and axes.norm(dim=0).diff().max() <= 0
    torch.testing.assert_close(axes @ axes.T, torch.cov(X.transpose(0, 1).flatten(1)), rtol=1e-3, atol=1e-6)
    moves = (random_colour(X, axes, strength=0.1) - X).mean((2, 3))
    assert F.cosine_similarity(moves, direction[None]).abs().min() > 0.9
    grey = torch.rand(5, 1, 8, 6)
    assert colour_axes(grey).shape == (1, 1) and torch.allclose(colour_axes(grey).abs(), grey.std().view(1, 1), rtol=1e-4)
