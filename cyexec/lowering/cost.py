"""What it costs to compute a node again, compared with others: enough to choose the cheaper of two."""

from __future__ import annotations

from ..graph.graph import Node
from ..ops.infer import product

FLOPS_PER_BYTE = 16  # a core computes about as many while it moves one byte from or to memory: 100 GFLOP/s, 6 GB/s


def flops(node: Node) -> float:
    """Return floating-point operations of a node that multiplies matrices; 0 for the others, which only move memory."""
    assert node.op is not None
    name, shapes = node.op.name, node.in_shapes
    if name == "Convolution":
        return 2.0 * product(node.shapes[0]) * product(shapes[1][1:])
    if name == "Deconvolution":
        return 2.0 * product(shapes[0]) * product(shapes[1][1:])
    if name == "FullyConnected":
        return 2.0 * product(node.shapes[0]) * shapes[1][-1]
    if name in ("dot", "batch_dot"):
        # Each element of the left operand meets as many of the right one as a row of the result is long.
        return 2.0 * product(shapes[0]) * (node.shapes[0][-1] if node.shapes[0] else 1)
    if name == "RNN":  # each weight meets each item of the batch at each step
        return 2.0 * product(shapes[1]) * product(shapes[0][:2])
    return 0.0


def work_of(node: Node, size: int) -> float:
    """Return the cost of a node whose value has `size` bytes, in bytes moved."""
    read = sum(product(e.shape) * e.dtype.itemsize for e in node.inputs)
    return float(size + read) + flops(node) / FLOPS_PER_BYTE
