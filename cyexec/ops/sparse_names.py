"""MXNet's ``_sparse_X`` names (`mx.nd.sparse.X`, `mx.sym.sparse.X`): storage is always dense here, so they are X itself.

Read after the families, which register what these names stand for.
"""

from __future__ import annotations

from .registry import alias

_SAME = (
    "FullyConnected", "abs", "adam_update", "add_n", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh",
    "broadcast_add", "broadcast_div", "broadcast_minus", "broadcast_mul", "broadcast_plus", "broadcast_sub", "cbrt",
    "ceil", "clip", "cos", "cosh", "degrees", "dot", "elemwise_add", "elemwise_div", "elemwise_mul", "elemwise_sub", "exp",
    "expm1", "fix", "floor", "ftrl_update", "gamma", "gammaln", "log", "log10", "log1p", "log2", "make_loss", "mean",
    "negative", "norm", "radians", "relu", "rint", "round", "rsqrt", "sgd_mom_update", "sgd_update", "sigmoid", "sign",
    "sin", "sinh", "sqrt", "square", "stop_gradient", "sum", "tan", "tanh", "trunc", "where", "zeros_like",
)  # fmt: skip

for _name in _SAME:
    alias(f"_sparse_{_name}", _name)
for _name, _dense in (
    ("_sparse_ElementWiseSum", "add_n"),
    ("_scatter_elemwise_div", "elemwise_div"),
    ("_scatter_plus_scalar", "_plus_scalar"),
    ("_scatter_minus_scalar", "_minus_scalar"),
):
    alias(_name, _dense)
