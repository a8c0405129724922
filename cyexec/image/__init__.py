"""Images: reading, resizing, cropping, augmenting, and iterators over them: ``mx.image``.

    bytes --cyexec/codec.py--> pixels --transform.py, resize.py--> pixels --augment.py--> batches (iterator.py, record_iter.py)

Images are NDArrays of shape (height, width, channels), red first unless said otherwise. Only encoding and decoding need a
library, Pillow or OpenCV; the rest is NumPy, and OpenCV where it is installed. Random choices come from Python's `random` and
`numpy.random`, as in MXNet. For detection, images have boxes, which `det_augment.py` moves with them (det_iterator.py).
"""

from .augment import (
    Augmenter,
    BrightnessJitterAug,
    CastAug,
    CenterCropAug,
    ColorJitterAug,
    ColorNormalizeAug,
    ContrastJitterAug,
    CreateAugmenter,
    ForceResizeAug,
    HorizontalFlipAug,
    HueJitterAug,
    LightingAug,
    RandomCropAug,
    RandomGrayAug,
    RandomOrderAug,
    RandomSizedCropAug,
    ResizeAug,
    SaturationJitterAug,
    SequentialAug,
)
from .det_augment import (
    CreateDetAugmenter,
    CreateMultiRandCropAugmenter,
    DetAugmenter,
    DetBorrowAug,
    DetHorizontalFlipAug,
    DetRandomCropAug,
    DetRandomPadAug,
    DetRandomSelectAug,
)
from .det_iterator import ImageDetIter
from .det_record_iter import ImageDetRecordIter
from .iterator import ImageIter
from .record_iter import ImageRecordIter, ImageRecordUInt8Iter
from .transform import (
    center_crop,
    color_normalize,
    copyMakeBorder,
    fixed_crop,
    imdecode,
    imread,
    imresize,
    random_crop,
    random_size_crop,
    resize_short,
    scale_down,
)

__all__ = [
    "Augmenter", "BrightnessJitterAug", "CastAug", "CenterCropAug", "ColorJitterAug", "ColorNormalizeAug",
    "ContrastJitterAug", "CreateAugmenter", "CreateDetAugmenter", "CreateMultiRandCropAugmenter", "DetAugmenter",
    "DetBorrowAug", "DetHorizontalFlipAug", "DetRandomCropAug", "DetRandomPadAug", "DetRandomSelectAug",
    "ForceResizeAug", "HorizontalFlipAug", "HueJitterAug", "ImageDetIter", "ImageDetRecordIter", "ImageIter", "ImageRecordIter",
    "ImageRecordUInt8Iter", "LightingAug", "RandomCropAug", "RandomGrayAug", "RandomOrderAug",
    "RandomSizedCropAug", "ResizeAug", "SaturationJitterAug", "SequentialAug", "center_crop", "color_normalize",
    "copyMakeBorder", "fixed_crop", "imdecode", "imread", "imresize", "random_crop", "random_size_crop", "resize_short",
    "scale_down",
]  # fmt: skip
