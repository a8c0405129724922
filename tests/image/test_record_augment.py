"""The augmenter of `ImageRecordIter`: MXNet's numbers where nothing is random, bounds and laws where something is."""

import json
from pathlib import Path

import numpy as np
import pytest

import cyexec as mx
from cyexec.image import hls, warp
from cyexec.image.record_augment import RecordAugmenter

GOLDEN = Path(__file__).parent.parent / "golden" / "image" / "record_augment.json"
SHAPE = (3, 7, 8)


def picture(height=11, width=13):
    """That of the golden's maker, blue first."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([(x + y) * 8, y * 20 + x, x * 15 + y * 3], -1).astype(np.uint8)


def augmented(pixels, seed=0, shape=SHAPE, **options):
    return RecordAugmenter(shape, options, "test")(pixels, np.random.default_rng(seed))


@pytest.mark.parametrize(("options", "wanted"), json.loads(GOLDEN.read_text()), ids=str)
def test_gives_mxnets_numbers(options, wanted):
    found = augmented(picture(), **options)[..., ::-1].transpose(2, 0, 1)
    # Without OpenCV the linear map has float weights instead of 1/32: a step of 20 a pixel is off by a 64th of it, rounded,
    # but for the border, where a step is up to 255.
    difference = np.abs(found.astype(int) - wanted)
    mapped = not options.keys().isdisjoint({
        "rotate", "min_random_scale", "max_random_scale", "min_aspect_ratio", "min_img_size", "max_img_size",
    })  # fmt: skip
    assert difference.max() <= (6 if mapped else 0)
    assert np.mean(difference > 1) < 0.05


@pytest.mark.parametrize(
    "options",
    [
        dict(rand_crop=True),
        dict(rand_crop=True, min_crop_size=4, max_crop_size=11),
        dict(random_resized_crop=True, min_random_area=0.2, min_aspect_ratio=0.7, max_aspect_ratio=1.4),
        dict(max_rotate_angle=30, max_shear_ratio=0.2, max_aspect_ratio=0.25, min_random_scale=0.6, pad=4),
        dict(brightness=0.4, contrast=0.4, saturation=0.4, pca_noise=0.1),
        dict(random_h=36, random_s=50, random_l=50),
        dict(resize=20, inter_method=10),
    ],
    ids=str,
)
def test_chance_comes_from_the_generator_alone(options):
    pixels = picture()
    before = pixels.copy()
    made = [augmented(pixels, seed, **options) for seed in range(20)]
    assert all(m.shape == (7, 8, 3) and m.dtype == np.uint8 for m in made)
    assert len({m.tobytes() for m in made}) > 1
    for seed, m in enumerate(made):
        np.testing.assert_array_equal(augmented(pixels, seed, **options), m)
    np.testing.assert_array_equal(pixels, before)


def test_colours_keep_within_their_limits():
    grey = np.full((7, 8, 3), 100, np.uint8)
    for seed in range(30):
        assert np.abs(augmented(grey, seed, brightness=0.3).astype(int) - 100).max() <= 30
        assert np.abs(augmented(grey, seed, random_l=20).astype(int) - 100).max() <= 20
        # Grey has neither contrast nor saturation.
        assert np.abs(augmented(grey, seed, contrast=0.5, saturation=0.5).astype(int) - 100).max() <= 1


def test_an_image_smaller_than_the_crop_is_refused():
    with pytest.raises(mx.MXNetError, match="13 x 11 pixels is smaller than crop size 12"):
        augmented(picture(), min_crop_size=12, max_crop_size=12)


@pytest.fixture
def without_opencv(monkeypatch):
    for module in (hls, warp):
        monkeypatch.setattr(module, "opencv", lambda: None)


@pytest.mark.usefixtures("without_opencv")
def test_hls_of_known_colours_and_back():
    colours = [[0, 0, 255], [0, 255, 0], [255, 0, 0], [255, 255, 255], [0, 0, 0], [64, 64, 64], [0, 255, 255]]
    wanted = [[0, 128, 255], [60, 128, 255], [120, 128, 255], [0, 255, 0], [0, 0, 0], [0, 64, 0], [30, 128, 255]]
    np.testing.assert_array_equal(hls.to_hls(np.array([colours], np.uint8))[0], wanted)
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    # Hue is kept in steps of 2 degrees, a 180th of the wheel: a channel moves 4.25 a degree, half a step is one degree.
    assert np.abs(hls.to_bgr(hls.to_hls(pixels)).astype(int) - pixels).max() <= 6
    np.testing.assert_array_equal(hls.shift_hls(pixels, 0, 255, 0), np.full_like(pixels, 255))


@pytest.mark.usefixtures("without_opencv")
@pytest.mark.parametrize("interp", [0, 1])
def test_warps_by_whole_pixels_are_exact(interp):
    pixels = picture()
    shift = np.array([[1, 0, 2], [0, 1, -3]])
    moved = warp.warp_affine(pixels, shift, 13, 11, 7, interp)
    np.testing.assert_array_equal(moved[:8, 2:], pixels[3:, :11])
    assert (moved[8:] == 7).all() and (moved[:, :2] == 7).all()
    transposed = warp.warp_affine(pixels, np.array([[0, 1, 0], [1, 0, 0]]), 11, 13, 0, interp)
    np.testing.assert_array_equal(transposed, pixels.transpose(1, 0, 2))
