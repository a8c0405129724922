"""GroupNorm and InstanceNorm: normalisation of groups of channels, or of every channel, of each example by itself."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .infer import FLOAT32, product, same_dtype, unify, unify_dtype
from .layer_norm import DEFAULT_EPS
from .params import Bool, Float, Int, Params
from .registry import register
from .schema import Case, Op


class GroupNormParams(Params):
    num_groups = Int(default=1, min=1, doc="Number of groups that the channels (axis 1) are split in.")
    eps = Float(default=DEFAULT_EPS, doc="Added to the variance, against division by zero.")
    output_mean_var = Bool(default=False, doc="Show the mean and the standard deviation as outputs.")


class InstanceNormParams(Params):
    eps = Float(default=float(np.float32(1e-3)), doc="Added to the variance, against division by zero.")


def _check_rank(name, data):
    if data is not None and len(data) < 3:
        raise ShapeError(f"{name} takes data of at least 3 dimensions (batch, channel, spatial), found {data}")


def group_norm_shape(p, ins, outs):
    data = unify(ins[0], outs[0], "data and output shapes")
    _check_rank("GroupNorm", data)
    stat = (-1 if data is None else data[0], p.num_groups)
    if data is not None and data[1] >= 0 and data[1] % p.num_groups:
        raise ShapeError(f"# of channels must be divisible by # of groups, found {data[1]} and {p.num_groups}")
    for shape in outs[1:3]:
        stat = unify(stat, shape, "shapes of mean and std")
    vector = (p.num_groups,)
    for shape in ins[1:3]:
        vector = unify(vector, shape, "num_groups and the shapes of gamma and beta")
    return [data, vector, vector], [data, stat, stat]


def instance_norm_shape(p, ins, outs):
    data = unify(ins[0], outs[0], "data and output shapes")
    _check_rank("InstanceNorm", data)
    vector = (-1 if data is None else data[1],)
    for shape in ins[1:3]:
        vector = unify(vector, shape, "number of channels and the shapes of gamma and beta")
    stat = (-1, -1)
    if data is not None:
        data = (data[0], *vector, *data[2:])
        stat = data[:2]
    for shape in outs[1:3]:
        stat = unify(stat, shape, "shapes of mean and var")
    return [data, vector, vector], [data, stat, stat]


def _layout(shape, groups):
    """How the planes of (N, C, spatial) data share statistics and scales; see `cyexec/kernels/norm.pxi`."""
    planes, run = shape[0] * shape[1], shape[1] // groups
    return {"period": planes, "run_length": run}, {"channels": shape[1], "share_run": run}


def _lower(low, p, groups, eps):
    (x, gamma, beta), (y, mean, std) = low.ins, low.outs
    if product(x.shape) == 0:
        low.fill(mean, 0)
        low.fill(std, 0)
        return
    wide = FLOAT32 if x.dtype.itemsize == 2 else x.dtype
    planes = low.cast(x, wide).reshape(x.shape[0] * x.shape[1], -1)
    stats, scales = _layout(x.shape, groups)
    count = x.shape[0] * groups
    mean_wide = mean.reshape(count) if mean.dtype == wide else low.workspace((count,), wide)
    inverse = low.workspace((count,), wide)
    partial = low.workspace((2, planes.shape[0]), np.float64)
    low.step("norm.PlaneMoments", [planes], [mean_wide, inverse, partial], eps=eps, **stats)
    out = y if y.dtype == wide else low.workspace(y.shape, wide)
    low.step(
        "norm.PlaneNormalize", [planes, mean_wide, inverse, low.cast(beta, wide), low.cast(gamma, wide)],
        [out.reshape(*planes.shape)], inplace=[(0, 0)], **stats, **scales,
    )  # fmt: skip
    if out is not y:
        low.cast(out, y.dtype, y)
    if mean.dtype != wide and low.used(1):
        low.cast(mean_wide.reshape(*mean.shape), mean.dtype, mean)
    if low.used(2):
        low.step("norm.Reciprocal", [inverse], [std.reshape(count)])


def _backward_lower(low, groups):
    (dy, x, gamma, mean, std), (dx, dgamma, dbeta) = low.ins, low.outs
    if product(x.shape) == 0:
        low.fill(dgamma, 0)
        low.fill(dbeta, 0)
        return
    wide = FLOAT32 if x.dtype.itemsize == 2 else x.dtype
    planes = (x.shape[0] * x.shape[1], product(x.shape[2:]))
    dy_wide, x_wide = low.cast(dy, wide).reshape(*planes), low.cast(x, wide).reshape(*planes)
    stats, scales = _layout(x.shape, groups)
    count = x.shape[0] * groups
    mean, std = low.cast(mean, wide).reshape(count), low.cast(std, wide).reshape(count)
    inverse = low.workspace((count,), wide)
    low.step("norm.Reciprocal", [std], [inverse])
    sums = low.workspace((2, planes[0]), np.float64)
    low.step("norm.PlaneSums", [dy_wide, x_wide, mean, inverse], [sums], dtype=wide, **stats)
    if low.used(1) or low.used(2):
        low.step("norm.ScaleShiftGradient", [sums], [dgamma, dbeta], **scales)
    if low.used(0):
        out = dx if dx.dtype == wide else low.workspace(dx.shape, wide)
        means = low.workspace((2, count), np.float64)
        low.step(
            "norm.PlaneGradient", [dy_wide, x_wide, mean, inverse, sums, low.cast(gamma, wide)],
            [out.reshape(*planes), means], inplace=[(0, 0), (0, 1)], has_gamma=True, has_sums=True, **stats, **scales,
        )  # fmt: skip
        if out is not dx:
            low.cast(out, dx.dtype, dx)


def group_norm_lower(low, node):
    _lower(low, node.params, node.params.num_groups, node.params.eps)


def instance_norm_lower(low, node):
    _lower(low, node.params, low.ins[0].shape[1], node.params.eps)


def _gradient(groups):
    def gradient(g, node, ograds):
        if ograds[0] is None:
            return [None] * 3
        data, gamma, _ = node.inputs
        made = g.node(
            "_backward_GroupNorm",
            ograds[0],
            data,
            gamma,
            node[1],
            node[2],
            num_groups=groups(node),
            eps=node.params.eps,
        )
        return [made[0], made[1], made[2]]

    return gradient


def _normalize_numpy(data, groups, gamma, beta, eps):
    wide = data.astype(np.float64)
    split = wide.reshape(data.shape[0], groups, -1)
    mean, std = split.mean(2), np.sqrt(split.var(2) + eps)
    repeats = data.shape[1] // len(gamma)
    shape = (1, -1) + (1,) * (data.ndim - 2)
    out = ((split - mean[:, :, None]) / std[:, :, None]).reshape(data.shape)
    return out * np.repeat(gamma, repeats).reshape(shape) + np.repeat(beta, repeats).reshape(shape), mean, std


def group_norm_numpy(p, data, gamma, beta, is_train):
    return _normalize_numpy(data, p.num_groups, gamma, beta, p.eps)


def instance_norm_numpy(p, data, gamma, beta, is_train):
    return _normalize_numpy(data, data.shape[1], gamma, beta, p.eps)


def _backward_shape(p, ins, outs):
    return ins, [ins[1], ins[2], ins[2]]


def _backward_dtype(p, ins, outs):
    dtype = unify_dtype(ins)
    return [dtype] * 5, [dtype] * 3


_ALL = ("float32", "float64", "float16")

register(
    Op(
        name="GroupNorm",
        doc="""Normalise each of `num_groups` groups of channels of every example, then scale by gamma and shift by beta.

        As in MXNet, gamma and beta have one element for every group. The second and third outputs are the mean and
        sqrt(variance + eps), of shape (batch, num_groups); gradients that arrive at them are ignored.
        """,
        params=GroupNormParams,
        inputs=("data", "gamma", "beta"),
        outputs=("output", "mean", "std"),
        visible=lambda p: 3 if p.output_mean_var else 1,
        infer_shape=group_norm_shape,
        infer_dtype=same_dtype,
        gradient=_gradient(lambda node: node.params.num_groups),
        lower=group_norm_lower,
        reference=group_norm_numpy,
        cases=(
            Case({"data": (2, 4, 3, 5), "gamma": (2,), "beta": (2,)}, {"num_groups": 2}, dtypes=_ALL),
            Case({"data": (3, 6, 4), "gamma": (1,), "beta": (1,)}, {"eps": 0.01}),
            Case({"data": (2, 3, 2, 2, 3), "gamma": (3,), "beta": (3,)}, {"num_groups": 3}),
            Case(
                {"data": (2, 6, 5), "gamma": (3,), "beta": (3,)}, {"num_groups": 3, "output_mean_var": True},
                grad=False, dtypes=_ALL,
            ),
        ),
    )
)  # fmt: skip

register(
    Op(
        name="InstanceNorm",
        doc="Normalise every channel of every example over its spatial axes, then scale by gamma and shift by beta.",
        params=InstanceNormParams,
        inputs=("data", "gamma", "beta"),
        outputs=("output", "mean", "std"),
        visible=1,
        infer_shape=instance_norm_shape,
        infer_dtype=same_dtype,
        gradient=_gradient(lambda node: max(node.in_shapes[0][1], 1)),
        lower=instance_norm_lower,
        reference=instance_norm_numpy,
        cases=(
            Case({"data": (2, 3, 4, 5), "gamma": (3,), "beta": (3,)}, dtypes=_ALL),
            Case({"data": (3, 2, 33), "gamma": (2,), "beta": (2,)}, {"eps": 0.1}),
        ),
    )
)

register(
    Op(
        name="_backward_GroupNorm",
        hidden=True,
        doc="Gradients of GroupNorm, and of InstanceNorm (as many groups as channels).",
        params=GroupNormParams,
        inputs=("ograd", "data", "gamma", "mean", "std"),
        outputs=("data_grad", "gamma_grad", "beta_grad"),
        infer_shape=_backward_shape,
        infer_dtype=_backward_dtype,
        lower=lambda low, node: _backward_lower(low, node.params.num_groups),
    )
)
