"""A plan from a symbol, without allocating anything: inference, lowering, aliases, order, offsets."""

from functools import partial

from ..networks import load
from .common import Case, forget


def plan(name, mx):
    network = load(name)
    symbol = mx.sym.load_json(network.text)
    request = "write" if name.endswith("_training") else "null"

    def run():
        forget(mx)
        return symbol.plan(grad_req=request, **network.inputs)

    return run


CASES = [
    Case(f"plan of {name}", {"cyexec": partial(plan, name)})
    for name in ("resnet50", "densenet121", "resnet18_v1_training", "lstm_training")
]
