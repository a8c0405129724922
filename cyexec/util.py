"""Small things that scripts touch: environment variables, GPUs that are not there, and MXNet's NumPy modes.

MXNet 1.6 and later have ``mx.np``, arrays with NumPy's interface, and modes that turn them on. Those arrays are not part of
this library: asking whether the modes are on gives False, and turning ``np_array`` on is an error. The mode ``np_shape``, in
which an extent of 0 means no elements rather than an unknown extent, is remembered; bound arrays may have none in either.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

from .base import MXNetError
from .context import gpu_memory_info, num_gpus

Function = TypeVar("Function", bound=Callable[..., Any])


class _Modes(threading.local):
    shape = False


_MODES = _Modes()


def getenv(name: str) -> str | None:
    """Return an environment variable; None if it is not set."""
    return os.environ.get(name)


def setenv(name: str, value: str | None) -> None:
    """Set an environment variable; None removes it."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def get_gpu_count() -> int:
    """How many GPUs this library can use: none."""
    return num_gpus()


def get_gpu_memory(gpu_dev_id: int) -> tuple[int, int]:
    """Raise MXNetError: there is no GPU support."""
    return gpu_memory_info(gpu_dev_id)


def set_module(module: str | None) -> Callable[[Function], Function]:
    """Return a decorator that sets ``__module__``."""

    def decorate(function: Function) -> Function:
        if module is not None:
            function.__module__ = module
        return function

    return decorate


def is_np_array() -> bool:
    """False: there are no arrays with NumPy's interface."""
    return False


def is_np_shape() -> bool:
    """Whether `np_shape` is on in this thread."""
    return _MODES.shape


def set_np_shape(active: bool) -> bool:
    """Remember whether `np_shape` is on in this thread, and return what was before."""
    before, _MODES.shape = _MODES.shape, bool(active)
    return before


@contextmanager
def np_shape(active: bool = True) -> Iterator[None]:
    """Set the mode within a ``with`` block."""
    before = set_np_shape(active)
    try:
        yield
    finally:
        set_np_shape(before)


def use_np_shape(func: Function) -> Function:
    """Decorate a function to run with `np_shape` on."""

    @functools.wraps(func)
    def with_shape(*args: Any, **kwargs: Any) -> Any:
        with np_shape():
            return func(*args, **kwargs)

    return with_shape  # type: ignore[return-value]


def _absent(what: str) -> NoReturn:
    raise MXNetError(f"{what}: arrays with NumPy's interface (mx.np) are not part of cyexec; use mx.nd")


def np_array(active: bool = True) -> Any:
    """Raise MXNetError for True; within the block nothing is other than outside."""
    if active:
        _absent("np_array")
    return np_shape(is_np_shape())


def use_np_array(func: Any) -> NoReturn:
    """Raise MXNetError."""
    _absent("use_np_array")


def use_np(func: Any) -> NoReturn:
    """Raise MXNetError."""
    _absent("use_np")


def set_np(shape: bool = True, array: bool = True) -> None:
    """Raise MXNetError if `array`; else remember `shape`."""
    if array:
        _absent("set_np")
    set_np_shape(shape)


def reset_np() -> None:
    """Turn the modes off."""
    set_np_shape(False)
