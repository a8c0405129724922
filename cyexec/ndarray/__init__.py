"""The user's arrays: ``mx.nd``.

    numbers, NumPy, DLPack --creation.py--> NDArray (ndarray.py) --paramsio.py--> files
                                             |  storage.py: shared memory and its version
                                             v
    mx.nd.op(...) --imperative.py--> one-node graph, lowered and cached --> the executor's kernels

Functions of operators are made from the registry (`generate.py`, `cyexec.codegen`). Nothing here computes on its own:
arithmetic goes through the same operators and kernels as a bound graph.
"""

from __future__ import annotations

from typing import Any

from .. import ops as _ops  # noqa: F401  (registers the operators)
from . import _internal, contrib, fluent, image, linalg, op, random, sparse
from .arithmetic import (
    add,
    divide,
    equal,
    greater,
    greater_equal,
    lesser,
    lesser_equal,
    logical_and,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    modulo,
    multiply,
    not_equal,
    power,
    subtract,
    true_divide,
)
from .creation import (
    arange,
    array,
    concatenate,
    eye,
    from_dlpack,
    from_numpy,
    full,
    histogram,
    linspace,
    moveaxis,
    onehot_encode,
    ones,
    reset_arrays,
    split_v2,
    to_dlpack_for_read,
    to_dlpack_for_write,
    waitall,
    zeros,
)
from .ndarray import NDArray, empty
from .paramsio import load, load_frombuffer, save

fluent.install()


def __getattr__(name: str) -> Any:
    # A function of an operator is the same object here and in `mx.nd.op`.
    try:
        return getattr(op, name)
    except AttributeError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(op)})


__all__ = [
    "NDArray", "_internal", "add", "arange", "array", "concatenate", "contrib", "divide", "empty", "equal", "eye",
    "from_dlpack", "from_numpy", "full", "greater", "greater_equal", "histogram", "image", "lesser", "lesser_equal",
    "linalg", "linspace", "load", "load_frombuffer", "logical_and", "logical_or", "logical_xor", "maximum", "minimum",
    "modulo", "moveaxis", "multiply", "not_equal", "onehot_encode", "ones", "op", "power", "random", "reset_arrays", "save",
    "sparse", "split_v2", "subtract", "to_dlpack_for_read", "to_dlpack_for_write", "true_divide", "waitall", "zeros",
]  # fmt: skip
