"""The gradient of a convolution's data over blocked activations, as convolutions of the output's gradient.

With stride 1 it is one convolution, with filters and channels exchanged and the taps reversed. With a larger stride the
pixels of the data fall into classes, by their position (plus padding) modulo the stride: to each class other taps lead,
and its gradient is a convolution of stride 1 with these alone. No tap is multiplied with a zero that was put in.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Any, NamedTuple

from . import blocked
from .blocked import FLOAT32, Geometry

if TYPE_CHECKING:
    from .lower import Lowering
    from .program import Ref


class AxisClass(NamedTuple):
    """Pixels of one class along an axis, and the convolution of the output's gradient that gives theirs."""

    first: int  # pixel of the data
    pixels: int  # how many, a stride apart
    taps: int  # how many lead to them; 0: none
    first_tap: int
    tap_step: int
    dilate: int
    pad: int  # may be negative


def axis_classes(size: int, taps: int, stride: int, dilate: int, pad: int) -> list[AxisClass]:
    """Classes of an axis of `size` pixels; the convolution's numbers are the forward one's.

    Tap k of the output o meets pixel o * stride - pad + k * dilate. For pixels with residue r = (pixel + pad) mod stride
    these are the k with k * dilate = r (mod stride), which are stride / gcd(stride, dilate) apart.
    """
    classes = []
    for residue in range(stride):
        first = (residue - pad) % stride
        if first >= size:
            continue
        count = -(-(size - first) // stride)
        found = [k for k in range(taps) if (k * dilate - residue) % stride == 0]
        if not found:
            classes.append(AxisClass(first, count, 0, 0, 1, 1, 0))
            continue
        step, apart = stride // gcd(stride, dilate), dilate // gcd(stride, dilate)
        ahead = (first + pad - residue) // stride - (found[0] * dilate - residue) // stride
        classes.append(AxisClass(first, count, len(found), found[0], step, apart, apart * (len(found) - 1) - ahead))
    return classes


def _exchanged(g: Geometry, y: AxisClass, x: AxisClass) -> Geometry:
    """The convolution of the output's gradient for a class."""
    return {
        "batch": g["batch"], "channels": g["filters"], "filters": g["channels"], "groups": g["groups"],
        "in_size": g["out_size"], "taps": (1, y.taps, x.taps), "stride": (1, 1, 1), "dilate": (1, y.dilate, x.dilate),
        "pad": (0, y.pad, x.pad), "out_size": (1, y.pixels, x.pixels),
    }  # fmt: skip


def add_data_gradient(low: Lowering, dy: Ref, w: Ref, dx: Ref, geometry: Geometry) -> None:
    """Add the steps dx = gradient of the data.

    Parameters
    ----------
    dy, dx : Ref
        Blocked.
    w : Ref
        Weights as users see them, (filters, channels / groups, ky, kx).
    geometry : dict
        Of the forward convolution; `blocked.supports` holds.
    """
    g = geometry
    taps, stride, dilate, pad = (g[key][1:] for key in ("taps", "stride", "dilate", "pad"))
    rows, cols = (axis_classes(g["in_size"][a + 1], taps[a], stride[a], dilate[a], pad[a]) for a in range(2))
    if stride != (1, 1) and g["groups"] == g["channels"] == g["filters"] > 1:
        packed = low.workspace((blocked.packed_size(g, "depthwise"),), FLOAT32)
        blocked.add_pack_weights(low, w, packed, g, "depthwise")
        low.step("blocked_conv.DepthwiseGradient", [dy, packed], [dx], **g)
        return
    classes = [(y, x) for y in rows for x in cols]
    begun = not all(y.taps and x.taps for y, x in classes)
    if begun:  # some pixels were never looked at
        low.fill(dx, 0)
    for y, x in classes:
        if not y.taps or not x.taps:
            continue
        part = _exchanged(g, y, x)
        args: dict[str, Any] = {"transposed": (taps, (y.first_tap, x.first_tap), (y.tap_step, x.tap_step))}
        algorithm, apart = "direct", stride != (1, 1)
        if apart:
            args.update(image=g["in_size"][1:], first=(y.first, x.first), spread=stride)
        else:
            algorithm = blocked.choose(part, repacked=True)
        if begun:  # the pixels of other classes
            args["operands"] = ("y",)
        low.scratch_step(
            "blocked_conv.Packing", blocked.packing_variants(part, algorithm, apart), [dy, w, *([dx] if begun else [])],
            [dx], merged=blocked.whole_groups(part)[1], **args,
        )  # fmt: skip
        begun = True
