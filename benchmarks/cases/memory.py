"""Bytes of the memory for intermediate values: cyexec's arena, and what MXNet says that it allocated (whole megabytes)."""

import re
from functools import partial

from ..networks import TRAINING, ZOO, load
from .common import Case, mx_bound


def _bound(name, mx):
    training = name.endswith("_training")
    executor = mx_bound(load(name), mx, "write" if training else "null")
    executor.forward(is_train=training)
    if training:
        executor.backward()
    executor.outputs[0].wait_to_read()
    return executor


def cyexec(name, mx):
    return lambda: _bound(name, mx).plan.total


def mxnet(name, mx):
    return lambda: int(re.search(r"Total (\d+) MB allocated", _bound(name, mx).debug_str()).group(1)) << 20


CASES = [
    Case(f"memory of {name}", {"cyexec": partial(cyexec, name), "mxnet": partial(mxnet, name)}, unit="B")
    for name in (*ZOO, *(f"{name}_training" for name in TRAINING))
]
