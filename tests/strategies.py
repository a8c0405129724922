"""Hypothesis strategies: random graphs over the operators, with values."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

import cyexec as mx
from cyexec.graph.graph import Graph

SHAPES = [(3,), (1,), (2, 3), (4, 2), (2, 3, 4), (1, 3, 2), (2, 2, 3, 3), (1, 4, 5, 3)]
UNARY = ["tanh", "sigmoid", "relu", "square", "negative", "abs", "sin", "exp", "softsign"]
BINARY = ["elemwise_add", "elemwise_sub", "elemwise_mul", "broadcast_maximum", "broadcast_minimum"]
SCALAR = ["_plus_scalar", "_mul_scalar", "_rminus_scalar", "_maximum_scalar"]


@dataclass
class RandomNet:
    """A symbol, the values of its variables, and head gradients."""

    symbol: mx.sym.Symbol
    args: dict[str, np.ndarray]
    aux: dict[str, np.ndarray]
    heads: list[np.ndarray]
    steps: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"RandomNet({'; '.join(self.steps)}; args {({k: v.shape for k, v in self.args.items()})})"


def _apply(draw, sym, shapes, steps, modes):
    """Draw one more node over the values so far; returns (symbol, shape) pairs to add."""
    i = draw(st.integers(0, len(sym) - 1))
    x, shape = sym[i], shapes[i]
    kinds = ["unary", "binary", "scalar", "identity", "reshape", "sum", "concat", "slice", "expand", "activation", "stop"]
    if len(shape) >= 2:
        kinds += ["transpose", "fc", "split", "flatten", "softmax"]
    if modes and len(shape) >= 2:
        kinds += ["bn", "dropout"]
    if len(shape) == 4:
        kinds += ["conv", "pool"]
    kind = draw(st.sampled_from(kinds))
    steps.append(f"{kind}({i})")
    if kind == "unary":
        # exp and square grow: keep values where float32 is exact enough to compare.
        name = draw(st.sampled_from(UNARY))
        made = getattr(mx.sym, name)(mx.sym.tanh(x) if name in ("exp", "square") else x)
    elif kind == "binary":
        same = [j for j, s in enumerate(shapes) if s == shape]
        j = draw(st.sampled_from(same))
        made = getattr(mx.sym, draw(st.sampled_from(BINARY)))(x, sym[j])
    elif kind == "scalar":
        made = getattr(mx.sym._internal, draw(st.sampled_from(SCALAR)))(x, scalar=draw(st.sampled_from([0.5, -1.5, 2])))
    elif kind == "identity":
        made = mx.sym.identity(x)
    elif kind == "stop":
        made = mx.sym.BlockGrad(x)
    elif kind == "reshape":
        made = mx.sym.Reshape(x, shape=(-1,) if draw(st.booleans()) else (1, -1))
    elif kind == "flatten":
        made = mx.sym.Flatten(x)
    elif kind == "expand":
        made = mx.sym.expand_dims(x, axis=0)
    elif kind == "transpose":
        made = mx.sym.transpose(x)
    elif kind == "sum":
        made = mx.sym.sum(x, axis=draw(st.integers(0, len(shape) - 1)), keepdims=True) * (1.0 / max(shape))
    elif kind == "concat":
        same = [j for j, s in enumerate(shapes) if s == shape]
        j = draw(st.sampled_from(same))
        made = mx.sym.Concat(x, sym[j], dim=draw(st.integers(0, len(shape) - 1)))
    elif kind == "slice":
        axis = draw(st.integers(0, len(shape) - 1))
        begin = draw(st.integers(0, shape[axis] - 1))
        end = draw(st.integers(begin + 1, shape[axis]))
        made = mx.sym.slice_axis(x, axis=axis, begin=begin, end=end)
    elif kind == "split":
        axis = draw(st.integers(0, len(shape) - 1))
        made = mx.sym.SliceChannel(x, num_outputs=shape[axis], axis=axis)
    elif kind == "activation":
        made = mx.sym.Activation(x, act_type=draw(st.sampled_from(["relu", "tanh", "sigmoid", "softrelu"])))
    elif kind == "softmax":
        made = mx.sym.softmax(x)
    elif kind == "fc":
        made = mx.sym.FullyConnected(x, num_hidden=draw(st.integers(1, 4)), no_bias=draw(st.booleans()))
    elif kind == "bn":
        made = mx.sym.BatchNorm(x, fix_gamma=draw(st.booleans()), eps=1e-2)
    elif kind == "dropout":
        made = mx.sym.Dropout(x, p=0.4)
    elif kind == "conv":
        made = mx.sym.Convolution(x, kernel=(2, 2), num_filter=2, pad=(1, 1))
    else:
        made = mx.sym.Pooling(x, kernel=(2, 2), pad=(1, 1), pool_type=draw(st.sampled_from(["max", "avg"])))
    return [made[k] for k in range(len(made.list_outputs()))]


@st.composite
def nets(draw, max_nodes: int = 12, modes: bool = True):
    """Random nets; ``modes=False`` leaves out operators that differ between training and inference."""
    shape = draw(st.sampled_from(SHAPES))
    with mx.name.NameManager():
        values = [mx.sym.var(f"v{i}") for i in range(draw(st.integers(1, 3)))]
        shapes = [shape] * len(values)
        known = {f"v{i}": shape for i in range(len(values))}
        steps: list[str] = []
        for _ in range(draw(st.integers(1, max_nodes))):
            for made in _apply(draw, values, shapes, steps, modes):
                values.append(made)
                _, outs, _ = made.infer_shape(**{k: v for k, v in known.items() if k in made.list_arguments()})
                shapes.append(outs[0])
        count = draw(st.integers(1, min(3, len(values))))
        picks = draw(st.lists(st.integers(0, len(values) - 1), min_size=count, max_size=count))
        symbol = mx.sym.Group([values[-1], *(values[p] for p in picks)])
    arg_shapes, out_shapes, aux_shapes = symbol.infer_shape(
        **{k: v for k, v in known.items() if k in symbol.list_arguments()}
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    args = {n: rng.uniform(-1, 1, s) for n, s in zip(symbol.list_arguments(), arg_shapes)}
    aux = {n: rng.uniform(0.5, 1.5, s) for n, s in zip(symbol.list_auxiliary_states(), aux_shapes)}
    heads = [rng.uniform(-1, 1, s) for s in out_shapes]
    return RandomNet(symbol, args, aux, heads, steps)


def evaluate(graph: Graph, values: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Outputs of a forward graph by the operators' NumPy references alone."""
    done: dict = {}
    for node in graph.nodes:
        if node.is_variable:
            done[node] = (values[node.name],)
        else:
            inputs = [done[e.node][e.index] for e in node.inputs]
            made = node.op.reference(node.params, *[a.copy() for a in inputs], is_train=graph.is_train)
            done[node] = made if isinstance(made, (tuple, list)) else (made,)
    return [np.asarray(done[e.node][e.index]) for e in graph.outputs]
