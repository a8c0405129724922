"""Initialisers: which rule a name falls under, constant ones exactly, random ones by their moments, text forms, errors."""

import warnings

import numpy as np

NAMES = [
    "fc_weight", "fc_bias", "bn_gamma", "bn_beta", "bn_moving_mean", "bn_running_var", "bn_moving_var",
    "bn_moving_inv_var", "bn_moving_avg", "a_min", "a_max", "w_quantize", "fc_bias_quantize", "upsampling0",
    "upsampling0_weight", "stn_loc_weight", "stn_loc_bias", "softmax_label", "my_upsampling", "weight", "x",
]  # fmt: skip


def outcome(f):
    """What a call gives, or the kind of its error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return f()
    except Exception as error:  # noqa: BLE001
        return type(error).__name__


def made(mx, init, name="x_weight", shape=(6,), attrs=None, dtype="float32"):
    def fill():
        array = mx.nd.full(shape, 7, dtype=dtype)
        init(mx.init.InitDesc(name, attrs) if attrs is not None else name, array)
        return array.asnumpy().astype("float64")

    return outcome(fill)


def case_names(mx):
    init = mx.init.Constant(3)
    shapes = {n: (1, 1, 2, 3) if n.startswith("upsampling") else (6,) for n in NAMES}
    return {n: [made(mx, init, n, s, {}), made(mx, init, n, s)] for n, s in shapes.items()}


def case_constant(mx):
    i = mx.init
    out = [made(mx, c, attrs={}) for c in (i.Zero(), i.One(), i.Constant(2.5), i.LSTMBias(), i.LSTMBias(2.0))]
    out += [made(mx, i.LSTMBias(3.0), shape=(8,), attrs={}), made(mx, i.LSTMBias(3.0), "x_bias", attrs={})]
    out += [made(mx, i.Constant(mx.nd.arange(6)), attrs={}), made(mx, i.Constant(np.arange(6)), attrs={})]
    out += [made(mx, i.One(), dtype=d, attrs={}) for d in ("float16", "float64", "int32")]
    out += [made(mx, i.Bilinear(), shape=s, attrs={}) for s in ((1, 2, 4, 4), (2, 1, 3, 5), (1, 1, 5, 2), (1, 1, 1, 1))]
    return out


def case_attributes(mx):
    init = mx.init.Constant(3)
    texts = ["zeros", "one", '["constant", {"value": 4}]', '{"initializer": "ones"}', "nope", mx.init.LSTMBias(5).dumps()]
    return [made(mx, init, n, shape=(8,), attrs={"__init__": t}) for t in texts for n in ("q", "q_bias")]


def case_fused_rnn(mx):
    i = mx.init
    sizes = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
    out = []
    for mode, gates in sorted(sizes.items()):
        for sides in (1, 2):
            for layers in (1, 2):
                count = gates * 2 * sides * ((3 + 2 + 2) + (layers - 1) * (2 * sides + 2 + 2))
                for inner in (i.One(), None):
                    init = i.FusedRNN(inner, 2, layers, mode, sides == 2, 3.0)
                    packed = mx.nd.zeros((count,))
                    init._init_weight(i.InitDesc("p", global_init=i.Constant(4)), packed)
                    out.append(packed)
                    if inner is None:  # MXNet cannot read its own text of another initialiser inside this one
                        out.append(made(mx, i.Constant(5), "p", (count,), {"__init__": init.dumps()}))
    return out


def case_text(mx):
    i = mx.init
    made_ones = [
        i.Zero(), i.One(), i.Constant(3), i.Constant(mx.nd.array([1, 2])), i.Uniform(), i.Uniform(0.1), i.Normal(),
        i.Orthogonal(), i.Orthogonal(2, "normal"), i.Xavier(), i.Xavier("gaussian", "in", 2), i.MSRAPrelu(),
        i.MSRAPrelu("out", 0.1), i.Bilinear(), i.LSTMBias(2), i.FusedRNN(i.Xavier(), 2, 1, "lstm"),
        i.FusedRNN(None, 2, 1, "gru", True, 0.5),
    ]  # fmt: skip
    out = [m.dumps() for m in made_ones]
    out += [mx.sym.Variable("x", init=m).attr("__init__") for m in (i.Xavier(), "ones", i.Normal(0.5))]
    out += [i.Xavier() == i.Xavier(), i.Xavier() == i.Xavier(magnitude=2), i.Xavier() == i.MSRAPrelu(), i.One() == 1]
    return out


def case_errors(mx):
    i = mx.init
    weight, vector = mx.nd.ones((2, 3)), mx.nd.ones((3,))
    desc = i.InitDesc("a_weight")
    calls = [
        lambda: i.Xavier()(desc, vector),
        lambda: i.Xavier(factor_type="x")(desc, weight),
        lambda: i.Xavier(rnd_type="x")(desc, weight),
        lambda: i.Xavier()(3, weight),
        lambda: i.Mixed(["bias"], [i.Zero()])("x", weight),
        lambda: i.Mixed(["bias"], []),
        lambda: i.Load({})("zz", weight),
        lambda: i.Load({"arg:zz": vector})("zz", weight),
        lambda: i.register(int),
        lambda: i.Initializer()(desc, weight),
        lambda: i.Uniform()(i.InitDesc("other"), weight),
    ]
    return [outcome(c) for c in calls]


def case_combined(mx):
    i = mx.init
    mixed = i.Mixed(["bias", ".*weight", "b", ".*"], [i.Zero(), i.One(), i.Constant(2), i.Constant(3)])
    out = [[made(mx, mixed, n, attrs=a) for a in (None, {})] for n in ("bias", "my_weight", "big_beta", "a_bias", "x")]
    load = i.Load({"arg:a_weight": mx.nd.array([1, 2]), "aux:b": mx.nd.ones(3) * 2, "c": mx.nd.ones(1)}, i.Zero())
    out += [sorted(load.param), [made(mx, load, n, (2,)) for n in ("a_weight", "b", "d_weight", "d")]]
    return out


def moments(values):
    """Deviation (times 100: numbers near 1 are compared), mean and fourth moment in its units."""
    spread = values.std()
    return [spread * 100, 1 + values.mean() / spread, ((values / spread) ** 4).mean()]


def case_random(mx):
    """Two hundred thousand numbers of each: their moments are known to a half of a percent."""
    i = mx.init
    shapes = [(400, 500), (40, 50, 10, 10)]
    inits = [i.Uniform(), i.Uniform(0.3), i.Normal(), i.Normal(0.2), i.MSRAPrelu(), i.MSRAPrelu("in", 0.5)]
    inits += [i.Xavier(r, f, m) for r in ("uniform", "gaussian") for f, m in (("avg", 3), ("in", 2), ("out", 2.34))]
    out = []
    for init in inits:
        for shape in shapes:
            mx.random.seed(3)
            out.append(moments(made(mx, init, shape=shape, attrs={})))
    return out


def case_orthogonal(mx):
    """Products of rows with each other (or of columns), which do not depend on the random matrix."""
    out = []
    for scale, kind in ((1.414, "uniform"), (0.5, "normal")):
        for shape in ((4, 6), (6, 4), (4, 2, 3), (5, 5)):
            flat = made(mx, mx.init.Orthogonal(scale, kind), shape=shape, attrs={}).reshape(shape[0], -1)
            gram = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
            out.append(np.round(gram, 4) + 0.0)
    return out


def case_of_a_network(mx):
    """First values that operators give their own parameters."""
    data = mx.sym.Variable("data")
    net = mx.sym.BatchNorm(mx.sym.LeakyReLU(data, act_type="prelu", name="act"), name="bn", fix_gamma=False)
    net = mx.sym.UpSampling(net, scale=2, sample_type="bilinear", num_filter=2, name="up")
    attributes = net.attr_dict()
    shapes, _, aux = net.infer_shape(data=(1, 2, 3, 3))
    names = list(zip(net.list_arguments(), shapes)) + list(zip(net.list_auxiliary_states(), aux))
    return {n: made(mx, mx.init.Constant(3), n, s, attributes.get(n, {})) for n, s in names if n != "data"}
