"""The gradient of a convolution's data over blocked activations, as convolutions of the output's gradient.

With stride 1 it is one convolution, with filters and channels exchanged and the taps reversed. With a larger stride the
pixels of the data fall into classes, by their position (plus padding) modulo the stride: to each class other taps lead,
and its gradient is a convolution of stride 1 with these alone. No tap is multiplied with a zero that was put in.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import gcd
from typing import TYPE_CHECKING, Any, NamedTuple

from . import blocked
from .blocked import FLOAT32, Geometry
from .program import Ref, Variants

if TYPE_CHECKING:
    from .lower import Lowering


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


class Part(NamedTuple):
    """The convolution that gives the pixels of one class.

    Attributes
    ----------
    geometry, algorithm
        As `blocked.add_conv` takes them.
    apart : bool
        Whether the pixels lie apart.
    place : dict
        Arguments of the step that say where they lie.
    which : tuple
        Which taps of the weights are used (``transposed`` of ``blocked_conv.PackWeights``).
    """

    geometry: Geometry
    algorithm: str
    apart: bool
    place: dict[str, Any]
    which: tuple


def _is_scattered(g: Geometry) -> bool:
    """Depthwise with a stride: one step does it, with the weights of the forward convolution."""
    return g["stride"] != (1, 1, 1) and 1 < g["groups"] == g["channels"] == g["filters"]


def parts(geometry: Geometry, repacked: bool) -> tuple[list[Part], bool]:
    """The convolutions that the gradient of the data is, and whether pixels are left that none of them writes.

    `repacked`: as for `blocked.choose`.
    """
    g = geometry
    taps, stride, dilate, pad = (g[key][1:] for key in ("taps", "stride", "dilate", "pad"))
    rows, cols = (axis_classes(g["in_size"][a + 1], taps[a], stride[a], dilate[a], pad[a]) for a in range(2))
    found, apart = [], stride != (1, 1)
    for y, x in product(rows, cols):
        if y.taps and x.taps:
            part, place = _exchanged(g, y, x), {}
            if apart:
                place = {"image": g["in_size"][1:], "first": (y.first, x.first), "spread": stride}
            algorithm = "direct" if apart else blocked.choose(part, repacked=repacked)
            which = (taps, (y.first_tap, x.first_tap), (y.tap_step, x.tap_step))
            found.append(Part(part, algorithm, apart, place, which))
    return found, len(found) < len(rows) * len(cols)


def packed_sizes(geometry: Geometry) -> list[int]:
    """Elements of the packed weights of each part."""
    if _is_scattered(geometry):
        return [blocked.packed_size(geometry, "depthwise")]
    return [blocked.packed_size(part.geometry, part.algorithm) for part in parts(geometry, False)[0]]


def add_packing(low: Lowering, w: Ref, packed: Sequence[Ref], geometry: Geometry) -> None:
    """Add the steps that pack weights (filters, channels / groups, ky, kx) for `add_packed_data_gradient`."""
    if _is_scattered(geometry):
        blocked.add_pack_weights(low, w, packed[0], geometry, "depthwise")
        return
    for part, to in zip(parts(geometry, False)[0], packed, strict=True):
        whole, merged = blocked.whole_groups(part.geometry)
        low.step(
            "blocked_conv.PackWeights", [w], [to], algorithm=part.algorithm, transposed=part.which, merged=merged, **whole
        )  # fmt: skip


def add_packed_data_gradient(low: Lowering, dy: Ref, packed: Sequence[Ref], dx: Ref, geometry: Geometry) -> None:
    """Add the steps dx = gradient of the data, with weights that `add_packing` packed for this geometry."""
    if _is_scattered(geometry):
        low.step("blocked_conv.DepthwiseGradient", [dy, packed[0]], [dx], **geometry)
        return
    found, begun = parts(geometry, False)
    if begun:  # some pixels are never looked at
        low.fill(dx, 0)
    for part, w in zip(found, packed, strict=True):
        kernel = blocked.step_arguments(part.geometry, part.algorithm, part.apart)[0]
        variants = blocked.conv_variants(part.geometry, part.algorithm, part.apart)
        _add_part(low, kernel, variants, [dy, w], dx, begun, part.place)
        begun = True


def add_data_gradient(low: Lowering, dy: Ref, w: Ref, dx: Ref, geometry: Geometry) -> None:
    """Add the steps dx = gradient of the data.

    Parameters
    ----------
    dy, dx : Ref
        Blocked.
    w : Ref
        Weights as users see them, (filters, channels / groups, ky, kx). The steps pack them each time they run.
    geometry : dict
        Of the forward convolution; `blocked.supports` holds.
    """
    if _is_scattered(geometry):
        packed = low.workspace((packed_sizes(geometry)[0],), FLOAT32)
        add_packing(low, w, [packed], geometry)
        add_packed_data_gradient(low, dy, [packed], dx, geometry)
        return
    found, begun = parts(geometry, True)
    if begun:
        low.fill(dx, 0)
    for part in found:
        variants = blocked.packing_variants(part.geometry, part.algorithm, part.apart)
        args = {"transposed": part.which, "merged": blocked.whole_groups(part.geometry)[1], **part.place}
        _add_part(low, "blocked_conv.Packing", variants, [dy, w], dx, begun, args)
        begun = True


def _add_part(
    low: Lowering, kernel: str, variants: Variants, reads: list[Ref], dx: Ref, begun: bool, args: dict[str, Any]
) -> None:
    """Add the step of one part; if `begun`, dx holds pixels of other classes."""
    if begun:
        reads, args = [*reads, dx], {**args, "operands": ("y",)}
    low.scratch_step(kernel, variants, reads, [dx], **args)
