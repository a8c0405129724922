"""Metrics: values after one and after two batches, local and global, odd shapes, refusals, creation by name."""

import math

import numpy as np

P3 = [[0.3, 0.7], [0.0, 1.0], [0.4, 0.6]]
P3B = [[0.9, 0.1], [0.2, 0.8], [0.35, 0.65], [0.8, 0.2]]
L3 = [0, 1, 1]
L3B = [0, 1, 0, 1]
Q = [[3, -0.5, 2, 7], [2, 1, 4.5, 0]]
QL = [[2.5, 0.0, 2, 8], [2, 1.5, 4, -1]]


def kind(f, *args, **kwargs):
    try:
        f(*args, **kwargs)
    except Exception as error:  # noqa: BLE001
        return type(error).__name__
    return "none"


def settle(value):
    if isinstance(value, (list, tuple)):
        return [settle(v) for v in value]
    if isinstance(value, str):
        return value
    value = float(value)
    return "nan" if math.isnan(value) else value


def state(metric):
    return [settle(metric.get()), settle(metric.get_global())]


def run(mx, metric, batches):
    """What the metric says before, after each batch, after forgetting the local part, and after a reset."""
    out = [state(metric)]
    for labels, preds in batches:
        metric.update([mx.nd.array(v) for v in labels], [mx.nd.array(v) for v in preds])
        out.append(state(metric))
    metric.reset_local()
    out.append(state(metric))
    labels, preds = batches[0]
    metric.update([mx.nd.array(v) for v in labels], [mx.nd.array(v) for v in preds])
    out.append(state(metric))
    metric.reset()
    out.append(state(metric))
    return out


TWO = [([L3], [P3]), ([L3B], [P3B])]
REAL = [([QL[0]], [Q[0]]), ([QL[1]], [Q[1]])]


def case_accuracy(mx):
    rng = np.random.RandomState(1)
    deep = [([rng.randint(0, 4, (2, 5))], [rng.rand(2, 4, 5)])]
    last = [([rng.randint(0, 4, (2, 5))], [rng.rand(2, 5, 4)])]
    same = [([[1, 0, 2]], [[1, 1, 2]]), ([[[1], [0]]], [[[1], [1]]])]
    several = [([L3, L3B], [P3, P3B])]
    out = [run(mx, mx.metric.Accuracy(), b) for b in (TWO, deep, same, several)]
    out += [run(mx, mx.metric.Accuracy(axis=2, name="mine"), last)]
    m = mx.metric.Accuracy()
    out += [kind(m.update, [mx.nd.array([1, 0])], [mx.nd.array(P3)])]
    out += [kind(m.update, [mx.nd.array(L3)], [mx.nd.array(P3), mx.nd.array(P3)])]
    m.update(mx.nd.array(L3), mx.nd.array(P3))
    return out + [state(m)]


def case_top_k(mx):
    rng = np.random.RandomState(2)
    ten = [([rng.randint(0, 10, 12)], [rng.rand(12, 10)]), ([rng.randint(0, 10, 5)], [rng.rand(5, 10)])]
    out = [run(mx, mx.metric.TopKAccuracy(k), ten) for k in (2, 3, 9, 10)]
    out += [kind(mx.metric.TopKAccuracy, 1), mx.metric.TopKAccuracy(4).name, mx.metric.TopKAccuracy(4, name="x").name]
    return out


def case_binary(mx):
    out = []
    for make in (mx.metric.F1, mx.metric.MCC):
        for average in ("macro", "micro"):
            out.append(run(mx, make(average=average), TWO))
            out.append(run(mx, make(average=average), [([L3, L3B], [P3, P3B])]))
            out.append(run(mx, make(average=average), [([[0, 0]], [[[0.9, 0.1], [0.8, 0.2]]])]))
        out += [kind(make().update, [mx.nd.array([0, 1, 2])], [mx.nd.array(P3)])]
        out += [kind(make().update, [mx.nd.array([0, 1])], [mx.nd.array(P3)])]
        out += [kind(make().update, [mx.nd.array([0, 1, 1])], [mx.nd.array([0.1, 0.2, 0.7])])]
    return out


def case_pcc(mx):
    rng = np.random.RandomState(3)
    many = [([rng.randint(0, 5, 40)], [rng.rand(40, 5)]), ([rng.randint(0, 7, 40)], [rng.rand(40, 7)])]
    return [run(mx, mx.metric.PCC(), TWO), run(mx, mx.metric.PCC(), many)]


def case_logarithms(mx):
    rng = np.random.RandomState(4)
    p = rng.rand(6, 4)
    p = [([rng.randint(0, 4, 6)], [p / p.sum(1, keepdims=True)])]
    sequence = [([rng.randint(0, 4, (2, 3))], [p[0][1][0]])]
    out = []
    for make in (mx.metric.CrossEntropy, mx.metric.NegativeLogLikelihood):
        out += [run(mx, make(), TWO), run(mx, make(eps=1e-3, name="x"), p)]
        out += [kind(make().update, [mx.nd.array([0, 1])], [mx.nd.array(P3)])]
    for ignored in (None, 0, 1, -1):
        out += [run(mx, mx.metric.Perplexity(ignored), b) for b in (TWO, p, sequence)]
    out += [run(mx, mx.metric.Perplexity(None), [([L3, L3B], [P3, P3B])])]
    out += [kind(mx.metric.Perplexity(None).update, [mx.nd.array([0, 1])], [mx.nd.array(P3)])]
    return out


def case_distances(mx):
    columns = [([[[v] for v in QL[0]]], [[[v] for v in Q[0]]]), ([QL[1]], [[[v] for v in Q[1]]])]
    square = [([QL], [Q]), ([Q], [QL])]
    out = []
    for make in (mx.metric.MAE, mx.metric.MSE, mx.metric.RMSE):
        out += [run(mx, make(), b) for b in (REAL, columns, square, [(QL, Q)])]
        out += [run(mx, make(name="mine"), REAL)]
        out += [kind(make().update, [mx.nd.array(Q[0])], [mx.nd.array(Q[0]), mx.nd.array(Q[0])])]
    return out


def case_pearson(mx):
    square = [([QL], [Q]), ([Q], [QL])]
    out = []
    for average in ("macro", "micro"):
        out += [run_local(mx, mx.metric.PearsonCorrelation(average=average), b) for b in (REAL, square)]
    out += [kind(mx.metric.PearsonCorrelation().update, [mx.nd.array([1, 2])], [mx.nd.array(Q[0])])]
    return out


def run_local(mx, metric, batches):
    out = [settle(metric.get())]
    for labels, preds in batches:
        metric.update([mx.nd.array(v) for v in labels], [mx.nd.array(v) for v in preds])
        out.append(settle(metric.get()))
    metric.reset()
    return out + [settle(metric.get())]


def case_loss(mx):
    out = []
    for make in (mx.metric.Loss, mx.metric.Torch, mx.metric.Caffe):
        out += [run(mx, make(), TWO), run(mx, make(name="mine"), [([], [Q, P3])])]
    m = mx.metric.Loss()
    m.update(None, mx.nd.array(Q))
    return out + [state(m)]


def feval(label, pred):
    return float(abs(label - pred).sum())


def pairs(label, pred):
    return float(abs(label - pred).sum()), int(label.size)


def case_custom(mx):
    out = [run(mx, mx.metric.CustomMetric(f, name=n), REAL) for f, n in ((feval, None), (pairs, "two"))]
    out += [run(mx, mx.metric.np(pairs), REAL), run(mx, mx.metric.create(feval), REAL)]
    out += [run(mx, mx.metric.CustomMetric(feval, allow_extra_outputs=True), [([Q[0]], [QL[0], QL[1]])])]
    m = mx.metric.np(feval)
    out += [m.name, mx.metric.np(lambda a, b: 1).name, kind(m.get_config)]
    out += [kind(m.update, [mx.nd.array(Q[0])], [mx.nd.array(Q[0]), mx.nd.array(Q[0])])]
    return out


def case_composite(mx):
    m = mx.metric.create(["acc", mx.metric.F1(), "ce"])
    out = [run(mx, m, TWO), str(m), settle(m.get_name_value()), settle(m.get_global_name_value())]
    out += [str(m.get_metric(0)), str(m.get_metric(7)), m.get_config()]
    m = mx.metric.CompositeEvalMetric(name="c")
    m.add("mse")
    m.add(mx.metric.create("rmse"))
    return out + [run(mx, m, REAL), m.name, mx.metric.create([]).get()]


def case_create(mx):
    names = "acc accuracy ACC ce crossentropy nll_loss negativeloglikelihood f1 mcc pcc pearsonr pearsoncorrelation mae "
    names += "mse rmse loss torch caffe composite compositeevalmetric"
    out = [[type(mx.metric.create(n)).__name__, mx.metric.create(n).get_config()] for n in names.split()]
    for name in ("cross-entropy", "nll-loss", "custom", "evalmetric", "top_k_accuracy", "perplexity", 3, None):
        out.append(kind(mx.metric.create, name))
    for n in ("top_k_accuracy", "top_k_acc", "topkaccuracy"):
        out.append([mx.metric.create(n, top_k=3).get_config(), mx.metric.create(n, 4).name])
    for spec in ('["acc", {"axis": 2}]', '{"metric":"acc"}', {"metric": "acc", "axis": 2}):
        out.append(mx.metric.create(spec).get_config())
    again = mx.metric.create(**mx.metric.Accuracy(axis=2, name="n", label_names=["a"]).get_config())
    out.append([again.get_config(), again.axis])
    return out


def case_register(mx):
    @mx.metric.register
    @mx.metric.alias("zap", "zip")
    class Own(mx.metric.EvalMetric):
        def __init__(self, name="own"):
            super(Own, self).__init__(name)

        def update(self, labels, preds):
            for pred in preds:
                self.sum_metric += float(pred.asnumpy().sum())
                self.num_inst += 1

    out = [type(mx.metric.create(n)).__name__ for n in ("own", "zap", "ZIP")]
    return out + [run(mx, mx.metric.create("own"), TWO), kind(mx.metric.EvalMetric("e").update, [], [])]


def case_update_dict(mx):
    labels = {"a_label": mx.nd.array(L3), "b_label": mx.nd.array([1, 1, 1])}
    preds = {"a_output": mx.nd.array(P3), "b_output": mx.nd.array([[1, 0], [1, 0], [0, 1]])}
    out = []
    for o, names in ((None, None), (["a_output"], ["a_label"]), (["b_output"], ["b_label"]), (["a_output"], None)):
        m = mx.metric.Accuracy(output_names=o, label_names=names)
        out.append([kind(m.update_dict, labels, preds), settle(m.get())])
    m = mx.metric.Accuracy(output_names=["zz"], label_names=["a_label"])
    out.append([kind(m.update_dict, labels, preds), kind(m.get)])
    m = mx.metric.Accuracy(output_names=["a_output"], label_names=["zz"])
    out.append([kind(m.update_dict, labels, preds), kind(m.get)])
    m = mx.metric.create(["acc", "ce"], output_names=["b_output"], label_names=["b_label"])
    out.append([kind(m.update_dict, labels, preds), settle(m.get())])
    return out


def case_check(mx):
    check = mx.metric.check_label_shapes
    a, b = mx.nd.zeros((2, 3)), mx.nd.zeros((3, 2))
    out = [kind(check, [1], [1, 2]), kind(check, a, b), kind(check, a, b, shape=True), kind(check, [a], [b])]
    wrapped = check(a, a, True, True)
    return out + [[isinstance(w, list) for w in wrapped]]
