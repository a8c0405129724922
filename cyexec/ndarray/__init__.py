"""The user's arrays: ``mx.nd``.

    numbers, NumPy, DLPack --creation.py--> NDArray (ndarray.py) --paramsio.py--> files
                                             |  storage.py: shared memory and its version
                                             v
    mx.nd.op(...) --imperative.py--> one-node graph, lowered and cached --> the executor's kernels

Functions of operators are generated from the registry (`register.py`, `cyexec.codegen`). Nothing here computes on its
own: arithmetic goes through the same operators and kernels as a bound graph.
"""

from .creation import (
    arange,
    array,
    concatenate,
    eye,
    from_dlpack,
    from_numpy,
    full,
    linspace,
    moveaxis,
    ones,
    to_dlpack_for_read,
    to_dlpack_for_write,
    waitall,
    zeros,
)
from .ndarray import NDArray, empty
from .paramsio import load, load_frombuffer, save

__all__ = [
    "NDArray", "arange", "array", "concatenate", "empty", "eye", "from_dlpack", "from_numpy", "full", "linspace", "load",
    "load_frombuffer", "moveaxis", "ones", "save", "to_dlpack_for_read", "to_dlpack_for_write", "waitall", "zeros",
]  # fmt: skip
