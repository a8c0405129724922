"""Optimisers written with arrays: each update is a handful of operations."""

from __future__ import annotations

import math
from typing import Any

from .. import ndarray as nd
from ..ndarray import NDArray, random
from .optimizer import Optimizer, register, zeros_like


@register
class AdaGrad(Optimizer):
    """AdaGrad (Duchi, Hazan, Singer 2011); the weight decay is not scaled.

    Parameters
    ----------
    eps : float
        Added under the root, against division by zero.
    **kwargs
        See `Optimizer`.
    """

    def __init__(self, eps: float = 1e-7, **kwargs: Any):
        super().__init__(**kwargs)
        self.float_stable_eps = eps

    def create_state(self, index: Any, weight: NDArray) -> NDArray:
        return zeros_like(weight)

    def update(self, index: Any, weight: NDArray, grad: NDArray, state: NDArray) -> None:
        self._update_count(index)
        lr, wd = self._get_lr(index), self._get_wd(index)
        grad = self._rescaled(grad)
        state += nd.square(grad)
        weight -= (grad / nd.sqrt(state + self.float_stable_eps) + weight * wd) * lr


@register
class AdaDelta(Optimizer):
    """AdaDelta (Zeiler 2012). There is no learning rate.

    Parameters
    ----------
    rho : float
        How much of the means is kept.
    epsilon : float
    **kwargs
        See `Optimizer`.
    """

    def __init__(self, rho: float = 0.90, epsilon: float = 1e-5, **kwargs: Any):
        super().__init__(**kwargs)
        self.rho = rho
        self.epsilon = epsilon

    def create_state(self, index: Any, weight: NDArray) -> tuple[NDArray, NDArray]:
        return zeros_like(weight), zeros_like(weight)

    def update(self, index: Any, weight: NDArray, grad: NDArray, state: tuple[NDArray, NDArray]) -> None:
        self._update_count(index)
        wd = self._get_wd(index)
        grad = self._rescaled(grad)
        squares, steps = state
        squares[:] = self.rho * squares + (1.0 - self.rho) * nd.square(grad)
        step = nd.sqrt(steps + self.epsilon) / nd.sqrt(squares + self.epsilon) * grad
        steps[:] = self.rho * steps + (1.0 - self.rho) * nd.square(step)
        weight -= step + wd * weight


@register
class Adamax(Optimizer):
    """Adam by the largest gradient instead of the mean square (Kingma, Ba 2015, section 7.1).

    Parameters
    ----------
    learning_rate, beta1, beta2 : float
    **kwargs
        See `Optimizer`.
    """

    def __init__(self, learning_rate: float = 0.002, beta1: float = 0.9, beta2: float = 0.999, **kwargs: Any):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2

    def create_state(self, index: Any, weight: NDArray) -> tuple[NDArray, NDArray]:
        return zeros_like(weight), zeros_like(weight)

    def update(self, index: Any, weight: NDArray, grad: NDArray, state: tuple[NDArray, NDArray]) -> None:
        self._update_count(index)
        lr, wd = self._get_lr(index), self._get_wd(index)
        lr /= 1.0 - self.beta1 ** self._index_update_count[index]
        grad = self._rescaled(grad, wd * weight)
        mean, largest = state
        mean[:] = self.beta1 * mean + (1.0 - self.beta1) * grad
        largest[:] = nd.maximum(self.beta2 * largest, nd.abs(grad))
        weight -= lr * mean / largest


@register
class Nadam(Optimizer):
    """Adam with Nesterov's momentum (Dozat 2016).

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon : float
    schedule_decay : float
        How fast the momentum rises to `beta1`.
    **kwargs
        See `Optimizer`.

    Notes
    -----
    As in MXNet, the product of momenta is one for all weights, so it shrinks faster the more weights there are.
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        schedule_decay: float = 0.004,
        **kwargs: Any,
    ):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.schedule_decay = schedule_decay
        self.m_schedule = 1.0

    def create_state(self, index: Any, weight: NDArray) -> tuple[NDArray, NDArray]:
        return zeros_like(weight), zeros_like(weight)

    def _momentum(self, t: int) -> float:
        return self.beta1 * (1.0 - 0.5 * 0.96 ** (t * self.schedule_decay))

    def update(self, index: Any, weight: NDArray, grad: NDArray, state: tuple[NDArray, NDArray]) -> None:
        self._update_count(index)
        lr, wd = self._get_lr(index), self._get_wd(index)
        t = self._index_update_count[index]
        grad = self._rescaled(grad, wd * weight)
        now, following = self._momentum(t), self._momentum(t + 1)
        self.m_schedule *= now
        mean, square = state
        mean[:] = self.beta1 * mean + (1.0 - self.beta1) * grad
        square[:] = self.beta2 * square + (1.0 - self.beta2) * nd.square(grad)
        direction = (1.0 - now) / (1.0 - self.m_schedule) * grad
        direction += following / (1.0 - self.m_schedule * following) * mean
        weight -= lr * direction / (nd.sqrt(square / (1.0 - self.beta2**t)) + self.epsilon)


@register
class DCASGD(Optimizer):
    """Gradient descent that makes up for delayed gradients (Zheng et al. 2016).

    Parameters
    ----------
    momentum : float
    lamda : float
        How much the change of the weight since its last update counts.
    **kwargs
        See `Optimizer`.
    """

    def __init__(self, momentum: float = 0.0, lamda: float = 0.04, **kwargs: Any):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.weight_previous: dict[Any, Any] = {}
        self.lamda = lamda

    def create_state(self, index: Any, weight: NDArray) -> tuple[NDArray | None, NDArray]:
        return zeros_like(weight) if self.momentum != 0.0 else None, weight.copy()

    def update(self, index: Any, weight: NDArray, grad: NDArray, state: tuple[NDArray | None, NDArray]) -> None:
        self._update_count(index)
        lr, wd = self._get_lr(index), self._get_wd(index)
        grad = self._rescaled(grad)
        momentum, previous = state
        step = -lr * (grad + wd * weight + self.lamda * nd.square(grad) * (weight - previous))
        if momentum is not None:
            momentum *= self.momentum
            momentum += step
            step = momentum
        previous[:] = weight
        weight += step


@register
class SGLD(Optimizer):
    """Gradient descent with noise, whose weights are samples of a posterior (Welling, Teh 2011)."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)

    def update(self, index: Any, weight: NDArray, grad: NDArray, state: None) -> None:
        self._update_count(index)
        lr, wd = self._get_lr(index), self._get_wd(index)
        weight -= lr / 2 * (self._rescaled(grad) + wd * weight)
        weight += random.normal(0, math.sqrt(lr), weight.shape, weight.dtype, weight.context)


@register
class Test(Optimizer):
    """For tests: adds the rescaled gradient, and keeps the weight as its state."""

    __test__ = False  # not one of pytest's

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)

    def create_state(self, index: Any, weight: NDArray) -> NDArray:
        return zeros_like(weight)

    def update(self, index: Any, weight: NDArray, grad: NDArray, state: NDArray) -> None:
        weight += grad * self.rescale_grad
        state[:] = weight
