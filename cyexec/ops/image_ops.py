"""Operators on pictures (height, width, channels), as data loaders use them: `mx.nd.image`, `mx.sym.image`."""

from __future__ import annotations

import numpy as np

from ..base import DTypeError, ShapeError
from ..lowering.lower import Instr
from .infer import FLOAT32, product, same_shape, unify
from .params import Bool, Floats, Int, NoParams, Params, Shape
from .registry import register
from .resize import bilinear_matrix, resample_steps
from .schema import Case, Op
from .strided import View, move
from .windows import float_dtype

_PICTURES = ("uint8", "float32", "float64", "int32")


def _rank(shape, ndims, layout):
    """Raise ShapeError unless `shape`, where known, has one of `ndims` dimensions."""
    if shape is not None and len(shape) not in ndims:
        raise ShapeError(f"data must be {layout}, found {shape}")


# to_tensor


def _to_tensor_shape(p, ins, outs):
    data = ins[0]
    _rank(data, (3, 4), "(height, width, channels), with or without a batch axis")
    if data is None:
        return ins, outs
    return ins, [unify(outs[0], (*data[:-3], data[-1], *data[-3:-1]), "output")]


def _to_tensor_lower(low, node):
    data, out = low.ins[0], low.outs[0]
    wide = low.cast(data, FLOAT32)
    scaled = low.workspace(data.shape, FLOAT32)
    low.elementwise([Instr("div_s", (0,), 255.0)], [wide], [scaled])
    lead = range(len(data.shape) - 3)
    move(low, View.of(out), View.of(scaled).transpose((*lead, *(len(lead) + a for a in (2, 0, 1)))))


def _to_tensor_gradient(g, node, ograds):
    data = node.inputs[0]
    if data.dtype.kind != "f":
        return [None]
    lead = len(data.shape) - 3
    grad = g("transpose", ograds[0], axes=(*range(lead), lead + 1, lead + 2, lead))
    scaled = g("_mul_scalar", grad, scalar=1 / 255)
    return [scaled if data.dtype == FLOAT32 else g("Cast", scaled, dtype=data.dtype)]


register(
    Op(
        name="_image_to_tensor",
        doc="Convert pictures (height, width, channels) of 0 to 255 into float32 (channels, height, width) of 0 to 1.",
        infer_shape=_to_tensor_shape,
        infer_dtype=lambda p, ins, outs: (ins, [FLOAT32]),
        gradient=_to_tensor_gradient,
        lower=_to_tensor_lower,
        reference=lambda p, x, is_train: np.moveaxis(x.astype(np.float32) / np.float32(255), -1, -3),
        cases=(
            Case({"data": (2, 4, 3)}, low=0, high=255, dtypes=("float32", "uint8")),
            Case({"data": (2, 4, 3)}, dtypes=("float32",), seed=1),
            Case({"data": (2, 2, 4, 1)}, low=0, high=255, dtypes=("uint8",)),
        ),
    )
)


# normalize


class NormalizeParams(Params):
    mean = Floats(default=(0.0, 0.0, 0.0, 0.0), doc="Means for each channel; one counts for all.")
    std = Floats(default=(1.0, 1.0, 1.0, 1.0), doc="Standard deviations for each channel; one counts for all.")


def _channel_values(p, name, channels):
    """A value for each channel from a parameter that has one, or at least as many."""
    values = getattr(p, name)
    if len(values) == 1:
        return values * channels
    if len(values) < channels:
        raise ShapeError(f"{name}={values} has {len(values)} values for {channels} channels")
    return values[:channels]


def _normalize_shape(p, ins, outs):
    (data,), _ = same_shape(p, ins, outs)
    _rank(data, (3, 4), "(channels, height, width), with or without a batch axis")
    if data is not None and data[-3] >= 0:
        if data[-3] not in (1, 3):
            raise ShapeError(f"data must have 1 or 3 channels, found {data}")
        for name in ("mean", "std"):
            _channel_values(p, name, data[-3])
    return [data], [data]


def _constants(low, values, dtype):
    """The values as an array that broadcasts along channels."""
    made = low.workspace((len(values), 1, 1), dtype)
    for i, value in enumerate(values):
        low.fill(made.part(i, (1,)), value)
    return made


def _normalize_lower(low, node):
    p, data, out = node.params, low.ins[0], low.outs[0]
    means, deviations = (_constants(low, _channel_values(p, n, data.shape[-3]), out.dtype) for n in ("mean", "std"))
    low.elementwise([Instr("sub", (0, 1)), Instr("div", (3, 2))], [data, means, deviations], [out])


def _normalize_numpy(p, x, is_train):
    mean, std = (np.reshape(_channel_values(p, n, x.shape[-3]), (-1, 1, 1)) for n in ("mean", "std"))
    return (x - mean) / std


register(
    Op(
        name="_image_normalize",
        doc="Subtract each channel's mean from pictures (channels, height, width) and divide by its standard deviation.",
        params=NormalizeParams,
        infer_shape=_normalize_shape,
        infer_dtype=float_dtype,
        gradient=lambda g, node, ograds: [g("_image_normalize", ograds[0], mean=(0.0,), std=node.params.std)],
        lower=_normalize_lower,
        reference=_normalize_numpy,
        cases=(
            Case({"data": (3, 2, 4)}, {"mean": (0.1, 0.2, 0.3), "std": (1.0, 2.0, 0.5)}),
            Case({"data": (2, 3, 2, 2)}, {"mean": (0.5,), "std": (0.25,)}),
            Case({"data": (1, 3, 3)}, {"mean": (0.5,), "std": (2.0,)}),
        ),
    )
)


# crop, flips


class CropParams(Params):
    x = Int(doc="Left boundary of the cropping area.", min=0)
    y = Int(doc="Top boundary of the cropping area.", min=0)
    width = Int(doc="Width of the cropping area.", min=1)
    height = Int(doc="Height of the cropping area.", min=1)


def _crop_box(p, shape):
    """Starts and extents of the crop."""
    high, wide = shape[-3:-1]
    if p.x + p.width > wide or p.y + p.height > high:
        raise ShapeError(
            f"x={p.x}, y={p.y}, width={p.width}, height={p.height} lies outside a picture of shape {shape}"
        )
    lead = shape[:-3]
    return (*[0] * len(lead), p.y, p.x, 0), (*lead, p.height, p.width, shape[-1])


def _crop_shape(p, ins, outs):
    data = ins[0]
    _rank(data, (3, 4), "(height, width, channels), with or without a batch axis")
    if data is None:
        return ins, outs
    out = (*data[:-3], p.height, p.width, data[-1]) if min(data[-3:-1]) < 0 else _crop_box(p, data)[1]
    return ins, [unify(outs[0], out, "output")]


def _crop_numpy(p, x, is_train):
    return x[..., p.y : p.y + p.height, p.x : p.x + p.width, :]


register(
    Op(
        name="_image_crop",
        doc="Crop pictures (height, width, channels).",
        params=CropParams,
        infer_shape=_crop_shape,
        gradient=lambda g, node, ograds: [
            g("_embed", ograds[0], shape=node.in_shapes[0], starts=_crop_box(node.params, node.in_shapes[0])[0])
        ],
        lower=lambda low, node: move(
            low, View.of(low.outs[0]), View.of(low.ins[0]).box(*_crop_box(node.params, low.ins[0].shape))
        ),
        reference=_crop_numpy,
        cases=(
            Case(
                {"data": (4, 5, 3)}, {"x": 1, "y": 2, "width": 3, "height": 2}, dtypes=("float32", "float64", "uint8")
            ),
            Case({"data": (2, 4, 5, 1)}, {"x": 0, "y": 0, "width": 2, "height": 2}),
        ),
    )
)


def _flip_shape(p, ins, outs):
    (data,), _ = same_shape(p, ins, outs)
    _rank(data, (3,), "(height, width, channels)")
    return [data], [data]


def _flip_gradient(name):
    return lambda g, node, ograds: [g(name, ograds[0])]


def _flip_lower(axis):
    return lambda low, node: move(low, View.of(low.outs[0]), View.of(low.ins[0]).flip(axis))


def _flip_numpy(axis):
    return lambda p, x, is_train: np.flip(x, axis)


for _name, _doc, _axis in (
    ("_image_flip_left_right", "Mirror a picture (height, width, channels): left becomes right.", 1),
    ("_image_flip_top_bottom", "Turn a picture (height, width, channels) upside down.", 0),
):
    register(
        Op(
            name=_name,
            doc=_doc,
            params=NoParams,
            infer_shape=_flip_shape,
            gradient=_flip_gradient(_name),
            lower=_flip_lower(_axis),
            reference=_flip_numpy(_axis),
            cases=(Case({"data": (2, 4, 3)}, dtypes=("float32", "float64", "uint8")),),
        )
    )


# resize

NEAREST, BILINEAR = 0, 1


class ResizeParams(Params):
    size = Shape(default=(), doc="Size of new image. Could be (width, height) or (size)")
    keep_ratio = Bool(
        default=False,
        doc="Whether `size`, given as one number, is that of the shorter edge and the longer one follows.",
    )
    interp = Int(
        default=BILINEAR, doc="Interpolation method: 0 is the nearest pixel, 1 is bilinear; others are refused."
    )


def _resized(p, high, wide):
    """New height and width."""
    if not p.size or len(p.size) > 2 or min(p.size) < 1:
        raise ShapeError(f"size must be one or two positive numbers (width, height), found {p.size}")
    if len(p.size) == 2 or not p.keep_ratio:
        return p.size[-1], p.size[0]
    edge = p.size[0]
    return (edge * high // wide, edge) if high > wide else (edge, edge * wide // high)


def _resize_shape(p, ins, outs):
    data = ins[0]
    _rank(data, (3, 4), "(height, width, channels), with or without a batch axis")
    if p.interp not in (NEAREST, BILINEAR):
        raise ShapeError(f"interp={p.interp} is not supported; expected 0 (nearest) or 1 (bilinear)")
    if data is None or min(data[-3:-1]) < 0:
        return ins, outs
    if 0 in data[-3:-1]:
        raise ShapeError(f"data {data} has no pixels to resize")
    return ins, [unify(outs[0], (*data[:-3], *_resized(p, *data[-3:-1]), data[-1]), "output")]


def _resize_dtype(p, ins, outs):
    dtype = ins[0] if ins[0] is not None else outs[0]
    if dtype is not None and dtype not in (np.uint8, np.float32, np.float64):
        raise DTypeError(f"pictures of {dtype} are not supported, only of uint8 and floating-point numbers")
    return [dtype], [dtype]


def _resize_matrix(p, size, new):
    if p.interp == BILINEAR:
        return bilinear_matrix(size, new, False, centred=True)
    matrix = np.zeros((new, size))
    matrix[np.arange(new), np.arange(new) * size // new] = 1
    return matrix


def _resize_lower(low, node):
    p, data, out = node.params, low.ins[0], low.outs[0]
    if not out.size:
        return
    dtype = data.dtype if data.dtype.kind == "f" else FLOAT32
    made = out if out.dtype == dtype else low.workspace(out.shape, dtype)
    outer, channels = product(data.shape[:-3]), data.shape[-1]
    rows, columns = (_resize_matrix(p, data.shape[i], out.shape[i]) for i in (-3, -2))
    resample_steps(low, rows, columns, low.cast(data, dtype), made, outer, channels)
    if made is not out:
        low.elementwise([Instr("round", (0,))], [made], [made])
        low.cast(made, out.dtype, out)


class BackwardResizeParams(ResizeParams):
    shape = Shape(doc="Shape of the picture.")


def _resize_gradient(g, node, ograds):
    data = node.inputs[0]
    if data.dtype.kind != "f":
        return [None]
    return [g("_backward_image_resize", ograds[0], shape=data.shape, like=node.params)]


def _backward_resize_lower(low, node):
    p, src, dst = node.params, low.ins[0], low.outs[0]
    if src.size:
        rows, columns = (_resize_matrix(p, dst.shape[i], src.shape[i]).T for i in (-3, -2))
        resample_steps(low, rows, columns, src, dst, product(src.shape[:-3]), src.shape[-1])


register(
    Op(
        name="_backward_image_resize",
        hidden=True,
        doc="Gradient of _image_resize.",
        params=BackwardResizeParams,
        infer_shape=lambda p, ins, outs: (ins, [p.shape]),
        lower=_backward_resize_lower,
    )
)


def _resize_numpy(p, x, is_train):
    rows, columns = (_resize_matrix(p, x.shape[i], n) for i, n in zip((-3, -2), _resized(p, *x.shape[-3:-1])))
    made = np.einsum("ij,kl,...jlc->...ikc", rows, columns, x.astype(np.float64))
    return np.floor(made + 0.5) if x.dtype.kind != "f" else made


_U8 = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)

register(
    Op(
        name="_image_resize",
        doc="Resize pictures (height, width, channels).",
        params=ResizeParams,
        infer_shape=_resize_shape,
        infer_dtype=_resize_dtype,
        gradient=_resize_gradient,
        lower=_resize_lower,
        reference=_resize_numpy,
        cases=(
            Case({"data": (4, 5, 3)}, {"size": (3, 2)}),
            Case({"data": (5, 4, 1)}, {"size": (7,), "keep_ratio": True}, dtypes=("float32",)),
            Case({"data": (2, 4, 5, 3)}, {"size": (9, 7)}, dtypes=("float32",)),
            Case({"data": (4, 5, 3)}, {"size": (7, 9), "interp": 0}, dtypes=("float32",)),
            # OpenCV computes with 11 bits of fractions: one of 255 away at most.
            Case({}, {"size": (7, 9)}, {"data": _U8}, dtypes=("uint8",), atol=1.0),
        ),
    )
)
