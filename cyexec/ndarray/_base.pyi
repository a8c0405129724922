from typing import Any, TypeVar

import numpy as np

from ..context import Context

_T = TypeVar("_T", bound=NDArrayBase)

class Storage:
    array: np.ndarray[Any, Any]
    version: int
    exposed: bool
    def __init__(self, array: Any, exposed: bool = False) -> None: ...

def note_writes(storages: list[Storage]) -> None: ...

class Watch:
    def __init__(self, storages: list[Storage]) -> None: ...
    def changed(self) -> bool: ...
    def mark(self) -> None: ...
    def forget(self) -> None: ...

class NDArrayBase:
    _array: np.ndarray[Any, Any]
    _storage: Storage
    _ctx: Context

def allocate(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[np.ndarray[Any, Any], Storage]: ...
def new_array(cls: type[_T], shape: tuple[int, ...], dtype: np.dtype[Any], ctx: Context) -> _T: ...
