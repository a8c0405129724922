"""The modes that operators run in. Recording is not part of this library: gradients come from executors.

`train_mode` and `predict_mode` switch how imperative calls of Dropout, BatchNorm and the like behave, per thread.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, NoReturn

from .base import MXNetError


class _Mode(threading.local):
    training = False


_MODE = _Mode()


def is_training() -> bool:
    """Whether imperative operators run in training mode on this thread."""
    return _MODE.training


def is_recording() -> bool:
    """False: nothing is ever recorded."""
    return False


def set_training(train_mode: bool) -> bool:
    """Set the mode and return the one before."""
    before = _MODE.training
    _MODE.training = bool(train_mode)
    return before


class _Scope:
    def __init__(self, training: bool):
        self._training = training
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(set_training(self._training))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        set_training(self._before.pop())


def train_mode() -> _Scope:
    """Return a ``with`` scope in which operators run in training mode."""
    return _Scope(True)


def predict_mode() -> _Scope:
    """Return a ``with`` scope in which operators run in inference mode."""
    return _Scope(False)


def pause(train_mode: bool = False) -> _Scope:
    """Return a ``with`` scope without recording (there is none anyway) in the given mode."""
    return _Scope(train_mode)


def _absent(name: str) -> NoReturn:
    raise MXNetError(
        f"autograd.{name}: recording gradients is not part of cyexec; bind a symbol and use Executor.backward()"
    )


def record(train_mode: bool = True) -> NoReturn:
    """Raise MXNetError: a scope that silently recorded nothing would mislead."""
    _absent("record")


def set_recording(is_recording: bool) -> bool:
    """Raise MXNetError for True; recording is always off."""
    if is_recording:
        _absent("set_recording")
    return False


def backward(heads: Any, head_grads: Any = None, retain_graph: bool = False, train_mode: bool = True) -> NoReturn:
    """Raise MXNetError."""
    _absent("backward")


def grad(heads: Any, variables: Any, *args: Any, **kwargs: Any) -> NoReturn:
    """Raise MXNetError."""
    _absent("grad")


def mark_variables(variables: Any, gradients: Any, grad_reqs: Any = "write") -> NoReturn:
    """Raise MXNetError."""
    _absent("mark_variables")
