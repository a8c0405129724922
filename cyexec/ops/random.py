"""Random arrays: one distribution for all elements, one for each element of parameter arrays, and in the shape of another.

A distribution has two parameters at most. ``_random_X`` takes them as numbers, ``_sample_X`` as arrays,
``_random_X_like`` as numbers and the shape and dtype from an array. All are one table here and one kernel,
`cyexec/kernels/random.pxi`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..base import DTypeError, MXNetError
from .infer import FLOAT32, same_shape, unify, unify_all, unify_dtype, zero_gradient
from .params import DType, Field, Float, Int, Params, Shape, Str
from .registry import register
from .schema import Case, Op


class NarrowDType(DType):
    """A dtype of a given list."""

    def __init__(self, *choices: str, **kw: Any):
        super().__init__(**kw)
        self.choices = choices

    @property
    def type_name(self) -> str:  # type: ignore[override]
        names = (["None"] if self.nullable else []) + [repr(c) for c in self.choices]
        return "{" + ", ".join(names) + "}"

    def convert(self, value: Any) -> np.dtype:
        dtype = super().convert(value)
        if dtype.name not in self.choices:
            raise ValueError(f"expected one of {self.type_name}")
        return dtype


FLOATS = ("float16", "float32", "float64")
_SHAPE_DOC = "Shape of the output; 0 is an extent to be inferred."
_CTX_DOC = "Context of the output, for imperative calls."
_DTYPE_DOC = "Dtype of the output, float32 by default."


class Distribution(NamedTuple):
    """A row of the table: parameters with defaults, how the array operator calls them, and what values they may have."""

    name: str
    doc: str
    fields: dict[str, Field]
    array_names: tuple[str, ...]
    rule: str
    valid: Callable[..., bool]
    aliases: tuple[str, ...] = ()


def _number(default: float, doc: str) -> Float:
    return Float(default=default, doc=doc)


DISTRIBUTIONS = (
    Distribution(
        "uniform", "uniform distribution over [low, high)",
        {"low": _number(0.0, "Lower bound, included."), "high": _number(1.0, "Upper bound, excluded.")},
        ("low", "high"), "low must be less or equal to high", lambda low, high: low <= high, ("uniform",),
    ),
    Distribution(
        "normal", "normal distribution",
        {"loc": _number(0.0, "Mean."), "scale": _number(1.0, "Standard deviation.")},
        ("mu", "sigma"), "scale has to be positive", lambda loc, scale: scale > 0, ("normal",),
    ),
    Distribution(
        "gamma", "gamma distribution",
        {"alpha": _number(1.0, "Shape of the distribution."), "beta": _number(1.0, "Scale of the distribution.")},
        ("alpha", "beta"), "alpha and beta have to be positive", lambda alpha, beta: alpha > 0 and beta > 0,
    ),
    Distribution(
        "exponential", "exponential distribution of rate lam",
        {"lam": _number(1.0, "Rate: one over the mean.")}, ("lam",), "lam has to be positive", lambda lam: lam > 0,
    ),
    Distribution(
        "poisson", "Poisson distribution; samples are whole floating-point numbers",
        {"lam": _number(1.0, "Mean.")}, ("lam",), "lam has to be non-negative", lambda lam: lam >= 0,
    ),
    Distribution(
        "negative_binomial", "negative binomial distribution; samples are whole floating-point numbers",
        {"k": Int(default=1, doc="Limit of unsuccessful experiments."),
         "p": _number(1.0, "Probability of failure in each experiment.")},
        ("k", "p"), "k has to be non-negative and p in (0, 1]", lambda k, p: k >= 0 and 0 < p <= 1,
    ),
    Distribution(
        "generalized_negative_binomial",
        "generalized negative binomial distribution; samples are whole floating-point numbers",
        {"mu": _number(1.0, "Mean."), "alpha": _number(1.0, "Dispersion: 1 / k.")},
        ("mu", "alpha"), "mu and alpha have to be non-negative", lambda mu, alpha: mu >= 0 and alpha >= 0,
    ),
)  # fmt: skip


def shape_of_param(shape: tuple | None):
    """What a shape parameter says: nothing (None or empty), or extents, of which 0 is unknown."""
    return tuple(d if d else -1 for d in shape) if shape else None


def _shape_from_param(p, ins, outs):
    return [], [unify(shape_of_param(p.shape), outs[0], "the shape parameter and the output shape")]


def _dtype_from_param(default):
    return lambda p, ins, outs: ([], [p.dtype or default])


def _like_dtype(p, ins, outs):
    dtype = unify_dtype([*ins, *outs])
    if dtype is not None and dtype.kind != "f":
        raise DTypeError(f"This operation only support floating point types, not {dtype}")
    return [dtype], [dtype]


def _array_shape(p, ins, outs):
    """Inputs have one shape s, the output has s followed by the shape parameter."""
    draws = tuple(p.shape or ())
    data = unify_all(ins, "shapes of the parameters")
    if outs[0] is not None and len(outs[0]) >= len(draws):
        data = unify(data, outs[0][: len(outs[0]) - len(draws)], "shapes of parameters and output")
    out = None if data is None else unify(data + draws, outs[0], "shape of the output")
    return [data] * len(ins), [out]


def _array_dtype(p, ins, outs):
    dtype = unify_dtype(ins, "dtypes of the parameters")
    return [dtype] * len(ins), [p.dtype or FLOAT32]


def _lower_numbers(row: Distribution):
    def lower(low, node):
        values = [getattr(node.params, name) for name in row.fields]
        if not row.valid(*values):
            found = ", ".join(f"{n}={v}" for n, v in zip(row.fields, values))
            raise MXNetError(f"{node.describe()}: {row.rule}, found {found}")
        low.step(
            "random.Sample", [], [low.outs[0]], distribution=row.name, stream=low.random_stream(),
            **dict(zip(("a", "b"), map(float, values))),
        )  # fmt: skip

    return lower


def _lower_arrays(row: Distribution):
    def lower(low, node):
        out = low.outs[0]
        wide = FLOAT32 if out.dtype.itemsize == 2 else out.dtype
        per = max(out.size, 1) // max(low.ins[0].size, 1)
        if out.size:
            reads = [low.cast(ref, wide) for ref in low.ins]
            low.step(
                "random.Sample", reads, [out], distribution=row.name, stream=low.random_stream(), per=per
            )  # fmt: skip

    return lower


for _row in DISTRIBUTIONS:
    _params = type(
        f"Random{_row.name.title().replace('_', '')}Params",
        (Params,),
        {
            **_row.fields,
            "shape": Shape(default=None, doc=_SHAPE_DOC),
            "ctx": Str(default="", doc=_CTX_DOC),
            "dtype": NarrowDType(*FLOATS, default=None, doc=_DTYPE_DOC),
        },
    )
    register(
        Op(
            name=f"_random_{_row.name}",
            aliases=(f"random_{_row.name}", *_row.aliases),
            doc=f"Draw random samples from a {_row.doc}.",
            params=_params,
            inputs=(),
            random=True,
            infer_shape=_shape_from_param,
            infer_dtype=_dtype_from_param(FLOAT32),
            gradient=zero_gradient,
            lower=_lower_numbers(_row),
            cases=(Case({}, {"shape": (3, 5)}), Case({}, {"shape": (70,), "dtype": "float64"})),
        )
    )
    _like = type(
        f"Like{_params.__name__}", (Params,), {n: type(f)(default=f.default, doc=f.doc) for n, f in _row.fields.items()}
    )
    register(
        Op(
            name=f"_random_{_row.name}_like",
            doc=f"Draw random samples from a {_row.doc}, in the shape and dtype of data.",
            params=_like,
            random=True,
            infer_shape=same_shape,
            infer_dtype=_like_dtype,
            gradient=zero_gradient,
            lower=_lower_numbers(_row),
            cases=(Case({"data": (3, 5)}, dtypes=("float32", "float64", "float16")),),
        )
    )
    register(
        Op(
            name=f"_sample_{_row.name}",
            aliases=(f"sample_{_row.name}",),
            doc=f"""Draw random samples, for each element of the parameter arrays, from a {_row.doc}.

            The output's shape is that of the parameters followed by `shape`. Impossible parameters give NaN.
            """,
            params=type(
                f"Sample{_row.name.title().replace('_', '')}Params",
                (Params,),
                {
                    "shape": Shape(default=(), doc="Shape of the samples drawn for each distribution."),
                    "dtype": NarrowDType(*FLOATS, default=None, doc=_DTYPE_DOC),
                },
            ),
            inputs=_row.array_names,
            random=True,
            infer_shape=_array_shape,
            infer_dtype=_array_dtype,
            gradient=zero_gradient,
            lower=_lower_arrays(_row),
            cases=(
                Case(dict.fromkeys(_row.array_names, (3, 2)), {"shape": (4,)}, low=0.2, high=0.9),
                Case(dict.fromkeys(_row.array_names, (3,)), {"dtype": "float64"}, low=0.2, high=0.9),
            ),
        )
    )
