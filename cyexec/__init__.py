"""MXNet's symbolic executor on today's Python: ``import cyexec as mx``.

Words used throughout, each for one idea:

* *entry*: one output of a node of a graph;
* *buffer*: planned memory for one value;
* *step*: one kernel call of a schedule;
* *workspace*: scratch memory of a step, planned like any buffer;
* *arena*: the one block that an executor's buffers and workspaces live in;
* *level*: the x86-64 level (base, v2, v3, v4) that the kernels in use were compiled for.

The folders, in the order data takes through them: `symbol`, `ops`, `graph`, `passes`, `lowering`, the package `planner`,
`runtime`, `kernels`; `ndarray` holds the user's arrays.
"""

from __future__ import annotations

from typing import NoReturn

from . import (
    attribute,
    autograd,
    base,
    callback,
    config,
    context,
    contrib,
    engine,
    executor_manager,
    image,
    initializer,
    io,
    kvstore,
    libinfo,
    log,
    lr_scheduler,
    metric,
    model,
    module,
    monitor,
    name,
    ndarray,
    operator,
    optimizer,
    profiler,
    random,
    recordio,
    registry,
    rnn,
    runtime,
    symbol,
    test_utils,
    util,
    visualization,
)
from . import image as img
from . import initializer as init
from . import kvstore as kv
from . import module as mod
from . import monitor as mon
from . import ndarray as nd
from . import optimizer as opt
from . import random as rnd
from . import symbol as sym
from . import visualization as viz
from .attribute import AttrScope
from .base import MXNetError
from .config import show_config
from .context import Context, cpu, cpu_pinned, current_context, gpu, num_gpus
from .libinfo import __version__ as __version__
from .ndarray import NDArray
from .runtime import executor
from .runtime.executor import Executor
from .runtime.schedule import get_num_threads, set_num_threads
from .symbol import Symbol
from .util import is_np_array, is_np_shape, np_shape, set_np_shape

# Parts of MXNet that scripts may ask for, and what they are.
_ABSENT = {
    "gluon": "Gluon", "np": "the NumPy interface", "npx": "the NumPy interface", "numpy": "the NumPy interface",
    "numpy_extension": "the NumPy interface", "rtc": "compiling CUDA code", "th": "the Torch plugin",
    "torch": "the Torch plugin", "notebook": "plotting in notebooks",
}  # fmt: skip


def __getattr__(name: str) -> NoReturn:
    what = f": {_ABSENT[name]} is not part of cyexec, which is MXNet's symbolic API on CPU" if name in _ABSENT else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{what}")


__all__ = [
    "AttrScope", "Context", "Executor", "MXNetError", "NDArray", "Symbol", "attribute", "autograd", "base",
    "callback", "config", "context", "contrib", "cpu", "cpu_pinned", "current_context", "engine", "executor",
    "executor_manager", "get_num_threads", "gpu", "image", "img", "init", "initializer", "io", "is_np_array",
    "is_np_shape", "kv", "kvstore", "libinfo", "log", "lr_scheduler", "metric", "mod", "model", "module", "mon",
    "monitor", "name", "nd", "ndarray", "np_shape", "num_gpus", "operator", "opt", "optimizer", "profiler", "random",
    "recordio", "registry", "rnd", "rnn", "runtime", "set_np_shape", "set_num_threads", "show_config", "sym",
    "symbol", "test_utils", "util", "visualization", "viz",
]  # fmt: skip
