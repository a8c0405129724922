"""What cases share."""

import os
import sys

from ..networks import load


class Case:
    """A row of the table.

    Parameters
    ----------
    name : str
        As in the table, unique among all sections.
    makers : dict of str to function
        By peer; see the tour of this folder.
    unit : {"s", "B"}
        Seconds are measured. Bytes are what the callable returns.
    """

    def __init__(self, name, makers, unit="s"):
        self.name = name
        self.makers = makers
        self.unit = unit

    def maker(self, peer):
        """The maker for a peer, or None where the peer has no such case."""
        return self.makers.get("mx" if peer in ("cyexec", "mxnet") and peer not in self.makers else peer)


def threads():
    """The number of threads that a peer may use."""
    return int(os.environ["OMP_NUM_THREADS"])


def mx_bound(network, mx, grad_req="null"):
    """An executor of a network, its arrays filled with the seeded values."""
    symbol = mx.sym.load_json(network.text)
    executor = symbol.simple_bind(mx.cpu(), grad_req=grad_req, **network.inputs)
    for arrays in (executor.arg_dict, executor.aux_dict):
        for name, array in arrays.items():
            array[:] = network.value(name)
    return executor


def mx_forward(name, mx):
    """``forward()`` of an inference executor."""
    executor = mx_bound(load(name), mx)

    def run():
        executor.forward()
        executor.outputs[0].wait_to_read()
        return executor.outputs[0]

    return run


def forget(mx):
    """Forget the programs of graphs that were bound before. MXNet keeps none."""
    programs = sys.modules.get(f"{mx.__name__}.runtime.programs")
    if programs is not None:
        programs.clear()
