"Whatever holds an image becomes the same gray matrix, and what can be read in two ways is refused."

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from d2lcnn.explore import load_image

STEPS = torch.linspace(0, 1, 35).reshape(5, 7)


def rand(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def file(image, kind='PNG', **options):
    f = io.BytesIO()
    image.save(f, kind, **options)
    return f.getvalue()


def gray(image):
    "What PIL makes of an image in 0…1."
    return torch.from_numpy(np.asarray(image.convert('L')) / np.float32(255))


# ---------------------------------------------------------------- what white is


@pytest.mark.parametrize('kind', ['PNG', 'TIFF', 'PPM'])
def test_sixteen_bits_keep_their_levels(kind):
    X = (STEPS * 65535).round().numpy().astype(np.uint16)
    image = load_image(file(Image.fromarray(X), kind))
    assert_close(image, torch.from_numpy(X.astype(np.float32)) / 65535)
    assert len(image.unique()) == 35
    assert_close(load_image(Image.fromarray(X)), image)
    assert_close(load_image(X), image)
    assert_close(load_image(X.astype('>u2')), image)
    assert_close(load_image(torch.from_numpy(X)), image)


def test_a_large_image_of_sixteen_bits_is_made_small():
    X = (rand(300, 500) * 65535).numpy().astype(np.uint16)
    small = load_image(file(Image.fromarray(X)))
    assert small.shape == (144, 240) and abs(small.mean() - 0.5) < 0.01


@pytest.mark.parametrize('scale', [1, 255])
def test_a_float_tiff_keeps_its_range(scale):
    X = STEPS * scale
    image = load_image(file(Image.fromarray(X.numpy()), 'TIFF'))
    assert_close(image, STEPS)
    assert image.max() == 1


def test_thirty_two_bits_with_a_byte_in_them():
    X = (STEPS * 255).round().int()
    assert_close(load_image(file(Image.fromarray(X.numpy()), 'TIFF')), X / 255)


def test_one_bit_and_bool():
    X = STEPS > 0.4
    image = Image.fromarray(X.numpy())
    assert image.mode == '1'
    for form in (image, file(image), file(image, 'TIFF'), X, X.numpy(), X.long(), X.double()):
        assert_close(load_image(form), X.float())


@pytest.mark.parametrize('kind', [np.uint8, np.int16, np.int64, np.float16, np.float32, np.float64])
def test_values_up_to_255(kind):
    X = (STEPS * 255).round()
    assert_close(load_image(X.numpy().astype(kind)), X / 255)


@pytest.mark.parametrize('kind', [np.float16, np.float32, np.float64])
def test_values_up_to_1(kind):
    assert_close(load_image(STEPS.numpy().astype(kind)), STEPS, rtol=1e-3, atol=1e-3)
    assert load_image(STEPS.bfloat16().requires_grad_()).requires_grad is False


@pytest.mark.parametrize(
    'X, words',
    [
        (STEPS * 16, 'largest value of the image is 16, so white could be 1 or 255.*image / 16'),
        ((STEPS * 4095).long(), 'largest value of the image is 4095.*image / 4095'),
        (STEPS * 65535, 'largest value of the image is 65535'),
        (STEPS * 4 - 2, r'runs from -2 to 2; bring it to 0…1 first: \(image - image.min\(\)\)'),
        ((STEPS * 99).long() - 50, 'runs from -50 to 49'),
        (torch.empty(0, 4), r'the image is empty, shape \(0, 4\)'),
        (torch.empty(3, 0, 4), 'the image is empty'),
    ],
)
def test_an_unclear_range_is_refused(X, words):
    for form in (X, X.numpy()):
        with pytest.raises(ValueError, match=words):
            load_image(form)


@pytest.mark.parametrize('bad', [float('nan'), float('inf'), float('-inf')])
def test_missing_values_are_refused(bad):
    X = STEPS.clone()
    X[1, 2] = X[4, 4] = bad
    with pytest.raises(ValueError, match=r'2 of the 35 values of the image.*torch\.nan_to_num'):
        load_image(X)
    with pytest.raises(ValueError, match='2 of the 35 values'):
        load_image(file(Image.fromarray(X.numpy()), 'TIFF'))
    with pytest.raises(ValueError, match='35 of the 35 values'):
        load_image(torch.full((5, 7), bad))


def test_what_is_no_image():
    for bad in (None, 'abc'.split(), {'a': 1}, np.array(['a']), STEPS * 1j, STEPS.numpy() * 1j):
        with pytest.raises(TypeError, match='is no image|complex'):
            load_image(bad)
    with pytest.raises(ValueError, match='this file is not an image'):
        load_image(b'words')
    with pytest.raises(ValueError, match='this image file is damaged'):
        load_image(file(Image.fromarray((rand(80, 90) * 255).byte().numpy()))[:-2000])
    with pytest.raises(ValueError, match='most=0 must be a whole number from 1 on'):
        load_image(STEPS, most=0)
    assert load_image(STEPS, most=np.int64(4)).shape == (3, 4)


# ---------------------------------------------------------------- which axis holds the channels


def test_channels_first_and_last():
    X = rand(5, 7, 3)
    want = X.mean(-1)
    for form in (X, X.permute(2, 0, 1), X.numpy(), X.permute(2, 0, 1).numpy()):
        assert_close(load_image(form), want)
    assert_close(load_image(X[..., :1]), X[..., 0])
    assert_close(load_image(X[None, ..., 0]), X[..., 0])


@pytest.mark.parametrize('shape', [(3, 40, 3), (1, 28, 1), (4, 9, 3), (1, 5, 4)])
def test_two_axes_that_could_be_channels_are_refused(shape):
    with pytest.raises(ValueError, match=r'can be read as \(channels, H, W\) and as \(H, W, chan'):
        load_image(rand(*shape))


@pytest.mark.parametrize('shape', [(7,), (2, 5, 7), (5, 7, 2), (8, 5, 7), (1, 3, 5, 7), ()])
def test_other_shapes_are_refused(shape):
    with pytest.raises(
        ValueError, match=r'an image has shape \(H, W\), \(H, W, 3\) or \(3, H, W\)'
    ):
        load_image(rand(*shape))


# ---------------------------------------------------------------- transparency, palettes, turning


def test_what_is_transparent_is_put_on_white():
    X = torch.zeros(5, 7, 4, dtype=torch.uint8)
    X[:, 3:, 3] = 255  # the left part transparent, the right part black
    want = (torch.arange(7) < 3).float().expand(5, 7)
    image = Image.fromarray(X.numpy())
    for form in (image, file(image), X, X.permute(2, 0, 1), X / 255, image.convert('LA')):
        assert_close(load_image(form), want)
    half = X.clone()
    half[..., 3] = 128
    assert_close(load_image(half), torch.full((5, 7), 1 - 128 / 255))
    assert_close(load_image(Image.fromarray(half.numpy())), torch.full((5, 7), 1 - 128 / 255))


def test_opaque_images_are_what_they_are_without_alpha():
    X = (rand(5, 7, 3) * 255).byte()
    image = Image.fromarray(X.numpy())
    assert_close(load_image(image.convert('RGBA')), load_image(image), rtol=0, atol=0)
    opaque = torch.cat([X, torch.full((5, 7, 1), 255, dtype=torch.uint8)], -1)
    assert_close(load_image(opaque), load_image(X), rtol=0, atol=0)


def test_palettes():
    colors = Image.fromarray((rand(5, 7, 3) * 255).byte().numpy())
    image = colors.quantize(6)
    assert image.mode == 'P'
    assert_close(load_image(file(image)), gray(image))
    image.putpixel((2, 1), 0)
    clear = load_image(file(image, transparency=0))
    index = torch.tensor(np.asarray(image))
    assert (clear[index == 0] == 1).all()
    assert_close(clear[index > 0], gray(image)[index > 0])


@pytest.mark.parametrize('mode', ['CMYK', 'YCbCr', 'HSV', 'RGBX'])
def test_other_modes_of_color(mode):
    image = Image.fromarray((rand(5, 7, 3) * 255).byte().numpy()).convert(mode)
    assert_close(load_image(image), gray(image.convert('RGB')), rtol=0, atol=0.01)


def test_a_mode_that_cannot_be_gray_is_explained():
    with pytest.raises(ValueError, match=r'mode LAB cannot be made gray; .*convert'):
        load_image(Image.new('LAB', (5, 7)))


@pytest.mark.parametrize('orientation, turned', [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_turned_as_the_camera_was_held(tmp_path, orientation, turned):
    X = (STEPS * 255).byte()
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / 'turned.png'
    Image.fromarray(X.numpy()).save(path, exif=exif)
    want = torch.rot90(X, turned) / 255
    for form in (path, str(path), path.read_bytes(), Image.open(path)):
        assert_close(load_image(form), want)
    Image.fromarray((STEPS * 65535).numpy().astype(np.uint16)).save(path, exif=exif)
    assert_close(load_image(path), torch.rot90(STEPS, turned), rtol=0, atol=1e-4)


def test_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    Image.fromarray((STEPS * 255).byte().numpy()).save(tmp_path / 'mine.png')
    assert load_image('~/mine.png').shape == (5, 7)
