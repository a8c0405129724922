"""Heads and losses by old and new names, small pieces that whole checkpoints are made of."""

from recipe import model


@model(data=(4, 6), softmax_label=(4,), integers={"softmax_label": 3})
def old_softmax(mx):
    """``Softmax``, as SoftmaxOutput was called before 0.8; old names of arithmetic."""
    old = mx.sym._internal
    x = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    y = old._Mul(old._PlusScalar(x, scalar=1.5), old._Minus(x, old._DivScalar(x, scalar=2.0)))
    y = old._Plus(old._copy(y), old._RMinusScalar(y, scalar=0.5))
    y = old._Maximum(y, old._MulScalar(y, scalar=-1.0)) + old._Power(mx.sym.abs(x) + 1, mx.sym.abs(y) + 0.5)
    return mx.sym.Softmax(data=y, name="softmax", grad_scale=0.5)


@model(data=(4, 6), other={"data": (2, 6)})
def unlabelled(mx):
    """Heads of training graphs, used for inference without labels."""
    x = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc")
    return mx.sym.Group([
        mx.sym.SoftmaxOutput(x, name="softmax"),
        mx.sym.LinearRegressionOutput(x, name="linear"),
        mx.sym.MAERegressionOutput(x, name="mae"),
        mx.sym.LogisticRegressionOutput(x, name="logistic"),
        mx.sym.SVMOutput(x, name="svm"),
    ])  # fmt: skip


@model(data=(5, 6), svm_label=(5,), mae_label=(5, 4), integers={"svm_label": 4})
def margin_losses(mx):
    x = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc")
    label = mx.sym.Variable("svm_label")
    return mx.sym.Group([
        mx.sym.SVMOutput(x, label, margin=0.3, regularization_coefficient=0.7, use_linear=True),
        mx.sym.MAERegressionOutput(x, mx.sym.Variable("mae_label"), grad_scale=2),
        mx.sym.SVMOutput(x * 2, label, margin=0.1),
    ])  # fmt: skip


@model(data=(6, 5), label=(6,), integers={"label": 2})
def triplet_and_center(mx):
    """Metric losses written with operators: squared distances, hinges, ``slice_axis`` of the batch, ``BlockGrad``."""
    x = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc")
    x = mx.sym.L2Normalization(x, mode="instance", eps=1e-10)
    a, p, n = (mx.sym.slice_axis(x, axis=0, begin=2 * i, end=2 * i + 2) for i in range(3))
    near, far = mx.sym.sum(mx.sym.square(a - p), axis=1), mx.sym.sum(mx.sym.square(a - n), axis=1)
    triplet = mx.sym.Activation(near - far + 0.35, act_type="relu")
    centers = mx.sym.Embedding(mx.sym.Variable("label"), weight=mx.sym.Variable("center"), input_dim=2, output_dim=4)
    center = mx.sym.sum(mx.sym.square(x - mx.sym.BlockGrad(centers)), axis=(0, 1)) / 2
    return mx.sym.Group([mx.sym.MakeLoss(mx.sym.mean(triplet), grad_scale=3), mx.sym.MakeLoss(center, grad_scale=0.1)])


@model(data=(3, 2, 4, 5), label=(3, 4, 5), weight_map=(3, 4, 5), integers={"label": 2})
def focal(mx):
    """``log_softmax``, ``pick`` over an axis, ``norm``, ``where``, ``batch_take``, comparisons as masks."""
    x = mx.sym.Variable("data")
    label = mx.sym.Variable("label")
    logp = mx.sym.pick(mx.sym.log_softmax(x, axis=1), label, axis=1)
    loss = -mx.sym.pow(1 - mx.sym.exp(logp), 2) * logp * (mx.sym.Variable("weight_map") > 0)
    taken = mx.sym.pick(mx.sym.reshape(x, shape=(-1, 5)), mx.sym.tile(label, reps=(2, 1, 1)).reshape((-1, 5)).slice_axis(
        axis=1, begin=0, end=1), axis=1, keepdims=True)  # fmt: skip
    return mx.sym.Group([mx.sym.MakeLoss(loss), mx.sym.norm(x, ord=2, axis=(2, 3)), taken])


@model(data=(3, 4), softmax_label=(3,), integers={"softmax_label": 5})
def shared_parameters(mx):
    """One weight in two layers, one of them transposed; a variable that is an output too."""
    weight, data = mx.sym.Variable("w"), mx.sym.Variable("data")
    h = mx.sym.FullyConnected(data, weight=weight, num_hidden=5, no_bias=True, name="a")
    h = mx.sym.dot(mx.sym.tanh(h), weight)
    h = mx.sym.FullyConnected(h, weight=weight, num_hidden=5, name="b")
    return mx.sym.Group([mx.sym.SoftmaxOutput(h, name="softmax", smooth_alpha=0.1), mx.sym.BlockGrad(weight)])


@model(x=(2, 3, 4), y=(2, 3, 4), other={"x": (1, 3, 4), "y": (1, 3, 4)})
def arithmetic(mx):
    """Scalars on both sides, comparisons, ``maximum`` of numbers, broadcasting reductions, ``stack`` and ``split``."""
    x, y = mx.sym.Variable("x"), mx.sym.Variable("y")
    a = (2 - x) / (3 + mx.sym.abs(y)) + 2**x - x % 0.7 + mx.sym.maximum(x, 0.2) - mx.sym.minimum(0.1, y)
    b = mx.sym.broadcast_div(x, mx.sym.sum(mx.sym.exp(y), axis=2, keepdims=True))
    c = mx.sym.broadcast_maximum(mx.sym.max(x, axis=1, keepdims=True), y) * (x > y) + (x <= 0.5) * (y != x)
    parts = mx.sym.split(mx.sym.stack(a, b, c, axis=1), num_outputs=3, axis=1)
    return mx.sym.Group([parts[1] - parts[2], mx.sym.prod(a, axis=0), mx.sym.nansum(c), mx.sym.min(b, axis=(0, 2))])


@model(data=(2, 3, 6, 6), other={"data": (1, 3, 8, 6)})
def movements(mx):
    """``reverse``, ``tile``, ``repeat``, ``pad``, ``slice`` with steps, ``reshape_like``, ``SwapAxis``, ``gather_nd``."""
    x = mx.sym.Variable("data")
    a = mx.sym.reverse(x, axis=(2, 3)) + mx.sym.flip(x, axis=1)
    b = mx.sym.slice(x, begin=(None, None, 1, 0), end=(None, None, None, 5), step=(None, None, 2, 2))
    c = mx.sym.pad(x, mode="constant", constant_value=0.5, pad_width=(0, 0, 0, 0, 1, 2, 0, 1))
    d = mx.sym.reshape_like(mx.sym.SwapAxis(x, dim1=2, dim2=3), x)
    e = mx.sym.tile(mx.sym.repeat(b, repeats=2, axis=1), reps=(1, 1, 2, 1))
    f = mx.sym.argsort(mx.sym.BlockGrad(mx.sym.sum(x, axis=(2, 3))), axis=1)
    return mx.sym.Group([a, b, c, d, e, mx.sym.sort(mx.sym.max(x, axis=(2, 3)), axis=1, is_ascend=False), f])
