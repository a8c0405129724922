"""Learning rates that change with the number of updates: ``mx.lr_scheduler``.

An optimizer calls its scheduler with the number of updates made so far. All schedulers share a warm-up: in the first
`warmup_steps` updates the rate rises from `warmup_begin_lr` to the initial rate, or stays at `warmup_begin_lr`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence


class LRScheduler:
    """Base of all schedulers.

    Parameters
    ----------
    base_lr : float
        Initial learning rate. An optimizer with a rate of its own overwrites it.
    warmup_steps : int
        How many updates the warm-up takes.
    warmup_begin_lr : float
        Rate at which it begins; at most `base_lr`.
    warmup_mode : {"linear", "constant"}
        Whether the rate rises to `base_lr` in equal steps or stays at `warmup_begin_lr`.

    Raises
    ------
    ValueError
        A negative number of steps, a warm-up that would fall, or an unknown mode.

    Notes
    -----
    The warm-up rises to the `base_lr` of construction, also after `base_lr` was overwritten (as MXNet).
    """

    def __init__(
        self, base_lr: float = 0.01, warmup_steps: int = 0, warmup_begin_lr: float = 0, warmup_mode: str = "linear"
    ):
        if not isinstance(warmup_steps, int):
            raise AssertionError(f"warmup_steps must be an integer, not {warmup_steps!r}")
        if warmup_begin_lr > base_lr:
            raise ValueError(f"warmup_begin_lr ({warmup_begin_lr}) must not be above base_lr ({base_lr})")
        if warmup_steps < 0:
            raise ValueError(f"warmup_steps must not be negative, but is {warmup_steps}")
        if warmup_mode not in ("linear", "constant"):
            raise ValueError(f"warmup_mode must be 'linear' or 'constant', not {warmup_mode!r}")
        self.base_lr = base_lr
        self.warmup_steps = warmup_steps
        self.warmup_begin_lr = warmup_begin_lr
        self.warmup_final_lr = base_lr
        self.warmup_mode = warmup_mode

    def get_warmup_lr(self, num_update: int) -> float:
        """Rate after `num_update` updates, which must be fewer than `warmup_steps`."""
        if num_update >= self.warmup_steps:
            raise AssertionError(f"update {num_update} is not in the warm-up of {self.warmup_steps} steps")
        if self.warmup_mode == "constant":
            return self.warmup_begin_lr
        rise = self.warmup_final_lr - self.warmup_begin_lr
        return self.warmup_begin_lr + rise * float(num_update) / float(self.warmup_steps)

    def __call__(self, num_update: int) -> float:
        """Rate after `num_update` updates."""
        raise NotImplementedError("a scheduler must define __call__")


class FactorScheduler(LRScheduler):
    """Multiply the rate by `factor` after every `step` updates: ``base_lr * factor ** floor((n - 1) / step)``.

    Parameters
    ----------
    step : int
        Updates between changes, at least 1.
    factor : float
        At most 1.
    stop_factor_lr : float
        The rate does not fall below this.
    base_lr, warmup_steps, warmup_begin_lr, warmup_mode
        See `LRScheduler`.

    Notes
    -----
    The rate is kept in `base_lr` and never rises again, whatever is asked later.
    """

    def __init__(
        self,
        step: int,
        factor: float = 1,
        stop_factor_lr: float = 1e-8,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ):
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        if step < 1:
            raise ValueError(f"step must be at least 1, but is {step}")
        if factor > 1.0:
            raise ValueError(f"factor must be at most 1 for the rate to fall, but is {factor}")
        self.step = step
        self.factor = factor
        self.stop_factor_lr = stop_factor_lr
        self.count = 0

    def __call__(self, num_update: int) -> float:
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        while num_update > self.count + self.step:
            self.count += self.step
            lowered = self.base_lr * self.factor
            if lowered >= self.stop_factor_lr:
                self.base_lr = lowered
                logging.info("Update[%d]: Change learning rate to %0.5e", num_update, self.base_lr)
                continue
            self.base_lr = self.stop_factor_lr
            # Nothing changes any more: skip the remaining steps at once, where MXNet walks and logs each.
            self.count += (num_update - 1 - self.count) // self.step * self.step
            logging.info(
                "Update[%d]: now learning rate arrived at %0.5e, will not change in the future",
                num_update,
                self.base_lr,
            )
        return self.base_lr


class MultiFactorScheduler(LRScheduler):
    """Multiply the rate by `factor` when each of the given numbers of updates has been passed.

    Parameters
    ----------
    step : list of int
        Rising numbers of updates, the first at least 1.
    factor : float
        At most 1.
    base_lr, warmup_steps, warmup_begin_lr, warmup_mode
        See `LRScheduler`.
    """

    def __init__(
        self,
        step: Sequence[int],
        factor: float = 1,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ):
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        if not isinstance(step, list) or not step:
            raise AssertionError(f"step must be a list of one or more numbers of updates, not {step!r}")
        if step[0] < 1:
            raise ValueError(f"steps must be at least 1, but the first is {step[0]}")
        if any(later <= earlier for earlier, later in zip(step, step[1:])):
            raise ValueError(f"steps must be a rising list, but are {step}")
        if factor > 1.0:
            raise ValueError(f"factor must be at most 1 for the rate to fall, but is {factor}")
        self.step = step
        self.cur_step_ind = 0
        self.factor = factor
        self.count = 0

    def __call__(self, num_update: int) -> float:
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        while self.cur_step_ind < len(self.step) and num_update > self.step[self.cur_step_ind]:
            self.count = self.step[self.cur_step_ind]
            self.cur_step_ind += 1
            self.base_lr *= self.factor
            logging.info("Update[%d]: Change learning rate to %0.5e", num_update, self.base_lr)
        return self.base_lr


class _Decay(LRScheduler):
    """Fall from the initial to a final rate along a curve, from the end of the warm-up to update `max_update`."""

    def __init__(
        self,
        max_update: int,
        base_lr: float,
        final_lr: float,
        warmup_steps: int,
        warmup_begin_lr: float,
        warmup_mode: str,
    ):
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        if not isinstance(max_update, int):
            raise AssertionError(f"max_update must be an integer, not {max_update!r}")
        if max_update < 1:
            raise ValueError(f"max_update must be at least 1, but is {max_update}")
        self.max_update = max_update
        self.base_lr_orig = base_lr
        self.final_lr = final_lr
        self.max_steps = max_update - warmup_steps

    def _curve(self, progress: float) -> float:
        """Share of the fall that is still to come, for `progress` from 0 to 1."""
        raise NotImplementedError

    def __call__(self, num_update: int) -> float:
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        if num_update <= self.max_update:
            progress = float(num_update - self.warmup_steps) / self.max_steps if self.max_steps else 1.0
            self.base_lr = self.final_lr + (self.base_lr_orig - self.final_lr) * self._curve(progress)
        return self.base_lr


class PolyScheduler(_Decay):
    """Fall as ``(1 - progress) ** pwr`` from `base_lr` to `final_lr`.

    Parameters
    ----------
    max_update : int
        Update at which `final_lr` is reached.
    base_lr : float
        Initial rate. It is taken at construction: overwriting `base_lr` later changes nothing (as MXNet).
    pwr : int
        Power of the curve.
    final_lr : float
        Rate from `max_update` on.
    warmup_steps, warmup_begin_lr, warmup_mode
        See `LRScheduler`. The curve begins after the warm-up.
    """

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        pwr: float = 2,
        final_lr: float = 0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ):
        super().__init__(max_update, base_lr, final_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        self.power = pwr

    def _curve(self, progress: float) -> float:
        return math.pow(1.0 - progress, self.power)


class CosineScheduler(_Decay):
    """Fall as ``(1 + cos(pi * progress)) / 2`` from `base_lr` to `final_lr`.

    Parameters
    ----------
    max_update : int
        Update at which `final_lr` is reached.
    base_lr : float
        Initial rate. It is taken at construction: overwriting `base_lr` later changes nothing (as MXNet).
    final_lr : float
        Rate from `max_update` on.
    warmup_steps, warmup_begin_lr, warmup_mode
        See `LRScheduler`. The curve begins after the warm-up.

    References
    ----------
    I. Loshchilov and F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, equation 5.
    """

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        final_lr: float = 0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ):
        super().__init__(max_update, base_lr, final_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def _curve(self, progress: float) -> float:
        return (1.0 + math.cos(math.pi * progress)) / 2.0
