"""Single operators on shapes of real networks, for inference and with their gradients: where a user's network may be slow.

The cases are lines of ``operators.txt``. They only run when asked for, because there are hundreds:
``python -m benchmarks --only operators --peers mxnet``.
"""

from functools import partial
from pathlib import Path

import numpy as np

from .common import Case

WITHOUT_GRADIENT = {
    "topk", "argsort", "argmax", "argmin", "one_hot", "round", "contrib.MultiBoxPrior", "contrib.box_iou", "contrib.box_nms",
    "softmax_cross_entropy", "khatri_rao", "sort", "batch_take", "sign", "floor", "fix", "broadcast_greater",
    "contrib.MultiBoxDetection", "contrib.MultiBoxTarget", "hard_sigmoid",
}  # fmt: skip


def parse(line):
    """Operator, what is special, shapes by name, values by name, attributes (strings, which both libraries take)."""
    name, what, inputs, attributes = (part.strip() for part in line.split("|"))
    shapes, kinds = {}, {}
    for text in inputs.split():
        key, rest = text.split("=")
        shape, _, kind = rest.partition(":")
        shapes[key] = tuple(int(n) for n in shape.split(","))
        if kind:
            kinds[key] = kind
    return name, what, shapes, kinds, dict(text.split("=") for text in attributes.split())


def values(name, shape, kind, rng):
    """Random numbers of a kind, see ``operators.txt``."""
    if kind == "boxes":
        low = rng.uniform(0, 400, (shape[0], 2))
        return np.concatenate([np.zeros((shape[0], 1)), low, low + rng.uniform(20, 200, (shape[0], 2))], 1)
    if kind == "positive" or kind is None and "var" in name:
        return rng.uniform(0.1, 2, shape)
    if kind is not None:
        return rng.randint(0, int(kind), shape)
    return rng.uniform(-1, 1, shape) * (0.1 if "weight" in name or "parameters" in name else 1)


def bound(line, train, mx):
    """An executor of the operator, its arrays filled; `train`: with gradients of all inputs that are no indices."""
    name, what, shapes, kinds, attributes = parse(line)
    make = mx.sym
    for part in name.split("."):
        make = getattr(make, part)
    variables = {key: mx.sym.Variable(key) for key in shapes}
    net = make(*variables.values(), **attributes) if "a0" in shapes else make(**variables, **attributes)
    names = net[0].list_arguments()
    fixed = [key for key in names if kinds.get(key, "positive") != "positive"]
    requests = {key: "write" if train and key not in fixed else "null" for key in names}
    dtypes = {key: "float64" if "float64" in what else "int32" if name == "batch_take" and key in fixed else "float32"
              for key in names}  # fmt: skip
    executor = net[0].simple_bind(mx.cpu(), grad_req=requests, type_dict=dtypes, **shapes)
    rng = np.random.RandomState(0)
    for arrays in (executor.arg_dict, executor.aux_dict):
        for key, array in sorted(arrays.items()):
            array[:] = values(key, array.shape, kinds.get(key), rng)
    return executor


def mx_forward(line, mx):
    """One forward pass."""
    executor = bound(line, False, mx)

    def run():
        out = executor.forward()[0]
        out.wait_to_read()
        return out

    return run


def mx_gradient(line, mx):
    """One forward and one backward pass."""
    executor = bound(line, True, mx)
    heads = [mx.nd.ones(out.shape, dtype=out.dtype) for out in executor.outputs]
    gradients = [array for array in executor.grad_arrays if array is not None]

    def run():
        executor.forward(is_train=True)
        executor.backward(heads)
        for array in gradients:
            array.wait_to_read()

    return run


def _cases():
    for line in Path(__file__).with_suffix(".txt").read_text().splitlines():
        if not line.startswith("#"):
            name, what = parse(line)[:2]
            yield Case(f"{name} {what}", {"mx": partial(mx_forward, line)})
            if name not in WITHOUT_GRADIENT:
                yield Case(f"{name} {what}, gradient", {"mx": partial(mx_gradient, line)})


CASES = list(_cases())
