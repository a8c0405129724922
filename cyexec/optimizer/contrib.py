"""Optimisers of ``mx.optimizer.contrib``."""

from __future__ import annotations

from typing import Any

from .. import ndarray as nd
from ..ndarray import NDArray
from .optimizer import Optimizer, register


@register
class GroupAdaGrad(Optimizer):
    """AdaGrad with one rate for each row, for embeddings. There is no weight decay.

    Parameters
    ----------
    eps : float
        Added under the root, against division by zero.
    **kwargs
        See `Optimizer`.
    """

    def __init__(self, eps: float = 1e-5, **kwargs: Any):
        super().__init__(**kwargs)
        self.float_stable_eps = eps

    def create_state(self, index: Any, weight: NDArray) -> NDArray:
        if weight.ndim != 2:
            raise AssertionError(f"GroupAdaGrad updates matrices, found a weight of shape {weight.shape}")
        return nd.zeros((weight.shape[0], 1), weight.context, weight.dtype)

    def update(self, index: Any, weight: NDArray, grad: NDArray, state: NDArray) -> None:
        self._update_count(index)
        lr, wd = self._get_lr(index), self._get_wd(index)
        if wd != 0:
            raise AssertionError(f"Weight decay is not supported for GroupAdaGrad, found wd={wd}")
        grad = self._rescaled(grad)
        state += nd.mean(nd.square(grad), axis=1, keepdims=True)
        weight -= lr * grad / nd.sqrt(state + self.float_stable_eps)


__all__ = ["GroupAdaGrad"]
