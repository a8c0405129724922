"""Update operators: one step of an optimiser for one weight, its states changed in place.

MXNet differs in two places: float16 without a float32 copy it computes in float16 throughout, here it is float32, rounded
at the end; and its mp_nag_mom_update keeps another momentum than nag_mom_update when there is weight decay.

The numbers of an update (learning rate and so on) are no part of the compiled call: a new learning rate costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .infer import FLOAT32, same_shape, unify_dtype
from .params import Bool, Float, Int, Params
from .registry import register
from .schema import Case, Op

Numbers = tuple[float, ...]


def _near(value: float) -> float:
    """MXNet's parameters are float32, also where the arrays are float64."""
    return float(np.float32(value))


class UpdateParams(Params):
    lr = Float(doc="Learning rate.")
    wd = Float(default=0.0, doc="Weight decay: the gradient of wd / 2 times the squared weight is added.")
    rescale_grad = Float(default=1.0, doc="Gradients are multiplied by it first.")
    clip_gradient = Float(
        default=-1.0, doc="Rescaled gradients are clipped to [-clip_gradient, clip_gradient]; off if < 0."
    )


class LazyParams(UpdateParams):
    lazy_update = Bool(default=True, doc="Ignored: about sparse gradients.")


class MomentumParams(UpdateParams):
    lr = Float(doc="Learning rate.")
    momentum = Float(default=0.0, doc="How much of the momentum is kept.")
    wd = Float(default=0.0, doc="Weight decay.")
    rescale_grad = Float(default=1.0, doc="Gradients are multiplied by it first.")
    clip_gradient = Float(
        default=-1.0, doc="Rescaled gradients are clipped to [-clip_gradient, clip_gradient]; off if < 0."
    )


class LazyMomentumParams(MomentumParams):
    lazy_update = Bool(default=True, doc="Ignored: about sparse gradients.")


class AdamParams(Params):
    lr = Float(doc="Learning rate.")
    beta1 = Float(default=_near(0.9), doc="How much of the mean of gradients is kept.")
    beta2 = Float(default=_near(0.999), doc="How much of the mean of squared gradients is kept.")
    epsilon = Float(default=_near(1e-8), doc="Added to the root, against division by zero.")
    wd = Float(default=0.0, doc="Weight decay.")
    rescale_grad = Float(default=1.0, doc="Gradients are multiplied by it first.")
    clip_gradient = Float(
        default=-1.0, doc="Gradients with decay are clipped to [-clip_gradient, clip_gradient]; off if < 0."
    )
    lazy_update = Bool(default=True, doc="Ignored: about sparse gradients.")


class RmsPropParams(Params):
    lr = Float(doc="Learning rate.")
    gamma1 = Float(default=_near(0.95), doc="How much of the mean of squared gradients is kept.")
    epsilon = Float(default=_near(1e-8), doc="Added under the root, against division by zero.")
    wd = Float(default=0.0, doc="Weight decay.")
    rescale_grad = Float(default=1.0, doc="Gradients are multiplied by it first.")
    clip_gradient = Float(
        default=-1.0, doc="Gradients with decay are clipped to [-clip_gradient, clip_gradient]; off if < 0."
    )
    clip_weights = Float(default=-1.0, doc="New weights are clipped to [-clip_weights, clip_weights]; off if < 0.")


class RmsPropAlexParams(RmsPropParams):
    lr = Float(doc="Learning rate.")
    gamma1 = Float(default=_near(0.95), doc="How much of the means is kept.")
    gamma2 = Float(default=_near(0.9), doc="How much of the momentum is kept.")
    epsilon = Float(default=_near(1e-8), doc="Added under the root, against division by zero.")
    wd = Float(default=0.0, doc="Weight decay.")
    rescale_grad = Float(default=1.0, doc="Gradients are multiplied by it first.")
    clip_gradient = Float(
        default=-1.0, doc="Gradients with decay are clipped to [-clip_gradient, clip_gradient]; off if < 0."
    )
    clip_weights = Float(default=-1.0, doc="New weights are clipped to [-clip_weights, clip_weights]; off if < 0.")


class FtrlParams(Params):
    lr = Float(doc="Learning rate.")
    lamda1 = Float(default=_near(0.01), doc="Weight of the L1 penalty.")
    beta = Float(default=1.0, doc="Added to the root of the summed squares.")
    wd = Float(default=0.0, doc="Weight decay (of the L2 penalty).")
    rescale_grad = Float(default=1.0, doc="Gradients are multiplied by it first.")
    clip_gradient = Float(
        default=-1.0, doc="Rescaled gradients are clipped to [-clip_gradient, clip_gradient]; off if < 0."
    )


class FtmlParams(Params):
    lr = Float(doc="Learning rate.")
    beta1 = Float(default=_near(0.6), doc="How much of z is kept.")
    beta2 = Float(default=_near(0.999), doc="How much of the mean of squared gradients is kept.")
    epsilon = Float(default=_near(1e-8), doc="Added to the root, against division by zero.")
    t = Int(doc="Number of this update, from 1.")
    wd = Float(default=0.0, doc="Weight decay.")
    rescale_grad = Float(default=1.0, doc="Gradients are multiplied by it first.")
    clip_grad = Float(default=-1.0, doc="Gradients with decay are clipped to [-clip_grad, clip_grad]; off if < 0.")


class SignumParams(MomentumParams):
    wd_lh = Float(default=0.0, doc="Weight decay that does not go through the momentum.")


class LambParams(Params):
    beta1 = Float(default=_near(0.9), doc="How much of the mean of gradients is kept.")
    beta2 = Float(default=_near(0.999), doc="How much of the mean of squared gradients is kept.")
    epsilon = Float(default=_near(1e-6), doc="Added to the root, against division by zero.")
    t = Int(doc="Number of this update, from 1.")
    bias_correction = Bool(default=True, doc="Correct the means for having begun at zero.")
    wd = Float(doc="Weight decay.")
    rescale_grad = Float(default=1.0, doc="Gradients are multiplied by it first.")
    clip_gradient = Float(
        default=-1.0, doc="Rescaled gradients are clipped to [-clip_gradient, clip_gradient]; off if < 0."
    )


def _common(p: Any) -> Numbers:
    clip = p.clip_grad if hasattr(p, "clip_grad") else getattr(p, "clip_gradient", -1.0)
    return getattr(p, "lr", 0.0), getattr(p, "wd", 0.0), getattr(p, "rescale_grad", 1.0), clip


def _powers(p: Any) -> Numbers:
    """The betas to the t, rounded as MXNet's numbers are."""
    return _near(p.beta1) ** p.t, _near(p.beta2) ** p.t


def _corrections(p: Any) -> Numbers:
    return tuple(1 - power for power in _powers(p)) if p.bias_correction else (1.0, 1.0)


# Rule of `cyexec/kernels/optimizer.h` to its numbers after the common four.
_OWN: dict[str, Callable[[Any], Numbers]] = {
    "sgd": lambda p: (),
    "signsgd": lambda p: (),
    "sgd_mom": lambda p: (p.momentum,),
    "nag_mom": lambda p: (p.momentum,),
    "signum": lambda p: (p.momentum, p.wd_lh),
    "adam": lambda p: (p.beta1, p.beta2, p.epsilon),
    "rmsprop": lambda p: (p.gamma1, p.epsilon, p.clip_weights),
    "rmspropalex": lambda p: (p.gamma1, p.gamma2, p.epsilon, p.clip_weights),
    "ftrl": lambda p: (p.lamda1, p.beta),
    "ftml": lambda p: (p.beta1, p.beta2, p.epsilon, *_powers(p)),
    "lamb_phase1": lambda p: (p.beta1, p.beta2, p.epsilon, *_corrections(p)),
    "lamb_phase2": lambda p: (p.lower_bound, p.upper_bound),
    "adamw": lambda p: (p.beta1, p.beta2, p.epsilon, p.eta),
}


def numbers_of(rule: str) -> Callable[[Params], list[Numbers]]:
    """The `Op.numbers` of an operator that is one step of `rule`."""

    def numbers(p: Params) -> list[Numbers]:
        own = _OWN[rule](p)
        # Powers and corrections are computed in double precision and stay what they are.
        exact = 2 if rule in ("ftml", "lamb_phase1") else 0
        return [tuple(map(_near, (*_common(p), *own[: len(own) - exact]))) + own[len(own) - exact :]]

    return numbers


def _lower(rule: str, numbers: Callable[[Params], list[Numbers]]):
    def lower(low, node):
        weight, *operands = low.ins
        reads = [weight, *operands]
        pairs = [(0, i) for i in range(len(reads))]
        low.step(
            "optimizer.Update", reads, [low.outs[0], *operands[1:]], inplace=pairs, rule=rule, numbers=numbers(node.params)[0]
        )  # fmt: skip

    return lower


def _lower_mixed(rule: str, numbers: Callable[[Params], list[Numbers]]):
    """The update of a float32 copy of the weight, which is then rounded to the weight."""

    def lower(low, node):
        _, grad, *states, weight32 = low.ins
        gives_weight = rule != "lamb_phase1"
        out = weight32 if gives_weight else low.outs[0]
        reads = [weight32, low.cast(grad, FLOAT32), *states]
        low.step("optimizer.Update", reads, [out, *states], rule=rule, numbers=numbers(node.params)[0])
        if gives_weight:
            low.cast(weight32, low.outs[0].dtype, low.outs[0])

    return lower


def _mixed_dtype(gives_weight: bool):
    def infer(p, ins, outs):
        half = unify_dtype([ins[0], ins[1], *(outs if gives_weight else [])], "dtypes of weight and gradient")
        return [half, half] + [FLOAT32] * (len(ins) - 2), [half if gives_weight else FLOAT32]

    return infer


# The rules in NumPy


def _clip(x, limit):
    return x if limit < 0 else np.clip(x, -limit, limit)


def _gradient(p, w, g, decay: bool):
    _, wd, rescale, limit = map(_near, _common(p))
    return _clip(g * rescale + (wd * w if decay else 0), limit)


def _sgd(p, w, g):
    return w - p.lr * (p.wd * w + _gradient(p, w, g, False))


def _sgd_mom(p, w, g, m):
    return w + p.momentum * m - p.lr * (p.wd * w + _gradient(p, w, g, False))


def _nag(p, w, g, m):
    g = _gradient(p, w, g, False) + p.wd * w
    return w + p.momentum * (p.momentum * m - p.lr * g) - p.lr * g


def _adam(p, w, g, m, v):
    g = _gradient(p, w, g, True)
    return w - p.lr * (p.beta1 * m + (1 - p.beta1) * g) / (np.sqrt(p.beta2 * v + (1 - p.beta2) * g**2) + p.epsilon)


def _rmsprop(p, w, g, n):
    g = _gradient(p, w, g, True)
    return _clip(w - p.lr * g / np.sqrt(p.gamma1 * n + (1 - p.gamma1) * g**2 + p.epsilon), p.clip_weights)


def _rmspropalex(p, w, g, n, mean, delta):
    g = _gradient(p, w, g, True)
    n, mean = p.gamma1 * n + (1 - p.gamma1) * g**2, p.gamma1 * mean + (1 - p.gamma1) * g
    return _clip(w + p.gamma2 * delta - p.lr * g / np.sqrt(n - mean**2 + p.epsilon), p.clip_weights)


def _ftrl(p, w, g, z, n):
    g = _gradient(p, w, g, False)
    z = z + g - (np.sqrt(n + g**2) - np.sqrt(n)) * w / p.lr
    return (np.sign(z) * p.lamda1 - z) / ((p.beta + np.sqrt(n + g**2)) / p.lr + p.wd) * (np.abs(z) > p.lamda1)


def _ftml(p, w, g, d, v, z):
    g = _gradient(p, w, g, True)
    v = p.beta2 * v + (1 - p.beta2) * g**2
    new = (1 - p.beta1**p.t) / p.lr * (np.sqrt(v / (1 - p.beta2**p.t)) + p.epsilon)
    return -(p.beta1 * z + (1 - p.beta1) * g - (new - p.beta1 * d) * w) / new


def _signsgd(p, w, g):
    return (1 - p.lr * p.wd) * w - p.lr * np.sign(g)


def _signum(p, w, g, m):
    m = p.momentum * m - (1 - p.momentum) * (_gradient(p, w, g, False) + p.wd * w)
    return (1 - p.lr * p.wd_lh) * w + p.lr * np.sign(m)


def _lamb_phase1(p, w, g, m, v):
    g = _gradient(p, w, g, False)
    c1, c2 = _corrections(p)
    m, v = p.beta1 * m + (1 - p.beta1) * g, p.beta2 * v + (1 - p.beta2) * g**2
    return m / c1 / (np.sqrt(v / c2) + p.epsilon) + p.wd * w


def _cases(states, params, mixed: bool) -> tuple[Case, ...]:
    shape = (3, 7)
    names = ("weight", "grad")
    rng = np.random.default_rng(5)
    # Means of squares lie above squares of means.
    data = {s: (rng.uniform(1.5, 2, shape) * (0.1 if s == "g" else 1)).astype(np.float32) for s in states}
    common = {"wd": 0.1, "rescale_grad": 0.5}
    clip = {"clip_grad" if "clip_grad" in params.fields else "clip_gradient": 0.2}
    needed = {k: v for k, v in {"lr": 0.1, "t": 3}.items() if k in params.fields}
    return tuple(
        Case(
            dict.fromkeys(names, shape), {**needed, "wd": 0.0, **more}, data=data, grad=False,
            dtypes=("float16",) if mixed else ("float32", "float64", "float16"), rtol=1e-4, atol=1e-5,
        )
        for more in ({}, common, {**common, **clip})
    )  # fmt: skip


def _register(
    name: str, rule: str, states: tuple[str, ...], params: type[Params], formula, doc: str, mixed: bool = False
):
    numbers = numbers_of(rule)
    if mixed:
        states = (*states, "weight32")

    def reference(p, w, g, *given, is_train):
        wide = [x.astype(np.float64) for x in (w, g, *given)]
        if mixed:
            wide = [wide[-1], *wide[1:-1]]
        return formula(p, *wide)

    register(
        Op(
            name=name,
            doc=doc + (" A float32 copy of the weight is updated, then rounded to the weight." if mixed else ""),
            params=params,
            inputs=("weight", "grad"),
            aux=states,
            infer_shape=same_shape,
            infer_dtype=_mixed_dtype(rule != "lamb_phase1") if mixed else None,
            lower=(_lower_mixed if mixed else _lower)(rule, numbers),
            numbers=numbers,
            reference=reference,
            cases=_cases(states, params, mixed),
        )
    )


_SGD = "Subtract the gradient times the learning rate from the weight."
_MOM = "Update the weight by gradient descent with momentum."
_NAG = "Update the weight by Nesterov's accelerated gradient."
_LAMB = "Return the direction of LAMB's update (You et al. 2019) before it is scaled by the norms."
_register("sgd_update", "sgd", (), LazyParams, _sgd, _SGD)
_register("mp_sgd_update", "sgd", (), LazyParams, _sgd, _SGD, True)
_register("sgd_mom_update", "sgd_mom", ("mom",), LazyMomentumParams, _sgd_mom, _MOM)
_register("mp_sgd_mom_update", "sgd_mom", ("mom",), LazyMomentumParams, _sgd_mom, _MOM, True)
_register("nag_mom_update", "nag_mom", ("mom",), MomentumParams, _nag, _NAG)
_register("mp_nag_mom_update", "nag_mom", ("mom",), MomentumParams, _nag, _NAG, True)
_register(
    "adam_update",
    "adam",
    ("mean", "var"),
    AdamParams,
    _adam,
    "Update the weight by Adam (Kingma, Ba 2015), uncorrected.",
)
_register(
    "rmsprop_update",
    "rmsprop",
    ("n",),
    RmsPropParams,
    _rmsprop,
    "Update the weight by RMSProp (Tieleman, Hinton 2012).",
)
_register(
    "rmspropalex_update", "rmspropalex", ("n", "g", "delta"), RmsPropAlexParams, _rmspropalex,
    "Update the weight by centred RMSProp with momentum (Graves 2013, equations 38 to 45).",
)  # fmt: skip
_register(
    "ftrl_update", "ftrl", ("z", "n"), FtrlParams, _ftrl, "Update the weight by FTRL-proximal (McMahan et al. 2013)."
)
_register("ftml_update", "ftml", ("d", "v", "z"), FtmlParams, _ftml, "Update the weight by FTML (Zheng, Kwok 2017).")
_register("signsgd_update", "signsgd", (), UpdateParams, _signsgd, "Move the weight against the sign of the gradient.")
_register("signum_update", "signum", ("mom",), SignumParams, _signum, "Move the weight along the sign of the momentum.")
_register("lamb_update_phase1", "lamb_phase1", ("mean", "var"), LambParams, _lamb_phase1, _LAMB)
_register("mp_lamb_update_phase1", "lamb_phase1", ("mean", "var"), LambParams, _lamb_phase1, _LAMB, True)
