"""Stores: sums over devices, updaters, optimizers, errors."""

import numpy as np


def outcome(f):
    try:
        return f()
    except Exception as error:  # noqa: BLE001
        return "error " + type(error).__name__


def ones(mx, value=1.0, shape=(2,)):
    return mx.nd.ones(shape) * value


def pulled(mx, kv, key, shape=(2,)):
    out = [mx.nd.zeros(shape), mx.nd.zeros(shape)]
    kv.pull(key, out=out)
    return out


def case_values(mx):
    kv = mx.kv.create("local")
    out = [kv.type, kv.rank, kv.num_workers, kv.is_capable("optimizer")]
    kv.init("a", ones(mx, 5))
    out.append(pulled(mx, kv, "a"))
    kv.push("a", ones(mx, 2))
    out.append(pulled(mx, kv, "a"))
    kv.push("a", [ones(mx, 2), ones(mx, 3), ones(mx, 4)])
    out.append(pulled(mx, kv, "a"))
    kv.init(["b", "c"], [ones(mx, 1), ones(mx, 2)])
    kv.push(["b", "c"], [[ones(mx, 1)] * 2, [ones(mx, 2)] * 2])
    both = [mx.nd.zeros((2,)), mx.nd.zeros((2,))]
    kv.pull(["b", "c"], out=both)
    out.append(both)
    result = ones(mx, 0)
    kv.pushpull("b", [ones(mx, 7), ones(mx, 8)], out=result)
    out += [result, pulled(mx, kv, "b")]
    given = [ones(mx, 7), ones(mx, 8)]
    kv.pushpull("b", given)
    out.append(given)
    kv.broadcast("d", ones(mx, 6), result)
    out.append(result)
    return out


def case_updater(mx):
    kv = mx.kv.create("device")
    seen = []

    def update(key, pushed, stored):
        seen.append([key, pushed.asnumpy(), stored.asnumpy()])
        stored += pushed * 2

    kv.init(3, ones(mx))
    kv._set_updater(update)
    kv.push(3, [ones(mx), ones(mx, 2)])
    kv.push(3, ones(mx))
    return [pulled(mx, kv, 3), seen]


def case_optimizer(mx):
    out = []
    for keys in ([0, 1], ["x_weight", "y_bias"]):
        kv = mx.kv.create("local")
        kv.init(keys, [ones(mx), ones(mx, 2)])
        names = {0: "x_weight", 1: "y_bias"}
        kv.set_optimizer(mx.optimizer.SGD(learning_rate=0.1, momentum=0.9, wd=0.1, param_idx2name=names))
        for step in range(3):
            kv.push(keys, [[ones(mx, step), ones(mx)], [ones(mx, -1), ones(mx, 0.5)]])
        out.append([pulled(mx, kv, k) for k in keys])
        out.append([np.asarray(s.asnumpy()) for _, s in sorted(kv._updater.states.items())])
    return out


def case_errors(mx):
    kv = mx.kv.create("local")
    kv.init("a", ones(mx))
    return [
        outcome(lambda: kv.init("a", ones(mx))),
        outcome(lambda: kv.init(3, ones(mx))),
        outcome(lambda: kv.push("zz", ones(mx))),
        outcome(lambda: kv.pull("zz", out=ones(mx))),
        outcome(lambda: kv.pull("a")),
        outcome(lambda: kv.push(["a", "b"], [ones(mx)])),
        outcome(lambda: mx.kv.create(3)),
        outcome(lambda: kv.save_optimizer_states("nowhere")),
        outcome(lambda: kv.load_optimizer_states("nowhere")),
        outcome(lambda: kv.row_sparse_pull("a", out=ones(mx), row_ids=mx.nd.array([0]))),
    ]
