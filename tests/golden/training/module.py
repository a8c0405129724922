"""Modules: what they say of themselves, errors, log lines, and numbers of training from given parameters."""

import logging
import os
import tempfile
import warnings
from collections import namedtuple

import numpy as np

Batch = namedtuple("Batch", ["data", "label"])


def outcome(f):
    """What a call gives, or the kind of its error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return f()
    except Exception as error:  # noqa: BLE001
        return "error " + type(error).__name__


def logged(f):
    """The log lines that a call makes, without times."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append([record.levelname, record.getMessage().split("cost=")[0]])
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        f()
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    return lines


def network(mx, hidden=5, classes=3, norm=True):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=hidden, name="fc1")
    net = mx.sym.Activation(net, act_type="tanh", name="act")
    if norm:
        net = mx.sym.BatchNorm(net, name="bn", fix_gamma=False)
    net = mx.sym.FullyConnected(net, num_hidden=classes, name="fc2")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def values_for(mx, symbol, seed=0, **shapes):
    """Parameters and auxiliary states that do not depend on the library."""
    rng = np.random.RandomState(seed)
    args, _, auxs = symbol.infer_shape(**shapes)
    made = {
        n: mx.nd.array(rng.uniform(-0.5, 0.5, s) + (1 if n.endswith("gamma") else 0))
        for n, s in zip(symbol.list_arguments(), args)
        if n not in shapes and not n.endswith("label")
    }
    states = {
        n: mx.nd.array(np.ones(s) if n.endswith("var") else np.zeros(s))
        for n, s in zip(symbol.list_auxiliary_states(), auxs)
    }
    return made, states


def examples(count=20, features=4, classes=3):
    rng = np.random.RandomState(1)
    return rng.uniform(-1, 1, (count, features)).astype("float32"), (np.arange(count) % classes).astype("float32")


def iterator(mx, batch=6, count=20, **options):
    x, y = examples(count)
    return mx.io.NDArrayIter(x, y, batch, label_name="softmax_label", **options)


def summary(params):
    return {n: v.asnumpy().astype("float64") for p in params for n, v in p.items()}


def trained(mx, contexts=1, epochs=2, batch=6, symbol=None, fit=None, **options):
    """Parameters and log lines after `fit` from fixed parameters."""
    symbol = network(mx) if symbol is None else symbol
    context = [mx.cpu(i) for i in range(contexts)]
    module = mx.mod.Module(symbol, context=context, **options)
    args, auxs = values_for(mx, symbol, data=(batch, 4))
    given = {"optimizer": "sgd", "optimizer_params": {"learning_rate": 0.1}}
    given.update(fit or {})
    data = iterator(mx, batch)
    lines = logged(
        lambda: module.fit(
            data, eval_data=iterator(mx, batch), num_epoch=epochs, arg_params=args, aux_params=auxs,
            eval_metric=["acc", "ce"], **given
        )
    )  # fmt: skip
    return module, lines


def numbers_in(lines):
    """Log lines as their text and number."""
    return [[level] + (text.split("=") if "=" in text else [text]) for level, text in lines]


def parsed(lines):
    return [[p if i < 2 else (float(p) if p else p) for i, p in enumerate(line)] for line in numbers_in(lines)]


def case_states(mx):
    """Properties and errors before and after binding."""
    net = network(mx)
    module = mx.mod.Module(net)
    kinds = ("data_shapes", "label_shapes", "output_shapes")
    x, y = examples(6)
    batch = mx.io.DataBatch([mx.nd.array(x)], [mx.nd.array(y)])
    calls = ("get_params", "get_outputs", "get_input_grads", "update", "backward", "init_params", "init_optimizer")

    def state():
        out = [[getattr(module, n) for n in ("binded", "params_initialized", "optimizer_initialized", "for_training")]]
        out.append([outcome(lambda: [list(d) for d in getattr(module, k)]) for k in kinds])  # noqa: B023
        return out

    out = [module.data_names, module.label_names, module.output_names, state()]
    out.append([outcome(lambda: getattr(module, n)()) for n in calls])  # noqa: B023
    out.append(outcome(lambda: module.forward(batch)))
    out.append(logged(lambda: [module.bind([("data", (6, 4))], [("softmax_label", (6,))]) for _ in range(2)]))
    out.append(state())
    out.append([outcome(lambda: module.init_optimizer()), outcome(lambda: module.forward(batch))])
    module.init_params()
    out.append([outcome(lambda: module.update()), outcome(lambda: module.get_input_grads())])
    out.append(logged(lambda: [module.init_optimizer() for _ in range(2)]))
    out.append([module._optimizer.rescale_grad, module._optimizer.idx2name, state()])
    for make in (
        lambda: mx.mod.Module(net, data_names=["zz"]),
        lambda: mx.mod.Module(net, fixed_param_names=["zz"]),
        lambda: mx.mod.Module(net, state_names=["zz"]),
        lambda: mx.mod.Module(net).bind([("zz", (6, 4))]),
        lambda: mx.mod.Module(net).bind([("data", (6, 4))]),
        lambda: mx.mod.Module(net, work_load_list=[1, 2]),
        lambda: module.fit(iterator(mx)),
        lambda: module.predict(3),
        lambda: module.init_optimizer(kvstore=3, force_init=True),
        lambda: module.init_optimizer(optimizer=3, force_init=True),
        lambda: module.set_params({}, {}),
        lambda: module.set_params({"zz": mx.nd.ones(1)}, {}, allow_missing=True),
        lambda: module.set_params({"zz": mx.nd.ones(1)}, {}, allow_missing=True, allow_extra=True),
        lambda: module.set_params({"fc1_bias": mx.nd.ones(9)}, {}, allow_missing=True),
        lambda: mx.mod.BaseModule().forward(None),
        lambda: mx.mod.Module(net, context=[mx.cpu(i) for i in range(4)]).bind([("data", (3, 4))]),
    ):
        out.append(outcome(make))
    return out


def case_initialisation(mx):
    net = network(mx)
    out = []
    given = {"fc1_weight": mx.nd.ones((5, 4)) * 7, "fc1_bias": mx.nd.ones(5)}
    for kwargs in (
        {"initializer": mx.init.One()},
        {"initializer": mx.init.One(), "arg_params": given, "allow_missing": True},
        {"initializer": mx.init.One(), "arg_params": given},
        {"initializer": None, "arg_params": given, "aux_params": {}, "allow_missing": True},
        {"initializer": mx.init.Mixed(["fc1.*", ".*"], [mx.init.Constant(2), mx.init.One()])},
    ):
        module = mx.mod.Module(net)
        module.bind([("data", (6, 4))], [("softmax_label", (6,))])
        out.append(outcome(lambda: module.init_params(**kwargs)))  # noqa: B023
        if module.params_initialized:
            out.append(summary(module.get_params()))
    return out


OPTIMIZERS = [
    ("sgd", {"learning_rate": 0.1}),
    ("sgd", {"learning_rate": 0.1, "momentum": 0.9, "wd": 0.01}),
    ("nag", {"learning_rate": 0.1, "momentum": 0.9}),
    ("adam", {"learning_rate": 0.01, "wd": 0.01}),
    ("rmsprop", {"learning_rate": 0.01, "clip_gradient": 0.1}),
    ("adagrad", {"learning_rate": 0.1}),
    ("adadelta", {}),
    ("ftrl", {}),
    ("signum", {"learning_rate": 0.01}),
    ("lamb", {"learning_rate": 0.01}),
    ("adamax", {}),
]


def case_optimizers(mx):
    """Parameters and log lines of two epochs."""
    out = []
    for name, params in OPTIMIZERS:
        module, lines = trained(mx, fit={"optimizer": name, "optimizer_params": params})
        out.append([name, parsed(lines), summary(module.get_params())])
    scheduler = mx.lr_scheduler.FactorScheduler(2, 0.5)
    params = (("learning_rate", 0.2), ("lr_scheduler", scheduler), ("momentum", 0.5))
    module, lines = trained(mx, fit={"optimizer_params": params})
    out.append([parsed(lines), summary(module.get_params())])
    return out


def case_contexts(mx):
    """Data parallelism, with and without a store that updates; unequal loads."""
    out = []
    for contexts, options, fit in (
        (2, {}, {"kvstore": "local"}),
        (2, {}, {"kvstore": "device", "optimizer_params": {"learning_rate": 0.1, "momentum": 0.9, "wd": 0.1}}),
        (2, {"work_load_list": [1, 2]}, {"kvstore": None}),
        (3, {}, {"kvstore": "local", "optimizer": "adam", "optimizer_params": {}}),
    ):
        # No BatchNorm: each context would have statistics of its own.
        module, lines = trained(mx, contexts, symbol=network(mx, norm=False), fit=fit, **options)
        outputs = module.predict(iterator(mx))
        out.append([parsed(lines), summary(module.get_params()), outputs, module.output_shapes[0][1]])
        out.append([list(s) for s in ((s.start, s.stop) for s in module._exec_group.slices)])
    return out


def case_fixed_and_multipliers(mx):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=5, name="fc1")
    weight = mx.sym.Variable("fc2_weight", lr_mult=0.1, wd_mult=3.0)
    bias = mx.sym.Variable("fc2_bias", lr_mult=0.0)
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, weight=weight, bias=bias, num_hidden=3), name="softmax")
    params = {"learning_rate": 0.1, "momentum": 0.5, "wd": 0.1}
    module, _ = trained(mx, symbol=net, fixed_param_names=["fc1_weight"], fit={"optimizer_params": params})
    out = [summary(module.get_params())]
    module, _ = trained(mx, 2, symbol=net, fixed_param_names=["fc1_bias"], fit={"optimizer_params": params})
    return out + [summary(module.get_params())]


def case_callbacks(mx):
    seen = []

    def batch_end(param):
        seen.append(["batch", param.epoch, param.nbatch, param.eval_metric.get(), "data_batch" in param.locals])

    def epoch_end(epoch, symbol, args, auxs):
        seen.append(["epoch", epoch, symbol.name, sorted(args), sorted(auxs)])

    fit = {
        "batch_end_callback": [batch_end, lambda p: seen.append("second")], "epoch_end_callback": epoch_end,
        "eval_end_callback": lambda p: seen.append(["eval", p.epoch, p.nbatch, p.eval_metric.get()]),
        "eval_batch_end_callback": lambda p: seen.append(["eval batch", p.epoch, p.nbatch]),
        "begin_epoch": 1, "validation_metric": "ce",
    }  # fmt: skip
    _, lines = trained(mx, fit=fit)
    return [seen, parsed(lines)]


def case_monitor(mx):
    seen = []
    monitor = mx.mon.Monitor(2, stat_func=lambda x: x.abs().mean(), pattern="fc[12]_(weight|output)$", sort=True)
    toc = monitor.toc

    def kept():
        found = toc()
        seen.extend([n, name, float(str(value).split()[0])] for n, name, value in found)
        return found

    monitor.toc = kept
    trained(mx, epochs=1, fit={"monitor": monitor})
    return seen


def case_prediction(mx):
    module, _ = trained(mx)
    data = iterator(mx)
    out = [module.predict(data), module.predict(data, num_batch=2), module.predict(data, merge_batches=False)]
    out += [len(module.predict(data, always_output_list=True)), module.predict(examples()[0][:6])]
    out += [module.score(data, "acc"), module.score(data, ["acc", "ce"], num_batch=1)]
    data.reset()
    data.next()
    out += [len(module.predict(data, merge_batches=False, reset=False))]
    pads = [[i, batch.pad, outputs[0].shape] for outputs, i, batch in module.iter_predict(data)]
    return out + [pads]


def case_shapes(mx):
    """Batches of other sizes, reshaping, batches of any class, no labels."""
    module, _ = trained(mx)
    out = []
    x, y = (mx.nd.array(a) for a in examples(10))
    for n in (4, 6, 10, 1, 4):
        module.forward(mx.io.DataBatch([x[:n]], [y[:n]]), is_train=True)
        module.backward()
        module.update()
        out.append([module.get_outputs()[0].asnumpy(), module.data_shapes[0].shape, module.label_shapes[0].shape])
    module.reshape([("data", (2, 4))], [("softmax_label", (2,))])
    module.forward(Batch([x[:2]], [y[:2]]), is_train=False)
    out.append([module.get_outputs()[0].asnumpy(), module.output_shapes])
    return out + [summary(module.get_params())]


def case_gradients(mx):
    """Two modules: the second one's input gradients go back through the first."""
    first = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="a")
    second = mx.sym.SoftmaxOutput(
        mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="b"), name="softmax"
    )
    generator = mx.mod.Module(mx.sym.Activation(first, act_type="relu"), label_names=None)
    judge = mx.mod.Module(second)
    generator.bind([("data", (6, 4))])
    judge.bind([("data", (6, 4))], [("softmax_label", (6,))], inputs_need_grad=True)
    for module, seed in ((generator, 1), (judge, 2)):
        module.init_params(arg_params=values_for(mx, module.symbol, seed, data=(6, 4))[0], aux_params={})
        module.init_optimizer(optimizer="adam", optimizer_params={"learning_rate": 0.1})
    x, y = (mx.nd.array(a) for a in examples(6))
    out = []
    for _ in range(3):
        generator.forward(mx.io.DataBatch([x], None), is_train=True)
        judge.forward(mx.io.DataBatch(generator.get_outputs(), [y]), is_train=True)
        judge.backward()
        out.append(judge.get_input_grads()[0].asnumpy())
        kept = [[g.copy() for g in grads] for grads in judge._exec_group.grad_arrays]
        generator.backward(judge.get_input_grads())
        for grads, old in zip(judge._exec_group.grad_arrays, kept):
            for g, o in zip(grads, old):
                g += o
        judge.update()
        generator.update()
    return out + [summary(judge.get_params()), summary(generator.get_params())]


def case_grad_req(mx):
    net = network(mx, norm=False)
    x, y = (mx.nd.array(a) for a in examples(6))
    out = []
    for req in ("write", "add", "null", {"fc1_weight": "add", "data": "write"}):
        module = mx.mod.Module(net)
        module.bind([("data", (6, 4))], [("softmax_label", (6,))], inputs_need_grad=True, grad_req=req)
        module.init_params(arg_params=values_for(mx, net, data=(6, 4))[0], aux_params={})
        for _ in range(2):
            module.forward_backward(mx.io.DataBatch([x], [y]))
        grads = module._exec_group.execs[0].grad_dict
        out.append({n: g if g is None else g.asnumpy() for n, g in grads.items()})
    return out


def case_checkpoints(mx):
    """What is loaded again goes on as if it had never stopped."""
    out = []
    fit = {"optimizer": "sgd", "optimizer_params": {"learning_rate": 0.1, "momentum": 0.9}}
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "m")
        module, _ = trained(mx, epochs=2, fit=fit)
        lines = logged(lambda: module.save_checkpoint(prefix, 2, save_optimizer_states=True))
        out.append([line[1].replace(folder, "") for line in lines])
        out.append(sorted(os.listdir(folder)))
        again = mx.mod.Module.load(prefix, 2, True)
        again.fit(
            iterator(mx), num_epoch=4, begin_epoch=2, optimizer="sgd", optimizer_params=fit["optimizer_params"].items()
        )
        out.append(summary(again.get_params()))
        module.save_params(prefix + ".both")
        again.load_params(prefix + ".both")
        out.append(summary(again.get_params()))
        out.append(sorted(mx.nd.load(prefix + ".both")))
        out.append(outcome(lambda: mx.mod.Module.load(prefix, 7)))
    return out


def bucket(mx):
    def generate(key):
        data = mx.sym.Variable("data")
        net = mx.sym.mean(data, axis=1, keepdims=True) * key
        net = mx.sym.FullyConnected(net, num_hidden=4, name="fc1")
        net = mx.sym.FullyConnected(mx.sym.Activation(net, act_type="tanh"), num_hidden=3, name="fc2")
        return mx.sym.SoftmaxOutput(net, name="softmax"), ("data",), ("softmax_label",)

    return generate


def bucket_batch(mx, key, seed):
    rng = np.random.RandomState(seed)
    data, label = mx.nd.array(rng.uniform(-1, 1, (4, key))), mx.nd.array([0, 1, 2, 1])
    return mx.io.DataBatch(
        [data], [label], bucket_key=key, provide_data=[mx.io.DataDesc("data", (4, key))],
        provide_label=[mx.io.DataDesc("softmax_label", (4,))],
    )  # fmt: skip


def case_bucketing(mx):
    module = mx.mod.BucketingModule(bucket(mx), default_bucket_key=6)
    out = [list(module.data_names), module.output_names, outcome(lambda: module.symbol)]
    module.bind([("data", (4, 6))], [("softmax_label", (4,))])
    symbol = bucket(mx)(6)[0]
    module.init_params(arg_params=values_for(mx, symbol, data=(4, 6))[0], aux_params={})
    module.init_optimizer(optimizer="sgd", optimizer_params={"learning_rate": 0.1, "momentum": 0.9})
    metric = mx.metric.create("ce")
    for step, key in enumerate((6, 3, 5, 3, 6)):
        batch = bucket_batch(mx, key, step)
        module.prepare(batch)
        module.forward_backward(batch)
        module.update()
        module.update_metric(metric, batch.label)
        out.append([module.get_outputs()[0].asnumpy(), module.data_shapes[0].shape, metric.get()])
    out.append(summary(module.get_params()))
    module.set_params({"fc2_bias": mx.nd.array([1, 2, 3])}, {}, allow_missing=True)
    module.forward(bucket_batch(mx, 5, 9), is_train=False)
    out.append([module.get_outputs()[0].asnumpy(), sorted(module._buckets)])
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "b")
        module.save_checkpoint(prefix, 1)
        out.append(sorted(os.listdir(folder)))
        again = mx.mod.BucketingModule.load(prefix, 1, sym_gen=bucket(mx), default_bucket_key=6)
        again.bind([("data", (4, 6))], [("softmax_label", (4,))], for_training=False)
        out.append(outcome(lambda: summary(again.get_params())))
    return out


def case_sequential(mx):
    first = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="a"), act_type="tanh")
    second = mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=3, name="b")
    second = mx.sym.SoftmaxOutput(second, name="softmax")
    out = []
    module = mx.mod.SequentialModule()
    out.append(outcome(lambda: mx.mod.SequentialModule().add(mx.mod.Module(first), zz=True)))
    out.append(outcome(lambda: mx.mod.SequentialModule().bind([("data", (6, 4))])))
    module.add(mx.mod.Module(first, label_names=None))
    module.add(mx.mod.Module(second, data_names=["x"]), take_labels=True, auto_wiring=True)
    args = {**values_for(mx, first, 1, data=(6, 4))[0], **values_for(mx, second, 2, x=(6, 4))[0]}
    lines = logged(
        lambda: module.fit(
            iterator(mx), num_epoch=2, arg_params=args, aux_params={}, eval_metric="ce", optimizer="adam",
            optimizer_params={"learning_rate": 0.05},
        )
    )  # fmt: skip
    out += [parsed(lines), summary(module.get_params()), module.output_shapes, module.data_names, module.output_names]
    twice = mx.mod.SequentialModule()
    twice.add(mx.mod.Module(first, label_names=None)).add(mx.mod.Module(first, label_names=None), auto_wiring=True)
    twice.bind([("data", (6, 4))])
    return out + [outcome(lambda: twice.init_params())]


def case_python_loss(mx):
    def gradient(scores, labels):
        probabilities = np.exp(scores.asnumpy())
        probabilities /= probabilities.sum(1, keepdims=True)
        probabilities[np.arange(len(probabilities)), labels.asnumpy().astype(int)] -= 1
        return probabilities

    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    module = mx.mod.SequentialModule()
    module.add(mx.mod.Module(net, label_names=None))
    module.add(mx.mod.PythonLossModule(grad_func=gradient), take_labels=True, auto_wiring=True)
    args = values_for(mx, net, data=(6, 4))[0]
    lines = logged(lambda: module.fit(iterator(mx), num_epoch=3, arg_params=args, aux_params={}, eval_metric="acc"))
    loss = mx.mod.PythonLossModule()
    out = [parsed(lines), summary(module.get_params()), loss.data_names, loss.output_names, loss.data_shapes]
    loss.bind([("data", (6, 4))], [("softmax_label", (6,))])
    x, y = (mx.nd.array(a) for a in examples(6))
    loss.forward(mx.io.DataBatch([x], [y]))
    out += [outcome(lambda: loss.backward()), outcome(lambda: loss.backward([x])), loss.output_shapes]
    return out + [outcome(lambda: mx.mod.PythonLossModule().bind([("x", (6, 4))]))]


def case_outputs(mx):
    """Two losses of one network; a metric for each output."""
    data = mx.sym.Variable("data")
    body = mx.sym.Activation(mx.sym.FullyConnected(data, num_hidden=5, name="fc"), act_type="relu")
    one = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(body, num_hidden=3, name="p"), name="one")
    two = mx.sym.LinearRegressionOutput(mx.sym.FullyConnected(body, num_hidden=1, name="q"), name="two")
    net = mx.sym.Group([one, two])
    x, y = examples()
    data = mx.io.NDArrayIter({"data": x}, {"one_label": y, "two_label": x.sum(1, keepdims=True)}, 5)
    module = mx.mod.Module(net, label_names=["one_label", "two_label"])
    metric = mx.metric.CompositeEvalMetric()
    metric.add(mx.metric.CrossEntropy(output_names=["one_output"], label_names=["one_label"]))
    metric.add(mx.metric.MSE(output_names=["two_output"], label_names=["two_label"]))
    args = values_for(mx, net, data=(5, 4))[0]
    lines = logged(
        lambda: module.fit(data, num_epoch=3, arg_params=args, aux_params={}, eval_metric=metric, optimizer="adam")
    )
    return [parsed(lines), summary(module.get_params()), [o.shape for o in module.predict(data)]]


def case_state_names(mx):
    """A state that the user carries from batch to batch."""
    state = mx.sym.Variable("state")
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc") + state
    out = []
    for contexts in (1, 2):
        module = mx.mod.Module(
            net, label_names=None, state_names=["state"], context=[mx.cpu(i) for i in range(contexts)]
        )
        module.bind([("data", (6, 4)), ("state", (6, 3))][:1], for_training=False)
        module.init_params(arg_params=values_for(mx, net, data=(6, 4), state=(6, 3))[0], aux_params={})
        module.set_states(value=0.5)
        x = mx.nd.array(examples(6)[0])
        for _ in range(2):
            module.forward(mx.io.DataBatch([x]))
            out.append(
                [module.get_outputs()[0].asnumpy(), module.get_states(merge_multi_context=False)[0][0].asnumpy()]
            )
            module.set_states(states=module.get_outputs(merge_multi_context=False))
        out.append(outcome(lambda: module.set_states()))  # noqa: B023
    return out


def case_feed_forward(mx):
    """The trainer before modules."""
    net = network(mx, norm=False)
    args, _ = values_for(mx, net, data=(6, 4))
    x, y = examples()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = mx.model.FeedForward(net, num_epoch=2, learning_rate=0.1, momentum=0.5, arg_params=args, aux_params={})
        seen = []
        fit = {
            "eval_data": iterator(mx), "batch_end_callback": lambda p: seen.append([p.epoch, p.nbatch, p.eval_metric.get()])
        }  # fmt: skip
        lines = logged(lambda: model.fit(iterator(mx), **fit))
        out = [parsed(lines), seen, summary([model.arg_params])]
        out += [model.predict(x), model.score(iterator(mx), "ce"), model.predict(iterator(mx), num_batch=2).shape]
        out += [[np.shape(part) for part in model.predict(iterator(mx), return_data=True)]]
        longer = mx.model.FeedForward(net, num_epoch=1, epoch_size=6, learning_rate=0.1, arg_params=args, aux_params={})
        out += [parsed(logged(lambda: longer.fit(iterator(mx)))), summary([longer.arg_params])]
        with tempfile.TemporaryDirectory() as folder:
            model.save(os.path.join(folder, "f"))
            out.append(sorted(os.listdir(folder)))
            again = mx.model.FeedForward.load(os.path.join(folder, "f"), 2)
            out += [again.predict(x), again.begin_epoch]
        out.append(outcome(lambda: model.fit(x)))
        out.append(outcome(lambda: model.fit(x, y[:3])))
        out.append(outcome(lambda: model.fit(3)))
    return out
