"""From symbol and weights to the first output: of a graph that is new, and of one that has been bound before."""

from functools import partial

from ..networks import load
from .common import Case, forget, mx_bound


def mx_bind(name, mx, again=False):
    """``bind`` to arrays that are there, and one forward."""
    network = load(name)
    first = mx_bound(network, mx)
    symbol, arguments, auxiliary = mx.sym.load_json(network.text), first.arg_dict, first.aux_dict

    def run():
        if not again:
            forget(mx)
        executor = symbol.bind(mx.cpu(), arguments, grad_req="null", aux_states=auxiliary)
        executor.forward()
        executor.outputs[0].wait_to_read()
        return executor.outputs[0]

    return run


def mx_bind_5000(mx):
    """The same of a graph of 5,000 nodes over small arrays."""
    x, y = mx.sym.Variable("x"), mx.sym.Variable("y")
    values = [x, y]
    for i in range(5000):
        left, right = values[-1 - i % 3 % len(values)], values[-1 - i % 5 % len(values)]
        values.append(left + right if i % 2 else left * 0.5)
    net = values[-1]
    arrays = {"x": mx.nd.ones((8, 8)), "y": mx.nd.ones((8, 8))}

    def run():
        forget(mx)
        executor = net.bind(mx.cpu(), {n: arrays[n] for n in net.list_arguments()})
        executor.forward()
        executor.outputs[0].wait_to_read()

    return run


def case(name, again):
    return Case(f"bind {name} again" if again else f"bind {name}", {"mx": partial(mx_bind, name, again=again)})


CASES = [case(name, again) for name in ("resnet50", "densenet121") for again in (False, True)]
CASES.append(Case("bind 5,000 nodes", {"mx": mx_bind_5000}))
