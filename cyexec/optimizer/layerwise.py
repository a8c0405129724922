"""Optimisers that scale a whole layer's step by norms of its weight and gradient."""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np

from .. import ndarray as nd
from ..ndarray import NDArray
from ..ndarray.imperative import invoke
from .operator import OperatorOptimizer
from .optimizer import Optimizer, register, zeros_like
from .sgd import SGD


def _norm(array: NDArray) -> float:
    """Euclidean norm, in double precision."""
    flat = array._array.reshape(-1).astype(np.float64)
    return math.sqrt(float(flat @ flat))


@register
class LARS(SGD):
    """`SGD` whose rate in each layer is in proportion to the weight's norm (You, Gitman, Ginsburg 2017).

    The rate is multiplied with ``eta * |w| / (|g| + wd * |w| + eps)``, but for biases, gammas and betas.

    Parameters
    ----------
    momentum, eta, eps : float
    lazy_update : bool
        Accepted: about sparse gradients.
    momentum_correction : bool
        Scale the momentum where the learning rate has changed.
    **kwargs
        See `Optimizer`.
    """

    _DECAYING = ("_weight",)

    def __init__(
        self,
        momentum: float = 0.0,
        lazy_update: bool = True,
        eta: float = 0.001,
        eps: float = 0,
        momentum_correction: bool = True,
        **kwargs: Any,
    ):
        super().__init__(momentum=momentum, lazy_update=lazy_update, **kwargs)
        self.momentum_correction = momentum_correction
        self.eta = eta
        self.eps = eps
        self.skip = 0
        self.last_lr: float | None = None
        self.cur_lr: float | None = None

    def _get_lrs(self, indices: Any) -> list[float]:
        lr = self.learning_rate
        self.last_lr = lr if self.cur_lr is None else self.cur_lr
        self.cur_lr = lr
        return self._multiplied(lr, indices, "lr_mult")

    def _options(self) -> dict[str, Any]:
        options = super()._options()
        if self.momentum_correction and self.momentum != 0.0 and self.last_lr:
            assert self.cur_lr is not None
            options["momentum"] *= self.cur_lr / self.last_lr
        return options

    def _get_lars(self, index: Any, weight: NDArray, grad: NDArray, lr: float, wd: float) -> float:
        """The rate of one layer."""
        if self.idx2name.get(index, "").endswith(("gamma", "beta", "bias")):
            return lr
        weight_norm, grad_norm = _norm(weight), _norm(grad) * self.rescale_grad
        if weight_norm > 0.0 and grad_norm > 0.0:
            return lr * self.eta * weight_norm / (grad_norm + wd * weight_norm + self.eps)
        return lr

    def _layer_rates(
        self, indices: Any, weights: Any, grads: Any, lrs: list[float], wds: list[float]
    ) -> list[float]:
        return [self._get_lars(*one) for one in zip(indices, weights, grads, lrs, wds)]


@register
class LAMB(OperatorOptimizer):
    """Adam's direction, in each layer scaled to the weight's norm (You et al. 2019).

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon : float
    lower_bound, upper_bound : float, optional
        The weight's norm is taken to lie between them.
    bias_correction : bool
        Correct the means for having begun at zero.
    **kwargs
        See `Optimizer`.
    """

    MIXED = True

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        lower_bound: float | None = None,
        upper_bound: float | None = None,
        bias_correction: bool = True,
        **kwargs: Any,
    ):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.lower_bound = lower_bound
        self.upper_bound = upper_bound
        self.bias_correction = bias_correction

    def create_state(self, index: Any, weight: NDArray) -> tuple[NDArray, NDArray]:
        return zeros_like(weight), zeros_like(weight)

    def _operator(self, state: Any) -> str:
        return "lamb_update_phase1"

    def _options(self) -> dict[str, Any]:
        return {
            **super()._options(), "beta1": self.beta1, "beta2": self.beta2, "epsilon": self.epsilon,
            "bias_correction": self.bias_correction,
        }  # fmt: skip

    def create_state_multi_precision(self, index: Any, weight: NDArray) -> Any:
        # The other way round than in SGD: first the copy.
        return Optimizer.create_state_multi_precision(self, index, weight)

    def _split(self, weight: NDArray, state: Any) -> tuple[Any, tuple[NDArray, ...]]:
        return (state[1], (state[0],)) if self.is_mixed(weight) else (state, ())

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        if not isinstance(index, (list, tuple)):
            index, weight, grad, state = [index], [weight], [grad], [state]
        bounds = {"lower_bound": self.lower_bound, "upper_bound": self.upper_bound}
        bounds = {name: value for name, value in bounds.items() if value is not None}
        for call in self.calls(index, weight, grad, state):
            params = dict(call.params)
            lr = params.pop("lr")
            direction = invoke(call.op, call.arrays, params)
            target = call.arrays[0]
            copies = call.arrays[-1:] if call.op.startswith("mp_") else ()
            norms = [nd.norm(copies[0] if copies else target), nd.norm(direction)]
            second = call.op.replace("phase1", "phase2")
            invoke(second, [target, direction, *norms, *copies], {"lr": lr, **bounds}, target)

    def _rates(self, index: Any, lr: float, wd: float) -> dict[str, Any]:
        return {"lr": lr, "wd": wd, "t": self._index_update_count[index]}


@register
class LBSGD(Optimizer):
    """`SGD` for large batches, made of `batch_scale` small ones each, with a warm-up of the rate.

    Parameters
    ----------
    momentum : float
    multi_precision : bool
    warmup_strategy : {"linear", "power2", "sqrt", "lars"}
        How the rate rises to `batch_scale` times itself; "lars": by norms of weight and gradient, as in `LARS`.
    warmup_epochs, batch_scale, updates_per_epoch, begin_epoch, num_epochs : int
    **kwargs
        See `Optimizer`.
    """

    def __init__(
        self,
        momentum: float = 0.0,
        multi_precision: bool = False,
        warmup_strategy: str = "linear",
        warmup_epochs: int = 5,
        batch_scale: int = 1,
        updates_per_epoch: int = 32,
        begin_epoch: int = 0,
        num_epochs: int = 60,
        **kwargs: Any,
    ):
        super().__init__(multi_precision=multi_precision, **kwargs)
        logging.info("Running Large-Batch SGD Algorithm")
        logging.info(
            "(Batch_scale=%f, warmup_epochs=%d, warmup_strategy=%s, updates_per_epoch=%d)",
            batch_scale, warmup_epochs, warmup_strategy, updates_per_epoch,
        )  # fmt: skip
        self.momentum = momentum
        self.lbmult = 1
        self.cumgrads: dict[Any, dict[str, Any]] = {}
        self.adaptive = False
        self.admult = 1
        self.warmup_strategy = warmup_strategy
        self.warmup_epochs = warmup_epochs
        self.batch_scale = batch_scale
        self.updates_per_epoch = updates_per_epoch
        self.init_updates = begin_epoch * updates_per_epoch
        self.num_epochs = num_epochs

    def create_state(self, index: Any, weight: NDArray) -> NDArray | None:
        return zeros_like(weight) if self.momentum != 0.0 else None

    def create_state_multi_precision(self, index: Any, weight: NDArray) -> Any:
        if self.is_mixed(weight):
            copy = weight.astype(np.float32)
            return self.create_state(index, copy), copy
        return super().create_state_multi_precision(index, weight)

    def update_multi_precision(self, index: Any, weight: NDArray, grad: NDArray, state: Any) -> None:
        self.update(index, weight, grad, state)

    def _get_lbmult(self, updates: int) -> float:
        """Factor of the rate after `updates` small batches."""
        last = self.warmup_epochs * self.updates_per_epoch
        if updates >= last:
            return self.batch_scale
        rise = {"linear": updates / last, "power2": (updates / last) ** 2, "sqrt": math.sqrt(updates / last)}
        if last <= 1 or self.warmup_strategy not in rise:
            return 1.0
        return 1.0 + (self.batch_scale - 1) * rise[self.warmup_strategy]

    @staticmethod
    def _get_lars(weight: NDArray, grad: NDArray, wd: float) -> float:
        weight_square, grad_square = _norm(weight) ** 2, _norm(grad) ** 2
        factor = math.sqrt(weight_square / (grad_square + wd * weight_square + 1e-18))
        return min(max(factor, 0.01), 100.0)

    def _cumulated(self, grad: NDArray, index: Any) -> tuple[NDArray, int]:
        """The sum of the gradients since the last step, and how many there have been in all."""
        kept = self.cumgrads.get(index, {"num_cums": self.init_updates, "cum_grad": 0})
        count = kept["num_cums"] + 1
        # A copy: the caller's array is overwritten by the next gradient.
        total = grad.copy() if isinstance(kept["cum_grad"], int) else kept["cum_grad"] + grad
        self.cumgrads[index] = {"cum_grad": total, "num_cums": count}
        return total, count

    def update(self, index: Any, weight: NDArray, grad: NDArray, state: Any) -> None:
        self._update_count(index)
        lr, wd = self._get_lr(index), self._get_wd(index)
        total, count = self._cumulated(grad, index)
        if count % self.batch_scale:
            return
        grad = total / self.batch_scale
        lr *= self._get_lars(weight, grad, wd) if self.warmup_strategy == "lars" else self._get_lbmult(count)
        options: dict[str, Any] = {"lr": lr, "wd": wd, "rescale_grad": self.rescale_grad}
        if self.clip_gradient:
            options["clip_gradient"] = self.clip_gradient
        momentum, copies = (state[0], (state[1],)) if self.is_mixed(weight) else (state, ())
        name = "mp_" if copies else ""
        if momentum is None:
            invoke(name + "sgd_update", [weight, grad, *copies], options, weight)
        else:
            options["momentum"] = self.momentum
            invoke(name + "sgd_mom_update", [weight, grad, momentum, *copies], options, weight)
        self.cumgrads[index]["cum_grad"] = 0
