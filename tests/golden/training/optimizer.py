"""Optimisers: weights and states after some updates for every option, multipliers, counts, errors."""

import warnings

import numpy as np

SHAPE = (2, 3)
STEPS = 4
# Name, lists of options; each is run alone and with weight decay, clipping and rescaling.
OPTIMIZERS = [
    ("sgd", [{}, {"momentum": 0.9}, {"momentum": 0.9, "lazy_update": False}]),
    ("ccsgd", [{"momentum": 0.9}]),
    ("nag", [{}, {"momentum": 0.9}]),
    ("signum", [{}, {"momentum": 0.0}, {"momentum": 0.5, "wd_lh": 0.1}]),
    ("ftml", [{}, {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3}]),
    ("lars", [{}, {"momentum": 0.9}, {"momentum": 0.9, "eta": 0.1, "eps": 1e-3},
              {"momentum": 0.9, "momentum_correction": False}]),
    ("dcasgd", [{}, {"lamda": 0.5}]),
    ("adam", [{}, {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-2}]),
    ("adagrad", [{}, {"eps": 1e-2}]),
    ("rmsprop", [{}, {"centered": True}, {"gamma1": 0.5, "epsilon": 1e-2, "clip_weights": 0.5},
                 {"centered": True, "gamma1": 0.5, "gamma2": 0.5, "clip_weights": 0.4}]),
    ("adadelta", [{}, {"rho": 0.5, "epsilon": 1e-2}]),
    ("ftrl", [{}, {"lamda1": 0.2, "beta": 0.5}]),
    ("adamax", [{}, {"beta1": 0.5, "beta2": 0.9}]),
    ("nadam", [{}, {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3, "schedule_decay": 0.1}]),
    ("lamb", [{}, {"beta1": 0.5, "epsilon": 1e-3}, {"bias_correction": False}, {"lower_bound": 1.0, "upper_bound": 1.2}]),
    ("groupadagrad", [{}, {"eps": 1e-2}]),
    ("test", [{}]),
]  # fmt: skip
COMMON = [
    {},
    {"learning_rate": 0.1},
    {"learning_rate": 0.1, "wd": 0.2, "rescale_grad": 0.5, "clip_gradient": 0.3},
]
MIXED = ("sgd", "nag", "adam", "lamb", "lars", "rmsprop")


def outcome(f):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return f()
    except Exception as error:  # noqa: BLE001
        return "error " + type(error).__name__


def values(state):
    """Arrays of a state as [dtype, numbers], in the state's own structure."""
    if hasattr(state, "asnumpy"):
        return [str(np.dtype(state.dtype)), state.asnumpy().astype("float64")]
    if isinstance(state, (tuple, list)):
        return [type(state).__name__] + [values(s) for s in state]
    return state


def gradients(shape, steps, dtype="float32"):
    rng = np.random.RandomState(1)
    return [rng.uniform(-1, 1, shape).astype(dtype) for _ in range(steps)]


def follow(mx, optimizer, shape=SHAPE, steps=STEPS, dtype="float32"):
    """Weight and state after some updates."""
    updater = mx.optimizer.get_updater(optimizer)
    weight = mx.nd.array(np.random.RandomState(0).uniform(-1, 1, shape), dtype=dtype)
    for grad in gradients(shape, steps, dtype):
        updater(0, mx.nd.array(grad, dtype=dtype), weight)
    return [values(weight), values(updater.states[0])]


def case_updates(mx):
    out = {}
    for name, options in OPTIMIZERS:
        for own in options:
            for common in COMMON:
                given = dict(own, **common)
                # One of them has no weight decay. With it, MXNet's NAG takes the new weight for the old one in its momentum.
                if name == "groupadagrad" or name == "nag" and own:
                    given.pop("wd", None)
                key = name + " " + ", ".join("%s=%s" % kv for kv in sorted(given.items()))
                out[key] = outcome(lambda name=name, given=given: follow(mx, mx.optimizer.create(name, **given)))
    return out


def case_dtypes(mx):
    out = {}
    for name in MIXED:
        # Without multi_precision MXNet computes float16 in float16 throughout, here only the results are rounded.
        for dtype, mixed in (("float64", False), ("float16", True), ("float32", True)):
            if dtype == "float64" and name == "rmsprop":
                continue  # MXNet's state is float32 then, which its operator refuses
            for own in ({}, {"momentum": 0.9}) if name in ("sgd", "nag", "lars") else ({},):
                given = dict(own, learning_rate=0.1, wd=0.0 if name == "nag" and own else 0.1, multi_precision=mixed)
                key = "%s %s %s %s" % (name, dtype, mixed, sorted(own))
                out[key] = outcome(lambda: follow(mx, mx.optimizer.create(name, **given), dtype=dtype))  # noqa: B023
    return out


def case_lbsgd(mx):
    out = []
    for strategy in ("linear", "power2", "sqrt", "lars", "none"):
        for more in ({}, {"batch_scale": 2}, {"batch_scale": 3, "updates_per_epoch": 2, "warmup_epochs": 2}):
            given = dict(more, learning_rate=0.1, momentum=0.9, wd=0.1, warmup_strategy=strategy)
            out.append([strategy, more, outcome(lambda: follow(mx, mx.optimizer.LBSGD(**given), steps=7)[0])])  # noqa: B023
    return out


def network(mx):
    net = mx.sym.Variable("data")
    net = mx.sym.FullyConnected(
        net, weight=mx.sym.Variable("fc1_weight", lr_mult=0.5, wd_mult=2.0), num_hidden=2, name="fc1"
    )
    net = mx.sym.BatchNorm(net, name="bn", fix_gamma=False)
    net = mx.sym.FullyConnected(
        net, bias=mx.sym.Variable("fc2_bias", lr_mult=3.0, wd_mult=1.5), num_hidden=2, name="fc2"
    )
    return mx.sym.SoftmaxOutput(net, name="softmax")


def case_multipliers(mx):
    net = network(mx)
    names = dict(enumerate(net.list_arguments()))
    out = []
    for kwargs in ({}, {"sym": net}, {"sym": net, "param_idx2name": names}, {"param_idx2name": names}):
        optimizer = mx.optimizer.SGD(learning_rate=0.1, wd=0.2, **kwargs)
        out.append(
            [
                optimizer.lr_mult,
                optimizer.wd_mult,
                [optimizer._get_lr(i) for i in range(9)],
                [optimizer._get_wd(i) for i in range(9)],
            ]
        )
        optimizer.set_lr_mult({"fc1_weight": 4.0, 2: 7.0, "bn_gamma": 0.0})
        optimizer.set_wd_mult({"fc2_weight": 4.0, 5: 7.0, "bn_beta": 1.0})
        out.append(
            [optimizer.lr_mult, optimizer.wd_mult, optimizer._get_lrs([0, 1, 2, 3]), optimizer._get_wds([3, 4, 5, 6])]
        )
    lars = mx.optimizer.LARS(learning_rate=0.1, wd=0.2, param_idx2name=names)
    out.append([lars.wd_mult, [lars._get_wd(i) for i in range(9)]])
    out.append(outcome(lambda: mx.optimizer.SGD(param_idx2name=[1])))
    out.append(outcome(lambda: mx.optimizer.SGD(nonsense=1)))
    return out


def case_rates(mx):
    def scheduler():
        return mx.lr_scheduler.FactorScheduler(2, 0.5, base_lr=0.4)

    out = []
    for kwargs in (
        {},
        {"learning_rate": 0.3},
        {"lr_scheduler": scheduler()},
        {"lr_scheduler": scheduler(), "begin_num_update": 5},
    ):
        optimizer = mx.optimizer.SGD(**kwargs)
        rates = []
        for i in (0, 0, 1, 0, 1, 1, 0, 2, 0):
            optimizer._update_count(i)
            rates.append([optimizer._get_lr(i), optimizer.num_update, optimizer.learning_rate])
        out.append([rates, optimizer.lr, dict(optimizer._index_update_count)])
        out.append(outcome(lambda: [optimizer.set_learning_rate(0.7), optimizer._get_lr(0), optimizer.learning_rate]))  # noqa: B023
    optimizer = mx.optimizer.SGD(learning_rate=0.3, lr_scheduler=scheduler())
    out.append([optimizer._get_lr(0), optimizer.lr_scheduler.base_lr])
    optimizer._set_current_context(1)
    optimizer._update_count([3, 4])
    out.append([optimizer._index_update_count, optimizer._all_index_update_counts, optimizer.num_update])
    return out


def case_creation(mx):
    o = mx.optimizer
    out = [type(o.create(n)).__name__ for n in ("SGD", "sgd", "RMSProp", "ccSGD", "adaGRAD", "test")]
    out += [outcome(lambda: o.create("nope")), outcome(lambda: o.Optimizer.create_optimizer("adam", beta1=0.5).beta1)]
    out += [outcome(lambda: o.create("sgd", momentum=0.5).momentum), outcome(lambda: o.Optimizer().update(0, 1, 2, 3))]
    out += [
        sorted(set(vars(o.create(n))) - {"allow_np_array"})
        for n in (
            "sgd",
            "nag",
            "adam",
            "rmsprop",
            "adagrad",
            "adadelta",
            "ftrl",
            "adamax",
            "nadam",
            "signum",
            "ftml",
            "dcasgd",
            "lamb",
            "lars",
            "lbsgd",
            "sgld",
            "test",
        )
    ]
    return out


def case_several(mx):
    """Several weights in one call of the updater, of different dtypes, as update_on_kvstore=False gives them."""
    out = []
    for name, own in (("sgd", {"momentum": 0.9}), ("sgd", {}), ("adam", {}), ("lars", {"momentum": 0.9})):
        for mixed in (False, True):
            names = {0: "a_weight", 1: "b_bias", 2: "c_weight", 3: "d_gamma", 4: "e_weight", 5: "f_beta"}
            optimizer = mx.optimizer.create(
                name, learning_rate=0.1, wd=0.1, multi_precision=mixed, param_idx2name=names, **own
            )
            updater = mx.optimizer.get_updater(optimizer)
            dtypes = [
                "float32",
                "float16" if mixed else "float32",
                "float32",
                "float32",
                "float64" if name == "adam" else "float32",
                "float32",
            ]
            weights = [
                mx.nd.array(np.random.RandomState(i).uniform(-1, 1, (2,)), dtype=d) for i, d in enumerate(dtypes)
            ]
            for grads in gradients((6, 2), 3):
                updater(list(range(6)), [mx.nd.array(g, dtype=d) for g, d in zip(grads, dtypes)], weights)
            out.append([[values(w) for w in weights], [values(updater.states[i]) for i in range(6)]])
    return out


def arrays_of(mx, count, dtype="float32", shape=SHAPE, positive=()):
    rng = np.random.RandomState(9)
    made = [rng.uniform(-1, 1, shape) for _ in range(count)]
    return [mx.nd.array(np.abs(a) + 0.5 if i in positive else a, dtype=dtype) for i, a in enumerate(made)]


def case_operators(mx):
    """Update operators of many weights, and what layer-wise rates are made of."""
    nd, out = mx.nd, {}
    for more in ({}, {"clip_gradient": 0.2, "rescale_grad": 0.5}):
        key = "clipped " if more else ""
        rates = dict(more, lrs=(0.1, 0.2), wds=(0.0, 0.1), num_weights=2)
        loaded = [nd.array([0.1, 0.2]), nd.array([0.0, 0.1])]
        a = arrays_of(mx, 4)
        made = [nd.zeros(SHAPE), nd.zeros(SHAPE)]
        out[key + "sgd"] = values(nd.multi_sgd_update(*a, out=made, **rates))
        out[key + "loaded sgd"] = values(nd.preloaded_multi_sgd_update(*(a + loaded), num_weights=2, out=made, **more))
        a = arrays_of(mx, 6)
        out[key + "mom"] = values([nd.multi_sgd_mom_update(*a, momentum=0.9, out=made, **rates), a])
        a = arrays_of(mx, 6)
        loaded_mom = nd.preloaded_multi_sgd_mom_update(*(a + loaded), momentum=0.9, num_weights=2, out=made, **more)
        out[key + "loaded mom"] = values([loaded_mom, a])
        half = [nd.zeros(SHAPE, dtype="float16"), nd.zeros(SHAPE, dtype="float16")]
        a = [x.astype("float16") if i % 3 < 2 else x for i, x in enumerate(arrays_of(mx, 6))]
        out[key + "mp sgd"] = values([nd.multi_mp_sgd_update(*a, out=half, **rates), a])
        a = [x.astype("float16") if i % 4 < 2 else x for i, x in enumerate(arrays_of(mx, 8))]
        out[key + "mp mom"] = values([nd.multi_mp_sgd_mom_update(*a, momentum=0.9, out=half, **rates), a])
        a = [x.astype("float16") if i % 4 < 2 else x for i, x in enumerate(arrays_of(mx, 8))]
        loaded_mom = nd.preloaded_multi_mp_sgd_mom_update(*(a + loaded), momentum=0.9, num_weights=2, out=half, **more)
        out[key + "loaded mp mom"] = values([loaded_mom, a])
    for bounds in ({}, {"lower_bound": 2.0}, {"upper_bound": 0.5}, {"lower_bound": 0.0, "upper_bound": 0.0}):
        w, g = arrays_of(mx, 2)
        result = nd.lamb_update_phase2(w, g, w.norm(), g.norm(), lr=0.1, **bounds)
        out["lamb %s" % sorted(bounds.items())] = values(result)
        w, g = arrays_of(mx, 2)
        half = w.astype("float16")
        result = nd.mp_lamb_update_phase2(half, g, w.norm(), g.norm(), w, lr=0.1, **bounds)
        out["mp lamb %s" % sorted(bounds.items())] = values(result)  # MXNet leaves the float32 copy as it was
    for more in ({}, {"wd": 0.1, "clip_gradient": 0.3, "beta1": 0.5}):
        for scale in (2.0, float("nan"), 0.0):
            w, g, m, v = arrays_of(mx, 4, positive=(3,))
            given = mx.nd.array([scale])
            nd.contrib.adamw_update(w, g, m, v, given, out=w, lr=0.1, eta=0.5, **more)
            out["adamw %s %s" % (scale, sorted(more))] = values([w, m, v])
            w, g, m, v = arrays_of(mx, 4, positive=(3,))
            half = w.astype("float16")
            nd.contrib.mp_adamw_update(half, g.astype("float16"), m, v, w, scale, out=half, lr=0.1, eta=0.5, **more)
            out["mp adamw %s %s" % (scale, sorted(more))] = values([half, w, m, v])
    a = arrays_of(mx, 3)
    out["sums"] = values([nd.multi_sum_sq(*a, num_arrays=3), nd.multi_sum_sq(a[0].astype("float64"), num_arrays=1)])
    four = [nd.array(x) for x in ([0.1, 0.2, 0.3], [0.1, 0.0, 0.3], [0.4, 0.2, 0.0], [0.1, 0.2, 0.3])]
    out["lars"] = values(nd.multi_lars(*four, eta=0.1, eps=1e-3, rescale_grad=2.0))
    out["finite"] = values(
        [nd.all_finite(a[0]), nd.all_finite(a[0] / 0), nd.multi_all_finite(a[0], a[1] / 0, num_arrays=2)]
    )
    nd.reset_arrays(a[0], a[1], num_arrays=2)
    out["reset"] = values(a)
    out["errors"] = [
        outcome(lambda: nd.multi_sgd_update(*arrays_of(mx, 4), lrs=(0.1,), wds=(0.0, 0.1), num_weights=2)),
        outcome(lambda: nd.multi_sgd_update(*arrays_of(mx, 4), lrs=(0.1,), wds=(0.0,), num_weights=1)),
    ]
    return out


def case_sgld(mx):
    """The noise of two hundred thousand weights: moments to a half of a percent."""
    mx.random.seed(5)
    weight = mx.nd.ones((400, 500))
    optimizer = mx.optimizer.SGLD(learning_rate=0.04, wd=0.5, rescale_grad=0.5, clip_gradient=0.5)
    optimizer.update(0, weight, mx.nd.ones((400, 500)) * 3, optimizer.create_state(0, weight))
    moved = weight.asnumpy().astype("float64")
    return [moved.mean() * 10, moved.std() * 10]
