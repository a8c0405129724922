"""Files of records, as ``im2rec`` writes them: ``mx.recordio``.

A record is ``magic, length, content``, padded to 4 bytes. Where the content has the magic number itself at a multiple of 4
bytes, it is cut there into parts, whose place the upper 3 bits of the length tell: 0 whole, 1 first, 2 middle, 3 last. So a
reader that stands anywhere finds the next record by the magic number.

    magic len|0 content          magic len|1 content before it   magic len|3 content behind it
"""

from __future__ import annotations

import numbers
import os
import struct
from collections import namedtuple
from typing import Any, BinaryIO

import numpy as np

from . import codec
from .base import MXNetError

_MAGIC = struct.pack("<I", 0xCED7230A)
_HEAD = struct.Struct("<4sI")
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_LENGTH_BITS = 29


class MXRecordIO:
    """A file of records, read or written from its beginning to its end.

    Parameters
    ----------
    uri : str
        Path.
    flag : {"r", "w"}

    Raises
    ------
    MXNetError
        The file cannot be opened; when a record is read that is cut off, or is none.

    Notes
    -----
    In a forked or unpickled copy a reader starts from the beginning again; a writer refuses to write.
    """

    def __init__(self, uri: str | os.PathLike, flag: str):
        self.uri = os.fspath(uri)
        self.flag = flag
        self.is_open = False
        self.writable = flag == "w"
        self._file: BinaryIO | None = None
        self._pid = 0
        self.open()

    def open(self) -> None:
        """Open the file; writing begins with an empty one."""
        if self.flag not in ("r", "w"):
            raise ValueError(f"Invalid flag {self.flag}")
        try:
            # A writer has no buffer: a forked child would write what waits in its copy a second time.
            self._file = open(self.uri, f"{self.flag}b", 0 if self.writable else -1)  # type: ignore[assignment]  # noqa: SIM115
        except OSError as error:
            raise MXNetError(f"cannot open record file {self.uri!r}: {error.strerror}") from error
        self._pid = os.getpid()
        self.is_open = True

    def close(self) -> None:
        """Close the file."""
        if self.is_open and self._file is not None:
            self._file.close()
            self._file = None
            self.is_open = False

    def reset(self) -> None:
        """Begin again. A writer begins an empty file."""
        self.close()
        self.open()

    def __del__(self) -> None:
        if getattr(self, "is_open", False):
            self.close()

    def __getstate__(self) -> dict[str, Any]:
        was_open = self.is_open
        if self.writable:
            self.close()  # the copy and this one cannot both write
        return {**self.__dict__, "_file": None, "is_open": was_open}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        was_open, self.is_open = self.is_open, False
        if was_open:
            self.open()

    def _opened(self, writing: bool) -> BinaryIO:
        if writing != self.writable:
            raise AssertionError(f"record file {self.uri!r} is open for {'writing' if self.writable else 'reading'}")
        if self._pid != os.getpid() and self.is_open:
            if writing:
                raise RuntimeError(f"Forbidden operation in multiple processes: writing {self.uri!r} in a forked child")
            self.reset()
        if self._file is None:
            raise MXNetError(f"record file {self.uri!r} is closed")
        return self._file

    def write(self, buf: bytes) -> None:
        """Write one record.

        Raises
        ------
        MXNetError
            It is longer than the format allows (512 MB).
        """
        file = self._opened(writing=True)
        content = memoryview(buf).cast("B")
        if len(content) >> _LENGTH_BITS:
            raise MXNetError(f"a record of {len(content)} bytes is too long: RecordIO only accepts 2^{_LENGTH_BITS} bytes")
        parts: list[bytes] = []
        start = 0
        for cut in _cuts(bytes(content)):
            parts += _part(_MIDDLE if start else _FIRST, content[start:cut])
            start = cut + len(_MAGIC)
        file.write(b"".join([*parts, *_part(_LAST if start else _WHOLE, content[start:])]))

    def read(self) -> bytes | None:
        """Return the next record; None at the end of the file."""
        file = self._opened(writing=False)
        parts: list[bytes] = []
        while True:
            place, part = self._read_part(file, first=not parts)
            if part is None:
                return None
            parts.append(part)
            if place in (_WHOLE, _LAST):
                return _MAGIC.join(parts) if place == _LAST else part

    def read_at(self, position: int) -> bytes | None:
        """Return the record at a byte of the file, as `positions` or an index tells it."""
        self._opened(writing=False).seek(position)
        return self.read()

    def _read_part(self, file: BinaryIO, first: bool) -> tuple[int, bytes | None]:
        at = file.tell()
        head = file.read(_HEAD.size)
        if not head and first:
            return _WHOLE, None
        if len(head) < _HEAD.size:
            raise MXNetError(f"{self.uri}: is cut off in the record at byte {at}")
        magic, word = _HEAD.unpack(head)
        place, length = word >> _LENGTH_BITS, word & (1 << _LENGTH_BITS) - 1
        if magic != _MAGIC or place not in ((_WHOLE, _FIRST) if first else (_MIDDLE, _LAST)):
            raise MXNetError(f"{self.uri}: there is no record at byte {at}: found {head.hex()}")
        padded = -(-length // 4) * 4
        # Ask the file before memory is taken for a length that a broken file claims.
        if padded > 1 << 20 and padded > os.fstat(file.fileno()).st_size - at - _HEAD.size:
            content = b""
        else:
            content = file.read(padded)
        if len(content) < padded:
            raise MXNetError(f"{self.uri}: is cut off in the record at byte {at}, which has {length} bytes")
        return place, content[:length] if padded != length else content


def positions(uri: str | os.PathLike) -> list[int]:
    """Where each record of a file begins; only their heads are read."""
    found = []
    with open(uri, "rb") as file:
        at, size = 0, os.fstat(file.fileno()).st_size
        while at + _HEAD.size <= size:
            magic, word = _HEAD.unpack(file.read(_HEAD.size))
            if magic != _MAGIC:
                raise MXNetError(f"{os.fspath(uri)}: there is no record at byte {at}")
            if word >> _LENGTH_BITS in (_WHOLE, _FIRST):
                found.append(at)
            at += _HEAD.size + -(-(word & (1 << _LENGTH_BITS) - 1) // 4) * 4
            file.seek(at)
    return found


def _cuts(content: bytes) -> list[int]:
    """Where the magic number stands in `content`, at multiples of 4."""
    found = []
    at = content.find(_MAGIC)
    while at >= 0:
        if at % 4 == 0:
            found.append(at)
        at = content.find(_MAGIC, at + (4 if at % 4 == 0 else 1))
    return found


def _part(place: int, content: memoryview) -> list[Any]:
    return [_HEAD.pack(_MAGIC, place << _LENGTH_BITS | len(content)), content, bytes(-len(content) % 4)]


class MXIndexedRecordIO(MXRecordIO):
    """A file of records with an index beside it: records are found by key.

    Parameters
    ----------
    idx_path : str
        Path of the index, a text file of keys and positions.
    uri, flag
        As for `MXRecordIO`.
    key_type : callable
        Makes a key from text; `int` by default.

    Attributes
    ----------
    keys : list
        In the order of the index.
    idx : dict
        Position of each key's record.
    """

    def __init__(self, idx_path: str | os.PathLike, uri: str | os.PathLike, flag: str, key_type: Any = int):
        self.idx_path = os.fspath(idx_path)
        self.idx: dict[Any, int] = {}
        self.keys: list[Any] = []
        self.key_type = key_type
        self.fidx: Any = None
        super().__init__(uri, flag)

    def open(self) -> None:
        super().open()
        self.idx, self.keys = {}, []
        self.fidx = open(self.idx_path, self.flag, 1, encoding="utf-8")  # noqa: SIM115
        if self.writable:
            return
        for number, line in enumerate(self.fidx, 1):
            words = line.strip().split("\t")
            try:
                key, position = self.key_type(words[0]), int(words[1])
            except (IndexError, ValueError) as error:
                raise MXNetError(f"{self.idx_path}, line {number}: is no key and position: {error}") from None
            self.idx[key] = position
            self.keys.append(key)

    def close(self) -> None:
        if self.fidx is not None:
            self.fidx.close()
            self.fidx = None
        super().close()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "fidx": None}

    def seek(self, idx: Any) -> None:
        """Stand before the record of key `idx`. Raises KeyError for an unknown one."""
        self._opened(writing=False).seek(self.idx[idx])

    def tell(self) -> int:
        """Return where the next record will be written."""
        return self._opened(writing=True).tell()

    def read_idx(self, idx: Any) -> bytes | None:
        """Return the record of key `idx`. Raises KeyError for an unknown one."""
        self.seek(idx)
        return self.read()

    def write_idx(self, idx: Any, buf: bytes) -> None:
        """Write one record under key `idx`."""
        key = self.key_type(idx)
        position = self.tell()
        self.write(buf)
        self.fidx.write(f"{key}\t{position}\n")
        self.idx[key] = position
        self.keys.append(key)


# What im2rec puts into a record: a header, then an image.

IRHeader = namedtuple("HEADER", ["flag", "label", "id", "id2"])  # type: ignore[name-match]  # MXNet's name of the class
_IR = struct.Struct("<IfQQ")


def pack(header: IRHeader, s: bytes) -> bytes:
    """Return a record of `header` and `s`.

    Parameters
    ----------
    header : IRHeader
        `label` is a number, or an array of them: then `flag` tells how many stand behind the header.
    s : bytes
    """
    header = IRHeader(*header)
    if isinstance(header.label, numbers.Number):
        return _IR.pack(0, header.label, header.id, header.id2) + s
    label = np.asarray(header.label, dtype="<f4")
    return _IR.pack(label.size, 0, header.id, header.id2) + label.tobytes() + s


def unpack(s: bytes) -> tuple[IRHeader, bytes]:
    """Return header and content of a record.

    Raises
    ------
    MXNetError
        It is too short for its header.
    """
    if len(s) < _IR.size:
        raise MXNetError(f"a record of {len(s)} bytes is too short for a header, which takes {_IR.size}")
    header = IRHeader(*_IR.unpack_from(s))
    begin = _IR.size + 4 * header.flag
    if header.flag > 0:
        if len(s) < begin:
            raise MXNetError(f"a record of {len(s)} bytes is too short for its {header.flag} labels")
        header = header._replace(label=np.frombuffer(s, "<f4", header.flag, _IR.size))
    return header, s[begin:]


def unpack_img(s: bytes, iscolor: int = -1) -> tuple[IRHeader, np.ndarray]:
    """Return header and image of a record.

    Parameters
    ----------
    s : bytes
    iscolor : int
        1: three channels, in the order blue, green, red. 0: one. -1: as the image has them.

    Raises
    ------
    ImportError
        Neither Pillow nor OpenCV is installed.
    """
    header, content = unpack(s)
    return header, codec.decode(content, iscolor)


def pack_img(header: IRHeader, img: np.ndarray, quality: int = 95, img_fmt: str = ".jpg") -> bytes:
    """Return a record of `header` and an encoded image.

    Parameters
    ----------
    header : IRHeader
    img : ndarray of shape (H, W, 3) or (H, W), uint8
        Channels in the order blue, green, red.
    quality : int
        Of JPEG, 1 to 100; for PNG the compression level, 0 to 9.
    img_fmt : str
        ".jpg" or ".png".

    Raises
    ------
    ImportError
        Neither Pillow nor OpenCV is installed.
    """
    return pack(header, codec.encode(img, quality, img_fmt))
