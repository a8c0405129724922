"""The array that users hold."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np

from ..base import MXNetError, ShapeError, as_dtype
from ..context import Context, as_context, check_cpu, current_context
from . import arithmetic
from ._base import NDArrayBase, new_array
from .indexing import translate_key
from .operators import Operators
from .shapes import infer_reshape
from .storage import Storage

_FLOAT32 = np.dtype(np.float32)
_ALL = slice(None)
_NUMBERS = (int, float, np.number, np.bool_)


def _assign(array: np.ndarray, key: Any, value: Any) -> None:
    """``array[key] = value`` with any conversion of dtypes, silently as in C."""
    if type(value) is float or getattr(value, "dtype", None) == array.dtype:
        array[key] = value
    else:
        with np.errstate(invalid="ignore", over="ignore"):
            array[key] = value


class NDArray(Operators, NDArrayBase):
    """A dense, C-contiguous array on CPU, as MXNet's ``mx.nd.NDArray``.

    Made by `array`, `zeros` and the like, never by calling the class. Slices of leading axes, `reshape` and `detach`
    are views: writes to them are seen in the whole array. Every write is counted in the shared `Storage.version`.
    """

    __slots__ = ()

    # Making

    @classmethod
    def _wrap(cls, array: np.ndarray, ctx: Context | None = None, storage: Storage | None = None) -> NDArray:
        """Return an NDArray over a C-contiguous `array`; without a `storage` the memory counts as ours alone."""
        self = cls.__new__(cls)
        self._array = array
        self._storage = Storage(array) if storage is None else storage
        self._ctx = current_context() if ctx is None else ctx
        return self

    @classmethod
    def _empty(cls, shape: tuple[int, ...], dtype: np.dtype, ctx: Context) -> NDArray:
        return new_array(cls, shape, dtype, ctx)

    @classmethod
    def _from(cls, values: Any, dtype: np.dtype, ctx: Context) -> NDArray:
        """A new NDArray with a copy of `values` (a NumPy array)."""
        self = new_array(cls, values.shape, dtype, ctx)
        _assign(self._array, ..., values)
        return self

    def _view(self, array: np.ndarray) -> NDArray:
        self_type = type(self)
        made = self_type.__new__(self_type)
        made._array = array
        made._storage = self._storage
        made._ctx = self._ctx
        return made

    def _written(self) -> None:
        """Note a write to this memory."""
        self._storage.version += 1

    # Describing

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents."""
        return self._array.shape

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._array.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._array.size

    @property
    def dtype(self) -> type:
        """NumPy type of the elements, such as ``numpy.float32``."""
        return self._array.dtype.type

    @property
    def context(self) -> Context:
        """The context it was made in."""
        return self._ctx

    ctx = context

    @property
    def stype(self) -> str:
        """Storage type: always "default" (dense)."""
        return "default"

    @property
    def writable(self) -> bool:
        """Whether it can be written."""
        return True

    @property
    def T(self) -> NDArray:
        """A copy with axes reversed (the array itself below two dimensions)."""
        return self if self._array.ndim < 2 else self._from(self._array.T, self._array.dtype, self._ctx)

    @property
    def grad(self) -> None:
        """None: gradients belong to executors here."""
        return None

    def __repr__(self) -> str:
        extents = "x".join(map(str, self._array.shape))
        return f"\n{self._array!s}\n<{type(self).__name__} {extents} @{self._ctx}>"

    def __len__(self) -> int:
        return self._array.shape[0]

    def __bool__(self) -> bool:
        if self._array.size == 0:
            return False
        if self._array.size == 1:
            return bool(self._array.reshape(())[()])
        raise ValueError("The truth value of an NDArray with multiple elements is ambiguous.")

    def _one(self) -> Any:
        if self._array.size != 1:
            raise TypeError(f"only arrays of one element are numbers, this one has shape {self._array.shape}")
        return self._array.reshape(())[()]

    def __float__(self) -> float:
        return float(self._one())

    def __int__(self) -> int:
        return int(self._one())

    def __index__(self) -> int:
        if self._array.dtype.kind not in "iu":
            raise TypeError(f"only integer arrays of one element are indices, this one is {self._array.dtype}")
        return operator.index(self._one())

    def __iter__(self):
        for i in range(len(self)):
            yield self[i]

    # Reading and writing elements

    def __getitem__(self, key: Any) -> NDArray:
        array = self._array
        key, basic = translate_key(key, array.shape)
        if array.ndim == 0 and key is not Ellipsis and not (isinstance(key, tuple) and len(key) == 0):
            raise IndexError("an array of no dimensions cannot be indexed")
        found = array[key]
        if found.ndim == 0 and array.ndim:
            # MXNet has no scalars among its arrays: one element is an array of shape (1,).
            if type(found) is not np.ndarray:
                found = array[(*key, None) if isinstance(key, tuple) else (key, None)]
            found = found.reshape(1)
        if basic and found.flags.c_contiguous and found.size:
            return self._view(found)
        return self._from(found, array.dtype, self._ctx)

    def __setitem__(self, key: Any, value: Any) -> None:
        array = self._array
        if type(key) is slice and key == _ALL:
            key = Ellipsis
        else:
            key, _ = translate_key(key, array.shape)
        if isinstance(value, NDArrayBase):
            value = value._array
        elif isinstance(value, _NUMBERS):
            # MXNet wraps around and truncates where NumPy refuses.
            value = float(value) if array.dtype.kind == "f" else np.asarray(value)
        elif isinstance(value, (np.ndarray, list, tuple)):
            value = self._as_array(value)
        elif value is None:
            value = np.nan
        else:
            raise TypeError(
                f"{type(self)} does not support assignment with non-array-like object {value} of type {type(value)}"
            )
        if isinstance(value, np.ndarray) and value.size == 1:
            value = value.reshape(())  # NumPy refuses a sequence where the key means one element
        if array.ndim == 0 and isinstance(key, (int, slice)):
            key = ()
        _assign(array, key, value)
        self._storage.version += 1

    @staticmethod
    def _as_array(value: Any) -> np.ndarray:
        if not isinstance(value, np.ndarray):
            value = [v._array if isinstance(v, NDArrayBase) else v for v in value]
        try:
            array = np.asarray(value)
        except ValueError:
            array = np.asarray(None)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"NDArray does not support assignment with non-array-like object {value!r}")
        return array

    # Copying and converting

    def asnumpy(self) -> np.ndarray:
        """Return a copy as a NumPy array."""
        return self._array.copy()

    def asscalar(self) -> Any:
        """Return the only element as a NumPy number. ValueError if there is not exactly one."""
        if self._array.size != 1:
            raise ValueError("The current array is not a scalar")
        return self._array.reshape(())[()]

    item = asscalar

    def astype(self, dtype: Any, copy: bool = True) -> NDArray:
        """Return a copy of another dtype; the array itself if ``copy=False`` and the dtype is the same already."""
        dtype = as_dtype(dtype)
        if not copy and dtype == self._array.dtype:
            return self
        return self._from(self._array, dtype, self._ctx)

    def copy(self) -> NDArray:
        """Return a copy."""
        return self._from(self._array, self._array.dtype, self._ctx)

    def copyto(self, other: NDArray | Context) -> NDArray | bool:
        """Copy into another array of the same shape (dtypes are converted), or to another context.

        Returns
        -------
        The array written; False with a RuntimeWarning when `other` is this array.
        """
        if isinstance(other, NDArray):
            if other is self or (
                other._storage is self._storage
                and other._array.shape == self._array.shape
                and other._array.dtype == self._array.dtype
                and np.may_share_memory(other._array[:1], self._array[:1])
                and other._array.__array_interface__["data"] == self._array.__array_interface__["data"]
            ):
                warnings.warn("You are attempting to copy an array to itself", RuntimeWarning, stacklevel=2)
                return False
            if other._array.shape != self._array.shape:
                raise ShapeError(f"copyto: cannot copy shape {self._array.shape} into shape {other._array.shape}")
            _assign(other._array, ..., self._array)
            other._written()
            return other
        if isinstance(other, Context):
            check_cpu(other)
            return self._from(self._array, self._array.dtype, other)
        raise TypeError(f"copyto does not support type {type(other)}")

    def as_in_context(self, context: Context) -> NDArray:
        """Return the array itself if it is in `context`, else a copy there."""
        if self._ctx == context:
            return self
        copied = self.copyto(context)
        assert isinstance(copied, NDArray)
        return copied

    def as_nd_ndarray(self) -> NDArray:
        """Return the array itself."""
        return self

    def detach(self) -> NDArray:
        """Return a view (there is no recorded graph to detach from)."""
        return self._view(self._array)

    def tostype(self, stype: str) -> NDArray:
        """Return a copy for "default"; sparse storage does not exist here and raises."""
        if stype == "default":
            return self.copy()
        raise MXNetError(f"tostype: storage type {stype!r} is not supported; arrays are dense ('default')")

    def wait_to_read(self) -> None:
        """Do nothing: results are there when a call returns."""

    wait_to_write = wait_to_read

    def attach_grad(self, grad_req: str = "write", stype: str | None = None) -> None:
        """Raise MXNetError: autograd is not part of this library."""
        raise MXNetError("attach_grad: autograd is not part of cyexec; bind a symbol and use Executor.backward()")

    def backward(self, out_grad: Any = None, retain_graph: bool = False, train_mode: bool = True) -> None:
        """Raise MXNetError: autograd is not part of this library."""
        raise MXNetError("backward: autograd is not part of cyexec; bind a symbol and use Executor.backward()")

    def reshape(self, *shape: Any, **kwargs: Any) -> NDArray:
        """Return a view with another shape.

        Parameters
        ----------
        shape : int, or tuple of int
            Extents, or MXNet's codes 0, -1, -2, -3, -4 (see `cyexec.ndarray.shapes.infer_reshape`).
        reverse : bool, default False
            Whether codes are read from the right.
        """
        if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
            spec = tuple(shape[0])
        elif shape:
            spec = shape
        else:
            given = kwargs.get("shape")
            if given is None:
                raise AssertionError("Shape must be provided.")  # MXNet's type
            spec = (given,) if isinstance(given, (int, np.integer)) else tuple(given)
        unknown = set(kwargs) - {"shape", "reverse"}
        if unknown:
            raise TypeError(
                f"Got unknown keywords in reshape: {', '.join(sorted(unknown))}. "
                "Accepted keyword arguments are 'shape' and 'reverse'."
            )
        spec = tuple(operator.index(d) for d in spec)
        return self._view(self._array.reshape(infer_reshape(self._array.shape, spec, bool(kwargs.get("reverse")))))

    def broadcast_to(self, shape: Any) -> NDArray:
        """Return a copy of shape `shape`; extents of 1 are repeated, 0 keeps an extent."""
        wanted = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        own = (1,) * (len(wanted) - self._array.ndim) + self._array.shape
        full = tuple(o if w == 0 else w for w, o in zip(wanted, own))
        if len(own) != len(wanted) or any(o not in (1, w) for o, w in zip(own, full)):
            raise ValueError(
                "operands could not be broadcast together with remapped shapes[original->remapped]: "
                f"{self._array.shape} and requested shape {wanted}"
            )
        return self._from(np.broadcast_to(self._array, full), self._array.dtype, self._ctx)

    def save(self, fname: str) -> None:
        """Write the array alone to a file that `cyexec.nd.load` reads."""
        from .paramsio import save

        save(fname, self)

    # NumPy, DLPack, pickle

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """A copy for NumPy, or with ``copy=False`` the memory itself."""
        if copy is False:
            if dtype is not None and np.dtype(dtype) != self._array.dtype:
                raise ValueError(f"a {dtype} array cannot be made of {self._array.dtype} without a copy")
            self._storage.exposed = True
            return self._array
        return self._array.astype(dtype or self._array.dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """NumPy's operators with an NDArray give NDArrays; its other functions give NumPy arrays."""
        function = arithmetic.UFUNCS.get(ufunc)
        if function is not None and method == "__call__" and not kwargs:
            return function(*inputs)
        if kwargs.get("out") is not None and any(isinstance(o, NDArrayBase) for o in kwargs["out"]):
            return NotImplemented
        plain = [x._array if isinstance(x, NDArrayBase) else x for x in inputs]
        return getattr(ufunc, method)(*plain, **kwargs)

    def __dlpack__(self, **kwargs: Any) -> Any:
        """A DLPack capsule over the memory itself."""
        self._storage.exposed = True
        return self._array.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()

    def to_dlpack_for_read(self) -> Any:
        """Return a DLPack capsule over the memory itself."""
        return self.__dlpack__()

    to_dlpack_for_write = to_dlpack_for_read

    def __reduce__(self) -> tuple:
        return _rebuild, (self._array.copy(), self._ctx.device_type, self._ctx.device_id)

    def __copy__(self) -> NDArray:
        return self._view(self._array)

    def __deepcopy__(self, memo: dict) -> NDArray:
        return self.copy()


def _rebuild(array: np.ndarray, device_type: str, device_id: int) -> NDArray:
    """Unpickle."""
    return NDArray._from(array, array.dtype, Context(device_type, device_id))


def empty(shape: Any, ctx: Any = None, dtype: Any = None, stype: str | None = None) -> NDArray:
    """Return an array without setting its elements. See `zeros`."""
    if stype not in (None, "default"):
        raise MXNetError(f"storage type {stype!r} is not supported; arrays are dense ('default')")
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(int(d) for d in shape)
    if min(shape, default=0) < 0:
        raise MXNetError(f"shape must be known, found {shape}")
    try:
        return NDArray._empty(shape, _FLOAT32 if dtype is None else as_dtype(dtype), as_context(ctx))
    except (MemoryError, ValueError, OverflowError):
        raise MXNetError(f"an array of shape {shape} does not fit into memory") from None
