"""Watch the values inside of executors: ``mx.mon.Monitor``."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import ndarray as nd
from .ndarray import NDArray

if TYPE_CHECKING:
    from .runtime.executor import Executor

Stat = tuple[int, str, Any]


def mean_magnitude(value: NDArray) -> NDArray:
    """Return ``norm(value) / sqrt(value.size)``, the default statistic."""
    return nd.norm(value) / math.sqrt(value.size)


class Monitor:
    """Statistics of outputs of nodes, parameters and auxiliary states, every few batches.

    Call `tic` before a forward pass and `toc` (or `toc_print`) after the backward pass. Between them, in a batch that is
    watched, executors run node by node; in all others as fast as without a monitor.

    Parameters
    ----------
    interval : int
        Batches between two that are watched; the first one is.
    stat_func : callable, optional
        Takes an NDArray, returns an NDArray or a list of them. By default ``norm(x) / sqrt(x.size)``.
    pattern : str
        Regular expression that names must begin with.
    sort : bool
        Whether `toc` sorts by name.
    monitor_all : bool
        Whether inputs of nodes are shown too.
    """

    def __init__(
        self,
        interval: int,
        stat_func: Callable[[NDArray], Any] | None = None,
        pattern: str = ".*",
        sort: bool = False,
        monitor_all: bool = False,
    ):
        self.interval = interval
        self.stat_func = stat_func if stat_func is not None else mean_magnitude
        self.re_prog = re.compile(pattern)
        self.sort = sort
        self.monitor_all = monitor_all
        self.queue: list[Stat] = []
        self.step = 0
        self.activated = False
        self.exes: list[Executor] = []

    def stat_helper(self, name: str, value: NDArray) -> None:
        """Take in one value."""
        if self.activated and self.re_prog.match(name):
            self.queue.append((self.step, name, self.stat_func(value)))

    def install(self, exe: Executor) -> None:
        """Watch an executor too."""
        self.exes.append(exe)
        if self.activated:
            exe.set_monitor_callback(self.stat_helper, self.monitor_all)

    def tic(self) -> None:
        """Begin a batch."""
        if self.step % self.interval == 0:
            self.queue = []
            self.activated = True
            for exe in self.exes:
                exe.set_monitor_callback(self.stat_helper, self.monitor_all)
        self.step += 1

    def toc(self) -> list[tuple[int, str, str]]:
        """End a batch.

        Returns
        -------
        list of (step, name, text)
            Outputs as they were computed, then arguments and auxiliary states as they are now. Empty for a batch that is
            not watched.
        """
        if not self.activated:
            return []
        for exe in self.exes:
            exe.set_monitor_callback(None)
            symbol = exe._symbol
            for name, value in zip(symbol.list_arguments(), exe.arg_arrays):
                self.stat_helper(name, value)
            for name, value in zip(symbol.list_auxiliary_states(), exe.aux_arrays):
                self.stat_helper(name, value)
        self.activated = False
        found = sorted(self.queue, key=lambda stat: stat[1]) if self.sort else self.queue
        self.queue = []
        return [(step, name, self._text(name, stat)) for step, name, stat in found]

    @staticmethod
    def _text(name: str, stat: Any) -> str:
        values = stat if isinstance(stat, list) else [stat]
        for value in values:
            if not isinstance(value, NDArray):
                raise AssertionError(
                    f"Monitor: stat_func gave {type(value).__name__} for '{name}'; expected an NDArray or a list of them"
                )
        # `str`, since formatting writes all digits that a float32 has as a double.
        return "".join(str(v.asscalar() if v.shape == (1,) else v.asnumpy()) + "\t" for v in values)

    def toc_print(self) -> None:
        """End a batch and log its statistics."""
        for step, name, text in self.toc():
            logging.info("Batch: %7d %-30s %s", step, name, text)
