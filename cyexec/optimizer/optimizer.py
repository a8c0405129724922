"""What all optimisers share: learning rates and weight decays of single parameters, counts of updates, the register."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from .. import ndarray as nd
from ..ndarray import NDArray

if TYPE_CHECKING:
    from ..lr_scheduler import LRScheduler
    from ..symbol import Symbol

Kind = TypeVar("Kind", bound="type[Optimizer]")


class Optimizer:
    """Base of all optimisers. Derive from it, define `create_state` and `update`, and `register` it.

    Parameters
    ----------
    rescale_grad : float
        Gradients are multiplied by it first; trainers give 1 / batch size.
    param_idx2name : dict of int to str, optional
        Names of parameters, which decide about multipliers.
    wd : float
        Weight decay.
    clip_gradient : float, optional
        Rescaled gradients are clipped to [-clip_gradient, clip_gradient].
    learning_rate : float, optional
        0.01 by default, or what the scheduler begins with.
    lr_scheduler : LRScheduler, optional
        Called with the number of updates made so far; gives the learning rate.
    sym : Symbol, optional
        Its variables' ``lr_mult`` and ``wd_mult`` attributes count.
    begin_num_update : int
        Number of updates made before.
    multi_precision : bool
        Keep float32 copies of float16 weights.
    param_dict : dict of int to object, optional
        Objects with ``lr_mult`` and ``wd_mult``, which then decide alone.

    Attributes
    ----------
    num_update : int
        Of the parameter that was updated most often.
    lr_mult, wd_mult : dict of name or index to float
    """

    opt_registry: ClassVar[dict[str, type[Optimizer]]] = {}
    # How many weights MXNet updates in one call. Here any number is; 0: the class updates one weight at a time.
    aggregate_num: int = 0

    def __init__(
        self,
        rescale_grad: float = 1.0,
        param_idx2name: Mapping[Any, str] | None = None,
        wd: float = 0.0,
        clip_gradient: float | None = None,
        learning_rate: float | None = None,
        lr_scheduler: LRScheduler | None = None,
        sym: Symbol | None = None,
        begin_num_update: int = 0,
        multi_precision: bool = False,
        param_dict: Mapping[Any, Any] | None = None,
    ):
        if param_idx2name is not None and not isinstance(param_idx2name, Mapping):
            raise AssertionError("param_idx2name should be a dict of param indexes to names.")
        self.rescale_grad = rescale_grad
        self.lr_scheduler = lr_scheduler
        if lr_scheduler is None:
            self.lr: float | None = 0.01 if learning_rate is None else learning_rate
        else:
            self.lr = learning_rate
            if learning_rate is not None:
                lr_scheduler.base_lr = learning_rate
        self.wd = wd
        self.begin_num_update = begin_num_update
        self.num_update = begin_num_update
        # Counts for each context: data parallel training updates a parameter once on every one.
        self._all_index_update_counts: dict[int, dict[Any, int]] = {0: {}}
        self._index_update_count = self._all_index_update_counts[0]
        self.clip_gradient = clip_gradient
        self.multi_precision = multi_precision
        self.aggregate_num = type(self).aggregate_num
        self.idx2name = dict(param_idx2name or {})
        self.sym_info: tuple = (sym.attr_dict(), sym.list_arguments()) if sym is not None else ()
        self.param_dict = dict(param_dict or {})
        self.lr_mult: dict[Any, float] = {}
        self.wd_mult: dict[Any, float] = {}
        self.set_lr_mult({})
        self.set_wd_mult({})

    def __getstate__(self) -> dict[str, Any]:
        """All but `param_dict`, whose objects belong to the process."""
        return {key: value for key, value in self.__dict__.items() if key != "param_dict"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.param_dict = {}

    # The register

    @staticmethod
    def register(klass: Kind) -> Kind:
        """Make a class known to `create` by its own name, whatever the case (a decorator)."""
        if not isinstance(klass, type):
            raise AssertionError(f"only classes can be registered, found {klass!r}")
        name = klass.__name__.lower()
        known = Optimizer.opt_registry.get(name)
        if known is not None and known is not klass:
            warnings.warn(
                f"New optimizer {klass.__module__}.{klass.__name__} is overriding existing optimizer "
                f"{known.__module__}.{known.__name__}",
                stacklevel=2,
            )
        Optimizer.opt_registry[name] = klass
        return klass

    @staticmethod
    def create_optimizer(name: str, **kwargs: Any) -> Optimizer:
        """Make a registered optimiser by its name.

        Raises
        ------
        ValueError
            Nothing is registered under that name.
        """
        klass = Optimizer.opt_registry.get(name.lower())
        if klass is None:
            raise ValueError(f"Cannot find optimizer {name}; known are {', '.join(sorted(Optimizer.opt_registry))}")
        return klass(**kwargs)

    # What a kind of optimiser defines

    def create_state(self, index: Any, weight: NDArray) -> Any:
        """Return what `update` keeps for `weight`: arrays, tuples of them, or None."""
        return None

    def update(self, index: Any, weight: NDArray, grad: NDArray, state: Any) -> None:
        """Change `weight` (and `state`) in place by one step."""
        raise NotImplementedError(f"{type(self).__name__} must define update")

    def is_mixed(self, weight: NDArray) -> bool:
        """Whether `weight` is updated through a float32 copy."""
        return bool(self.multi_precision) and weight.dtype == np.float16

    def create_state_multi_precision(self, index: Any, weight: NDArray) -> Any:
        """`create_state`; for a float16 weight under `multi_precision`, a float32 copy and the state for that."""
        if self.is_mixed(weight):
            copy = weight.astype(np.float32)
            return copy, self.create_state(index, copy)
        if weight.dtype == np.float16:
            warnings.warn(
                "Accumulating with float16 in optimizer can lead to poor accuracy or slow convergence. Consider using "
                "multi_precision=True option of the optimizer",
                stacklevel=2,
            )
        return self.create_state(index, weight)

    def update_multi_precision(self, index: Any, weight: NDArray, grad: NDArray, state: Any) -> None:
        """`update`; for a float16 weight under `multi_precision`, of the float32 copy, which is then rounded."""
        if self.is_mixed(weight):
            copy, own = state
            self.update(index, copy, grad.astype(np.float32), own)
            weight[:] = copy
        else:
            self.update(index, weight, grad, state)

    # Rates and counts

    @property
    def learning_rate(self) -> float:
        """The learning rate now, before multipliers."""
        if self.lr_scheduler is not None:
            return self.lr_scheduler(self.num_update)
        assert self.lr is not None
        return self.lr

    def set_learning_rate(self, lr: float) -> None:
        """Use this learning rate from now on. Raises UserWarning where a scheduler decides."""
        if self.lr_scheduler is not None:
            raise UserWarning("LRScheduler of the optimizer has already been defined: it decides the learning rate")
        self.lr = lr

    def set_lr_scale(self, args_lrscale: Mapping[Any, float]) -> None:
        """Raise DeprecationWarning: it is `set_lr_mult` now."""
        raise DeprecationWarning("Use set_lr_mult instead.")

    def _attribute_multipliers(self, attribute: str) -> dict[Any, float]:
        if not self.sym_info:
            return {}
        attributes, names = self.sym_info
        return {n: float(attributes[n][attribute]) for n in names if attribute in attributes.get(n, {})}

    def set_lr_mult(self, args_lr_mult: Mapping[Any, float]) -> None:
        """Set factors of the learning rate by name or index, besides those of the symbol's attributes."""
        self.lr_mult = {**self._attribute_multipliers("__lr_mult__"), **args_lr_mult}

    # Endings of the names of parameters that decay by default.
    _DECAYING: ClassVar[tuple[str, ...]] = ("_weight", "_gamma")

    def set_wd_mult(self, args_wd_mult: Mapping[Any, float]) -> None:
        """Set factors of the weight decay by name or index. Without one, only weights and gammas decay."""
        still = {n: 0.0 for n in self.idx2name.values() if not n.endswith(self._DECAYING)}
        self.wd_mult = {**still, **self._attribute_multipliers("__wd_mult__"), **args_wd_mult}

    def _set_current_context(self, device_id: int) -> None:
        """Count updates on device number `device_id` from now on."""
        self._index_update_count = self._all_index_update_counts.setdefault(device_id, {})

    def _update_count(self, index: Any) -> None:
        """Count an update of one parameter, or of each of a list."""
        counts = self._index_update_count
        for i in index if isinstance(index, (list, tuple)) else (index,):
            count = counts.get(i, self.begin_num_update) + 1
            counts[i] = count
            if count > self.num_update:
                self.num_update = count

    def _multiplied(self, value: float, indices: Sequence[Any], which: str) -> list[float]:
        multipliers: dict[Any, float] = getattr(self, which)
        if not multipliers and not self.param_dict:
            return [value] * len(indices)
        if self.param_dict:
            own = [getattr(self.param_dict[i], which) if i in self.param_dict else None for i in indices]
        else:
            own = [None] * len(indices)
        if not multipliers:
            return [value if m is None else value * m for m in own]
        names = self.idx2name
        found = []
        for i, factor in zip(indices, own):
            if factor is None:
                factor = multipliers.get(i)
                if factor is None:
                    factor = multipliers.get(names.get(i), 1.0)
            found.append(value * factor)
        return found

    def _get_lrs(self, indices: Sequence[Any]) -> list[float]:
        """Learning rates of parameters."""
        return self._multiplied(self.learning_rate, indices, "lr_mult")

    def _get_wds(self, indices: Sequence[Any]) -> list[float]:
        """Weight decays of parameters."""
        return self._multiplied(self.wd, indices, "wd_mult")

    def _get_lr(self, index: Any) -> float:
        return self._get_lrs([index])[0]

    def _get_wd(self, index: Any) -> float:
        return self._get_wds([index])[0]

    def _rates_of(self, indices: Sequence[Any]) -> tuple[list[float], list[float]]:
        """Learning rates and weight decays of parameters, also where a class of the user's decides about single ones."""
        kind = type(self)
        single_lr, single_wd = kind._get_lr is not Optimizer._get_lr, kind._get_wd is not Optimizer._get_wd
        lrs = [self._get_lr(i) for i in indices] if single_lr else self._get_lrs(indices)
        wds = [self._get_wd(i) for i in indices] if single_wd else self._get_wds(indices)
        if len(lrs) != len(indices) or len(wds) != len(indices):
            raise ValueError(
                f"{kind.__name__}: {len(indices)} parameters have {len(lrs)} learning rates and {len(wds)} weight decays"
            )
        return lrs, wds

    # For rules written with arrays

    def _rescaled(self, grad: NDArray, decay: NDArray | None = None) -> NDArray:
        """The gradient rescaled, plus `decay` where one is given, and then clipped."""
        grad = grad * self.rescale_grad
        if decay is not None:
            grad += decay
        if self.clip_gradient is not None:
            grad = nd.clip(grad, -self.clip_gradient, self.clip_gradient)
        return grad


def zeros_like(weight: NDArray) -> NDArray:
    """A state of zeros beside `weight`."""
    made = NDArray._empty(weight.shape, weight._array.dtype, weight._ctx)
    made[:] = 0
    return made


register = Optimizer.register
create = Optimizer.create_optimizer
