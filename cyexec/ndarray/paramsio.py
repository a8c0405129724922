"""Files of arrays in MXNet's binary format, read without trust and written so that nothing is ever half there.

A file is, in little endian::

    uint64 0x112, uint64 0                       magic, reserved
    uint64 count, then that many arrays
    uint64 names (0 or count), then for each: uint64 bytes, UTF-8 text

and an array, by its first word::

    V3 0xF993FACA, V2 0xF993FAC9:  uint32 magic, int32 storage type, shape, context, int32 dtype flag, elements
    V1 0xF993FAC8:                 uint32 magic, shape, context, int32 dtype flag, elements
    V0 (no magic):                 uint32 ndim, uint32 extents, context, int32 dtype flag, elements
    shape:                         uint32 ndim (int32 in V2, V3), int64 extents
    context:                       int32 device type, int32 device number

V2 and V3 differ in what ndim 0 means: "no array" in V2 (nothing follows), a scalar in V3. Sparse arrays have, after the
storage type, the shape of their values; after the dtype flag, dtype flag and shape of each index array; and after
the values, the index arrays.
"""

from __future__ import annotations

import math
import os
import struct
import tempfile
from typing import Any

import numpy as np

from ..base import DTYPE_FLAGS, DTYPES, MXNetError
from ..context import as_context
from .ndarray import NDArray

LIST_MAGIC = 0x112
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
MAX_NDIM = 32  # NumPy 1's limit; MXNet's own arrays have fewer
_DENSE, _ROW_SPARSE, _CSR = 0, 1, 2
_DENSE_BYTES = 64 << 20  # a sparse array up to this size is made dense whatever the size of its file


class _Reader:
    """Takes fields from bytes, never more than there are."""

    def __init__(self, data: bytes | bytearray | memoryview, where: str):
        self.data = memoryview(data)
        self.where = where
        self.at = 0

    def fail(self, message: str, at: int | None = None) -> MXNetError:
        return MXNetError(f"{self.where}, byte {self.at if at is None else at}: {message}")

    def take(self, nbytes: int, what: str) -> memoryview:
        left = len(self.data) - self.at
        if nbytes > left:
            raise self.fail(f"expected {what} ({nbytes} bytes), but only {left} bytes are left")
        part = self.data[self.at : self.at + nbytes]
        self.at += nbytes
        return part

    def number(self, code: str, what: str) -> int:
        return struct.unpack("<" + code, self.take(struct.calcsize(code), what))[0]

    def shape(self, ndim_code: str, extent_code: str, what: str = "shape") -> tuple[int, ...]:
        start = self.at
        ndim = self.number(ndim_code, f"number of dimensions of the {what}")
        if not 0 <= ndim <= MAX_NDIM:
            raise self.fail(f"{what} of {ndim} dimensions; expected 0 to {MAX_NDIM}", start)
        size = struct.calcsize("<" + extent_code)
        raw = self.take(ndim * size, f"{what} of {ndim} dimensions")
        shape = struct.unpack(f"<{ndim}{extent_code}", raw)
        if any(d < 0 for d in shape):
            raise self.fail(f"{what} {shape} has a negative extent", start)
        # Of an empty array no elements follow that would show how wrong the other extents are.
        if math.prod(max(d, 1) for d in shape) >= 1 << 60:
            raise self.fail(f"{what} {shape} is larger than any memory", start)
        return shape

    def dtype(self) -> np.dtype:
        start = self.at
        flag = self.number("i", "dtype flag")
        if flag not in DTYPES:
            known = ", ".join(f"{k} ({v})" for k, v in DTYPES.items())
            raise self.fail(f"dtype flag {flag}; expected one of {known}", start)
        return DTYPES[flag]

    def elements(self, shape: tuple[int, ...], dtype: np.dtype, what: str = "elements") -> np.ndarray:
        nbytes = math.prod(shape) * dtype.itemsize
        raw = self.take(nbytes, f"{what} of shape {shape}, {dtype}")
        return np.frombuffer(raw, dtype.newbyteorder("<")).reshape(shape)


def _read_array(reader: _Reader) -> NDArray:
    start = reader.at
    magic = reader.number("I", "array")
    stype = _DENSE
    storage_shape: tuple[int, ...] = ()
    if magic in (V2, V3):
        at = reader.at
        stype = reader.number("i", "storage type")
        if stype not in (_DENSE, _ROW_SPARSE, _CSR):
            raise reader.fail(f"storage type {stype}; expected 0 (dense), 1 (row_sparse) or 2 (csr)", at)
        if stype != _DENSE:
            storage_shape = reader.shape("i", "q", "storage shape")
        shape = reader.shape("i", "q")
        if not shape and magic == V2:
            raise reader.fail(
                "array without a shape: MXNet wrote no elements for it, or a scalar it cannot read", start
            )
    elif magic == V1:
        shape = reader.shape("I", "q")
    elif magic <= MAX_NDIM:
        reader.at = start
        shape = reader.shape("I", "I")
    else:
        raise reader.fail(
            f"expected an array: {V3:#x}, {V2:#x}, {V1:#x} or up to {MAX_NDIM} dimensions; found {magic:#x}", start
        )
    if not shape and magic not in (V2, V3):
        raise reader.fail("array without a shape: nothing was stored for it", start)
    at = reader.at
    device_type = reader.number("i", "device type")
    reader.number("i", "device number")
    if device_type not in (1, 2, 3, 5):
        raise reader.fail(f"device type {device_type}; expected 1, 2, 3 or 5", at)
    dtype = reader.dtype()
    if stype == _DENSE:
        values = reader.elements(shape, dtype)
    else:
        values = _read_sparse(reader, stype, storage_shape, shape, dtype, start)
    # Arrays come from any machine's GPUs; here they all live on the CPU.
    try:
        return NDArray._from(values, dtype, as_context("cpu(0)"))
    except ValueError as error:  # an extent beside a zero may be anything
        raise reader.fail(str(error), start) from None


def _read_sparse(reader, stype, storage_shape, shape, dtype, start) -> np.ndarray:
    """Read a sparse array and return it dense."""
    index_specs = [
        (reader.dtype(), reader.shape("i", "q", "index shape")) for _ in range(1 if stype == _ROW_SPARSE else 2)
    ]
    values = reader.elements(storage_shape, dtype, "sparse values")
    if any(d.kind not in "iu" for d, _ in index_specs):
        raise reader.fail(f"sparse indices of dtype {index_specs[0][0]}; expected integers", start)
    indices = [reader.elements(s, d, "indices").astype(np.int64) for d, s in index_specs]
    # A sparse file may mean an array far larger than itself; do not let a lying one take the machine's memory.
    if math.prod(shape) * dtype.itemsize > max(_DENSE_BYTES, 100 * len(reader.data)):
        raise reader.fail(f"sparse array of shape {shape} is too large to be made dense", start)
    dense = np.zeros(shape, dtype)
    if stype == _ROW_SPARSE:
        (rows,) = indices
        if (
            not shape
            or rows.ndim != 1
            or values.shape != (rows.size, *shape[1:])
            or np.any((rows < 0) | (rows >= shape[0]))
        ):
            raise reader.fail(
                f"row_sparse array of shape {shape} has rows {rows.shape} and values {values.shape}", start
            )
        dense[rows] = values
        return dense
    ends, columns = indices
    if (
        len(shape) != 2 or values.ndim != 1 or columns.shape != values.shape or ends.shape != (shape[0] + 1,)
        or ends[0] != 0 or ends[-1] != values.size or np.any(np.diff(ends) < 0)
        or np.any((columns < 0) | (columns >= shape[1]))
    ):  # fmt: skip
        raise reader.fail(f"csr array of shape {shape} has inconsistent indices", start)
    dense[np.repeat(np.arange(shape[0]), np.diff(ends)), columns] = values
    return dense


def _read_list(data: bytes | bytearray | memoryview, where: str) -> list[NDArray] | dict[str, NDArray]:
    reader = _Reader(data, where)
    magic = reader.number("Q", "magic number")
    if magic != LIST_MAGIC:
        raise reader.fail(f"Invalid NDArray file format: expected {LIST_MAGIC:#x}, found {magic:#x}", 0)
    reader.number("Q", "reserved word")
    count = reader.number("Q", "number of arrays")
    # The smallest array takes more bytes than this, so a count beyond it cannot be true.
    if count * 8 > len(reader.data):
        raise reader.fail(f"{count} arrays cannot fit into {len(reader.data)} bytes", 16)
    arrays = [_read_array(reader) for _ in range(count)]
    at = reader.at
    num_names = reader.number("Q", "number of names")
    if num_names not in (0, count):
        raise reader.fail(f"{num_names} names for {count} arrays; expected 0 or {count}", at)
    names = []
    for _ in range(num_names):
        at = reader.at
        length = reader.number("Q", "length of a name")
        try:
            names.append(bytes(reader.take(length, "name")).decode())
        except UnicodeDecodeError as error:
            raise reader.fail(f"name is not UTF-8: {error}", at) from None
    if reader.at != len(reader.data):
        raise reader.fail(f"{len(reader.data) - reader.at} bytes follow the end of the list")
    if not names:
        return arrays
    return dict(zip(names, arrays))  # of a name that stands twice the last array counts, as in MXNet


def load(fname: str | os.PathLike[str]) -> list[NDArray] | dict[str, NDArray]:
    """Read a file of arrays that `save` or MXNet wrote.

    Returns
    -------
    list of NDArray, or dict of name to NDArray
        What was saved. Arrays are in ``cpu(0)``; sparse ones become dense.

    Raises
    ------
    MXNetError
        When the file cannot be read, naming it and the byte where it is wrong. No more memory is taken than the
        file's own size warrants.
    """
    if not isinstance(fname, (str, os.PathLike)):
        raise TypeError("fname required to be a string")
    path = _local(fname)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise MXNetError(f"{path}: cannot be read: {error.strerror}") from None
    return _read_list(data, path)


def load_frombuffer(buf: bytes | bytearray | memoryview) -> list[NDArray] | dict[str, NDArray]:
    """Read arrays from bytes in the format of `load`."""
    if not isinstance(buf, (bytes, bytearray, memoryview)):
        raise TypeError("buf required to be a string or bytes")
    return _read_list(buf, "buffer")


def read_one(data: bytes, where: str) -> NDArray:
    """Read the bytes of one array, as they stand in a list and in pickles of MXNet's. Raises MXNetError."""
    reader = _Reader(data, where)
    array = _read_array(reader)
    if reader.at != len(data):
        raise reader.fail(f"{len(data) - reader.at} bytes follow the end of the array")
    return array


def write_one(array: NDArray) -> bytes:
    """Return the bytes that `read_one` reads."""
    parts: list[Any] = []
    _write_array(parts, array)
    return b"".join(parts)


def _local(fname: str | os.PathLike[str]) -> str:
    path = os.fspath(fname)
    return path.removeprefix("file://")


def _write_array(parts: list[Any], array: NDArray) -> None:
    values = array._array
    # V2 has no scalars: MXNet writes them so that nobody can read them back. V3 has.
    magic = V2 if values.ndim else V3
    parts.append(struct.pack(f"<Iii{values.ndim}q", magic, _DENSE, values.ndim, *values.shape))
    context = array._ctx
    parts.append(struct.pack("<iii", context.device_typeid, context.device_id, DTYPE_FLAGS[values.dtype]))
    parts.append(values.reshape(-1).view(np.uint8).data)


def dumps(data: NDArray | list[NDArray] | tuple[NDArray, ...] | dict[str, NDArray]) -> list[Any]:
    """Return the pieces of bytes that a file of `data` consists of, in order."""
    if isinstance(data, NDArray):
        data = [data]
        names: list[str] = []
    elif isinstance(data, dict):
        names = list(data)
        if any(not isinstance(n, str) for n in names) or any(not isinstance(a, NDArray) for a in data.values()):
            raise TypeError("save only accept dict str->NDArray or list of NDArray")
        data = list(data.values())
    elif isinstance(data, (list, tuple)):
        if any(not isinstance(a, NDArray) for a in data):
            raise TypeError("save only accept dict str->NDArray or list of NDArray")
        names = []
    else:
        # MXNet's type and words.
        raise ValueError("data needs to either be a NDArray, dict of str, NDArray pairs or a list of NDarrays.")  # noqa: TRY004
    parts: list[Any] = [struct.pack("<QQQ", LIST_MAGIC, 0, len(data))]
    for array in data:
        _write_array(parts, array)
    parts.append(struct.pack("<Q", len(names)))
    for name in names:
        text = name.encode()
        parts.append(struct.pack("<Q", len(text)) + text)
    return parts


def save(
    fname: str | os.PathLike[str], data: NDArray | list[NDArray] | tuple[NDArray, ...] | dict[str, NDArray]
) -> None:
    """Write arrays to a file that MXNet reads too, byte for byte as it would write it.

    The file appears under its name only when it is complete and on the disk: an interrupted save leaves the old one.

    Parameters
    ----------
    fname : str or path
    data : NDArray, list of NDArray, or dict of str to NDArray
    """
    if not isinstance(fname, (str, os.PathLike)):
        raise TypeError("fname required to be a string")
    write_atomically(_local(fname), dumps(data))


def write_atomically(path: str, parts: list[Any]) -> None:
    """Write pieces of bytes to `path`: all of them, or none.

    Raises
    ------
    MXNetError
        When the file cannot be written; an old one is untouched.
    """
    temporary = None
    try:
        # os.replace is atomic only within one file system, hence a temporary beside the target; links are followed.
        target = os.path.realpath(path)
        if os.path.exists(target) and not os.path.isfile(target):  # a pipe or /dev/stdout: nothing to replace
            with open(target, "wb") as file:
                file.writelines(parts)
            return
        handle, temporary = tempfile.mkstemp(prefix=os.path.basename(target)[:40] + ".", dir=os.path.dirname(target))
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode(target))
        os.replace(temporary, target)
        temporary = None
    except OSError as error:
        raise MXNetError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        if temporary is not None:
            os.unlink(temporary)


def _mode(path: str) -> int:
    """Permissions for a file at `path`: its own if it exists, else what the process gives new files."""
    try:
        return os.stat(path).st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
