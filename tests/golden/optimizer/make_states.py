"""States files as MXNet's optimisers pickle them: run with MXNet's Python; writes states/*.states beside this file."""

import os
import pickle

import mxnet as mx
import numpy as np

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "states")
os.makedirs(HERE, exist_ok=True)


def updated(optimizer):
    """An updater after two updates of three weights."""
    updater = mx.optimizer.get_updater(optimizer)
    dtype = "float16" if optimizer.multi_precision else "float32"
    for step in range(2):
        for i, shape in enumerate(((2, 3), (3,), (1, 2))):
            values = np.arange(np.prod(shape)).reshape(shape) / 8
            updater(i, mx.nd.array(values + step, dtype=dtype), mx.nd.array(values, dtype=dtype))
    return updater


def write(name, data):
    with open(os.path.join(HERE, name + ".states"), "wb") as file:
        file.write(data)


net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
names = {0: "fc_weight", 1: "fc_bias", 2: "g_gamma"}
scheduler = mx.lr_scheduler.FactorScheduler(1, 0.5, base_lr=0.4)
made = {
    "sgd": mx.optimizer.SGD(momentum=0.9, sym=net, param_idx2name=names, wd=0.1, lr_scheduler=scheduler),
    "plain": mx.optimizer.SGD(),
    "mixed": mx.optimizer.SGD(momentum=0.5, multi_precision=True),
    "adam": mx.optimizer.Adam(learning_rate=np.float64(0.01)),
    "rmsprop": mx.optimizer.RMSProp(centered=True),
    "dcasgd": mx.optimizer.DCASGD(),
}
for name, optimizer in made.items():
    write(name, updated(optimizer).get_states())
    write(name + "-optimizer", updated(optimizer).get_states(dump_optimizer=True))
# Protocol 2 is what Python 2 wrote.
write("old", pickle.dumps((updated(made["sgd"]).states, made["sgd"]), protocol=2))
write("oldest", pickle.dumps(updated(made["adam"]).states, protocol=0))
