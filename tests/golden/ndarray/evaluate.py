"""Evaluate expressions on arrays and describe the results: the same code for MXNet (make.py) and for us (the test)."""

import numpy as np


def describe(value):
    """A JSON value that tells what an expression gave."""
    if type(value).__name__ == "NDArray":
        data = value.asnumpy()
        numbers = [None if np.isnan(v) else float(f"{v:.5g}") for v in data.ravel().astype("float64").tolist()]
        return {"shape": list(data.shape), "dtype": str(data.dtype), "values": numbers}
    if isinstance(value, (list, tuple)):
        return [describe(v) for v in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return {"numpy": str(value.dtype), "value": value.tolist()}
    if isinstance(value, type):
        return value.__name__.rstrip("_")
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    return str(value)


def evaluate(expression, names):
    """Describe the value of `expression`, or the exception it raises (only MXNetError, builtins by name)."""
    try:
        value = eval(expression, names)
    except Exception as error:  # noqa: BLE001 - the kind is what is compared
        known = [c.__name__ for c in type(error).__mro__]
        return {"error": "MXNetError" if "MXNetError" in known else known}
    return describe(value)


def getitem(nd, key):
    """Shape of ``a[key]``, and whether writing to it changes a."""
    a = nd.arange(24).reshape((2, 3, 4))
    part = a[key]
    values = part.asnumpy().ravel().tolist()
    part[:] = 99
    return list(part.shape), values, bool((a.asnumpy() == 99).any())


def setitem(nd, key, value, shape=(2, 3, 4), dtype="float32"):
    """Elements of zeros after ``a[key] = value``."""
    a = nd.zeros(shape, dtype=dtype)
    a[key] = value
    return a.asnumpy().ravel().tolist()


def in_place(nd, name, left, right):
    """Result of an operator, and whether it is its left operand."""
    import operator

    made = getattr(operator, name)(left, right)
    return made is left, made


def namespace(mx):
    """Names that expressions may use."""
    nd = mx.nd
    return {
        "mx": mx, "nd": nd, "np": np, "a": nd.arange(24).reshape((2, 3, 4)), "s": slice,
        "get": lambda key: getitem(nd, key), "put": lambda *args: setitem(nd, *args),
        "ip": lambda *args: in_place(nd, *args),
    }  # fmt: skip
