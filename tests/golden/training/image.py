"""Images: resizing, cropping, augmenting; random choices from seeds. Nothing here reads or writes an image file."""

import json
import random

import numpy as np


def picture(mx, height=6, width=7, dtype="uint8"):
    numbers = np.arange(height * width * 3).reshape(height, width, 3)
    return mx.nd.array(numbers * 7 % 256, dtype=dtype)


def rounded(array):
    """Floats to a thousandth of a level of brightness, since sums are made in another order."""
    return (array.asnumpy().astype("float64") * 1000).round().astype(int) // 2


def kind(f, *args, **kwargs):
    try:
        f(*args, **kwargs)
    except Exception as error:  # noqa: BLE001
        return type(error).__name__
    return "none"


def case_resize(mx):
    answers = {}
    for width, height in ((13, 9), (3, 2), (7, 6), (4, 8), (8, 3)):
        for method in (0, 1, 3):
            answers["%d %d %d" % (width, height, method)] = mx.image.imresize(picture(mx), width, height, method)
    return answers


def case_crops(mx):
    random.seed(5)
    src = picture(mx, 12, 16)
    answers = []
    for size in ((5, 4), (16, 12), (20, 9), (3, 30)):
        for crop in (mx.image.center_crop, mx.image.random_crop):
            made, place = crop(src, size, 1)
            answers.append([made.shape, place, made])
        made, place = mx.image.random_size_crop(src, size, (0.1, 0.9), (0.7, 1.4), 1)
        answers.append([made.shape, place])
    answers.append(mx.image.random_size_crop(src, (5, 4), 0.5, (0.7, 1.4))[1])
    answers.append(mx.image.fixed_crop(src, 1, 2, 3, 4))
    answers.append([mx.image.resize_short(src, n, 1).shape for n in (5, 12, 30)])
    answers.append([mx.image.scale_down((5, 7), size) for size in ((10, 3), (4, 4), (3, 20), (5, 7))])
    mean, std = mx.nd.array([1, 2, 3]), mx.nd.array([4, 5, 6])
    answers.append(rounded(mx.image.color_normalize(picture(mx, dtype="float32"), mean, std)))
    border = mx.image.copyMakeBorder(picture(mx, 2, 2), 1, 0, 2, 1, values=(1, 2, 3))
    return answers + [border, mx.image.copyMakeBorder(picture(mx, 2, 3), 1, 2, 2, 1, type=1), random.random()]


def case_augmenters(mx):
    answers = {}
    for make in (
        lambda: mx.image.BrightnessJitterAug(0.5),
        lambda: mx.image.ContrastJitterAug(0.5),
        lambda: mx.image.SaturationJitterAug(0.5),
        lambda: mx.image.HueJitterAug(0.5),
        lambda: mx.image.ColorJitterAug(0.1, 0.2, 0.3),
        lambda: mx.image.RandomGrayAug(0.5),
        lambda: mx.image.HorizontalFlipAug(0.5),
        lambda: mx.image.LightingAug(0.1, np.array([55.46, 4.794, 1.148]), np.eye(3)),
        lambda: mx.image.RandomCropAug((3, 4), 1),
        lambda: mx.image.RandomSizedCropAug((3, 4), (0.3, 1.0), (0.7, 1.3), 0),
        lambda: mx.image.SequentialAug([mx.image.ResizeAug(8, 1), mx.image.CenterCropAug((5, 4))]),
        lambda: mx.image.RandomOrderAug([mx.image.CastAug(), mx.image.HorizontalFlipAug(0.5)]),
        lambda: mx.image.ForceResizeAug((4, 5), 0),
    ):
        random.seed(3)
        np.random.seed(3)  # noqa: NPY002
        augmenter = make()
        results = []
        for _ in range(3):
            made = augmenter(picture(mx, dtype="float32"))
            results.append([list(made.shape), rounded(made)[:2]])
        answers[type(augmenter).__name__] = [results, augmenter.dumps(), random.random(), np.random.rand()]  # noqa: NPY002
    return answers


def case_create(mx):
    answers = []
    for kwargs in (
        dict(),
        dict(resize=5, rand_crop=True, rand_mirror=True, mean=True, std=True),
        dict(rand_crop=True, rand_resize=True, brightness=0.1, hue=0.2, pca_noise=0.1, rand_gray=0.2),
        dict(mean=np.array([1.0, 2.0, 3.0]), contrast=0.5, saturation=0.5, inter_method=1),
    ):
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        augmenters = mx.image.CreateAugmenter((3, 4, 5), **kwargs)
        made = picture(mx, 12, 16)
        for augmenter in augmenters:
            made = augmenter(made)
        names = [json.dumps(a.dumps()) for a in augmenters if "normalize" not in type(a).__name__.lower()]
        answers.append([[type(a).__name__ for a in augmenters], names, list(made.shape), str(np.dtype(made.dtype))])
    answers.append(kind(mx.image.CreateAugmenter, (3, 4, 5), rand_resize=True))
    return answers


def boxes():
    return np.array([[0, 0.1, 0.2, 0.6, 0.7], [1, 0.5, 0.5, 0.9, 0.95], [2, 0, 0, 0.3, 0.3]], np.float32)


def whole(array, unit=1e-4):
    """Numbers in steps, since float32 sums are made in another order."""
    return (np.asarray(array, "float64") / unit).round().astype(int)


def case_detection_augmenters(mx):
    answers = {}
    for name, make in (
        ("crop", lambda: mx.image.DetRandomCropAug()),
        ("narrow", lambda: mx.image.DetRandomCropAug(0.3, (0.5, 2.0), (0.1, 0.8), 0.2, 20)),
        ("fixed", lambda: mx.image.DetRandomCropAug(aspect_ratio_range=1.0, area_range=0.5)),
        ("pad", lambda: mx.image.DetRandomPadAug((0.5, 2.0), (1.0, 4.0), 50, (1, 2, 3))),
        ("flip", lambda: mx.image.DetHorizontalFlipAug(0.5)),
        ("select", lambda: mx.image.DetRandomSelectAug([mx.image.DetRandomPadAug(), mx.image.DetRandomCropAug()], 0.3)),
        ("several", lambda: mx.image.CreateMultiRandCropAugmenter([0.1, 0.3], area_range=[(0.1, 1.0), (0.3, 0.9)])),
        ("borrow", lambda: mx.image.DetBorrowAug(mx.image.CastAug())),
    ):
        random.seed(3)
        augmenter = make()
        results = []
        for _ in range(6):
            made, label = augmenter(picture(mx, 40, 50), boxes())
            results.append([list(made.shape), int(made.asnumpy().sum()), whole(label), random.random()])
        answers[name] = [augmenter.dumps(), results]
    return answers


def case_create_detection(mx):
    answers = []
    for kwargs in (
        dict(),
        dict(rand_crop=0.7, rand_pad=0.6, rand_mirror=True, inter_method=1, resize=30, min_object_covered=[0.1, 0.5]),
        dict(mean=True, std=True, brightness=0.1, hue=0.1, pca_noise=0.1, rand_gray=0.1, inter_method=1),
    ):
        random.seed(5)
        np.random.seed(5)  # noqa: NPY002
        augmenters = mx.image.CreateDetAugmenter((3, 6, 8), **kwargs)
        results = []
        for _ in range(4):
            made, label = picture(mx, 40, 50), boxes()
            for augmenter in augmenters:
                made, label = augmenter(made, label)
            results.append([list(made.shape), whole(label), random.random()])
        answers.append([[json.dumps(a.dumps()) for a in augmenters if not kwargs.get("mean")], results])
    answers.append(kind(mx.image.DetBorrowAug, 3))
    answers.append(kind(mx.image.DetRandomSelectAug, [3]))
    return answers
