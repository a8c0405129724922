"""The augmenter of `ImageDetRecordIter`: boxes stay around their objects, whatever chance does."""

import numpy as np
import pytest

from cyexec.image.det_record_augment import DetRecordAugmenter

SHAPE = (3, 60, 80)
BOXES = np.array([[0, 0.1, 0.2, 0.4, 0.6], [1, 0.5, 0.5, 0.9, 0.9]])


def scene():
    """Two objects, one red and one green, on black; blue first."""
    pixels = np.zeros((100, 120, 3), np.uint8)
    for (_, left, top, right, bottom), channel in zip(BOXES, (2, 1)):
        pixels[round(top * 100) : round(bottom * 100), round(left * 120) : round(right * 120), channel] = 255
    return pixels


def augmented(seed, **options):
    return DetRecordAugmenter(SHAPE, options, "test")(scene(), BOXES, np.random.default_rng(seed))


SAMPLERS = dict(
    rand_crop_prob=1.0, num_crop_sampler=2, min_crop_scales=(0.3, 0.5), max_crop_scales=(0.9, 1.0),
    min_crop_aspect_ratios=0.5, max_crop_aspect_ratios=2.0, min_crop_object_coverages=(0.5, 0.9),
)  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        dict(rand_mirror_prob=0.5),
        dict(rand_pad_prob=0.9, max_pad_scale=3.0, fill_value=0),
        SAMPLERS,
        dict(SAMPLERS, crop_emit_mode="overlap", emit_overlap_thresh=0.4),
        dict(SAMPLERS, rand_mirror_prob=0.5, rand_pad_prob=0.5, max_pad_scale=2.0, fill_value=0, resize=50),
        dict(SAMPLERS, resize_mode="fit"),
        dict(resize_mode="shrink"),
    ],
    ids=str,
)
def test_boxes_stay_around_their_objects(options):
    several = set()
    for seed in range(40):
        pixels, boxes = augmented(seed, **options)
        height, width = pixels.shape[:2]
        assert height <= 60 and width <= 80 and (options.get("resize_mode", "force") != "force" or (height, width) == (60, 80))
        several.add(boxes.tobytes())
        assert len(boxes) > 0
        for kind, *place in boxes:
            rows, columns = np.nonzero(pixels[..., 2 - int(kind)] > 127)
            found = [columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height]
            # Places of parts are cut to whole pixels, one at each end, of at least a third of 50 rows; then pixels are resized.
            np.testing.assert_allclose(place, found, atol=0.13)
    assert len(several) > 1 or options.keys() == {"resize_mode"}


def test_a_part_has_the_objects_that_its_sampler_wants():
    for seed in range(40):
        _, boxes = augmented(seed, rand_crop_prob=1.0, min_crop_scales=0.3, min_crop_object_coverages=1.0)
        # An object that is there whole is there in its size: no side is cut.
        assert ((boxes[:, 3] - boxes[:, 1] > 0.29) & (boxes[:, 4] - boxes[:, 2] > 0.39)).any()


def test_colours_alone_leave_boxes():
    options = dict(
        max_random_hue=18, random_hue_prob=1.0, max_random_saturation=32, random_saturation_prob=1.0,
        max_random_illumination=32, random_illumination_prob=1.0, max_random_contrast=0.5, random_contrast_prob=1.0,
    )  # fmt: skip
    plain, _ = augmented(0)
    changed, boxes = augmented(0, **options)
    np.testing.assert_array_equal(boxes, BOXES)
    assert changed.shape == plain.shape and (changed != plain).any()
