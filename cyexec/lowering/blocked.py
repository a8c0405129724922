"""Convolution networks over blocked activations: which kernel does what, how large its areas are, and its steps.

Activations are (batch, ceil(channels / 16), height, width, 16) float32, at every CPU level; weights are packed once, by a
step of their own, in the order in which an algorithm reads them. Everything here follows from the geometry (the
dictionary that ``ops.convolution.conv_arguments`` makes) alone, so that a plan does not depend on the machine.

Algorithms
----------
"plain"      first layers: the input is plain NCHW of few channels, the output blocked
"pointwise"  1x1, stride 1: the input is read where it is
"depthwise"  one filter a channel
"winograd4"  3x3, stride 1, by patches of 4x4 outputs: a quarter of the products
"winograd2"  the same by patches of 2x2 outputs
"direct"     any kernel, stride, dilation, padding; groups of whole blocks. Smaller groups are merged until they fill
             blocks, with zeros between them: four groups of 4 cost four times their products, which still beats one by one
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ops.infer import product
from .program import Ref, Variant, Variants

if TYPE_CHECKING:
    from .lower import Lowering

Geometry = Mapping[str, Any]
Act = tuple[Any, ...]

BLOCK = 16
PLAIN_CHANNELS = 4  # a plain input of at most so many channels is read as it is
# Threads that have areas of their own in a workspace: few large ones, or, for larger teams, the same memory in small ones.
# More threads would compute nothing in steps that need an area.
SLOTS = (2, 8)
SCRATCH = 96 * 1024  # elements of a scratch area: it and the weights of two filter blocks fit a second-level cache
PATCHES = 14  # a block of patches, as in blocked_winograd.h
TRANSFORMED = 336 * 1024  # elements of transformed patches at a time; four blocks of 384 channels fit
LEAST_TOGETHER = 4  # of many blocks of patches, even in little memory: fewer leave a thread without work, or all waiting
MOST_SLICES = 16  # of filters, each of which has the input transformed or copied anew
LARGE = 2 * 1024 * 1024  # elements of weights that come from memory, not from a third-level cache
FLOAT32 = np.dtype(np.float32)

WINOGRAD = {"winograd4": 4, "winograd2": 2}  # algorithm: outputs of a patch, in each direction

NONE: Act = ("none",)
RELU: Act = ("clip", 0.0, float("inf"))
PRELU: Act = ("slopes",)


def clip(lo: float, hi: float) -> Act:
    """The activation min(max(x, lo), hi)."""
    return ("clip", lo, hi)


def leaky(slope: float) -> Act:
    """The activation x > 0 ? x : x * slope."""
    return ("slope", slope)


def blocked_shape(batch: int, channels: int, size: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of blocked activations; `size` is (height, width), (width,) or (1, height, width)."""
    height, width = ((1, 1, *size))[-2:]
    return (batch, -(-channels // BLOCK), height, width, BLOCK)


def is_depthwise(g: Geometry) -> bool:
    """Whether every channel has one filter of its own."""
    return 1 < g["groups"] == g["channels"] == g["filters"]


def _is_pointwise(g: Geometry) -> bool:
    return g["taps"] == g["stride"] == (1, 1, 1) and g["pad"] == (0, 0, 0) and not is_depthwise(g)


def _is_winograd(g: Geometry) -> bool:
    return g["taps"] == (1, 3, 3) and g["stride"] == g["dilate"] == (1, 1, 1) and g["groups"] == 1


def supports(geometry: Geometry) -> bool:
    """Whether there is an algorithm for blocked (or, of few channels, plain) input. Others stay with ``conv.Forward``."""
    g = geometry
    if g["in_size"][0] != 1 or g["taps"][0] != 1 or g["pad"][0] != 0:
        return False
    if g["groups"] == 1 or is_depthwise(g):
        return True
    return bool(_merged(g))


def pays(geometry: Geometry) -> bool:
    """Whether a supported convolution is faster so than in plain layout.

    Not where windows are as wide as an image of few channels (sentences of word vectors): patches are contiguous there, and
    in blocked layout most of every block would be empty.
    """
    g = geometry
    return not (1 < g["taps"][2] == g["in_size"][2] and g["pad"][2] == 0 and g["channels"] <= PLAIN_CHANNELS)


def _merged(g: Geometry) -> int:
    """How many groups fill whole blocks of channels and of filters; 0: none do, or so many that zeros are most of the work."""
    for count in (1, 2, 4, 8):
        parts = (g[key] // g["groups"] * count for key in ("channels", "filters"))
        if g["groups"] % count == 0 and not any(n % BLOCK for n in parts):
            return count
    return 0


def whole_groups(geometry: Geometry) -> tuple[Geometry, int]:
    """Return the geometry with groups of whole blocks, and how many of its groups are one of these."""
    g = geometry
    if g["groups"] == 1 or is_depthwise(g):
        return g, 1
    count = _merged(g)
    return {**g, "groups": g["groups"] // count}, count


def reads_plain(geometry: Geometry) -> bool:
    """Whether a convolution of this geometry reads a plain input as it is: no step needs to block it."""
    return supports(geometry) and geometry["groups"] == 1 and geometry["channels"] <= PLAIN_CHANNELS


def algorithms(geometry: Geometry) -> tuple[str, ...]:
    """Every algorithm that can compute a convolution (of blocked input, or plain for "plain")."""
    g = geometry
    if not supports(g):
        return ()
    if is_depthwise(g):
        return ("depthwise",)
    found = ["direct"]
    if _is_winograd(g):
        found += ["winograd4", "winograd2"]
    if _is_pointwise(g) and whole_groups(g)[1] == 1:
        found.append("pointwise")
    if reads_plain(g):
        found.append("plain")
    return tuple(found)


def choose(
    geometry: Geometry, input_layout: str = "blocked", transformed: bool = False, repacked: bool = False
) -> str:
    """Return the algorithm for an input that is "blocked" or "plain" (then `reads_plain` must hold).

    `transformed`: the input passes through max(0, x * scale + shift) on its way (not for depthwise convolutions).
    `repacked`: the weights change from run to run, so that packing them counts, and the room that they take.
    """
    g = geometry
    if input_layout == "plain":
        return "plain"
    if is_depthwise(g):
        return "depthwise"
    if _is_pointwise(g) and not transformed and whole_groups(g)[1] == 1:
        return "pointwise"
    if not _is_winograd(g):
        return "direct"
    candidates = ["direct", "winograd4", "winograd2"]
    if repacked:  # the packed weights live beside all that the backward pass needs: twice the step's own data at most
        room = 2 * (_elements(g, "channels", "in_size") + _elements(g, "filters", "out_size"))
        candidates = [a for a in candidates if a == "direct" or packed_size(g, a) <= room]
    packing = 1 if repacked else 0  # cycles for an element of packed weights
    return min(candidates, key=lambda algorithm: _estimate(g, algorithm) + packing * packed_size(g, algorithm))


def _elements(g: Geometry, channels: str, size: str) -> int:
    return g["batch"] * -(-g[channels] // BLOCK) * BLOCK * g[size][1] * g[size][2]


def _estimate(g: Geometry, algorithm: str) -> float:
    """Time of a 3x3 convolution of stride 1, in cycles of a thread that multiplies 32 pairs in one.

    The packed weights come from memory, at the 4.5 bytes a cycle that are left to each of two threads, and half of that
    is hidden behind the products. Transforms cost what they were measured to cost.
    """
    channels, filters = g["channels"], -(-g["filters"] // BLOCK) * BLOCK
    reading = packed_size(g, algorithm) * 4 / 4.5 / 2
    if algorithm == "direct":
        return 0.9 * (9 * channels * filters * g["batch"] * g["out_size"][1] * g["out_size"][2] / 32 + reading)
    m = WINOGRAD[algorithm]
    points = (m + 2) ** 2
    patches = g["batch"] * -(-g["out_size"][1] // m) * -(-g["out_size"][2] // m)
    # A tile of few patches waits for weights; transforms take 3 cycles for a point of a block of channels.
    products = points * channels * filters / 32 * max(patches, -(-patches // PATCHES) * 11)
    return products + 3 * points * patches * (-(-channels // BLOCK) + filters // BLOCK) + reading


def packed_size(geometry: Geometry, algorithm: str) -> int:
    """Elements of the packed weights."""
    g, _ = whole_groups(geometry)
    taps = (WINOGRAD[algorithm] + 2) ** 2 if algorithm in WINOGRAD else g["taps"][1] * g["taps"][2]
    return -(-g["filters"] // BLOCK) * BLOCK * (g["channels"] // g["groups"]) * taps


def _flattened(geometry: Geometry) -> Geometry:
    """A 1x1 convolution of stride 1 over one column: rows of pixels are divided at any pixel."""
    g = geometry
    if _is_pointwise(g):
        size = g["in_size"][1] * g["in_size"][2]
        return {**g, "in_size": (1, size, 1), "out_size": (1, size, 1)}
    return g


def _taps_of_axis(g: Geometry, axis: int, extent: int) -> tuple[int, int]:
    """Phases and reach of an axis for a rectangle of so many rows (columns), as `direct_measure` finds them."""
    taps, stride, dilate = (g[key][axis + 1] for key in ("taps", "stride", "dilate"))
    if stride == 1 and not (axis == 0 and dilate > extent):
        return 1, (taps - 1) * dilate
    if dilate == 1:
        return min(stride, taps), (taps - 1) // stride
    return taps, 0


def _scratch(g: Geometry, algorithm: str, rows: int, cols: int) -> int:
    """Elements that a rectangle of the output needs in the scratch area."""
    if algorithm == "pointwise":
        return 0
    (phases, reach), (across, wide) = _taps_of_axis(g, 0, rows), _taps_of_axis(g, 1, cols)
    if algorithm == "plain":
        return g["channels"] * phases * (rows + reach) * across * (cols + wide)
    blocks = -(-(g["channels"] // g["groups"]) // BLOCK)
    return blocks * BLOCK * g["taps"][2] * phases * (rows + reach) * cols


def _rectangle(g: Geometry, algorithm: str, limit: int) -> tuple[int, int]:
    """Rows and columns of the output that are computed at a time: as many as keep their input within `limit` elements."""
    height, width = g["out_size"][1:]
    if algorithm == "pointwise":
        return max(56, min(height, limit // (g["channels"] // g["groups"]) // 14 * 14)), width
    cols = width
    while any(cols > n and _scratch(g, algorithm, rows, cols) > limit for n, rows in ((28, 2), (14, 1))):
        cols = -(-cols // 2)
    phases, reach = _taps_of_axis(g, 0, height)
    line = _scratch(g, algorithm, height, cols) // (height + reach)  # scratch areas grow by as much for every row
    rows = max(1, min(height, limit // max(line, 1) - reach))
    if _taps_of_axis(g, 0, rows)[0] > phases:  # fewer than the dilation: the rows of each tap, none between them
        rows = max(rows, min(g["dilate"][1] - 1, limit // max(g["taps"][1] * line, 1)))
    return -(-height // -(-height // rows)), cols


def _direct_arguments(
    geometry: Geometry, algorithm: str, apart: bool, room: int | None = None
) -> tuple[dict[str, Any], int]:
    """Arguments of a ``blocked_conv.Direct`` step, and the elements of its workspace."""
    g = geometry if algorithm == "plain" or apart else _flattened(geometry)
    most = SCRATCH * SLOTS[0] if room is None else min(room, SCRATCH * SLOTS[0])
    plans, size = [], 0
    for slots in SLOTS:
        rows, cols = _rectangle(g, algorithm, most // slots)
        one = _scratch(g, algorithm, rows, cols)
        if one and room is not None:
            slots = max(SLOTS[0], min(slots, room // one))  # a second thread is worth more than the memory
        elif one and slots > SLOTS[0]:  # where one row is too much already, fewer threads take part
            slots = max(4, min(slots, SLOTS[0] * SCRATCH // one))
        plans.append((rows, cols, slots if one else 1 << 16))
        size = max(size, one * slots)
    return {"algorithm": algorithm, "plans": tuple(plans), **g}, size


def _winograd_arguments(g: Geometry, algorithm: str, room: int | None = None) -> tuple[dict[str, Any], int]:
    """Arguments of a ``blocked_conv.Winograd`` step, and the elements of its workspace."""
    m = WINOGRAD[algorithm]
    points, channels = (m + 2) ** 2, -(-g["channels"] // BLOCK) * BLOCK
    patches = g["batch"] * -(-g["out_size"][1] // m) * -(-g["out_size"][2] // m)
    blocks = max(1, -(-patches // PATCHES))
    width = -(-patches // blocks) or 1
    one, area = points * channels * width, points * width * 2 * BLOCK
    # Weights that no cache holds should pass once.
    together = min(blocks, max(4 if points * channels * g["filters"] > LARGE else 2, TRANSFORMED // one))
    together = -(-blocks // -(-blocks // together))
    # The weights pass once for each chunk of patches: larger ones where they are too many for a second-level cache.
    chunk = min(together, 4 if points * channels * g["filters"] > TRANSFORMED else 2)
    plans: tuple[tuple[int, int], ...] = ((chunk, SLOTS[0]), (1, SLOTS[1]))
    areas = max(chunk * slots for chunk, slots in plans)
    if room is not None and together * one + areas * area > room:
        plans, areas = ((1, SLOTS[0]),), SLOTS[0]
        least = max(1, min(together, LEAST_TOGETHER, blocks // 16))
        together = max(least, min(together, (room - areas * area) // one))
    return {"algorithm": algorithm, "together": together, "plans": plans, **g}, together * one + areas * area


def step_arguments(
    geometry: Geometry, algorithm: str, apart: bool = False, room: int | None = None
) -> tuple[str, dict[str, Any], int]:
    """Return the kernel ("family.Class") of a convolution, its arguments, and the elements of its workspace.

    `apart`: its outputs are pixels that lie apart in a larger image ("direct" alone can do that).
    `room`: elements that the workspace may have, if that is possible; None: as many as are fastest. No number depends on it.
    """
    if algorithm == "depthwise":
        return "blocked_conv.Depthwise", dict(geometry), 0
    if algorithm in WINOGRAD:
        args, size = _winograd_arguments(geometry, algorithm, room)
        return "blocked_conv.Winograd", args, size
    args, size = _direct_arguments(whole_groups(geometry)[0], algorithm, apart, room)
    return "blocked_conv.Direct", args, size


def conv_variants(geometry: Geometry, algorithm: str, apart: bool = False) -> Variants:
    """Ways to convolve with packed weights."""

    def within(room: int | None) -> Variant:
        return Variant(*step_arguments(geometry, algorithm, apart, room)[1:])

    return within


def packing_variants(geometry: Geometry, algorithm: str, apart: bool = False) -> Variants:
    """Ways to convolve with weights that the step packs itself: all, or those of a slice of the filters at a time.

    Each slice reads the input anew, so as few as fit.
    """
    blocks = -(-geometry["filters"] // BLOCK)
    one = packed_size(geometry, algorithm) // blocks
    most = min(MOST_SLICES, -(-blocks // 2)) if geometry["groups"] == 1 else 1  # slices; two blocks make a register tile

    def within(room: int | None) -> Variant:
        slices = 1
        while True:
            slice = -(-blocks // slices)
            left = None if room is None else max(0, room - slice * one)
            kernel, args, size = step_arguments(geometry, algorithm, apart, left)
            total = slice * one + size
            if room is None or total <= room or slice == 1 or slices >= most:
                args = {"uses": kernel.partition(".")[2], "algorithm": algorithm, "slice": slice, **args}
                return Variant(args, total)
            slices *= 2

    return within


def add_pack_weights(
    low: Lowering, w: Ref, packed: Ref, geometry: Geometry, algorithm: str, scale: Ref | None = None
) -> None:
    """Add the step that packs weights (filters, channels / groups, ky, kx) for `algorithm`.

    `scale`: a factor for each filter (a folded BatchNorm's).
    """
    reads = [w] if scale is None else [w, scale]
    whole, merged = whole_groups(geometry)
    low.step("blocked_conv.PackWeights", reads, [packed], algorithm=algorithm, merged=merged, **whole)


def add_conv(
    low: Lowering,
    x: Ref,
    w: Ref,
    y: Ref,
    geometry: Geometry,
    algorithm: str,
    packs: bool = False,
    bias: Ref | None = None,
    slopes: Ref | None = None,
    scale: Ref | None = None,
    shift: Ref | None = None,
    residual: Ref | None = None,
    act1: Act = NONE,
    act2: Act = NONE,
    x_batch: int = 0,
    y_batch: int = 0,
) -> None:
    """Add the step ``y = act2(act1(conv(x) + bias) + residual)``.

    Parameters
    ----------
    x : Ref
        Blocked, or plain for the algorithm "plain".
    w : Ref
        Weights as `add_pack_weights` made them for this geometry and algorithm. With `packs` they are those that users see,
        and the step packs them each time it runs.
    y, residual : Ref
        Blocked. The residual's memory may become y's.
    bias, slopes : Ref, optional
        A number for each filter; `slopes` for the activation `PRELU`.
    scale, shift : Ref, optional
        A number for each channel: ``max(0, x * scale + shift)`` is convolved in place of x.
    act1, act2 : Act
        `NONE`, `RELU`, `clip(...)`, `leaky(...)` or `PRELU`. `act2` needs a residual.
    x_batch, y_batch : int
        Elements from one image to the next where they lie in larger tensors (y and residual alike); 0: no gap.
    """
    optional = {"bias": bias, "slopes": slopes, "scale": scale, "shift": shift, "residual": residual}
    named = {name: ref for name, ref in optional.items() if ref is not None}
    kernel = step_arguments(geometry, algorithm)[0]
    variants = conv_variants(geometry, algorithm)
    args: dict[str, Any] = {}
    if packs:
        kernel, variants = "blocked_conv.Packing", packing_variants(geometry, algorithm)
        args = {"merged": whole_groups(geometry)[1]}
    reads = [x, w, *named.values()]
    low.scratch_step(
        kernel, variants, reads, [y], inplace=((0, len(reads) - 1),) if residual is not None else (),
        operands=tuple(named), act1=act1, act2=act2, x_batch=x_batch, y_batch=y_batch, **args,
    )  # fmt: skip


def add_to_blocked(low: Lowering, x: Ref, y: Ref, batch: int, channels: int, size: int) -> None:
    """Add the step that blocks plain `x` (batch, channels, ...); `size`: positions of an image."""
    low.step("blocked_move.FromPlain", [x], [y], batch=batch, channels=channels, size=size)


def add_from_blocked(low: Lowering, x: Ref, y: Ref, batch: int, channels: int, size: int) -> None:
    """Add the step that makes blocked `x` plain."""
    low.step("blocked_move.ToPlain", [x], [y], batch=batch, channels=channels, size=size)


def supports_pool(arguments: Geometry) -> bool:
    """Whether blocked activations can be pooled so; `arguments` are those of a ``pool.Pool`` step."""
    a = arguments
    flat = a["in_size"][0] == a["taps"][0] == a["out_size"][0] == 1
    return flat and not a["channels_last"] and a["mode"] in ("max", "avg", "sum")


def add_pool(low: Lowering, x: Ref, y: Ref, arguments: Geometry, x_batch: int = 0, y_batch: int = 0) -> None:
    """Add the step that pools blocked `x`; `arguments` as in `supports_pool`, `x_batch` and `y_batch` as in `add_conv`."""
    low.step("blocked_pool.Pool", [x], [y], x_batch=x_batch, y_batch=y_batch, **arguments)


def add_pool_gradient(low: Lowering, dy: Ref, x: Ref | None, dx: Ref, arguments: Geometry) -> None:
    """Add the step dx = gradient of pooled data; `x` is the data, for maxima, and None otherwise."""
    low.step("blocked_pool.PoolGradient", [dy] if x is None else [dy, x], [dx], **arguments)


def add_scale_shift(
    low: Lowering,
    x: Ref,
    y: Ref,
    channels: int,
    scale: Ref | None = None,
    shift: Ref | None = None,
    slopes: Ref | None = None,
    act: Act = NONE,
) -> None:
    """Add the step ``y = act(x * scale + shift)`` over blocked activations; y may take x's memory.

    `scale`, `shift` and `slopes` (of the activation `PRELU`) have a number for each channel.
    """
    named = {name: ref for name, ref in (("scale", scale), ("shift", shift), ("slopes", slopes)) if ref is not None}
    low.step(
        "blocked_pool.ScaleShift", [x, *named.values()], [y], inplace=((0, 0),),
        batch=x.shape[0], channels=channels, size=product(x.shape[2:-1]), operands=tuple(named), act=act,
    )  # fmt: skip
