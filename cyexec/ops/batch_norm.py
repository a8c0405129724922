"""BatchNorm: normalisation by the statistics of every channel over a batch."""

from __future__ import annotations

import numpy as np

from ..base import DTypeError, ShapeError
from .infer import FLOAT32, normalize_axis, product, unify, unify_dtype
from .params import Bool, Float, Int, Params, Str
from .registry import register
from .schema import Case, Op

FLOAT16 = np.dtype(np.float16)
# MXNet's default is the float32 number nearest to 1e-3, also in double precision.
DEFAULT_EPS = float(np.float32(1e-3))
# Rows of a matrix whose columns are summed as one block: 64 rows or 32768 elements, whichever is more (2nd level cache).
BLOCK_ROWS, BLOCK_ELEMENTS = 64, 32768


class BatchNormV1Params(Params):
    eps = Float(default=DEFAULT_EPS, doc="Added to the variance, against division by zero.")
    momentum = Float(default=0.9, doc="How much of the moving averages is kept at each update.")
    fix_gamma = Bool(default=True, doc="Take gamma as one; its gradient is zero.")
    use_global_stats = Bool(default=False, doc="Normalise with the moving statistics in training too.")
    output_mean_var = Bool(default=False, doc="Show the mean and the inverse standard deviation as outputs.")


class SyncBatchNormParams(BatchNormV1Params):
    ndev = Int(default=1, doc="Ignored: how many devices share their statistics.")
    key = Str(doc="Ignored: name that the layer's statistics are shared under.")


class BatchNormParams(BatchNormV1Params):
    axis = Int(default=1, doc="Axis of the channels.")
    cudnn_off = Bool(default=False, doc="Ignored: of MXNet's GPU build.")
    min_calib_range = Float(default=None, doc="Ignored: lower end of calibrated outputs, for quantized graphs.")
    max_calib_range = Float(default=None, doc="Ignored: upper end of calibrated outputs, for quantized graphs.")


def _axis(p) -> int:
    return getattr(p, "axis", 1)


def batch_norm_shape(p, ins, outs):
    data = unify(ins[0], outs[0], "data and output shapes")
    vector = (-1,)
    if data is not None:
        if not -len(data) <= _axis(p) < len(data):
            raise ShapeError(f"Channel axis out of range: axis={_axis(p)} but data is {data}")
        vector = (data[_axis(p)],)
    for shape in [*ins[1:5], *outs[1:3]]:
        vector = unify(vector, shape, "extents of the channel axis of data, and of gamma, beta and statistics,")
    if data is not None:
        axis = normalize_axis(_axis(p), len(data))
        data = data[:axis] + vector + data[axis + 1 :]
    return [data] + [vector] * 4, [data, vector, vector]


def parameter_dtype(data):
    """Dtype of scale, shift and statistics for data of a dtype: float32 beside float16."""
    if data is not None and data.kind != "f":
        raise DTypeError(f"This operation only support floating point types, not {data}")
    return FLOAT32 if data == FLOAT16 else data


def batch_norm_dtype(p, ins, outs):
    data = unify_dtype([ins[0], outs[0]], "data and output dtypes")
    # float32 parameters may stand beside float16 or float32 data, float64 ones only beside float64.
    known = unify_dtype([parameter_dtype(data), *ins[1:], *outs[1:]], "dtypes of gamma, beta and statistics")
    return [data] + [known] * (len(ins) - 1), [data] + [known] * (len(outs) - 1)


def _layout(p, shape):
    """(planes' period = channels, planes, elements of a plane); a plane of one element means channels last."""
    axis = _axis(p) % len(shape)
    channels, inner = shape[axis], product(shape[axis + 1 :])
    return channels, product(shape[: axis + 1]), inner


def _blocks(rows, width):
    block = max(BLOCK_ROWS, BLOCK_ELEMENTS // max(width, 1))
    return block, -(-rows // block)


def _uses_batch(low, p):
    return low.is_train and _learns(p)


def batch_norm_lower(low, node):
    p, (x, gamma, beta, moving_mean, moving_var), (y, mean, inverse) = node.params, low.ins, low.outs
    channels, planes, size = _layout(p, x.shape)
    wide = mean.dtype
    scale = [] if p.fix_gamma else [gamma]
    by_column = size == 1
    x_wide = low.cast(x, wide)
    matrix = x_wide.reshape(-1, channels) if by_column else x_wide.reshape(planes, size)
    if product(x.shape) == 0 or not _uses_batch(low, p):
        low.copy(mean, moving_mean)
        low.step("norm.InverseStd", [moving_var], [inverse], eps=p.eps)
    elif by_column:
        block, blocks = _blocks(planes // channels, channels)
        partial = low.workspace((blocks, 2, channels), np.float64)
        low.step("norm_columns.ColumnMoments", [matrix], [mean, inverse, partial], block=block, eps=p.eps)
    else:
        partial = low.workspace((2, planes), np.float64)
        low.step(
            "norm.PlaneMoments", [matrix], [mean, inverse, partial], period=channels, run_length=1, eps=p.eps
        )  # fmt: skip
    if product(x.shape) == 0 or not low.used(0):
        return
    y_wide = y if y.dtype == wide else low.workspace(y.shape, wide)
    reads, writes = [matrix, mean, inverse, beta, *scale], [y_wide.reshape(*matrix.shape)]
    if by_column:
        low.step("norm_columns.ColumnNormalize", reads, writes, inplace=[(0, 0)])
    else:
        low.step(
            "norm.PlaneNormalize", reads, writes, inplace=[(0, 0)], period=channels, run_length=1, channels=channels
        )
    if y_wide is not y:
        low.cast(y_wide, y.dtype, y)


def _learns(p) -> bool:
    return not p.use_global_stats


def batch_norm_gradient(g, node, ograds):
    if ograds[0] is None:
        if not g.is_train or not _learns(node.params):
            return [None] * 5
        ograds = [g.zeros_like(node[0])]
    data, gamma, _, moving_mean, moving_var = node.inputs
    made = g.node(
        "_backward_BatchNorm", ograds[0], data, gamma, node[1], node[2], moving_mean, moving_var,
        eps=node.params.eps, momentum=node.params.momentum, fix_gamma=node.params.fix_gamma,
        use_global_stats=node.params.use_global_stats, axis=_axis(node.params),
    )  # fmt: skip
    return [made[0], made[1], made[2], None, None]


def batch_norm_backward_lower(low, node):
    p = node.params
    (dy, x, gamma, mean, inverse, moving_mean, moving_var), (dx, dgamma, dbeta) = low.ins, low.outs
    channels, planes, size = _layout(p, x.shape)
    wide = mean.dtype
    batch = _uses_batch(low, p)
    if product(x.shape) == 0:
        low.fill(dgamma, 0)
        low.fill(dbeta, 0)
        return
    by_column = size == 1
    shape = (-1, channels) if by_column else (planes, size)
    dy_wide, x_wide = low.cast(dy, wide).reshape(*shape), low.cast(x, wide).reshape(*shape)
    stats = [dy_wide, x_wide, mean, inverse]
    wants_scale = low.used(2) or low.used(1) and not p.fix_gamma
    sums = None
    if wants_scale or batch and low.used(0):
        sums = low.workspace((2, channels if by_column else planes), np.float64)
        if by_column:
            block, blocks = _blocks(planes // channels, channels)
            partial = low.workspace((blocks, 2, channels), np.float64)
            low.step("norm_columns.ColumnSums", stats, [sums, partial], dtype=wide, block=block)
        else:
            low.step("norm.PlaneSums", stats, [sums], dtype=wide, period=channels, run_length=1)
    if wants_scale:
        low.step("norm.ScaleShiftGradient", [sums], [dgamma, dbeta], channels=channels)
    if low.used(1) and p.fix_gamma:
        low.fill(dgamma, 0)
    if low.used(0):
        dx_wide = dx if dx.dtype == wide else low.workspace(dx.shape, wide)
        reads = [*stats, *([sums] if batch else []), *([] if p.fix_gamma else [gamma])]
        flags = {"has_gamma": not p.fix_gamma, "has_sums": batch}
        out = dx_wide.reshape(*dy_wide.shape)
        if by_column:
            factors = low.workspace((3, channels), wide)
            low.step("norm_columns.ColumnGradient", reads, [out, factors], inplace=[(0, 0), (0, 1)], **flags)
        else:
            means = low.workspace((2, channels), np.float64)
            low.step(
                "norm.PlaneGradient", reads, [out, means], inplace=[(0, 0), (0, 1)],
                period=channels, run_length=1, channels=channels, **flags,
            )  # fmt: skip
        if dx_wide is not dx:
            low.cast(dx_wide, dx.dtype, dx)
    if batch:
        low.step(
            "norm.UpdateMoving", [mean, inverse, moving_mean, moving_var], [moving_mean, moving_var],
            momentum=p.momentum, eps=p.eps,
        )  # fmt: skip


def batch_norm_numpy(p, data, gamma, beta, moving_mean, moving_var, is_train):
    axis = _axis(p) % data.ndim
    others = tuple(i for i in range(data.ndim) if i != axis)
    shape = [-1 if i == axis else 1 for i in range(data.ndim)]
    wide = data.astype(np.float64)
    mean, var = moving_mean.astype(np.float64), moving_var.astype(np.float64)
    if is_train and not p.use_global_stats and data.size:
        mean, var = wide.mean(others), wide.var(others)
    inverse = 1 / np.sqrt(var + p.eps)
    scale = inverse if p.fix_gamma else inverse * gamma
    out = (wide - mean.reshape(shape)) * scale.reshape(shape) + beta.astype(np.float64).reshape(shape)
    return out, mean, inverse


def _backward_shape(p, ins, outs):
    data = unify(ins[0], ins[1], "shapes of data and its gradient")
    vector = ins[2]
    return [data, data, *[vector] * 5], [data, vector, vector]


def _backward_dtype(p, ins, outs):
    return ins, [ins[1], ins[2], ins[2]]


_INPUTS, _AUX = ("data", "gamma", "beta"), ("moving_mean", "moving_var")
_VAR = np.linspace(0.5, 2, 16)


def _case(data, params, **kw):
    axis = params.get("axis", 1)
    c = (data[axis],)
    shapes = {"data": data, "gamma": c, "beta": c, "moving_mean": c}
    # Head gradients of mean and variance are ignored: with them shown, the gradient is not the derivative.
    kw.setdefault("grad", not params.get("output_mean_var", False))
    return Case(shapes, params, data={"moving_var": _VAR[: c[0]]}, **kw)


_DOC = """Normalise every channel to zero mean and unit variance, then scale by gamma and shift by beta.

In training the mean and the (biased) variance are those of the batch; for inference, and with `use_global_stats`, they
are the moving averages. With MXNet, a *backward* pass updates the moving averages, once, not the forward pass:
``moving = momentum * moving + (1 - momentum) * batch``; so does this operator, also where a BlockGrad lets nothing arrive.
With `fix_gamma` gamma counts as one, and an executor with gradients sets the array to one, as MXNet does. The third output,
called ``var``, is 1 / sqrt(variance + eps), as in MXNet. Gradients that arrive at mean and var are ignored, as in MXNet.
Scale, shift and statistics of float16 data are float32.
"""

register(
    Op(
        name="BatchNorm",
        aliases=("CuDNNBatchNorm",),
        doc=_DOC,
        params=BatchNormParams,
        inputs=_INPUTS,
        aux=_AUX,
        outputs=("output", "mean", "var"),
        visible=lambda p: 3 if p.output_mean_var else 1,
        infer_shape=batch_norm_shape,
        infer_dtype=batch_norm_dtype,
        gradient=batch_norm_gradient,
        learns=_learns,
        lower=batch_norm_lower,
        reference=batch_norm_numpy,
        cases=(
            _case((2, 3, 4, 5), {}, dtypes=("float32", "float64", "float16")),
            _case((2, 3, 4, 5), {"fix_gamma": False, "eps": 1e-5}),
            _case((2, 3, 4, 5), {"fix_gamma": False}, is_train=False),
            _case((2, 3, 4, 5), {"fix_gamma": False, "use_global_stats": True}),
            _case(
                (2, 3, 4, 5), {"fix_gamma": False, "output_mean_var": True}, dtypes=("float32", "float64", "float16")
            ),
            _case((3, 2, 3, 5), {"fix_gamma": False, "axis": -1}, dtypes=("float32", "float64", "float16")),
            _case((3, 2, 3, 5), {"axis": 3}),
            _case((3, 2, 3, 5), {"fix_gamma": False, "axis": 0}),
            _case((3, 2, 3, 5), {"fix_gamma": False, "axis": -1}, is_train=False),
            _case((7, 5), {"fix_gamma": False}),
            _case((3, 4, 70), {"fix_gamma": False}),
            _case((0, 3, 2), {"fix_gamma": False}),
        ),
    )
)

for _name, _what, _params, _needed in (
    ("BatchNorm_v1", "(the older BatchNorm)", BatchNormV1Params, {}),
    ("_contrib_SyncBatchNorm", "(over one device)", SyncBatchNormParams, {"key": "bn"}),
):
    register(
        Op(
            name=_name,
            doc=f"Normalise every channel of axis 1 {_what}.\n\n" + _DOC.split("\n\n", 1)[1],
            params=_params,
            inputs=_INPUTS,
            aux=_AUX,
            outputs=("output", "mean", "var"),
            visible=lambda p: 3 if p.output_mean_var else 1,
            infer_shape=batch_norm_shape,
            infer_dtype=batch_norm_dtype,
            gradient=batch_norm_gradient,
            learns=_learns,
            lower=batch_norm_lower,
            reference=batch_norm_numpy,
            cases=(_case((2, 3, 4), {"fix_gamma": False, **_needed}),),
        )
    )

register(
    Op(
        name="_backward_BatchNorm",
        hidden=True,
        doc="Gradients of BatchNorm; in training with batch statistics it also updates the moving averages.",
        params=BatchNormParams,
        inputs=("ograd", "data", "gamma", "mean", "inverse"),
        aux=("moving_mean", "moving_var"),
        outputs=("data_grad", "gamma_grad", "beta_grad"),
        infer_shape=_backward_shape,
        infer_dtype=_backward_dtype,
        lower=batch_norm_backward_lower,
    )
)
