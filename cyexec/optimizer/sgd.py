"""Gradient descent, with momentum, Nesterov's, and by signs."""

from __future__ import annotations

from typing import Any

from ..ndarray import NDArray
from .operator import OperatorOptimizer
from .optimizer import register, zeros_like


class _WithMomentum(OperatorOptimizer):
    """A state of one array, or none where there is no momentum."""

    momentum: float

    def create_state(self, index: Any, weight: NDArray) -> NDArray | None:
        return zeros_like(weight) if self.momentum != 0.0 else None

    def _options(self) -> dict[str, Any]:
        options = super()._options()
        # The operator without momentum has no such parameter.
        return {**options, "momentum": self.momentum} if self.momentum != 0.0 else options


@register
class SGD(_WithMomentum):
    """Gradient descent: ``m = momentum * m - lr * (g + wd * w); w += m``.

    Parameters
    ----------
    momentum : float
    lazy_update : bool
        Accepted: about sparse gradients.
    **kwargs
        See `Optimizer`.
    """

    MIXED = True
    aggregate_num = 4

    def __init__(self, momentum: float = 0.0, lazy_update: bool = True, **kwargs: Any):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.lazy_update = lazy_update

    def _operator(self, state: Any) -> str:
        return "sgd_mom_update" if state is not None else "sgd_update"


@register
class ccSGD(SGD):
    """`SGD` under its old name."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)


@register
class NAG(_WithMomentum):
    """Nesterov's accelerated gradient: `SGD` whose step looks ahead along the momentum.

    Parameters
    ----------
    momentum : float
    **kwargs
        See `Optimizer`.
    """

    MIXED = True

    def __init__(self, momentum: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.momentum = momentum

    def _operator(self, state: Any) -> str:
        return "nag_mom_update" if state is not None else "sgd_update"


@register
class Signum(_WithMomentum):
    """Steps of equal length along the sign of the momentum (Bernstein et al. 2018), or of the gradient without it.

    Parameters
    ----------
    learning_rate, momentum : float
    wd_lh : float
        Weight decay that does not go through the momentum (Loshchilov, Hutter 2017).
    **kwargs
        See `Optimizer`.
    """

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.9, wd_lh: float = 0.0, **kwargs: Any):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.momentum = momentum
        self.wd_lh = wd_lh

    def _operator(self, state: Any) -> str:
        return "signum_update" if state is not None else "signsgd_update"

    def _options(self) -> dict[str, Any]:
        options = super()._options()
        # MXNet's operator of signs alone has no such parameter either.
        return {**options, "wd_lh": self.wd_lh} if self.momentum != 0.0 and self.wd_lh else options
