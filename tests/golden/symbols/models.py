"""Symbols that are built alike with MXNet and with cyexec, to compare their names, JSON, text and inference.

Each builder takes the module (``mxnet`` or ``cyexec``) and returns the symbol; `KNOWN` says what inference is given.
Automatic names must not depend on the other builders: run each in a NameManager of its own.
"""

BUILDERS = {}
KNOWN = {}


def model(shapes=None, dtypes=None):
    def note(function):
        BUILDERS[function.__name__] = function
        KNOWN[function.__name__] = {"shapes": shapes or [{}], "dtypes": dtypes or [{}]}
        return function

    return note


@model(shapes=[{}, {"data": (2, 3)}], dtypes=[{}, {"data": "float16"}])
def variable(mx):
    return mx.sym.Variable("data")


@model(shapes=[{}, {"v": (4, 3, 5)}], dtypes=[{}, {"v": "float64"}])
def decorated_variable(mx):
    return mx.sym.Variable(
        "v",
        attr={"ctx_group": "dev1", "mine": "yes", "__quoted__": 'a "b" \\ c\n\t/é'},
        shape=(0, 3, 5),
        lr_mult=2,
        wd_mult=0.5,
        dtype="float16",
        init='["zero", {}]',
        __extra__=7,
    )


@model(
    shapes=[{}, {"data": (2, 4)}, {"data": (0, 4)}, {"fc1_weight": (8, 5)}, {"data": (2, 3, 4), "softmax_label": (2,)}],
    dtypes=[{}, {"data": "float16"}, {"fc2_bias": "float64"}],
)
def mlp(mx):
    data = mx.sym.Variable("data")
    net = mx.sym.FullyConnected(data, num_hidden=8, name="fc1")
    net = mx.sym.Activation(net, act_type="relu")
    net = mx.sym.FullyConnected(net, num_hidden=3, no_bias=False, name="fc2")
    return mx.sym.SoftmaxOutput(net, name="softmax")


@model(shapes=[{"data": (2, 1, 28, 28)}, {"data": (0, 1, 28, 28)}], dtypes=[{"data": "float32"}])
def lenet(mx):
    net = mx.sym.var("data")
    for width in (20, 50):
        net = mx.sym.Convolution(net, kernel=(5, 5), num_filter=width)
        net = mx.sym.Activation(data=net, act_type="tanh")
        net = mx.sym.Pooling(net, kernel=(2, 2), stride=(2, 2), pool_type="max")
    net = mx.sym.Flatten(net)
    net = mx.sym.FullyConnected(net, num_hidden=500)
    net = mx.sym.Activation(net, act_type="tanh")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=10), name="softmax")


@model(shapes=[{"data": (2, 3, 8, 8)}, {"bn_gamma": (3,)}], dtypes=[{"data": "float16"}, {"data": "float64"}])
def residual(mx):
    data = mx.sym.Variable("data")
    bn = mx.sym.BatchNorm(data, fix_gamma=False, eps=2e-5, momentum=0.9, name="bn")
    act = mx.sym.Activation(bn, act_type="relu", name="relu")
    conv = mx.sym.Convolution(act, num_filter=3, kernel=(3, 3), pad=(1, 1), no_bias=True, workspace=256, name="conv")
    bn2 = mx.sym.BatchNorm(conv)
    return mx.sym.LeakyReLU(bn2 + data, act_type="prelu", name="prelu")


@model(shapes=[{"x": (2, 3)}], dtypes=[{"x": "float32"}])
def shared_auxiliary(mx):
    mean = mx.sym.Variable("mean")
    x = mx.sym.Variable("x")
    first = mx.sym.BatchNorm(x, moving_mean=mean, name="bn1")
    second = mx.sym.BatchNorm(first, moving_mean=mean, name="bn2", output_mean_var=True)
    return mx.sym.Group([second[0], second[1], second[2]])


@model(shapes=[{"x": (2, 3)}, {"y": (2, 3)}, {"x": (2, 0), "y": (0, 3)}], dtypes=[{}, {"y": "int32"}])
def arithmetic(mx):
    x, y = mx.sym.Variable("x"), mx.sym.Variable("y")
    a = (x + y) * (x - y) / (x * y) % y
    b = (x + 1) * 2 - 3.5
    c = 1 - x
    d = 2 / x
    e = 2**x
    f = -x + x**2 + x**y
    g = 1.5 % x
    return a + b + c + d + e + f + g + (x % 3) + x / 7


@model(shapes=[{"x": (2, 3)}], dtypes=[{"x": "float64"}])
def comparison(mx):
    x, y = mx.sym.Variable("x"), mx.sym.Variable("y")
    parts = [x == y, x != y, x > y, x >= y, x < y, x <= y, x == 1, x != 1, x > 1, x >= 1, x < 1, x <= 1]
    return mx.sym.Group(parts)


@model(shapes=[{"x": (2, 3)}], dtypes=[{"x": "float32"}])
def functions_of_numbers(mx):
    x, y = mx.sym.Variable("x"), mx.sym.Variable("y")
    s = mx.sym
    return s.Group(
        [
            s.maximum(x, y),
            s.maximum(2, x),
            s.minimum(x, 2.5),
            s.hypot(x, y),
            s.hypot(x, 3),
            s.pow(x, y),
            s.pow(2, x),
            s.power(x, 3),
        ]
    )


@model(shapes=[{"data": (4, 6)}, {"data": (0, 6)}], dtypes=[{"data": "float32"}])
def several_outputs(mx):
    data = mx.sym.Variable("data")
    parts = mx.sym.SliceChannel(data, num_outputs=3, axis=1, name="parts")
    return mx.sym.Group([parts[2], parts[0] + parts[1], parts])


@model(shapes=[{"a": (2, 3), "b": (2, 4), "c": (2, 5), "cat_arg3": (0, 1)}], dtypes=[{"a": "float32"}])
def variadic(mx):
    a, b, c = (mx.sym.Variable(n) for n in "abc")
    cat = mx.sym.Concat(a, b, c, num_args=4, dim=1, name="cat")
    total = mx.sym.add_n(a, a, a)
    return mx.sym.Group([cat, total, mx.sym.stack(b, b, axis=1)])


@model(shapes=[{"a0": (2, 3)}], dtypes=[{"a0": "float32"}])
def long_lists(mx):
    many = [mx.sym.Variable("a%d" % i) for i in range(13)]
    return mx.sym.Group([mx.sym.ElementWiseSum(*many, name="sum")] + [m * 2 for m in many])


@model(shapes=[{"data": (2, 3, 4)}], dtypes=[{"data": "float32"}])
def shapes_of_shapes(mx):
    data = mx.sym.Variable("data")
    net = mx.sym.transpose(data, axes=(2, 0, 1))
    net = mx.sym.Reshape(net, shape=(0, -1), name="r")
    net = mx.sym.expand_dims(net, axis=1)
    net = mx.sym.SwapAxis(net, dim1=0, dim2=2)
    net = mx.sym.slice_axis(net, axis=0, begin=1, end=None)
    net = mx.sym.slice(net, begin=(None, 0), end=(2, None))
    return mx.sym.squeeze(net)


@model(shapes=[{"data": (2, 3, 4)}], dtypes=[{"data": "float32"}])
def fluent(mx):
    data = mx.sym.Variable("data")
    net = data.reshape(shape=(2, -1)).transpose().sum(axis=0, keepdims=True).exp()
    net = net.clip(0, 1).expand_dims(axis=0).astype("float64").flatten()
    return net.mean().log_softmax().relu()


@model(shapes=[{"x": (2, 3)}], dtypes=[{}, {"x": "float16"}])
def reductions(mx):
    x = mx.sym.Variable("x")
    s = mx.sym
    return s.Group(
        [s.sum(x), s.mean(x, axis=(0, 1)), s.max(x, axis=1), s.argmax(x, axis=0), s.norm(x), s.prod(x, axis=-1)]
    )


@model(shapes=[{}, {"x": (2, 3)}], dtypes=[{}, {"x": "float32"}])
def constants(mx):
    x = mx.sym.Variable("x")
    s = mx.sym
    return s.Group(
        [
            s.zeros((2, 3)) + x,
            s.ones(shape=(2, 3), dtype="int32"),
            s.full((2,), 5),
            s.arange(5),
            s.arange(1, 5, 2, repeat=2, dtype="int32", name="steps"),
            s.linspace(0, 1, 5),
            s.eye(3, 4, 1),
        ]
    )


@model(shapes=[{"ids": (2, 5)}, {"emb_weight": (7, 4)}], dtypes=[{"ids": "int32"}, {"ids": "float32"}])
def embedding(mx):
    ids = mx.sym.Variable("ids")
    emb = mx.sym.Embedding(ids, input_dim=7, output_dim=4, name="emb")
    return mx.sym.softmax(mx.sym.dot(mx.sym.mean(emb, axis=1), mx.sym.Variable("w", shape=(4, 3))), axis=-1)


@model(shapes=[{"x": (2, 3)}], dtypes=[{"x": "int32"}, {}])
def casts(mx):
    x = mx.sym.Variable("x")
    half = mx.sym.Cast(x, dtype="float16")
    return mx.sym.Group([half, mx.sym.cast(half, dtype="float64"), mx.sym.BlockGrad(x), mx.sym.identity(x)])


@model(shapes=[{"data": (2, 3, 8, 8)}], dtypes=[{"data": "float32"}])
def normalizations(mx):
    data = mx.sym.Variable("data")
    net = mx.sym.LRN(data, nsize=3, name="lrn")
    net = mx.sym.L2Normalization(net, mode="channel")
    net = mx.sym.LayerNorm(net, axis=1)
    return mx.sym.Dropout(net, p=0.3)


@model(shapes=[{"data": (2, 3, 4, 4)}], dtypes=[{"data": "float32"}])
def upsampling(mx):
    data = mx.sym.Variable("data")
    up = mx.sym.UpSampling(data, scale=2, sample_type="nearest", name="up")
    up = mx.sym.Deconvolution(up, kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=3, num_group=3, name="deconv")
    return mx.sym.Pad(up, mode="constant", pad_width=(0, 0, 0, 0, 1, 1, 2, 2))


@model(shapes=[{"data": (2, 4)}], dtypes=[{"data": "float32"}])
def losses(mx):
    data = mx.sym.Variable("data")
    label = mx.sym.Variable("label")
    s = mx.sym
    return s.Group(
        [
            s.LinearRegressionOutput(data, label, name="lin"),
            s.LogisticRegressionOutput(data, name="log"),
            s.MAERegressionOutput(data, name="mae"),
            s.MakeLoss(s.sum(data), name="loss"),
            s.SoftmaxActivation(data),
        ]
    )


@model(shapes=[{"data": (2, 4)}], dtypes=[{"data": "float32"}])
def attributes(mx):
    with mx.AttrScope(ctx_group="stage1", __mood__="calm"):
        data = mx.sym.Variable("data")
        net = mx.sym.FullyConnected(data, num_hidden=3, name="fc", attr={"lr_mult": "3", "__mood__": "tense"})
    with mx.AttrScope(ctx_group="stage2", mirror_stage="1"):
        net = mx.sym.exp(net, attr={"force_mirroring": "True"})
    net._set_attr(wd_mult="0.1")
    return net


@model(shapes=[{"data": (2, 4)}], dtypes=[{"data": "float32"}])
def prefixes(mx):
    data = mx.sym.Variable("data")
    with mx.name.Prefix("net_"):
        net = mx.sym.FullyConnected(data, num_hidden=3)
        net = mx.sym.Activation(net, act_type="relu", name="act")
        net = net + 1
    return net


@model(shapes=[{"other": (2, 4)}], dtypes=[{"other": "float32"}])
def composed(mx):
    x = mx.sym.Variable("x")
    net = mx.sym.FullyConnected(mx.sym.Activation(x, act_type="relu", name="act"), num_hidden=3, name="fc")
    other = mx.sym.exp(mx.sym.Variable("other"), name="e")
    return net(x=other, fc_bias=mx.sym.Variable("shared"), name="renamed")


@model(shapes=[{"x": (2, 4)}], dtypes=[{"x": "float32"}])
def internals(mx):
    net = mlp(mx)(data=mx.sym.Variable("x"))
    inner = net.get_internals()
    return mx.sym.Group([inner["fc1_output"], inner["fc2_bias"], net.get_children()])


@model(shapes=[{"x": (3, 4)}], dtypes=[{"x": "float32"}])
def same_names(mx):
    a, b = mx.sym.Variable("x"), mx.sym.Variable("x")
    return mx.sym.exp(a, name="e") + mx.sym.exp(b, name="e")


@model(shapes=[{"out_weight": (3, 5), "data": (0, 5)}, {"h_bias": (5,), "data": (7, 2)}], dtypes=[{"data": "float64"}])
def unnamed_parts(mx):
    net = mx.sym.FullyConnected(num_hidden=5, name="h")
    net = net(h_data=mx.sym.Variable("data"))
    net = mx.sym.FullyConnected(weight=mx.sym.Variable("out_weight"), data=net, num_hidden=3, flatten=False)
    return net.softmax(axis=-1)


@model(shapes=[{"x": (2, 3), "y": (1, 3)}, {"x": (2, 3)}], dtypes=[{"x": "float32"}])
def broadcasting(mx):
    x, y = mx.sym.Variable("x"), mx.sym.Variable("y")
    s = mx.sym
    return s.Group(
        [
            s.broadcast_add(x, y),
            s.broadcast_mul(x, y, name="m"),
            s.broadcast_to(y, shape=(2, 3)),
            s.broadcast_maximum(x, y),
        ]
    )


@model(shapes=[{"x": (2, 3), "i": (2,)}], dtypes=[{"x": "float32", "i": "int32"}])
def indexing(mx):
    x, i = mx.sym.Variable("x"), mx.sym.Variable("i")
    s = mx.sym
    return s.Group(
        [
            s.take(x, i),
            s.pick(x, i, axis=1),
            s.one_hot(i, depth=4),
            s.tile(x, reps=(2, 2)),
            s.repeat(x, repeats=2, axis=1),
        ]
    )


@model(shapes=[{"c": (2, 3)}, {"x": (2, 3)}], dtypes=[{"c": "int32", "x": "float32"}])
def selection(mx):
    c, x, y = (mx.sym.Variable(n) for n in "cxy")
    return mx.sym.where(c, x, y) + mx.sym.zeros_like(x) + mx.sym.ones_like(y)
