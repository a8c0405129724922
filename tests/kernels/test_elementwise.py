"""The elementwise kernel: chains, broadcasting, memory sharing, and the accuracy of its functions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyexec.kernels import levels

DTYPES = ("float32", "float64", "int8", "uint8", "int32", "int64")
BINARY = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "maximum": np.maximum, "minimum": np.minimum}
UNARY = {"negative": np.negative, "square": np.square, "relu": lambda x: np.maximum(x, 0), "copy": np.copy}


@pytest.fixture(params=levels.available_levels())
def level(request):
    before = levels.level
    levels.set_level(request.param)
    yield request.param
    levels.set_level(before)


def run(reads, writes, code, results):
    cls, _ = levels.resolve("elementwise.Elementwise", writes[0].dtype)
    cls(reads, writes, code=tuple(code), results=tuple(results))()


def apply(name, x, dtype="float32"):
    x = np.ascontiguousarray(x, dtype)
    out = np.empty_like(x)
    run([x], [out], [(name, (0,), 0.0)], [1])
    return out


@st.composite
def chains(draw):
    """Operands that broadcast, a random chain over them, and registers for the writes."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = tuple(draw(st.lists(st.sampled_from([0, 1, 2, 3, 17, 40]), min_size=0, max_size=4)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    reads = []
    for _ in range(draw(st.integers(1, 4))):
        own = tuple(1 if draw(st.booleans()) and draw(st.booleans()) else d for d in shape)
        own = own[draw(st.integers(0, len(own))) if draw(st.booleans()) else 0 :]
        reads.append(rng.integers(0, 6, own).astype(dtype))
    code = []
    for _ in range(draw(st.integers(1, 12))):
        register = st.integers(0, len(reads) + len(code) - 1)
        kind = draw(st.sampled_from(["unary", "binary", "scalar", "where", "const"]))
        if kind == "unary":
            code.append((draw(st.sampled_from(sorted(UNARY))), (draw(register),), 0.0))
        elif kind == "const":
            code.append(("const", (), 2.0))
        elif kind == "where":
            code.append(("where", (draw(register), draw(register), draw(register)), 0.0))
        elif kind == "scalar":
            code.append((draw(st.sampled_from(sorted(BINARY))) + "_s", (draw(register),), 3.0))
        else:
            code.append((draw(st.sampled_from(sorted(BINARY))), (draw(register), draw(register)), 0.0))
    count = len(reads) + len(code)
    results = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=3))
    return dtype, shape, reads, code, results


def interpret(reads, code, dtype):
    """What a chain means, in NumPy."""
    values = list(reads)
    with np.errstate(all="ignore"):
        for name, args, scalar in code:
            x = [values[a] for a in args]
            s = np.asarray(scalar).astype(dtype)
            if name == "const":
                value = s
            elif name == "where":
                value = np.where(x[0] != 0, x[1], x[2])
            elif name in UNARY:
                value = UNARY[name](x[0])
            else:
                value = BINARY[name.removesuffix("_s")](x[0], s if name.endswith("_s") else x[1])
            values.append(np.asarray(value).astype(dtype))
    return values


@pytest.mark.parametrize("at", levels.available_levels())
@settings(max_examples=60, deadline=None)
@given(chain=chains())
def test_chain_equals_numpy(at, chain):
    dtype, shape, reads, code, results = chain
    before = levels.level
    levels.set_level(at)
    try:
        writes = [np.full(shape, 77, dtype) for _ in results]
        want = interpret(reads, code, dtype)
        run(reads, writes, code, results)
        for got, register in zip(writes, results):
            np.testing.assert_array_equal(got, np.broadcast_to(want[register], shape))
        # The same with writes that take the memory of operands.
        shared = [r.copy() for r in reads]
        full = [r for r in shared if r.shape == shape]
        places = [full[i] if i < len(full) else np.full(shape, 77, dtype) for i in range(len(results))]
        run(shared, places, code, results)
        for got, register in zip(places, results):
            np.testing.assert_array_equal(got, np.broadcast_to(want[register], shape))
    finally:
        levels.set_level(before)


def test_long_chain_over_many_tiles(level):
    x = np.random.default_rng(0).uniform(-1, 1, 100_003).astype(np.float32)
    code = [("mul_s" if i % 2 else "add_s", (i,), 0.5 + i / 64) for i in range(64)]
    out = np.empty_like(x)
    run([x], [out], code, [64])
    want = x
    for name, _, s in code:
        want = want * np.float32(s) if name == "mul_s" else want + np.float32(s)
    np.testing.assert_array_equal(out, want)


def test_refuses_what_it_cannot_run():
    x, y = np.zeros((2, 3), np.float32), np.zeros((2, 2), np.float32)
    for reads, code, results in [
        ([x, y], [("add", (0, 1), 0.0)], [2]),
        ([x], [("add", (0, 1), 0.0)], [1]),
        ([x], [("nonsense", (0,), 0.0)], [1]),
        ([x], [("copy", (0,), 0.0)], [7]),
    ]:
        with pytest.raises(ValueError):
            run(reads, [np.zeros((2, 3), np.float32)], code, results)


# Accuracy


def floats() -> np.ndarray:
    """float32 numbers of every magnitude (every 4099th bit pattern), and many where functions have their interesting parts."""
    rng = np.random.default_rng(0)
    spread = np.arange(0, 2**32, 4099, dtype=np.uint64).astype(np.uint32).view(np.float32)
    near = [rng.uniform(-20, 20, 100_000), 1 + rng.uniform(-0.01, 0.01, 50_000), rng.uniform(-1, 1, 50_000)]
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 88.73, -87.4, -103.9, -104.1, 1e-45]
    return np.concatenate([spread, *near, special]).astype(np.float32)


def ulps(got, want):
    """Error in units of the last place of the wanted number as float32; infinities and NaN must agree."""
    rounded = want.astype(got.dtype)
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    unit = np.spacing(np.abs(np.where(np.isfinite(rounded), rounded, 1)))
    error = np.where(same, 0, np.abs(got.astype(want.dtype) - want) / unit)
    return np.where(np.isnan(error), np.inf, error)


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


FUNCTIONS = {
    "exp": np.exp, "log": np.log, "tanh": np.tanh, "sigmoid": sigmoid, "expm1": np.expm1, "log1p": np.log1p, "log2": np.log2,
    "log10": np.log10, "sinh": np.sinh, "cosh": np.cosh, "arcsinh": np.arcsinh, "arccosh": np.arccosh, "arctanh": np.arctanh,
    "arctan": np.arctan, "arcsin": np.arcsin, "arccos": np.arccos, "cbrt": np.cbrt, "rcbrt": lambda x: 1 / np.cbrt(x),
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x),
    "softsign": lambda x: x / (1 + np.abs(x)), "softrelu": lambda x: np.logaddexp(0, x),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_function_within_two_ulps(name, level):
    x = floats()
    with np.errstate(all="ignore"):
        error = ulps(apply(name, x), FUNCTIONS[name](x.astype(np.float64)))
    worst = int(np.argmax(error))
    assert error[worst] <= 2, (name, x[worst], error[worst])


def test_float32_erf_within_two_ulps(level):
    x = np.random.default_rng(0).uniform(-5, 5, 30_000)
    x = np.concatenate([x, x * 1e-3, x * 1e-30, [0.9, 3.9, 4.0, 4.1, np.inf, -np.inf, 1e30]]).astype(np.float32)
    assert ulps(apply("erf", x), np.array([math.erf(v) for v in x])).max() <= 2
    assert np.isnan(apply("erf", [np.nan])).all()


@pytest.mark.parametrize("name", ["exp", "log", "sigmoid"])
def test_float64_function_within_two_ulps(name, level):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-750, 712, 50_000), rng.uniform(-2, 2, 50_000), floats(), [5e-324, 1e-310, 1.7e308]])
    with np.errstate(all="ignore"):
        error = ulps(apply(name, x, "float64"), FUNCTIONS[name](x.astype(np.longdouble)))
    worst = int(np.argmax(error))
    assert error[worst] <= 2, (name, x[worst], error[worst])


def test_power_follows_c(level):
    special = [
        0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, np.inf, -np.inf, np.nan, 1e30, 1e-40, -1e-40, 16777215, -16777215,
        2.0**25,
    ]
    a, b = (g.ravel().astype(np.float32) for g in np.meshgrid(special, special))
    rng = np.random.default_rng(0)
    a = np.concatenate([a, rng.uniform(0, 10, 50_000).astype(np.float32)])
    b = np.concatenate([b, rng.uniform(-20, 20, 50_000).astype(np.float32)])
    out = np.empty_like(a)
    run([a, b], [out], [("power", (0, 1), 0.0)], [2])
    with np.errstate(all="ignore"):
        want = np.power(a.astype(np.float64), b.astype(np.float64))
        assert ulps(out, want).max() <= 2
    defined = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(out[defined]), np.signbit(want[defined]))


def test_special_values_are_those_of_mxnet(level):
    x = [-np.inf, -2.5, -0.5, -0.0, 0.0, 0.5, 1.5, np.inf, np.nan]
    want = {
        "sign": [-1, -1, -1, 0, 0, 1, 1, 1, 0],
        "rint": [-np.inf, -3, -1, 0, 0, 0, 1, np.inf, np.nan],
        "round": [-np.inf, -3, -1, 0, 0, 1, 2, np.inf, np.nan],
        "fix": [-np.inf, -2, 0, 0, 0, 0, 1, np.inf, np.nan],
        "relu": [0, 0, 0, 0, 0, 0.5, 1.5, np.inf, np.nan],
        "logical_not": [0, 0, 0, 1, 1, 0, 0, 0, 0],
    }
    for dtype in ("float32", "float64"):
        for name, numbers in want.items():
            np.testing.assert_array_equal(apply(name, x, dtype), numbers, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "int32", "int64"])
def test_mod_and_division_at_the_edges(dtype):
    a = np.array([5, -5, 5, -5, 7, 0], dtype)
    b = np.array([3, 3, -3, -3, 0, 0], dtype)
    out = np.empty_like(a)
    run([a, b], [out], [("mod", (0, 1), 0.0)], [2])
    np.testing.assert_array_equal(out, [2, 1, -1, -2, 0, 0])
    if dtype.startswith("int"):
        low = np.iinfo(dtype).min
        a, b = np.array([7, -7, low, low, 5], dtype), np.array([2, 2, -1, 0, 0], dtype)
        out = np.empty_like(a)
        run([a, b], [out], [("div", (0, 1), 0.0)], [2])
        np.testing.assert_array_equal(out, [3, -3, low, 0, 0])
