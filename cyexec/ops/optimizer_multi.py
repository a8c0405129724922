"""Update operators for many weights at once, and what layer-wise rates are computed from.

A multi-tensor form is its single form for each group of inputs: weight and gradient, states, the float32 copy in ``mp_``
forms. The rates are parameters, or in ``preloaded_`` forms the elements of two arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import MXNetError, ShapeError
from ..lowering.lower import Instr
from . import registry
from .chain import elementwise
from .infer import FLOAT32, same_dtype, same_shape, unify, unify_all, unify_dtype
from .optimizer_scalars import lower_update
from .params import Bool, Count, Float, Floats, Params
from .reducing import reduce_step
from .registry import register
from .schema import Case, Op

CLIP = "Rescaled gradients are clipped to [-clip_gradient, clip_gradient]; off if < 0."


class MultiParams(Params):
    lrs = Floats(doc="Learning rates, one for each weight.")
    wds = Floats(doc="Weight decays, one for each weight.")
    rescale_grad = Float(default=1.0, doc="Gradients are multiplied by it first.")
    clip_gradient = Float(default=-1.0, doc=CLIP)
    num_weights = Count(default=1, doc="Number of weights.")


class MultiMomentumParams(MultiParams):
    lrs = Floats(doc="Learning rates, one for each weight.")
    wds = Floats(doc="Weight decays, one for each weight.")
    momentum = Float(default=0.0, doc="How much of the momentum is kept.")
    rescale_grad = Float(default=1.0, doc="Gradients are multiplied by it first.")
    clip_gradient = Float(default=-1.0, doc=CLIP)
    num_weights = Count(default=1, doc="Number of weights.")


class PreloadedParams(Params):
    rescale_grad = Float(default=1.0, doc="Gradients are multiplied by it first.")
    clip_gradient = Float(default=-1.0, doc=CLIP)
    num_weights = Count(default=1, doc="Number of weights.")


class PreloadedMomentumParams(Params):
    momentum = Float(default=0.0, doc="How much of the momentum is kept.")
    rescale_grad = Float(default=1.0, doc="Gradients are multiplied by it first.")
    clip_gradient = Float(default=-1.0, doc=CLIP)
    num_weights = Count(default=1, doc="Number of weights.")


class MultiAdamWParams(Params):
    lrs = Floats(doc="Learning rates, one for each weight.")
    beta1 = Float(default=float(np.float32(0.9)), doc="How much of the mean of gradients is kept.")
    beta2 = Float(default=float(np.float32(0.999)), doc="How much of the mean of squared gradients is kept.")
    epsilon = Float(default=float(np.float32(1e-8)), doc="Added to the root, against division by zero.")
    wds = Floats(doc="Weight decays, one for each weight.")
    etas = Floats(doc="Factors of step and decay, one for each weight.")
    clip_gradient = Float(default=-1.0, doc=CLIP)
    num_weights = Count(default=1, doc="Number of weights.")


# Parameters that are lists here, by their name in the single form.
_LISTS = {"lr": "lrs", "wd": "wds", "eta": "etas"}


class _Multi:
    """The multi-tensor form of a single operator.

    Parameters
    ----------
    single : Op
    group : tuple of str
        Inputs of one weight.
    rule : str
        Of `single`, see ``cyexec/kernels/optimizer.h``.
    common : tuple of str
        Arrays that follow all groups.
    """

    def __init__(self, single: Op, group: tuple[str, ...], rule: str, common: tuple[str, ...] = ()):
        self.single, self.group, self.rule, self.common = single, group, rule, common
        self.mixed = "weight32" in group

    def inputs(self, p: Any) -> tuple[str, ...]:
        return (*(f"{name}_{i}" for i in range(p.num_weights) for name in self.group), *self.common)

    def outputs(self, p: Any) -> tuple[str, ...]:
        return tuple(f"output{i}" for i in range(p.num_weights))

    def _groups(self, p: Any, values: Any) -> list[list]:
        size = len(self.group)
        return [list(values[i * size : (i + 1) * size]) for i in range(p.num_weights)]

    def infer_shape(self, p, ins, outs):
        found, made = [], []
        for i, group in enumerate(self._groups(p, ins)):
            shape = unify_all([*group, outs[i]], f"shapes of weight {i}, its gradient and states")
            found += [shape] * len(group)
            made.append(shape)
        wanted = (1,) if self.common == ("rescale_grad",) else (p.num_weights,)
        last = [unify(wanted, s, f"shape of {name}") for name, s in zip(self.common, ins[len(found) :])]
        return found + last, made

    def infer_dtype(self, p, ins, outs):
        found: list = []
        made = []
        for i, group in enumerate(self._groups(p, ins)):
            dtype = unify_dtype([*group[: 2 if self.mixed else None], outs[i]], f"dtypes of weight {i}")
            found += [dtype] * 2 + [FLOAT32 if self.mixed else dtype] * (len(group) - 2)
            made.append(dtype)
        return found + [d or FLOAT32 for d in ins[len(found) :]], made

    def _single_params(self, p: Any, i: int, rates: Any = None) -> Params:
        given = p.as_dict()
        values = {n: v for n, v in given.items() if n in self.single.params.fields}
        for name, plural in _LISTS.items():
            if plural in given:
                values[name] = given[plural][i]
        if "lr" not in values:
            values["lr"], values["wd"] = rates if rates is not None else (0.0, 0.0)
        return self.single.params(**values)

    def numbers(self, p: Any) -> list[tuple[float, ...]]:
        for name, values in p.as_dict().items():
            if name in _LISTS.values() and len(values) != p.num_weights:
                raise MXNetError(
                    f"{self.single.name} of many weights: {name} must have one number for each of {p.num_weights} "
                    f"weights, found {len(values)}"
                )
        assert self.single.numbers is not None
        return [self.single.numbers(self._single_params(p, i))[0] for i in range(p.num_weights)]

    def lower(self, low: Any, node: Any) -> None:
        p = node.params
        slots: tuple[int, ...]
        common = low.ins[len(low.ins) - len(self.common) :]
        for i, (ins, numbers) in enumerate(zip(self._groups(p, low.ins), self.numbers(p))):
            if self.common == ("lrs", "wds"):
                scalars, slots = [ref.part(i, (1,)) for ref in common], (0, 1)
            else:
                scalars, slots = common, (2,) * len(common)
            lower_update(low, self.rule, numbers, [*ins, *scalars], low.outs[i], slots, self.mixed)

    def reference(self, p, *ins, is_train):
        common = ins[len(ins) - len(self.common) :]
        made = []
        for i, group in enumerate(self._groups(p, ins)):
            rates = [c[i] for c in common] if self.common == ("lrs", "wds") else None
            scale = common if self.common == ("rescale_grad",) else ()
            made.append(self.single.reference(self._single_params(p, i, rates), *group, *scale, is_train=is_train))
        return tuple(made)

    def cases(self, params: type[Params]) -> tuple[Case, ...]:
        shapes = ((3, 7), (5,), (1, 2))
        names = [(f"{name}_{i}", shape) for i, shape in enumerate(shapes) for name in self.group]
        data = {}
        for name, shape in names:
            if name.startswith("var"):
                data[name] = np.full(shape, 0.7, np.float32)
        for name in self.common:
            data[name] = np.asarray([0.5] if name == "rescale_grad" else [0.1, 0.2, 0.3], np.float32)
        lists = {n: (0.1, 0.2, 0.3) for n in _LISTS.values() if n in params.fields}
        extra = {"momentum": 0.9} if "momentum" in params.fields else {}
        return tuple(
            Case(
                {n: s for n, s in names if n not in data}, {**lists, **extra, "num_weights": 3, **more}, data=data,
                grad=False, dtypes=("float16",) if self.mixed else ("float32", "float64"), rtol=1e-4, atol=1e-5,
            )
            for more in ({}, {"clip_gradient": 0.2})
        )  # fmt: skip

    def register(self, name: str, aliases: tuple[str, ...], params: type[Params]) -> None:
        copies = " Float32 copies of the weights are updated, then rounded to the weights." if self.mixed else ""
        register(
            Op(
                name=name, aliases=aliases, params=params,
                doc=f"Update many weights, each as `{self.single.name}` does. Inputs are {', '.join(self.group)} of the "
                f"first weight, then of the next{', then ' + ', '.join(self.common) if self.common else ''}.{copies}",
                inputs=self.inputs, outputs=self.outputs, variadic="num_weights", infer_shape=self.infer_shape,
                infer_dtype=self.infer_dtype, lower=self.lower, numbers=self.numbers, reference=self.reference,
                cases=self.cases(params),
            )
        )  # fmt: skip


def _register_all() -> None:
    for mixed in (False, True):
        mp, copy = ("mp_", ("weight32",)) if mixed else ("", ())
        sgd, momentum = registry.get(f"{mp}sgd_update"), registry.get(f"{mp}sgd_mom_update")
        plain, moving = ("weight", "grad", *copy), ("weight", "grad", "mom", *copy)
        _Multi(sgd, plain, "sgd").register(f"multi_{mp}sgd_update", (), MultiParams)
        _Multi(momentum, moving, "sgd_mom").register(f"multi_{mp}sgd_mom_update", (), MultiMomentumParams)
        rates = ("lrs", "wds")
        _Multi(sgd, plain, "sgd", rates).register(f"preloaded_multi_{mp}sgd_update", (), PreloadedParams)
        _Multi(momentum, moving, "sgd_mom", rates).register(
            f"preloaded_multi_{mp}sgd_mom_update", (), PreloadedMomentumParams
        )
        _Multi(
            registry.get("_mp_adamw_update" if mixed else "_adamw_update"),
            ("weight", "grad", "mean", "var", *copy), "adamw", ("rescale_grad",),
        ).register(f"_multi_{mp}adamw_update", (f"_contrib_multi_{mp}adamw_update",), MultiAdamWParams)  # fmt: skip


_register_all()


# Rates of layers


class CountParams(Params):
    num_arrays = Count(doc="Number of arrays.")


class LarsParams(Params):
    eta = Float(doc="Factor of all rates.")
    eps = Float(doc="Added to the denominator.")
    rescale_grad = Float(default=1.0, doc="Gradients are multiplied by it first.")


class FiniteParams(Params):
    init_output = Bool(default=True, doc="Must be true: whether the result is of these arrays alone.")


class MultiFiniteParams(Params):
    num_arrays = Count(default=1, doc="Number of arrays.")
    init_output = Bool(default=True, doc="Must be true: whether the result is of these arrays alone.")


def _array_names(p: Any) -> tuple[str, ...]:
    return tuple(f"array_{i}" for i in range(p.num_arrays))


def _float32_result(p, ins, outs):
    return [unify_dtype(ins, "dtypes of the arrays")] * len(ins), [FLOAT32]


def _sum_sq_lower(low, node):
    for i, ref in enumerate(low.ins):
        squares = low.workspace(ref.shape, FLOAT32)
        low.elementwise([Instr("square", (0,))], [low.cast(ref, FLOAT32)], [squares])
        reduce_step(low, "Sum", squares.reshape(ref.size), low.outs[0].part(i, (1,)), (0,))


register(
    Op(
        name="multi_sum_sq",
        doc="Return the sums of the squares of many arrays, as one array.",
        params=CountParams,
        inputs=_array_names,
        variadic="num_arrays",
        infer_shape=lambda p, ins, outs: (ins, [unify((p.num_arrays,), outs[0], "result")]),
        infer_dtype=_float32_result,
        lower=_sum_sq_lower,
        reference=lambda p, *ins, is_train: np.array([np.sum(x.astype(np.float64) ** 2) for x in ins]),
        cases=(
            Case(
                {"array_0": (3, 4), "array_1": (5,), "array_2": (1,)},
                {"num_arrays": 3},
                dtypes=("float32", "float64", "float16"),
            ),
        ),
    )
)


def _lars(p, lr, weight_square, grad_square, wd):
    weight_norm, grad_norm = weight_square.sqrt(), grad_square.sqrt()
    rate = lr * weight_norm * p.eta / (grad_norm * p.rescale_grad + wd * weight_norm + p.eps)
    return weight_square.greater(0).logical_and(grad_square.greater(0)).where(rate, lr)


def _lars_reference(p, lrs, weights, grads, wds, is_train):
    weights, grads = np.sqrt(weights), np.sqrt(grads)
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = lrs * p.eta * weights / (grads * p.rescale_grad + wds * weights + p.eps)
    return np.where((weights > 0) & (grads > 0), rates, lrs)


register(
    Op(
        name="multi_lars",
        doc="Return learning rates in proportion to the norms of weights (You, Gitman, Ginsburg 2017), from sums of squares.",
        params=LarsParams,
        inputs=("lrs", "weights_sum_sq", "grads_sum_sq", "wds"),
        infer_shape=same_shape,
        infer_dtype=same_dtype,
        elementwise=elementwise(_lars, 4),
        reference=_lars_reference,
        cases=(
            Case(
                {"lrs": (4,), "wds": (4,)},
                {"eta": 0.1, "eps": 1e-3, "rescale_grad": 2.0},
                data={
                    "weights_sum_sq": np.array([0.1, 0, 0.3, 4], np.float32),
                    "grads_sum_sq": np.array([0.4, 0.2, 0, 9], np.float32),
                },
                low=0.1,
                grad=False,
            ),
        ),
    )
)


def _finite_shape(p, ins, outs):
    if not p.init_output:
        raise ShapeError("init_output=False (a result of several calls) is not supported; give all arrays in one call")
    return ins, [unify((1,), outs[0], "result")]


def _finite_lower(low, node):
    found = low.workspace((len(low.ins),), FLOAT32)
    for i, ref in enumerate(low.ins):
        flags = low.workspace(ref.shape, FLOAT32)
        wide = FLOAT32 if ref.dtype.itemsize == 2 else ref.dtype
        # A double may be too large for a float and finite all the same: the test is made in the array's own dtype.
        made = low.workspace(ref.shape, wide)
        low.elementwise([Instr("sub", (0, 0)), Instr("equal_s", (1,), 0.0)], [low.cast(ref, wide)], [made])
        low.cast(made, FLOAT32, flags)
        reduce_step(low, "Min", flags.reshape(ref.size), found.part(i, (1,)), (0,))
    reduce_step(low, "Min", found, low.outs[0], (0,))


def _finite_reference(p, *ins, is_train):
    return np.array([float(all(np.isfinite(x).all() for x in ins))])


_FINITE_CASES = [np.array(v, np.float32) for v in ([1, -2], [1, np.inf], [np.nan, 0], [0, -np.inf])]
register(
    Op(
        name="all_finite",
        doc="Return 1 if all elements are finite, else 0.",
        params=FiniteParams,
        infer_shape=_finite_shape,
        infer_dtype=_float32_result,
        lower=_finite_lower,
        reference=_finite_reference,
        cases=tuple(
            Case({}, data={"data": x}, dtypes=("float32", "float64", "float16"), grad=False) for x in _FINITE_CASES
        ),
    )
)
register(
    Op(
        name="multi_all_finite",
        doc="Return 1 if all elements of all arrays are finite, else 0.",
        params=MultiFiniteParams,
        inputs=_array_names,
        variadic="num_arrays",
        infer_shape=_finite_shape,
        infer_dtype=_float32_result,
        lower=_finite_lower,
        reference=_finite_reference,
        cases=tuple(
            Case({}, {"num_arrays": 2}, data={"array_0": x, "array_1": y}, grad=False)
            for x, y in ((_FINITE_CASES[0], _FINITE_CASES[0]), (_FINITE_CASES[0], _FINITE_CASES[2]))
        ),
    )
)
