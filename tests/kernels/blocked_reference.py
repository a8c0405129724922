"""What blocked convolution must give, in NumPy with float64; and how a step is run between guards."""

from __future__ import annotations

import numpy as np

from cyexec.kernels import levels
from cyexec.lowering import blocked
from cyexec.runtime import schedule

F32 = np.dtype(np.float32)
GUARD = 16  # elements before and after an operand that must not change


def geometry(batch, channels, filters, size, taps, stride=(1, 1), dilate=(1, 1), pad=(0, 0), groups=1):
    """Arguments of a convolution in two dimensions; None where the kernel is larger than the padded input."""
    out = tuple((n + 2 * p - (k - 1) * d - 1) // s + 1 for n, p, k, d, s in zip(size, pad, taps, dilate, stride))
    if min(out) < 1:
        return None
    return {
        "batch": batch, "channels": channels, "filters": filters, "groups": groups, "in_size": (1, *size),
        "taps": (1, *taps), "stride": (1, *stride), "dilate": (1, *dilate), "pad": (0, *pad), "out_size": (1, *out),
    }  # fmt: skip


def block(x, fill=np.nan):
    """(N, C, H, W) blocked; `fill` in the lanes that are no channels."""
    n, c, h, w = x.shape
    blocks = -(-c // 16)
    whole = np.full((n, blocks * 16, h, w), fill, x.dtype)
    whole[:, :c] = x
    return np.ascontiguousarray(whole.reshape(n, blocks, 16, h, w).transpose(0, 1, 3, 4, 2))


def unblock(y, channels):
    """The channels of a blocked array, (N, C, H, W)."""
    n, blocks, h, w, _ = y.shape
    return y.transpose(0, 1, 4, 2, 3).reshape(n, blocks * 16, h, w)[:, :channels]


def convolve(x, w, g):
    """The plain loop over taps, in float64."""
    (sy, sx), (dy, dx), (py, px) = g["stride"][1:], g["dilate"][1:], g["pad"][1:]
    height, width = g["out_size"][1:]
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (py, py), (px, px)))
    grouped = w.astype(np.float64).reshape(g["groups"], g["filters"] // g["groups"], *w.shape[1:])
    out = np.zeros((len(x), g["groups"], grouped.shape[1], height, width))
    for ky in range(w.shape[2]):
        for kx in range(w.shape[3]):
            part = padded[
                :, :, ky * dy : ky * dy + (height - 1) * sy + 1 : sy, kx * dx : kx * dx + (width - 1) * sx + 1 : sx
            ]
            part = part.reshape(len(x), g["groups"], w.shape[1], height, width)
            out += np.einsum("gfc,ngchw->ngfhw", grouped[..., ky, kx], part)
    return out.reshape(len(x), g["filters"], height, width)


def activate(v, act, slopes=None):
    """An activation of `blocked`."""
    if act[0] == "clip":
        return np.clip(v, act[1], act[2])
    if act[0] == "slope":
        return np.where(v > 0, v, v * act[1])
    if act[0] == "slopes":
        return np.where(v > 0, v, v * slopes[:, None, None])
    return v


def guarded(shape, fill=np.nan, dtype=F32):
    """An array with `GUARD` elements of 7 on both sides: (all of it, the array)."""
    size = int(np.prod(shape))
    whole = np.full(size + 2 * GUARD, 7, dtype)
    inner = whole[GUARD : GUARD + size]
    inner[:] = fill
    return whole, inner.reshape(shape)


def intact(whole):
    """Whether the guards are as they were."""
    return (whole[:GUARD] == 7).all() and (whole[len(whole) - GUARD :] == 7).all()


def run_step(kernel, reads, writes, threads=1, **args):
    """Run one step with a team of `threads`."""
    step = levels.resolve(kernel, F32)[0](reads, writes, **args)
    if threads == 1:
        step()
        return
    step.cost = 1e12  # worth sharing
    before = schedule.get_num_threads()
    schedule.set_num_threads(threads)
    try:
        schedule.Schedule([step]).run(0, 1)
    finally:
        schedule.set_num_threads(before)


def pack(w, g, algorithm, scale=None):
    """Weights as `algorithm` reads them, each filter times `scale`."""
    whole, packed = guarded((blocked.packed_size(g, algorithm),))
    reads = [w] if scale is None else [w, scale]
    whole_groups, merged = blocked.whole_groups(g)
    run_step("blocked_conv.PackWeights", reads, [packed], threads=2, algorithm=algorithm, merged=merged, **whole_groups)
    assert intact(whole)
    assert np.isfinite(packed).all()
    return packed


def run_conv(x, packed, g, algorithm, threads=1, in_place=False, operands=None, **args):
    """Run a convolution of `x` (N, C, H, W); `operands`: name to array, "residual" as (N, F, OH, OW)."""
    operands = dict(operands or {})
    kernel, found, size = blocked.step_arguments(g, algorithm)
    whole, y = guarded(blocked.blocked_shape(g["batch"], g["filters"], g["out_size"]))
    if "residual" in operands:
        residual = block(operands.pop("residual"), 0)
        if in_place:
            y[:] = residual
        operands["residual"] = y if in_place else residual  # the last of the reads
    work_whole, work = guarded((size,))
    # Lanes that are no channels are never read as channels; where channels stay apart they only meet themselves.
    reads = [x if algorithm == "plain" else block(x, 0 if algorithm == "depthwise" else np.nan), packed]
    reads += operands.values()
    run_step(kernel, reads, [y, work], threads, operands=tuple(operands), **args, **found)
    assert intact(whole)
    assert intact(work_whole)
    return y


class Recorder:
    """A `Lowering` whose references are arrays and whose steps run at once.

    Attributes
    ----------
    room : int or None
        Elements that steps have for their workspaces.
    guards : list of ndarray
        Arrays that workspaces lie in, see `guarded`.
    """

    def __init__(self, threads=1, room=None):
        self.threads, self.room, self.guards = threads, room, []

    def workspace(self, shape, dtype):
        whole, inner = guarded(shape, dtype=dtype)
        self.guards.append(whole)
        return inner

    def fill(self, dst, value):
        dst[...] = value

    def step(self, kernel, reads, writes, inplace=(), **args):
        run_step(kernel, reads, writes, self.threads, **args)

    def scratch_step(self, kernel, variants, reads, writes, inplace=(), **args):
        made = variants(self.room)
        self.step(kernel, reads, [*writes, self.workspace((made.size,), F32)], **args, **made.args)
