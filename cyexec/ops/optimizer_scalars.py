"""Update operators some numbers of which come from arrays of one element: norms of a layer, a loss scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from .infer import FLOAT32, unify, unify_all, unify_dtype
from .optimizer_update import numbers_of
from .params import Float, Params
from .registry import register
from .schema import Case, Op


class LambScaleParams(Params):
    lr = Float(doc="Learning rate.")
    lower_bound = Float(default=-1.0, doc="The weight's norm r1 counts as this at least; off if < 0.")
    upper_bound = Float(default=-1.0, doc="The weight's norm r1 counts as this at most; off if < 0.")


class AdamWParams(Params):
    lr = Float(doc="Learning rate.")
    beta1 = Float(default=float(np.float32(0.9)), doc="How much of the mean of gradients is kept.")
    beta2 = Float(default=float(np.float32(0.999)), doc="How much of the mean of squared gradients is kept.")
    epsilon = Float(default=float(np.float32(1e-8)), doc="Added to the root, against division by zero.")
    wd = Float(default=0.0, doc="Weight decay, which does not go through the means.")
    eta = Float(doc="Factor of both the step and the decay: the schedule of the learning rate.")
    clip_gradient = Float(
        default=-1.0, doc="Rescaled gradients are clipped to [-clip_gradient, clip_gradient]; off if < 0."
    )


def _infer_shape(names: tuple[str, ...], scalars: dict[str, int]):
    def infer(p, ins, outs):
        wide = unify_all([*(s for n, s in zip(names, ins) if n not in scalars), *outs], "shapes of all but the scalars")
        return [unify((1,), s, f"shape of {n}") if n in scalars else wide for n, s in zip(names, ins)], [wide]

    return infer


def _infer_dtype(names: tuple[str, ...], scalars: dict[str, int]):
    def infer(p, ins, outs):
        if "weight32" not in names:
            dtype = unify_dtype([*(d for n, d in zip(names, ins) if n not in scalars), *outs], "dtypes of the arrays")
            return [d or dtype if n in scalars else dtype for n, d in zip(names, ins)], [dtype]
        half = unify_dtype([ins[0], *outs], "dtypes of weight and result")
        # The gradient is half as wide, LAMB's direction is not.
        return [half, ins[1] or (half if names[1] == "grad" else FLOAT32), *(d or FLOAT32 for d in ins[2:])], [half]

    return infer


def lower_update(low: Any, rule: str, numbers: Any, ins: list, out: Any, scalars: tuple[int, ...], mixed: bool) -> None:
    """Add one update.

    Parameters
    ----------
    ins : list of Ref
        Weight, gradient, states, the float32 copy of the weight if `mixed`, scalars.
    out : Ref
        The new weight.
    scalars : tuple of int
        Which numbers the scalars are.
    """
    first = len(ins) - len(scalars)
    weight, grad, *states = ins[:first]
    target = out
    if mixed:
        weight = target = states.pop()
        grad = low.cast(grad, FLOAT32)
    wide = FLOAT32 if weight.dtype.itemsize == 2 else weight.dtype
    # A float16 scalar beside float16 weights is converted with them.
    ones = [s if s.dtype == weight.dtype else low.cast(s, wide) for s in ins[first:]]
    reads = [weight, grad, *states]
    low.step(
        "optimizer.Update", [*reads, *ones], [target, *states], rule=rule, numbers=numbers, scalars=tuple(scalars),
        inplace=[(0, i) for i in range(len(reads))],
    )  # fmt: skip
    if mixed:
        low.cast(target, out.dtype, out)


def _lamb_scaled(p, w, g, r1, r2):
    r1, r2 = float(np.squeeze(r1)), float(np.squeeze(r2))
    if p.lower_bound >= 0:
        r1 = max(r1, p.lower_bound)
    if p.upper_bound >= 0:
        r1 = min(r1, p.upper_bound)
    return w - p.lr * (1 if r1 == 0 or r2 == 0 else r1 / r2) * g


def _adamw(p, w, g, m, v, rescale):
    scale = float(np.squeeze(rescale))
    if not np.isfinite(scale) or scale == 0:
        return w
    g = g * scale
    if p.clip_gradient >= 0:
        g = np.clip(g, -p.clip_gradient, p.clip_gradient)
    m, v = p.beta1 * m + (1 - p.beta1) * g, p.beta2 * v + (1 - p.beta2) * g**2
    return w - p.eta * (p.lr * m / (np.sqrt(v) + p.epsilon) + p.wd * w)


def _register(
    name: str, aliases: tuple[str, ...], rule: str, names: tuple[str, ...], scalars: dict[str, int],
    params: type[Params], formula: Any, doc: str, options: tuple[dict[str, Any], ...], values: dict[str, Any],
) -> None:  # fmt: skip
    """Register an operator with inputs `names`, of which `scalars` stand for numbers; ``weight32`` is the float32 copy."""
    mixed = "weight32" in names
    numbers = numbers_of(rule)
    # Weight, gradient, states, copy, scalars: the order in which they are lowered.
    order = sorted(range(len(names)), key=lambda i: (names[i] in scalars, names[i] == "weight32", i))
    slots = tuple(scalars.values())

    def lower(low, node):
        lower_update(low, rule, numbers(node.params)[0], [low.ins[i] for i in order], low.outs[0], slots, mixed)

    def reference(p, *ins, is_train):
        wide = {n: x.astype(np.float64) for n, x in zip(names, ins)}
        if mixed:
            wide["weight"] = wide.pop("weight32")
        return formula(p, *wide.values())

    shapes = {n: (1,) if n in scalars else (3, 7) for n in names}
    register(
        Op(
            name=name,
            aliases=aliases,
            doc=doc + (" A float32 copy of the weight is updated, then rounded to the weight." if mixed else ""),
            params=params,
            inputs=names,
            infer_shape=_infer_shape(names, scalars),
            infer_dtype=_infer_dtype(names, scalars),
            lower=lower,
            numbers=numbers,
            reference=reference,
            cases=tuple(
                Case(
                    {k: v for k, v in shapes.items() if k not in given}, chosen,
                    data={k: np.asarray(v, np.float32) for k, v in given.items()}, grad=False,
                    dtypes=("float16",) if mixed else ("float32", "float64", "float16"), rtol=1e-4, atol=1e-5,
                )
                for chosen in options
                for given in (values, {**values, next(iter(scalars)): [0.0]})
            ),
        )
    )  # fmt: skip


_LAMB = "Finish LAMB's update (You et al. 2019): a step along g, of norm r2, in proportion to the weight's norm r1."
_ADAMW = (
    "Update the weight by AdamW (Loshchilov, Hutter 2019). Nothing changes where rescale_grad is 0, infinite or NaN."
)
for _mp, _copy in (("", ()), ("mp_", ("weight32",))):
    _register(
        f"{_mp}lamb_update_phase2", (), "lamb_phase2", ("weight", "g", "r1", "r2", *_copy), {"r1": 6, "r2": 7},
        LambScaleParams, _lamb_scaled, _LAMB,
        ({"lr": 0.1}, {"lr": 0.1, "lower_bound": 2.0}, {"lr": 0.1, "lower_bound": 0.1, "upper_bound": 0.5}),
        {"r1": [1.5], "r2": [0.7]},
    )  # fmt: skip
    _register(
        f"_{_mp}adamw_update", (f"_contrib_{_mp}adamw_update",), "adamw",
        ("weight", "grad", "mean", "var", *_copy, "rescale_grad"), {"rescale_grad": 2}, AdamWParams, _adamw, _ADAMW,
        ({"lr": 0.1, "eta": 0.5}, {"lr": 0.1, "eta": 0.5, "wd": 0.1, "clip_gradient": 0.3}),
        {"rescale_grad": [0.5], "var": np.linspace(0.5, 1, 21).reshape(3, 7)},
    )  # fmt: skip
