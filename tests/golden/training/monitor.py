"""Monitor: which values of which batches, in which order and as which text. Entries of the backward graph are left out:
their names are those of MXNet's own gradient operators."""

import logging

import numpy as np


def bound(mx):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    net = mx.sym.Activation(net, act_type="relu", name="act")
    net = mx.sym.BatchNorm(net, name="bn")
    executor = mx.sym.SoftmaxOutput(net, name="softmax").simple_bind(mx.cpu(), data=(2, 4))
    executor.arg_dict["data"][:] = np.arange(8).reshape(2, 4)
    executor.arg_dict["fc_weight"][:] = np.linspace(-1, 1, 12).reshape(3, 4)
    return executor


def plain(found):
    """Numbers in place of text, as far as it is numbers: their last digit may differ."""
    out = []
    for step, name, text in found:
        if "backward" not in name:
            out.append([step, name, [float(part) for part in text.split("\t")[:-1]], text[-1]])
    return out


def watch(mx, batches=5, **kwargs):
    executor = bound(mx)
    monitor = mx.mon.Monitor(**kwargs)
    monitor.install(executor)
    found = []
    for _ in range(batches):
        monitor.tic()
        executor.forward(is_train=True)
        executor.backward()
        found.append(plain(monitor.toc()))
    return [found, monitor.step, monitor.activated]


def case_intervals(mx):
    return [watch(mx, interval=1), watch(mx, interval=2, pattern=".*weight|fc.*", sort=True)]


def case_statistics(mx):
    return [
        watch(mx, 1, interval=3, stat_func=mx.nd.max),
        watch(mx, 1, interval=1, stat_func=lambda x: [mx.nd.max(x), mx.nd.min(x)], pattern="act.*|softmax_o"),
    ]


def case_not_an_array(mx):
    try:
        watch(mx, interval=1, stat_func=lambda x: 3.0)
    except Exception as error:  # noqa: BLE001
        return type(error).__name__


def case_log(mx):
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append([record.levelname, record.getMessage()])
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        executor = bound(mx)
        monitor = mx.monitor.Monitor(1, pattern="bn_moving_var|fc_bias")
        monitor.install(executor)
        monitor.tic()
        executor.forward()
        monitor.toc_print()
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    return lines
