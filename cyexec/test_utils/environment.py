"""Contexts, environment variables, retries, and data sets that are there."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any, TypeVar

import numpy as np

from .. import context
from ..base import MXNetError
from ..context import Context, current_context
from ..io import DataBatch, DataIter, MNISTIter
from ..io.mnist_iter import read_idx

Function = TypeVar("Function", bound=Callable[..., Any])


def default_context() -> Context:
    """Return the context that tests run in."""
    return current_context()


def set_default_context(ctx: Context) -> None:
    """Set the context that is current outside of all ``with`` blocks of this thread."""
    context._stack()[0] = context.as_context(ctx)


def default_dtype() -> type:
    """Return the dtype that tests use."""
    return np.float32


def list_gpus() -> list[int]:
    """Return the numbers of GPUs: none."""
    return []


@contextmanager
def environment(*args: Any) -> Iterator[None]:
    """Set environment variables within a ``with`` block: ``environment(name, value)`` or ``environment({name: value})``.

    A value of None removes the variable.
    """
    changes = args[0] if len(args) == 1 else {args[0]: args[1]}
    before = {name: os.environ.get(name) for name in changes}

    def put(values: dict[str, str | None]) -> None:
        for name, value in values.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    put({name: None if value is None else str(value) for name, value in changes.items()})
    try:
        yield
    finally:
        put(before)


def retry(n: int) -> Callable[[Function], Function]:
    """Return a decorator that runs a test up to `n` times until it raises no AssertionError."""
    if n < 1:
        raise AssertionError(f"retry({n}): a test runs at least once")

    def decorate(test: Function) -> Function:
        @functools.wraps(test)
        def repeated(*args: Any, **kwargs: Any) -> Any:
            for _ in range(n - 1):
                try:
                    return test(*args, **kwargs)
                except AssertionError:
                    continue
            return test(*args, **kwargs)

        return repeated  # type: ignore[return-value]

    return decorate


@contextmanager
def discard_stderr() -> Iterator[None]:
    """Discard what the process writes to its standard error within a ``with`` block."""
    sys.stderr.flush()
    with open(os.devnull, "w") as nowhere:
        kept = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            with redirect_stderr(nowhere):
                yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


class DummyIter(DataIter):
    """Gives the first batch of another iterator for ever: measures everything but reading."""

    def __init__(self, real_iter: Any):
        super().__init__()
        self.real_iter = real_iter
        self.provide_data = real_iter.provide_data
        self.provide_label = real_iter.provide_label
        self.batch_size = real_iter.batch_size
        self.the_batch = next(iter(real_iter))

    def next(self) -> DataBatch:
        return self.the_batch


# Data sets. Nothing is fetched: tests run without a network.

_MNIST = {
    "train_data": "train-images-idx3-ubyte", "train_label": "train-labels-idx1-ubyte",
    "test_data": "t10k-images-idx3-ubyte", "test_label": "t10k-labels-idx1-ubyte",
}  # fmt: skip


def _mnist_file(name: str) -> str:
    folders = [".", "data", os.path.join(os.environ.get("MXNET_HOME", os.path.expanduser("~/.mxnet")), "datasets", "mnist")]
    for folder in folders:
        for path in (os.path.join(folder, name), os.path.join(folder, f"{name}.gz")):
            if os.path.isfile(path):
                return path
    raise MXNetError(
        f"{name} is not there, with or without .gz: put MNIST's four files into one of {', '.join(folders)} "
        "(cyexec fetches nothing from the network)"
    )


def get_mnist() -> dict[str, np.ndarray]:
    """Return MNIST as arrays: images of shape (n, 1, 28, 28) in [0, 1], and labels.

    Raises
    ------
    MXNetError
        Its files are not there: in the current folder, in ``data``, or in ``~/.mxnet/datasets/mnist``.
    """
    found: dict[str, np.ndarray] = {}
    for key, name in _MNIST.items():
        values = read_idx(_mnist_file(name))
        if key.endswith("data"):
            values = values.reshape(-1, 1, 28, 28).astype(np.float32) / 255
        found[key] = values
    return found


def get_mnist_ubyte() -> None:
    """Raise MXNetError unless MNIST's files are there. See `get_mnist`."""
    for name in _MNIST.values():
        _mnist_file(name)


def get_mnist_iterator(
    batch_size: int, input_shape: tuple[int, ...], num_parts: int = 1, part_index: int = 0
) -> tuple[MNISTIter, MNISTIter]:
    """Return iterators over MNIST's two sets, flat unless `input_shape` has three axes. See `get_mnist`."""
    flat = len(input_shape) != 3

    def over(kind: str, shuffle: bool) -> MNISTIter:
        return MNISTIter(
            image=_mnist_file(_MNIST[f"{kind}_data"]), label=_mnist_file(_MNIST[f"{kind}_label"]), batch_size=batch_size,
            shuffle=shuffle, flat=flat, num_parts=num_parts, part_index=part_index,
        )  # fmt: skip

    return over("train", True), over("test", False)


def download(
    url: str, fname: str | None = None, dirname: str | None = None, overwrite: bool = False, retries: int = 5
) -> str:
    """Return the path of a file that has been downloaded before.

    Raises
    ------
    MXNetError
        It is not there: nothing is fetched from the network.
    """
    path = fname or url.split("/")[-1]
    if dirname is not None:
        path = os.path.join(dirname, path)
    if overwrite or not os.path.exists(path):
        raise MXNetError(f"download: {path!r} is not there, and cyexec fetches nothing from the network; get it from {url}")
    return path
