"""Optimisers that scale each weight's rate by its gradients so far, each one operator."""

from __future__ import annotations

import math
from typing import Any

from ..ndarray import NDArray
from .operator import OperatorOptimizer
from .optimizer import register, zeros_like


@register
class Adam(OperatorOptimizer):
    """Adam (Kingma, Ba 2015); the correction of both means goes into the learning rate.

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon : float
    lazy_update : bool
        Accepted: about sparse gradients.
    **kwargs
        See `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        lazy_update: bool = True,
        **kwargs: Any,
    ):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.lazy_update = lazy_update

    def create_state(self, index: Any, weight: NDArray) -> tuple[NDArray, NDArray]:
        return zeros_like(weight), zeros_like(weight)

    def _operator(self, state: Any) -> str:
        return "adam_update"

    def _options(self) -> dict[str, Any]:
        return {**super()._options(), "beta1": self.beta1, "beta2": self.beta2, "epsilon": self.epsilon}

    def _rates(self, index: Any, lr: float, wd: float) -> dict[str, Any]:
        t = self._index_update_count[index]
        return {"lr": lr * math.sqrt(1.0 - self.beta2**t) / (1.0 - self.beta1**t), "wd": wd}


@register
class RMSProp(OperatorOptimizer):
    """RMSProp: of Tieleman and Hinton (2012), or centred with momentum, of Graves (2013, equations 38 to 45).

    Parameters
    ----------
    learning_rate : float
    gamma1 : float
        How much of the mean of squared gradients is kept.
    gamma2 : float
        How much of the momentum is kept; only if `centered`.
    epsilon : float
    centered : bool
    clip_weights : float, optional
        New weights are clipped to [-clip_weights, clip_weights].
    **kwargs
        See `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        gamma1: float = 0.9,
        gamma2: float = 0.9,
        epsilon: float = 1e-8,
        centered: bool = False,
        clip_weights: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.gamma1 = gamma1
        self.gamma2 = gamma2
        self.centered = centered
        self.epsilon = epsilon
        self.clip_weights = clip_weights

    def create_state(self, index: Any, weight: NDArray) -> tuple[NDArray, ...]:
        return tuple(zeros_like(weight) for _ in range(3 if self.centered else 1))

    def _operator(self, state: Any) -> str:
        return "rmspropalex_update" if self.centered else "rmsprop_update"

    def _options(self) -> dict[str, Any]:
        options = {**super()._options(), "gamma1": self.gamma1, "epsilon": self.epsilon}
        if self.centered:
            options["gamma2"] = self.gamma2
        if self.clip_weights:
            options["clip_weights"] = self.clip_weights
        return options


@register
class Ftrl(OperatorOptimizer):
    """FTRL-proximal (McMahan et al. 2013).

    Parameters
    ----------
    lamda1 : float
        Weight of the L1 penalty.
    learning_rate, beta : float
    **kwargs
        See `Optimizer`.
    """

    def __init__(self, lamda1: float = 0.01, learning_rate: float = 0.1, beta: float = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self.lamda1 = lamda1
        self.beta = beta
        self.lr = learning_rate

    def create_state(self, index: Any, weight: NDArray) -> tuple[NDArray, NDArray]:
        return zeros_like(weight), zeros_like(weight)

    def _operator(self, state: Any) -> str:
        return "ftrl_update"

    def _options(self) -> dict[str, Any]:
        return {**super()._options(), "lamda1": self.lamda1, "beta": self.beta}


@register
class FTML(OperatorOptimizer):
    """FTML (Zheng, Kwok 2017).

    Parameters
    ----------
    beta1, beta2, epsilon : float
    **kwargs
        See `Optimizer`.
    """

    def __init__(self, beta1: float = 0.6, beta2: float = 0.999, epsilon: float = 1e-8, **kwargs: Any):
        super().__init__(**kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon

    def create_state(self, index: Any, weight: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        return zeros_like(weight), zeros_like(weight), zeros_like(weight)

    def _operator(self, state: Any) -> str:
        return "ftml_update"

    def _options(self) -> dict[str, Any]:
        options = super()._options()
        if "clip_gradient" in options:
            options["clip_grad"] = options.pop("clip_gradient")
        return {**options, "beta1": self.beta1, "beta2": self.beta2, "epsilon": self.epsilon}

    def _rates(self, index: Any, lr: float, wd: float) -> dict[str, Any]:
        return {"lr": lr, "wd": wd, "t": self._index_update_count[index]}
