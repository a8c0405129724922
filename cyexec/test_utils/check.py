"""Compare a symbol with what its outputs and gradients should be."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import ndarray as nd
from .. import symbol as sym_module
from ..context import current_context
from ..ndarray import NDArray
from .compare import assert_almost_equal, default_atols, default_numeric_eps, default_rtols, to_numpy
from .generate import rnd

Arrays = Mapping[str, Any] | Sequence[Any]


def _by_name(values: Arrays | None, names: Sequence[str], what: str, ctx: Any, dtype: Any = None) -> dict[str, NDArray]:
    """NDArrays by name, from a dict or from a list in the order of `names`; all that are given must be known."""
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        if len(values) != len(names):
            raise ValueError(f"{what}: {len(values)} arrays are given for {len(names)}: {', '.join(names)}")
        values = dict(zip(names, values))
    unknown = set(values) - set(names)
    if unknown:
        raise ValueError(f"{what}: {', '.join(sorted(unknown))} is unknown; the symbol has {', '.join(names)}")
    return {
        name: nd.array(v, ctx, v.dtype if isinstance(v, NDArray) else dtype or getattr(v, "dtype", None))
        for name, v in values.items()
    }


def _location(sym: Any, location: Arrays, ctx: Any, dtype: Any) -> dict[str, NDArray]:
    names = sym.list_arguments()
    found = _by_name(location, names, "location", ctx, dtype)
    missing = [n for n in names if n not in found]
    if missing:
        raise ValueError(f"location: {', '.join(missing)} is missing; the symbol has {', '.join(names)}")
    return {n: found[n] for n in names}


def simple_forward(sym: Any, ctx: Any = None, is_train: bool = False, **inputs: Any) -> Any:
    """Return the outputs of a symbol as NumPy arrays; alone, if there is one."""
    arrays = {k: nd.array(v) for k, v in inputs.items()}
    executor = sym.bind(ctx or current_context(), args=arrays)
    executor.forward(is_train=is_train)
    outputs = [o.asnumpy() for o in executor.outputs]
    return outputs[0] if len(outputs) == 1 else outputs


def check_symbolic_forward(
    sym: Any,
    location: Arrays,
    expected: Arrays,
    rtol: Any = None,
    atol: Any = None,
    aux_states: Arrays | None = None,
    ctx: Any = None,
    equal_nan: bool = False,
    dtype: Any = np.float32,
) -> list[NDArray]:
    """Compare the outputs of a symbol with `expected`.

    Parameters
    ----------
    sym : Symbol
    location : list or dict of arrays
        Values of the arguments.
    expected : list or dict of arrays
        Of the outputs.
    rtol, atol, equal_nan
        See `almost_equal`.
    aux_states : list or dict of arrays, optional
    ctx : Context, optional
    dtype : dtype
        Of NumPy arrays in `location`.

    Returns
    -------
    list of NDArray
        The outputs.
    """
    ctx = ctx or current_context()
    args = _location(sym, location, ctx, dtype)
    aux = _by_name(aux_states, sym.list_auxiliary_states(), "aux_states", ctx, dtype)
    if isinstance(expected, Mapping):
        expected = [expected[name] for name in sym.list_outputs()]
    executor = sym.bind(ctx, args=args, grad_req="null", aux_states=aux or None)
    executor.forward()
    for name, wanted, output in zip(sym.list_outputs(), expected, executor.outputs, strict=True):
        assert_almost_equal(wanted, output, rtol, atol, (f"EXPECTED_{name}", f"FORWARD_{name}"), equal_nan)
    return executor.outputs


def check_symbolic_backward(
    sym: Any,
    location: Arrays,
    out_grads: Arrays | None,
    expected: Arrays,
    rtol: Any = None,
    atol: Any = None,
    aux_states: Arrays | None = None,
    grad_req: Any = "write",
    ctx: Any = None,
    grad_stypes: Any = None,
    equal_nan: bool = False,
    dtype: Any = np.float32,
) -> dict[str, NDArray]:
    """Compare the gradients of a symbol with `expected`.

    Parameters
    ----------
    out_grads : list or dict of arrays, or None
        Head gradients; None for losses.
    expected : list or dict of arrays
        Gradients of the arguments (some of them, in a dict).
    grad_req : str, list or dict
        With "add" the gradient must have been added to what was there, with "null" nothing may have changed.
    other parameters
        As for `check_symbolic_forward`.

    Returns
    -------
    dict of str to NDArray
        The gradients.
    """
    ctx = ctx or current_context()
    args = _location(sym, location, ctx, dtype)
    names = list(args)
    aux = _by_name(aux_states, sym.list_auxiliary_states(), "aux_states", ctx, dtype)
    wanted = dict(expected) if isinstance(expected, Mapping) else dict(zip(names, expected))
    requests = _requests(grad_req, names)
    before: dict[str, Any] = {n: rnd.normal(size=args[n].shape).astype(args[n].dtype) for n in wanted}
    grads = {n: nd.array(v, ctx, v.dtype) for n, v in before.items()}
    executor = sym.bind(ctx, args=args, args_grad=grads, grad_req=requests, aux_states=aux or None)
    executor.forward(is_train=True)
    if isinstance(out_grads, Mapping):
        out_grads = [out_grads[name] for name in sym.list_outputs()]
    if out_grads is not None:
        out_grads = [nd.array(g, ctx, getattr(g, "dtype", dtype)) for g in out_grads]
    executor.backward(out_grads)
    for name, value in wanted.items():
        found, request = grads[name].asnumpy(), requests[name]
        labels = f"EXPECTED_{name}", f"BACKWARD_{name}"
        if request == "write":
            assert_almost_equal(value, found, rtol, atol, labels, equal_nan)
        elif request == "add":
            assert_almost_equal(to_numpy(value) + before[name], found, rtol, atol, labels, equal_nan)
        else:
            assert_almost_equal(before[name], found, rtol, atol, labels, equal_nan)
    return grads


def _requests(grad_req: Any, names: Sequence[str]) -> dict[str, str]:
    if isinstance(grad_req, str):
        return dict.fromkeys(names, grad_req)
    given = dict(grad_req) if isinstance(grad_req, Mapping) else dict(zip(names, grad_req))
    return {n: given.get(n, "null") for n in names}


def numeric_grad(
    executor: Any,
    location: Mapping[str, Any],
    aux_states: Mapping[str, Any] | None = None,
    eps: float = 1e-4,
    use_forward_train: bool = True,
    dtype: Any = np.float32,
) -> dict[str, np.ndarray]:
    """Return gradients of the sum of an executor's first output by central differences.

    Parameters
    ----------
    location : dict of arrays
        Where to take them; gradients are taken for these arguments.
    aux_states : dict of arrays, optional
        Set before each forward pass, which may change them.
    eps : float
        Distance of the two points.
    use_forward_train : bool
        Mode of the forward passes.
    """
    arrays = executor.arg_dict
    states = executor.aux_dict

    def value() -> float:
        for name, state in (aux_states or {}).items():
            states[name][:] = state
        executor.forward(is_train=use_forward_train)
        return float(executor.outputs[0].asnumpy().astype(np.float64).sum())

    for name, given in location.items():
        arrays[name][:] = given
    grads = {}
    for name in location:
        point = arrays[name].asnumpy()
        grad = np.zeros(point.shape, point.dtype if point.dtype.kind == "f" else dtype)
        if point.dtype.kind == "f":
            for at in np.ndindex(*point.shape):
                both = []
                for side in (eps / 2, -eps / 2):
                    moved = point.copy()
                    moved[at] += side
                    arrays[name][:] = moved
                    both.append(value())
                grad[at] = (both[0] - both[1]) / eps
            arrays[name][:] = point
        grads[name] = grad
    return grads


def check_numeric_gradient(
    sym: Any,
    location: Arrays,
    aux_states: Arrays | None = None,
    numeric_eps: float | None = None,
    rtol: Any = None,
    atol: Any = None,
    grad_nodes: Any = None,
    use_forward_train: bool = True,
    ctx: Any = None,
    grad_stype_dict: Any = None,
    dtype: Any = np.float32,
) -> None:
    """Compare the gradients of a symbol with central differences, of a random sum of its first output's elements.

    Parameters
    ----------
    numeric_eps : float, optional
        Distance of the two points; by default one that suits `dtype`.
    rtol, atol : float, optional
        By default 0.01 and 0.001 for float32.
    grad_nodes : list of str, or dict of str to grad_req, optional
        The arguments to look at; all by default.
    other parameters
        As for `check_symbolic_forward` and `numeric_grad`.
    """
    ctx = ctx or current_context()
    dtype = np.dtype(dtype)
    eps = default_numeric_eps()[dtype] if numeric_eps is None else numeric_eps
    # Differences lose half of the digits, so the tolerance is not that of a comparison of equal computations.
    rtol = max(default_rtols()[dtype], 1e-2 if dtype != np.float64 else 1e-5) if rtol is None else rtol
    atol = max(default_atols()[dtype], 1e-8) if atol is None else atol
    args = _location(sym, location, ctx, dtype)
    aux = _by_name(aux_states, sym.list_auxiliary_states(), "aux_states", ctx, dtype)
    names = list(args)
    requests = _requests(grad_nodes, names) if isinstance(grad_nodes, Mapping) else dict.fromkeys(grad_nodes or names, "write")

    shapes = {n: a.shape for n, a in args.items()}
    shape = sym.infer_shape(**shapes)[1][0]
    # Plain sums hide errors that cancel, such as those of a softmax.
    projection = nd.array(rnd.random_sample(shape) + 0.1, ctx, dtype)
    weight = sym_module.Variable("__random_proj")
    loss = sym_module.MakeLoss(sym_module.sum(sym[0] * weight if len(sym.list_outputs()) > 1 else sym * weight))
    before = {n: nd.array(rnd.normal(size=args[n].shape), ctx, args[n].dtype) for n in requests}
    grads = {n: g.copy() for n, g in before.items()}
    executor = loss.bind(
        ctx,
        args={**args, "__random_proj": projection},
        args_grad=grads,
        grad_req={n: requests.get(n, "null") for n in (*names, "__random_proj")},
        aux_states={n: a.copy() for n, a in aux.items()} or None,
    )
    executor.forward(is_train=True)
    executor.backward()
    found = {n: g.asnumpy() for n, g in grads.items()}
    points = {n: args[n].asnumpy() for n in requests}
    states = {n: a.asnumpy() for n, a in aux.items()}
    wanted = numeric_grad(executor, points, states, eps, use_forward_train, dtype)
    for name, request in requests.items():
        labels = f"NUMERICAL_{name}", f"BACKWARD_{name}"
        if request == "write":
            assert_almost_equal(wanted[name], found[name], rtol, atol, labels)
        elif request == "add":
            assert_almost_equal(wanted[name], found[name] - before[name].asnumpy(), rtol, atol, labels)
        elif request == "null":
            assert_almost_equal(before[name].asnumpy(), found[name], rtol, atol, labels)
        else:
            raise ValueError(f"grad_nodes: {name} has grad_req {request!r}; expected 'write', 'add' or 'null'")


def check_consistency(
    sym: Any,
    ctx_list: Sequence[Mapping[str, Any]],
    scale: float = 1.0,
    grad_req: Any = "write",
    arg_params: Mapping[str, Any] | None = None,
    aux_params: Mapping[str, Any] | None = None,
    rtol: Any = None,
    atol: Any = None,
    raise_on_err: bool = True,
    ground_truth: Mapping[str, Any] | None = None,
    equal_nan: bool = False,
    use_uniform: bool = False,
    rand_type: Any = np.float64,
) -> dict[str, np.ndarray]:
    """Compare outputs and gradients of a symbol in several contexts and dtypes.

    Parameters
    ----------
    sym : Symbol, or a list of one for each context
    ctx_list : list of dict
        Each has ``ctx``, shapes by argument name, and perhaps ``type_dict``.
    scale : float
        Of the random arguments.
    arg_params, aux_params : dict of arrays, optional
        Arguments and states with given values.
    rtol, atol : float or dict by dtype, optional
    raise_on_err : bool
        Whether to raise AssertionError where they differ, or to print it.
    ground_truth : dict of arrays, optional
        What to compare with; by default what the most precise dtype gives.

    Returns
    -------
    dict of str to ndarray
        What was compared with: outputs by name, and gradients.
    """
    symbols = list(sym) if isinstance(sym, (list, tuple)) else [sym] * len(ctx_list)
    executors = [
        s.simple_bind(grad_req=grad_req, **dict(setting)) for s, setting in zip(symbols, ctx_list, strict=True)
    ]
    draw = (lambda size: rnd.uniform(-1, 1, size)) if use_uniform else (lambda size: rnd.normal(size=size))
    values = {n: draw(a.shape).astype(rand_type) * scale for n, a in executors[0].arg_dict.items()}
    values.update({n: to_numpy(v) for n, v in (arg_params or {}).items()})
    heads = [draw(o.shape).astype(rand_type) * scale for o in executors[0].outputs]
    results = []
    for executor in executors:
        for name, array in executor.arg_dict.items():
            array[:] = values[name]
        for name, array in executor.aux_dict.items():
            array[:] = to_numpy((aux_params or {}).get(name, 0))
        executor.forward(is_train=grad_req != "null")
        found: dict[str, Any] = dict(zip(symbols[0].list_outputs(), executor.outputs))
        if grad_req != "null":
            executor.backward([nd.array(h, dtype=o.dtype) for h, o in zip(heads, executor.outputs)])
            found.update({f"{n}_grad": g for n, g in executor.grad_dict.items() if g is not None})
        results.append(found)
    precision = [np.finfo(e.outputs[0].dtype).eps if np.dtype(e.outputs[0].dtype).kind == "f" else 0 for e in executors]
    truth = dict(ground_truth) if ground_truth is not None else results[int(np.argmin(precision))]
    for setting, found in zip(ctx_list, results):
        for name, value in found.items():
            if name not in truth:
                continue
            try:
                assert_almost_equal(value, truth[name], rtol, atol, (f"{name} in {setting['ctx']}", "truth"), equal_nan)
            except AssertionError as error:
                if raise_on_err:
                    raise
                print(error)
    return {n: to_numpy(v) for n, v in truth.items()}


def check_speed(
    sym: Any, location: Mapping[str, Any] | None = None, ctx: Any = None, N: int = 20, grad_req: Any = None,
    typ: str = "whole", **kwargs: Any
) -> float:  # fmt: skip
    """Return the seconds that a pass takes, on average over `N`.

    Parameters
    ----------
    location : dict of arrays, optional
        Values of the arguments; random ones of the shapes in `kwargs` by default.
    typ : {"whole", "forward"}
        Forward and backward, or forward alone.
    """
    if typ not in ("whole", "forward"):
        raise ValueError('typ can only be "whole" or "forward".')
    grad_req = ("write" if typ == "whole" else "null") if grad_req is None else grad_req
    shapes = {k: v.shape for k, v in location.items()} if location is not None else kwargs
    executor = sym.simple_bind(ctx or current_context(), grad_req=grad_req, **shapes)
    for name, array in executor.arg_dict.items():
        given = None if location is None else location.get(name)
        array[:] = rnd.normal(size=array.shape) if given is None else given
    heads = [nd.ones(o.shape, dtype=o.dtype) for o in executor.outputs]

    def once() -> None:
        executor.forward(is_train=typ == "whole")
        if typ == "whole":
            executor.backward(heads)

    once()
    begin = time.perf_counter()
    for _ in range(N):
        once()
    return (time.perf_counter() - begin) / N


def compare_optimizer(
    opt1: Any, opt2: Any, shape: Any, dtype: Any, w_stype: str = "default", g_stype: str = "default", rtol: Any = 1e-4,
    atol: Any = 1e-5, compare_states: bool = True, ntensors: int = 1
) -> None:  # fmt: skip
    """Compare the updates of two optimizers on random weights and gradients."""
    shapes = [shape] * ntensors if not isinstance(shape, list) else shape
    for index, s in enumerate(shapes):
        weight, grad = (nd.array(rnd.uniform(-1, 1, s), dtype=dtype) for _ in range(2))
        weights, grads = [weight, weight.copy()], [grad, grad.copy()]
        states = [o.create_state_multi_precision(index, w) for o, w in zip((opt1, opt2), weights)]
        for optimizer, w, g, state in zip((opt1, opt2), weights, grads, states):
            optimizer.update_multi_precision(index, w, g, state)
        if compare_states:
            _compare_states(states[0], states[1], rtol, atol)
        assert_almost_equal(weights[0], weights[1], rtol, atol)


def _compare_states(one: Any, two: Any, rtol: Any, atol: Any) -> None:
    if isinstance(one, (tuple, list)):
        for a, b in zip(one, two, strict=True):
            _compare_states(a, b, rtol, atol)
    elif one is not None:
        assert_almost_equal(one, two, rtol, atol)
