"""Classifiers of those years: GoogLeNet, Inception-ResNet, ResNeXt, SENet, ShuffleNet, DPN; 1-D and 3-D networks."""

from recipe import model


def _unit(mx, x, filters, kernel=1, stride=1, pad=0, name=None, act=True, **options):
    x = mx.sym.Convolution(
        x, num_filter=filters, kernel=(kernel, kernel), stride=(stride, stride), pad=(pad, pad), no_bias=True,
        name="conv_" + name, **options,
    )  # fmt: skip
    x = mx.sym.BatchNorm(x, fix_gamma=True, eps=2e-5, momentum=0.9, name="bn_" + name)
    return mx.sym.Activation(x, act_type="relu", name="relu_" + name) if act else x


@model(data=(2, 3, 64, 64), softmax_label=(2,), integers={"softmax_label": 10})
def googlenet(mx):
    """LRN, four-way concatenation, poolings of both conventions."""
    def conv(x, filters, kernel, stride=(1, 1), pad=(0, 0), name=None):
        x = mx.sym.Convolution(x, num_filter=filters, kernel=kernel, stride=stride, pad=pad, name="conv_" + name)
        return mx.sym.Activation(x, act_type="relu", name="relu_" + name)

    x = conv(mx.sym.Variable("data"), 16, (7, 7), (2, 2), (3, 3), "conv1")
    x = mx.sym.Pooling(x, kernel=(3, 3), stride=(2, 2), pool_type="max")
    x = mx.sym.LRN(x, nsize=5, alpha=1e-4, beta=0.75, knorm=1)
    x = conv(conv(x, 16, (1, 1), name="conv2"), 24, (3, 3), (1, 1), (1, 1), "conv3")
    x = mx.sym.LRN(x, nsize=5)
    x = mx.sym.Pooling(x, kernel=(3, 3), stride=(2, 2), pool_type="max", pooling_convention="full")
    c1 = conv(x, 8, (1, 1), name="in3a_1x1")
    c3 = conv(conv(x, 8, (1, 1), name="in3a_3x3_reduce"), 12, (3, 3), (1, 1), (1, 1), "in3a_3x3")
    c5 = conv(conv(x, 4, (1, 1), name="in3a_5x5_reduce"), 8, (5, 5), (1, 1), (2, 2), "in3a_5x5")
    pool = mx.sym.Pooling(x, kernel=(3, 3), stride=(1, 1), pad=(1, 1), pool_type="max", name="max_pool_in3a_pool")
    x = mx.sym.Concat(c1, c3, c5, conv(pool, 4, (1, 1), name="in3a_proj"), name="ch_concat_in3a_chconcat")
    x = mx.sym.Pooling(x, kernel=(7, 7), stride=(1, 1), pool_type="avg")
    x = mx.sym.Flatten(mx.sym.Dropout(x, p=0.0))
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(x, num_hidden=10), name="softmax")


@model(data=(2, 3, 40, 40))
def inception_resnet(mx):
    """Scaled residuals, asymmetric kernels, average pooling without the padding."""
    x = _unit(mx, mx.sym.Variable("data"), 16, 3, 2, name="stem")
    pool = mx.sym.Pooling(
        x, kernel=(3, 3), stride=(1, 1), pad=(1, 1), pool_type="avg", count_include_pad=False, name="avgpool"
    )
    x = mx.sym.Concat(_unit(mx, x, 8, name="b0"), _unit(mx, pool, 8, name="b1"))
    for i in range(2):
        a = _unit(mx, x, 8, name=f"r{i}a")
        b = mx.sym.Convolution(x, num_filter=8, kernel=(1, 7), pad=(0, 3), name=f"r{i}b0")
        b = mx.sym.Convolution(b, num_filter=8, kernel=(7, 1), pad=(3, 0), name=f"r{i}b1")
        y = mx.sym.Convolution(mx.sym.Concat(a, mx.sym.BatchNorm(b, name=f"r{i}bn")), num_filter=16, kernel=(1, 1))
        x = mx.sym.Activation(x + 0.17 * y, act_type="relu")
    x = mx.sym.Pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="avg", pooling_convention="full")
    return mx.sym.softmax(mx.sym.FullyConnected(mx.sym.flatten(x), num_hidden=10))


@model(data=(2, 3, 16, 16), other={"data": (1, 3, 24, 16)})
def resnext_se(mx):
    """Grouped convolution and squeeze-and-excitation, in the `fc` form."""
    x = mx.sym.BatchNorm(mx.sym.Variable("data"), fix_gamma=True, eps=2e-5, name="bn_data")
    x = mx.sym.Convolution(x, num_filter=32, kernel=(3, 3), pad=(1, 1), no_bias=True, name="conv0")
    for i in range(2):
        y = _unit(mx, x, 16, name=f"u{i}a")
        y = _unit(mx, y, 16, 3, 1, 1, f"u{i}b", num_group=4)
        y = _unit(mx, y, 32, name=f"u{i}c", act=False)
        z = mx.sym.Flatten(mx.sym.Pooling(y, global_pool=True, kernel=(7, 7), pool_type="avg", name=f"u{i}_pool"))
        z = mx.sym.Activation(mx.sym.FullyConnected(z, num_hidden=4, name=f"u{i}_fc1"), act_type="relu")
        z = mx.sym.Activation(mx.sym.FullyConnected(z, num_hidden=32, name=f"u{i}_fc2"), act_type="sigmoid")
        y = mx.sym.broadcast_mul(y, mx.sym.reshape(z, shape=(-1, 32, 1, 1)))
        x = mx.sym.Activation(x + y, act_type="relu")
    return mx.sym.Flatten(mx.sym.Pooling(x, global_pool=True, kernel=(1, 1), pool_type="sum"))


@model(data=(2, 3, 16, 16))
def shufflenet(mx):
    """Channels shuffled with ``reshape`` codes and ``swapaxes``, split in two by ``slice_axis``."""
    x = _unit(mx, mx.sym.Variable("data"), 16, 3, 2, 1, "stem")
    for i in range(2):
        left = mx.sym.slice_axis(x, axis=1, begin=0, end=8)
        right = mx.sym.slice_axis(x, axis=1, begin=8, end=16)
        right = _unit(mx, right, 8, name=f"u{i}a")
        right = _unit(mx, right, 8, 3, 1, 1, f"u{i}b", act=False, num_group=8)
        x = mx.sym.concat(left, _unit(mx, right, 8, name=f"u{i}c"), dim=1)
        x = mx.sym.reshape(x, shape=(0, -4, 2, -1, -2))
        x = mx.sym.swapaxes(x, dim1=1, dim2=2)
        x = mx.sym.reshape(x, shape=(0, -3, -2))
    return mx.sym.FullyConnected(mx.sym.mean(x, axis=(2, 3)), num_hidden=10)


@model(data=(2, 3, 16, 16))
def dual_path(mx):
    """Slices of channels added and concatenated."""
    x = _unit(mx, mx.sym.Variable("data"), 24, 3, 1, 1, "stem")
    res, dense = mx.sym.slice_axis(x, axis=1, begin=0, end=16), mx.sym.slice_axis(x, axis=1, begin=16, end=None)
    for i in range(3):
        y = mx.sym.Concat(res, dense, dim=1)
        y = _unit(mx, y, 16, name=f"u{i}a")
        y = _unit(mx, y, 20, 3, 1, 1, f"u{i}b", num_group=4)
        y1, y2 = mx.sym.slice_axis(y, axis=1, begin=0, end=16), mx.sym.slice_axis(y, axis=1, begin=16, end=20)
        res, dense = mx.sym.ElementWiseSum(res, y1, name=f"sum{i}"), mx.sym.Concat(dense, y2, dim=1)
    return mx.sym.Group([res, dense])


@model(data=(2, 3, 20, 20), other={"data": (2, 3, 13, 22)})
def dilated(mx):
    """Dilated, depthwise separable and strided convolutions of odd sizes; ``global_pool`` max."""
    x = mx.sym.Convolution(mx.sym.Variable("data"), num_filter=8, kernel=(3, 5), dilate=(2, 1), pad=(2, 2), name="c0")
    x = mx.sym.Convolution(x, num_filter=16, num_group=8, kernel=(3, 3), dilate=(2, 2), pad=(2, 1), name="dw")
    x = mx.sym.Convolution(x, num_filter=12, num_group=2, kernel=(2, 3), stride=(2, 1), pad=(1, 0), name="g")
    x = mx.sym.Activation(x, act_type="softrelu")
    x = mx.sym.LeakyReLU(x, act_type="elu", slope=0.3) + mx.sym.LeakyReLU(x, act_type="leaky", slope=0.1)
    return mx.sym.Flatten(mx.sym.Pooling(x, global_pool=True, kernel=(2, 2), pool_type="max"))


@model(data=(2, 4, 50), other={"data": (3, 4, 65)})
def conv1d(mx):
    """WaveNet-like gated units along one axis."""
    x = mx.sym.Convolution(mx.sym.Variable("data"), num_filter=8, kernel=(3,), pad=(1,), name="c0")
    for i in range(3):
        d = 2**i
        f = mx.sym.Convolution(x, num_filter=8, kernel=(2,), dilate=(d,), pad=(d,), name=f"f{i}")
        g = mx.sym.Convolution(x, num_filter=8, kernel=(2,), dilate=(d,), pad=(d,), name=f"g{i}")
        y = mx.sym.tanh(f) * mx.sym.sigmoid(g)
        x = x + mx.sym.slice_like(y, x, axes=(2,)) if i else mx.sym.slice_axis(y, axis=2, begin=0, end=-1) + x
    x = mx.sym.Pooling(x, kernel=(4,), stride=(3,), pool_type="avg", pooling_convention="full")
    x = mx.sym.Deconvolution(x, num_filter=4, kernel=(4,), stride=(2,), pad=(1,), name="up")
    return mx.sym.Pooling(x, kernel=(3,), stride=(2,), pad=(1,), pool_type="max")


@model(data=(1, 2, 6, 12, 12))
def c3d(mx):
    x = mx.sym.Convolution(mx.sym.Variable("data"), num_filter=6, kernel=(3, 3, 3), pad=(1, 1, 1), name="conv1a")
    x = mx.sym.Pooling(mx.sym.relu(x), kernel=(1, 2, 2), stride=(1, 2, 2), pool_type="max")
    x = mx.sym.BatchNorm(x, fix_gamma=False, name="bn")
    x = mx.sym.Convolution(x, num_filter=6, kernel=(2, 3, 3), stride=(2, 1, 1), num_group=2, name="conv2a")
    x = mx.sym.Pooling(x, kernel=(2, 2, 2), stride=(2, 2, 2), pad=(0, 1, 1), pool_type="avg")
    return mx.sym.FullyConnected(x, num_hidden=4)


@model(data=(4, 6), other={"data": (7, 6)})
def batch_norm_forms(mx):
    """BatchNorm over two axes, other axes, global statistics, mean and variance as outputs."""
    x = mx.sym.BatchNorm(mx.sym.Variable("data"), name="a", fix_gamma=False, use_global_stats=True)
    y = mx.sym.reshape(x, shape=(0, 2, 3))
    y = mx.sym.BatchNorm(y, name="b", axis=2, fix_gamma=False, eps=1e-3, momentum=0.7)
    y = mx.sym.BatchNorm(y, name="c", axis=-2)
    out = mx.sym.BatchNorm(mx.sym.expand_dims(y, axis=3), name="d", output_mean_var=True, fix_gamma=False)
    return mx.sym.Group([out[0], mx.sym.BlockGrad(out[1]), mx.sym.BlockGrad(out[2])])


@model(data=(2, 3, 14, 14), loc=(2, 6), ranges={"loc": (0.4, 0.6)})
def spatial_transformer(mx):
    data, loc = mx.sym.Variable("data"), mx.sym.Variable("loc")
    moved = mx.sym.SpatialTransformer(
        data=data, loc=loc, target_shape=(10, 12), transform_type="affine", sampler_type="bilinear"
    )
    grid = mx.sym.GridGenerator(loc, transform_type="affine", target_shape=(7, 7))
    return mx.sym.Group([moved, mx.sym.BilinearSampler(data, grid)])


@model(data=(1, 3, 16, 16), data2=(1, 3, 16, 16))
def flownet(mx):
    w = [mx.sym.Variable(n) for n in ("conv1_weight", "conv1_bias")]
    data = mx.sym.Variable("data")

    def tower(x):
        x = mx.sym.Convolution(x, weight=w[0], bias=w[1], num_filter=8, kernel=(3, 3), pad=(1, 1), stride=(2, 2))
        return mx.sym.LeakyReLU(x, slope=0.1, act_type="leaky")

    a, b = tower(data), tower(mx.sym.Variable("data2"))
    x = mx.sym.Correlation(a, b, kernel_size=1, max_displacement=2, stride1=1, stride2=1, pad_size=2, is_multiply=True)
    x = mx.sym.Convolution(mx.sym.Concat(x, a), num_filter=2, kernel=(3, 3), pad=(1, 1), name="predict_flow")
    x = mx.sym.Deconvolution(x, num_filter=2, kernel=(4, 4), stride=(2, 2), pad=(1, 1), name="upsample_flow")
    return mx.sym.Crop(x, data, center_crop=True, num_args=2)
