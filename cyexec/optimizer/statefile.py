"""States of optimisers as bytes, readable both ways with MXNet, without trust.

MXNet's files are pickles, and loading a pickle runs whatever code it names. Here the loader knows a short list of names: the
arrays of MXNet, the optimisers and schedulers of this library under their MXNet names, classes that the user has registered,
and what Python and NumPy need for plain numbers. Any other name is refused before anything of it happens. An array in such
a file is one object whose state is the bytes of an array in a parameter file (`cyexec/ndarray/paramsio.py`).

Bytes written here name MXNet's classes, so MXNet loads them as its own.
"""

from __future__ import annotations

import io
import pickle
import re
import struct
from typing import Any

import numpy as np

from .. import lr_scheduler
from ..base import MXNetError
from ..ndarray import NDArray, paramsio
from .optimizer import Optimizer

_ARRAY_MODULES = ("mxnet.ndarray.ndarray", "mxnet.ndarray")
_OPTIMIZER_MODULES = ("mxnet.optimizer.optimizer", "mxnet.optimizer", "mxnet.optimizer.contrib")
_SCHEDULER_MODULE = "mxnet.lr_scheduler"
_OURS = __name__.rpartition(".")[0]


class _PickledArray(NDArray):
    """An NDArray while it is unpickled: made empty, then given its bytes."""

    __slots__ = ()

    def __new__(cls, handle: None = None) -> _PickledArray:
        return super().__new__(cls)

    def __init__(self, handle: None = None):
        if handle is not None:
            raise pickle.UnpicklingError("an array must be made without a handle")

    def __setstate__(self, state: Any) -> None:
        handle = state.get("handle") if isinstance(state, dict) else None
        if not isinstance(handle, (bytes, bytearray)):
            raise pickle.UnpicklingError("an array has no bytes")
        loaded = paramsio.read_one(bytes(handle), "array in optimizer states")
        self._array, self._storage, self._ctx = loaded._array, loaded._storage, loaded._ctx
        self.__class__ = NDArray  # type: ignore[assignment]  # the layout is the same


class _NumPyArray:
    """Stands for ``numpy.ndarray`` in pickles of NumPy arrays."""


class _NumPyType:
    """Stands for a NumPy dtype of plain numbers; its own unpickling trusts what it reads."""

    def __init__(self, text: Any, align: Any = False, copy: Any = True):
        if not re.fullmatch(r"[biuf]\d", str(text)):
            raise pickle.UnpicklingError(f"NumPy values of type {text!r}")
        self.value = np.dtype(str(text))

    def __setstate__(self, state: Any) -> None:
        if state[1] in ("<", ">"):
            self.value = self.value.newbyteorder(state[1])


class _PlainArray:
    """A NumPy array while it is unpickled."""

    def __init__(self, kind: Any, shape: Any, typecode: Any):
        self.value = np.zeros(0)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, raw = state
        self.value = np.frombuffer(bytearray(raw), dtype.value).reshape(shape, order="F" if fortran else "C")


def _scalar(dtype: _NumPyType, raw: bytes) -> Any:
    return np.frombuffer(raw, dtype.value, 1)[0]


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Bytes as old protocols write them."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes from {type(text)} in {encoding!r}")
    return text.encode("latin1")


def _bytearray(value: Any = b"", encoding: Any = "latin1") -> bytearray:
    return bytearray(value if isinstance(value, bytes) else _encode(value, encoding))


def _new_object(cls: Any, base: Any, state: Any) -> Any:
    """What protocols 0 and 1 make objects with."""
    if not (isinstance(cls, type) and issubclass(cls, (Optimizer, lr_scheduler.LRScheduler))) or state is not None:
        raise pickle.UnpicklingError(f"an object of {cls!r}")
    return object.__new__(cls)


_PLAIN: dict[tuple[str, str], Any] = {
    ("copyreg", "_reconstructor"): _new_object,
    ("copy_reg", "_reconstructor"): _new_object,
    ("builtins", "object"): object,
    ("__builtin__", "object"): object,
    ("builtins", "bytearray"): _bytearray,
    ("__builtin__", "bytearray"): _bytearray,
    ("_codecs", "encode"): _encode,
    ("numpy", "dtype"): _NumPyType,
    ("numpy", "ndarray"): _NumPyArray,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _PlainArray for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
}


# The classes in Python, which the type checker does not know.
_PythonUnpickler: Any = pickle._Unpickler
_PythonPickler: Any = pickle._Pickler


class _Unpickler(_PythonUnpickler):
    """Python's own unpickler, of which all globals but a few are taken away.

    It is the one in Python: the one in C makes room for whatever number of objects or bytes the file claims to have.
    """

    dispatch = dict(_PythonUnpickler.dispatch)

    def load_bytearray8(self) -> None:
        (size,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(size)))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8

    def find_class(self, module: str, name: str) -> Any:
        found = _PLAIN.get((module, name))
        if found is not None:
            return found
        if module in _ARRAY_MODULES and name == "NDArray":
            return _PickledArray
        if module in _OPTIMIZER_MODULES:
            klass = Optimizer if name == "Optimizer" else Optimizer.opt_registry.get(name.lower())
            if klass is not None and klass.__name__ == name:
                return klass
        if module == _SCHEDULER_MODULE:
            rule = getattr(lr_scheduler, name, None)
            if isinstance(rule, type) and issubclass(rule, lr_scheduler.LRScheduler):
                return rule
        registered = Optimizer.opt_registry.get(name.lower())
        if registered is not None and (registered.__module__, registered.__name__) == (module, name):
            return registered
        scheduler = _subclass(lr_scheduler.LRScheduler, module, name)
        if scheduler is not None:
            return scheduler
        raise pickle.UnpicklingError(
            f"it needs {module}.{name}, which is none of the classes that states are made of (arrays, registered "
            "optimizers, learning rate schedulers)"
        )


def _subclass(base: type, module: str, name: str) -> type | None:
    """A class derived from `base` that this process has already, by its name."""
    derived: list[type] = base.__subclasses__()
    for klass in derived:
        if (klass.__module__, klass.__qualname__) == (module, name):
            return klass
        found = _subclass(klass, module, name)
        if found is not None:
            return found
    return None


def _settled(value: Any) -> Any:
    """`value` with NumPy's arrays in the place of what stood for them."""
    if isinstance(value, _PlainArray):
        return value.value
    if isinstance(value, dict):
        for key, item in value.items():
            value[key] = _settled(item)
    elif isinstance(value, list):
        value[:] = [_settled(v) for v in value]
    elif isinstance(value, tuple):
        return tuple(_settled(v) for v in value)
    return value


def loads(data: bytes) -> Any:
    """Read what `dumps` or MXNet's ``pickle.dumps`` of states made.

    Returns
    -------
    dict of index to state, or a pair of that and an Optimizer

    Raises
    ------
    MXNetError
        The bytes are broken, name anything that states are not made of, or are no states.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"states must be bytes, found {type(data)}")
    try:
        loaded = _settled(_Unpickler(io.BytesIO(bytes(data)), encoding="latin1").load())
    except MXNetError:
        raise
    except RecursionError:
        raise MXNetError("optimizer states cannot be read: nested too deeply") from None
    except Exception as error:  # broken bytes make an unpickler raise anything
        raise MXNetError(f"optimizer states cannot be read: {error or type(error).__name__}") from None
    states = loaded[0] if isinstance(loaded, tuple) and len(loaded) == 2 else loaded
    if not isinstance(states, dict) or isinstance(loaded, tuple) and not isinstance(loaded[1], Optimizer):
        raise MXNetError(f"optimizer states must be a dict, or a pair of a dict and an optimizer, found {type(loaded)}")
    return loaded


class _Pickler(_PythonPickler):
    """Python's own pickler, which writes MXNet's names for our classes.

    The one in C, and `save_global` of this one, insist on importing every class that they name.
    """

    def save_global(self, obj: Any, name: Any = None) -> None:
        module = _mxnet_module(obj)
        if module is None:
            super().save_global(obj, name)
            return
        self.write(pickle.GLOBAL + f"{module}\n{obj.__name__}\n".encode())
        self.memoize(obj)

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, NDArray):
            return NDArray, (None,), {"handle": bytearray(paramsio.write_one(obj))}
        return NotImplemented


def _mxnet_module(obj: Any) -> str | None:
    """Where MXNet's Python has what `obj` is here; None where that is the same place."""
    module: str = getattr(obj, "__module__", None) or ""
    if module.startswith("numpy._core"):
        return module.replace("._core", ".core")
    if not isinstance(obj, type):
        return None
    if obj is NDArray:
        return _ARRAY_MODULES[0]
    if module == lr_scheduler.__name__:
        return _SCHEDULER_MODULE
    if issubclass(obj, Optimizer) and module.startswith(_OURS + "."):
        return "mxnet.optimizer.contrib" if module.endswith(".contrib") else "mxnet.optimizer.optimizer"
    return None


def dumps(value: Any) -> bytes:
    """Return the bytes of states, or of a pair of states and an optimizer, as MXNet would read them."""
    file = io.BytesIO()
    # Protocol 4 is MXNet's on Python 3.8; it has no frames around GLOBAL.
    _Pickler(file, protocol=4).dump(value)
    return file.getvalue()
