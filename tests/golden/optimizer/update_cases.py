"""Calls of the update operators; shared by the script that asks the oracle and by the test. Needs NumPy alone."""

import numpy as np

# Operator, number of inputs, parameters.
OPERATORS = [
    ("sgd_update", 2, {}),
    ("sgd_mom_update", 3, {"momentum": 0.9}),
    ("nag_mom_update", 3, {"momentum": 0.9}),
    ("adam_update", 4, {}),
    ("adam_update", 4, {"beta1": 0.8, "beta2": 0.99, "epsilon": 1e-3}),
    ("rmsprop_update", 3, {}),
    ("rmsprop_update", 3, {"clip_weights": 0.3, "epsilon": 1e-2}),
    ("rmspropalex_update", 5, {}),
    ("rmspropalex_update", 5, {"clip_weights": 0.3, "gamma1": 0.4}),
    ("ftrl_update", 4, {}),
    ("ftrl_update", 4, {"lamda1": 0.4, "beta": 0.5}),
    ("ftml_update", 5, {"t": 1}),
    ("ftml_update", 5, {"t": 4, "beta1": 0.5}),
    ("signsgd_update", 2, {}),
    ("signum_update", 3, {"momentum": 0.9}),
    ("signum_update", 3, {"momentum": 0.9, "wd_lh": 0.2}),
    ("lamb_update_phase1", 4, {"t": 2}),
    ("lamb_update_phase1", 4, {"t": 2, "bias_correction": False}),
]
COMMON = [
    {},
    {"wd": 0.1, "rescale_grad": 0.5, "clip_gradient": 0.2},
    {"wd": 0.1, "rescale_grad": 2.0, "clip_gradient": 0.0},
    {"wd": 0.3, "clip_gradient": 0.5},
]
MIXED = ("sgd_update", "sgd_mom_update", "nag_mom_update", "lamb_update_phase1")


def inputs(count, dtype, mixed):
    """Weight, gradient and states; with `mixed` float32 states and a float32 copy of the float16 weight."""
    rng = np.random.RandomState(3)
    arrays = [rng.uniform(-1, 1, (3, 7)) for _ in range(count)]
    for i in range(2, count):
        arrays[i] = np.abs(arrays[i]) + (0.5 if i == 2 else 0)
    if mixed:
        arrays[-1] = arrays[0].astype("float16")
    return [a.astype("float32" if mixed and i >= 2 else dtype) for i, a in enumerate(arrays)]


def cases():
    """Yield (key, operator, parameters, number of inputs, dtype, mixed)."""
    for i, (name, count, own) in enumerate(OPERATORS):
        for j, common in enumerate(COMMON):
            params = dict(own, **common)
            if name == "lamb_update_phase1":
                params.setdefault("wd", 0.0)
            else:
                params["lr"] = 0.1
            if name == "ftml_update" and "clip_gradient" in params:
                params["clip_grad"] = params.pop("clip_gradient")
            for dtype in ("float32", "float64"):
                yield f"{name}-{i}-{j}-{dtype}", name, params, count, dtype, False
            if name in MIXED:
                yield f"mp_{name}-{i}-{j}-float16", f"mp_{name}", params, count + 1, "float16", True
