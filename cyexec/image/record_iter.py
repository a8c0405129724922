"""ImageRecordIter: batches of images of a record file, decoded and augmented by several threads."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from .. import codec, recordio
from ..base import MXNetError
from ..io.file_iter import Chunk, MXDataIter
from ..ndarray import NDArray, array, load, save
from .iterator import read_list
from .record_augment import OPTIONS, RecordAugmenter

# Accepted, and of no consequence here.
_IGNORED = frozenset({
    "verbose", "prefetch_buffer", "device_id", "ctx", "aug_seq", "shuffle_chunk_size", "shuffle_chunk_seed", "dct_method",
})  # fmt: skip


class ImageRecordIter(MXDataIter):
    """Batches of the images of a record file, red first, of shape (batch_size, channels, height, width).

    Pixels become ``((pixel - mean) * contrast + illumination) * scale / std``.

    Parameters
    ----------
    path_imgrec : str
    path_imgidx : str, optional
        Index of the file; without one, the file is looked through once.
    path_imglist : str, optional
        List file with other labels.
    data_shape : (channels, height, width)
        1 or 3 channels.
    batch_size : int
    label_width : int
        Labels of an image.
    shuffle, seed : bool, int
        Put the images in a new order for every epoch; it comes from `seed`, and is not MXNet's. `seed_aug` is for augmentation.
    num_parts, part_index : int
        Take only that part of so many.
    preprocess_threads : int
    round_batch : bool
        Whether an incomplete last batch is completed with the first images, which the next epoch then leaves out.
    rand_mirror, mirror : bool
        Exchange left and right half of the time, or always.
    mean_img : str, optional
        File of a mean image, as `mx.nd.save` writes it. If it is not there, it is made: the mean of an epoch's images.
    mean_r, mean_g, mean_b, mean_a, std_r, std_g, std_b, std_a, scale : float
    max_random_contrast, max_random_illumination : float
        Contrast is random within 1 +- the one, illumination within +- the other.
    dtype : dtype
        Of the images; float32 by default.
    data_name, label_name : str
    **augmentation
        ``resize`` (length of the shorter edge before all else), ``rand_crop``, ``random_resized_crop``,
        ``max_rotate_angle``, ``max_random_scale``, ``pad``, ``random_h`` and the others that
        `record_augment.OPTIONS` has.

    Raises
    ------
    MXNetError
        The file is missing or broken; an option is unknown, or contradicts another.
    ImportError
        Neither Pillow nor OpenCV is installed.
    """

    _default_dtype: Any = np.float32
    _options: Mapping[str, Any] = OPTIONS
    _augmenter: Any = RecordAugmenter

    def __init__(
        self,
        path_imgrec: str,
        data_shape: Any,
        batch_size: int,
        path_imgidx: str | None = None,
        path_imglist: str | None = None,
        label_width: int = 1,
        shuffle: bool = False,
        seed: int = 0,
        seed_aug: int | None = None,
        num_parts: int = 1,
        part_index: int = 0,
        preprocess_threads: int = 4,
        round_batch: bool = True,
        rand_mirror: bool = False,
        mirror: bool = False,
        mean_img: str | None = None,
        mean_r: float = 0.0,
        mean_g: float = 0.0,
        mean_b: float = 0.0,
        mean_a: float = 0.0,
        std_r: float = 1.0,
        std_g: float = 1.0,
        std_b: float = 1.0,
        std_a: float = 1.0,
        scale: float = 1.0,
        max_random_contrast: float = 0.0,
        max_random_illumination: float = 0.0,
        dtype: Any = None,
        data_name: str = "data",
        label_name: str = "softmax_label",
        **augmentation: Any,
    ):
        name = type(self).__name__
        for key in augmentation:
            if key not in self._options and key not in _IGNORED:
                raise MXNetError(f"{name}: Cannot find argument '{key}'; known are also {', '.join(self._options)}")
        self._shape = tuple(int(d) for d in data_shape)
        if len(self._shape) != 3 or self._shape[0] not in (1, 3):
            raise MXNetError(f"{name}: data_shape is {data_shape}; expected (channels, height, width) with 1 or 3 channels")
        if not 0 <= part_index < num_parts:
            raise MXNetError(f"{name}: part_index={part_index} is not within num_parts={num_parts}")
        self._path = path_imgrec
        self._labels = {k: v for k, (v, _) in read_list(path_imglist).items()} if path_imglist else None
        self._label_width = label_width
        positions = _index(path_imgrec, path_imgidx)
        start, stop = (len(positions) * part // num_parts for part in (part_index, part_index + 1))
        self._positions = positions[start:stop]
        if not len(self._positions):
            raise MXNetError(f"{name}: there is no record in {path_imgrec!r} (part {part_index} of {num_parts})")
        self._order = np.random.default_rng(seed) if shuffle else None
        self._chances = np.random.default_rng(seed if seed_aug is None else seed_aug)
        self._threads = ThreadPoolExecutor(max(1, preprocess_threads), thread_name_prefix=name)
        options = {key: value for key, value in augmentation.items() if key in self._options}
        self._augment = self._augmenter(self._shape, options, name)
        self._rand_mirror, self._mirror = rand_mirror, mirror
        # Images as they are, until the mean image is there.
        self._mean: Any = np.float32(0)
        self._factor: Any = np.float32(1)
        self._contrast = self._illumination = 0.0
        last = "round" if round_batch else "stale"
        dtype = self._default_dtype if dtype is None else dtype
        super().__init__(
            self._shape, self._label_shape(), batch_size, dtype, last, data_name, label_name, label_dtype=np.float32
        )
        if mean_img:
            mean = _mean_image(mean_img, self._shape) if os.path.isfile(mean_img) else self._create_mean_image(mean_img)
        else:
            mean = self._by_channel(mean_r, mean_g, mean_b, mean_a)
        self._mean, self._factor = mean, np.float32(scale) / self._by_channel(std_r, std_g, std_b, std_a)
        self._contrast, self._illumination = max_random_contrast, max_random_illumination

    def _by_channel(self, *values: float) -> np.ndarray:
        return np.array(values[: self._shape[0]], np.float32).reshape(-1, 1, 1)

    def _create_mean_image(self, path: str) -> np.ndarray:
        """The mean of an epoch's images, augmented, which is also written to `path` for the next time."""
        total = np.zeros(self._shape, np.float64)
        for chunk in self.chunks():
            total += chunk.data[0]
        mean = (total / len(self._positions)).astype(np.float32)
        logging.info("Save mean image to %s..", path)
        save(path, {"mean_img": array(mean)})
        return mean

    def _label_shape(self) -> tuple[int, ...]:
        return (self._label_width,) if self._label_width > 1 else ()

    def chunks(self) -> Iterator[Chunk]:
        """The images of one epoch, one by one; those of the next two batches are being decoded."""
        positions = self._positions
        if self._order is not None:
            positions = positions[self._order.permutation(len(positions))]
        reader = recordio.MXRecordIO(self._path, "r")
        coming: deque[Future[Chunk]] = deque()
        try:
            for number, position in positions.tolist():
                seed = int(self._chances.integers(2**63))
                coming.append(self._threads.submit(self._make, number, reader.read_at(position), seed))
                if len(coming) > 2 * self.batch_size:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()
            reader.close()

    def _make(self, number: int, record: bytes | None, seed: int) -> Chunk:
        if record is None:
            raise MXNetError(f"{self._path}: ends before record {number}")
        header, content = recordio.unpack(record)
        label = self._label_of(header)
        try:
            pixels = codec.decode(content, 1 if self._shape[0] == 3 else 0)
        except MXNetError as error:
            raise MXNetError(f"{self._path}: image {header.id}: {error}") from error
        # A generator for each image: which thread makes it when does not matter.
        chance = np.random.default_rng(seed)
        data, label = self._example(pixels if pixels.ndim == 3 else pixels[..., None], label, chance)
        return Chunk(data[None], label[None], np.array([header.id], np.uint64))

    def _label_of(self, header: recordio.IRHeader) -> np.ndarray:
        label = header.label if self._labels is None else self._labels.get(header.id)
        if label is None:
            raise MXNetError(f"{self._path}: image {header.id} is not in path_imglist")
        label = np.atleast_1d(np.asarray(label, np.float32))
        self._check_label(label, f"{self._path}: image {header.id}")
        return label

    def _check_label(self, label: np.ndarray, what: str) -> None:
        if len(label) != self._label_width:
            raise MXNetError(f"{what} has {len(label)} labels, but label_width is set to {self._label_width}")

    def _example(
        self, pixels: np.ndarray, label: np.ndarray, chance: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """An image (blue first) and its label as they stand in a batch."""
        pixels = self._augment(pixels, chance)
        if self._mirror or self._rand_mirror and chance.random() < 0.5:
            pixels = pixels[:, ::-1]
        return self._normalised(pixels, chance), label

    def _normalised(self, pixels: np.ndarray, chance: np.random.Generator) -> np.ndarray:
        """Put channels first (red, green, blue) and normalise."""
        data = pixels[..., ::-1].transpose(2, 0, 1)
        if self.dtype.kind != "f":
            return data
        data = data - self._mean
        if self._contrast or self._illumination:
            data = data * np.float32(1 + chance.uniform(-self._contrast, self._contrast))
            data = data + np.float32(chance.uniform(-self._illumination, self._illumination))
        return data * self._factor


class ImageRecordUInt8Iter(ImageRecordIter):
    """As `ImageRecordIter`, with pixels as they are, in uint8: no mean, scale or deviation."""

    _default_dtype = np.uint8


def _index(path: str, index_path: str | None) -> np.ndarray:
    """Number and position of every record; an array of shape (n, 2)."""
    if index_path:
        reader = recordio.MXIndexedRecordIO(index_path, path, "r")
        found = [(key, reader.idx[key]) for key in reader.keys]
        reader.close()
    else:
        if not os.path.isfile(path):
            raise MXNetError(f"cannot open record file {path!r}: No such file or directory")
        found = list(enumerate(recordio.positions(path)))
    return np.array(found, np.int64).reshape(-1, 2)


def _mean_image(path: str, shape: tuple[int, ...]) -> np.ndarray:
    loaded = load(path)
    values = list(loaded.values()) if isinstance(loaded, dict) else loaded
    if not values or not isinstance(values[0], NDArray) or values[0].shape != shape:
        raise MXNetError(f"{path}: is no mean image of shape {shape}")
    return values[0].asnumpy()
