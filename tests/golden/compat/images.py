"""Image in, image out: segmentation, super-resolution, style transfer, generators."""

from recipe import model


def _conv(mx, x, filters, kernel, name, stride=1, pad=None, act="relu", **options):
    pad = kernel // 2 if pad is None else pad
    x = mx.sym.Convolution(
        x, num_filter=filters, kernel=(kernel, kernel), stride=(stride, stride), pad=(pad, pad), name=name, **options
    )
    return mx.sym.Activation(x, act_type=act, name=name + "_act") if act else x


@model(data=(1, 3, 40, 56), softmax_label=(1, 40, 56), integers={"softmax_label": 5},
       other={"data": (2, 3, 48, 32), "softmax_label": (2, 48, 32)})  # fmt: skip
def fcn(mx):
    """FCN-8s: wide padding at the start, ``Deconvolution`` by bilinear weights, ``Crop`` by offsets, labels to ignore."""
    data = mx.sym.Variable("data")
    x = mx.sym.Convolution(data, kernel=(3, 3), pad=(20, 20), num_filter=8, workspace=1024, name="conv1_1")
    x = mx.sym.Pooling(mx.sym.Activation(x, act_type="relu"), pool_type="max", kernel=(2, 2), stride=(2, 2))
    pool3 = mx.sym.Pooling(_conv(mx, x, 8, 3, "conv2"), pool_type="max", kernel=(2, 2), stride=(2, 2), name="pool3")
    pool4 = mx.sym.Pooling(_conv(mx, pool3, 8, 3, "conv3"), pool_type="max", kernel=(2, 2), stride=(2, 2), name="pool4")
    score = mx.sym.Convolution(_conv(mx, pool4, 16, 3, "fc6", pad=0), kernel=(1, 1), num_filter=5, name="score")
    score2 = mx.sym.Deconvolution(
        score, kernel=(4, 4), stride=(2, 2), num_filter=5, adj=(1, 1), no_bias=True, name="score2"
    )
    score_pool3 = mx.sym.Convolution(pool3, kernel=(1, 1), num_filter=5, name="score_pool3")
    crop = mx.sym.Crop(*[score_pool3, score2], offset=(1, 1), name="score_pool3c")
    fused = crop + score2
    big = mx.sym.Deconvolution(fused, kernel=(8, 8), stride=(4, 4), num_filter=5, no_bias=True, name="bigscore")
    up = mx.sym.Crop(*[big, data], offset=(9, 9), name="upscore")
    return mx.sym.SoftmaxOutput(up, multi_output=True, use_ignore=True, ignore_label=4, name="softmax")


@model(data=(1, 3, 32, 32), other={"data": (1, 3, 48, 32)})
def unet(mx):
    """Bilinear ``UpSampling`` (a fixed Deconvolution with weights of its own) and nearest of two inputs."""
    a = _conv(mx, mx.sym.Variable("data"), 8, 3, "d1")
    b = _conv(mx, mx.sym.Pooling(a, kernel=(2, 2), stride=(2, 2), pool_type="max"), 8, 3, "d2")
    c = _conv(mx, mx.sym.Pooling(b, kernel=(2, 2), stride=(2, 2), pool_type="max"), 8, 3, "d3")
    up = mx.sym.UpSampling(c, scale=2, sample_type="bilinear", num_filter=8, name="up1")
    x = _conv(mx, mx.sym.Concat(up, b), 8, 3, "u1")
    x = mx.sym.UpSampling(x, mx.sym.Pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="avg"), scale=2,
                          sample_type="nearest", num_args=2, name="up2")  # fmt: skip
    x = mx.sym.Concat(x, a)
    return mx.sym.LogisticRegressionOutput(mx.sym.Convolution(x, num_filter=1, kernel=(1, 1)), name="softmax")


@model(data=(1, 3, 33, 33), softmax_label=(1, 1089), integers={"softmax_label": 6})
def deeplab(mx):
    """Dilated branches, global context brought back by ``broadcast_like`` and a transposed softmax."""
    x = _conv(mx, mx.sym.Variable("data"), 16, 3, "c0", stride=2)
    x = mx.sym.BatchNorm(x, fix_gamma=False, use_global_stats=True, eps=1e-3, name="bn")
    parts = [_conv(mx, x, 8, 1, "b0")]
    for d in (2, 4):
        parts.append(mx.sym.Convolution(x, num_filter=8, kernel=(3, 3), pad=(d, d), dilate=(d, d), name=f"aspp{d}"))
    context = mx.sym.Pooling(x, global_pool=True, kernel=(1, 1), pool_type="avg")
    parts.append(mx.sym.broadcast_like(_conv(mx, context, 8, 1, "ctx"), parts[0], lhs_axes=(2, 3), rhs_axes=(2, 3)))
    x = mx.sym.Convolution(mx.sym.concat(*parts, dim=1), num_filter=6, kernel=(1, 1), name="score")
    x = mx.sym.contrib.BilinearResize2D(x, height=33, width=33)
    x = mx.sym.reshape(x, shape=(0, 6, -1))
    return mx.sym.SoftmaxOutput(x, multi_output=True, normalization="valid", use_ignore=True, ignore_label=255, name="softmax")


@model(data=(2, 4, 9, 7), other={"data": (1, 4, 6, 5)})
def super_resolution(mx):
    """ESPCN both ways: ``depth_to_space``, and reshape with -4, transpose, reshape with -3."""
    x = _conv(mx, mx.sym.Variable("data"), 8, 5, "c1", act="tanh")
    x = mx.sym.Convolution(x, num_filter=9, kernel=(3, 3), pad=(1, 1), name="c2")
    a = mx.sym.depth_to_space(x, block_size=3)
    b = mx.sym.reshape(x, shape=(0, -4, -1, 9, 0, 0))
    b = mx.sym.reshape(b, shape=(0, 0, -4, 3, 3, 0, 0))
    b = mx.sym.transpose(b, axes=(0, 1, 4, 2, 5, 3))
    b = mx.sym.reshape(b, shape=(0, 0, -3, -3))
    back = mx.sym.space_to_depth(a, block_size=3)
    return mx.sym.Group([mx.sym.clip(a, 0, 255), b, back])


@model(data=(1, 3, 24, 20), other={"data": (1, 3, 20, 28)}, ranges={"data": (0, 255)})
def style_transfer(mx):
    """Reflection padding, ``InstanceNorm``, nearest up-sampling, scaled ``tanh``."""
    def block(x, filters, kernel, stride, name, up=False):
        if up:
            x = mx.sym.UpSampling(x, scale=2, sample_type="nearest")
        k = kernel // 2
        x = mx.sym.Pad(x, mode="reflect", pad_width=(0, 0, 0, 0, k, k, k, k))
        x = mx.sym.Convolution(x, num_filter=filters, kernel=(kernel, kernel), stride=(stride, stride), name=name)
        return mx.sym.InstanceNorm(x, eps=1e-5, name=name + "_in")

    x = mx.sym.Activation(block(mx.sym.Variable("data") / 255, 8, 5, 1, "c1"), act_type="relu")
    x = mx.sym.Activation(block(x, 8, 3, 2, "c2"), act_type="relu")
    y = mx.sym.relu(block(x, 8, 3, 1, "r1"))
    x = mx.sym.elemwise_add(x, block(y, 8, 3, 1, "r2"), name="sum")
    x = mx.sym.relu(block(x, 8, 3, 1, "u1", up=True))
    x = mx.sym.Pad(x, mode="edge", pad_width=(0, 0, 0, 0, 1, 1, 1, 1))
    x = mx.sym.Convolution(x, num_filter=3, kernel=(3, 3), name="out")
    return mx.sym.broadcast_add(mx.sym.tanh(x) * 150, mx.sym.sum(x, axis=1, keepdims=True))


@model(data=(1, 3, 16, 16), target_gram_0=(8, 8), ranges={"data": (0, 255)})
def neural_style(mx):
    """Gram matrices and total variation: losses of the old neural-style example, with fixed kernels as arguments."""
    data = mx.sym.Variable("data")
    x = _conv(mx, data / 128 - 1, 8, 3, "relu1_1")
    flat = mx.sym.Reshape(x, shape=(8, 256))
    gram = mx.sym.FullyConnected(flat, flat, no_bias=True, num_hidden=8)
    style = mx.sym.sum(mx.sym.square(mx.sym.Variable("target_gram_0") - gram / 256))
    parts = mx.sym.SliceChannel(data, num_outputs=3)
    kernel = mx.sym.Variable("kernel", shape=(1, 1, 3, 3))
    out = mx.sym.Concat(*[
        mx.sym.Convolution(parts[i], weight=kernel, num_filter=1, kernel=(3, 3), pad=(1, 1), no_bias=True) for i in range(3)
    ])  # fmt: skip
    tv = mx.sym.sum(mx.sym.abs(out * 0.01)) * 1e-2
    return mx.sym.MakeLoss(mx.sym.Group([style])[0] + tv, grad_scale=0.5)


@model(rand=(2, 10, 1, 1), other={"rand": (3, 10, 1, 1)})
def dcgan_generator(mx):
    x = mx.sym.Variable("rand")
    for i, filters in enumerate((16, 8, 4)):
        stride = (2, 2) if i else (1, 1)
        pad = (1, 1) if i else (0, 0)
        x = mx.sym.Deconvolution(
            x, name=f"g{i}", kernel=(4, 4), stride=stride, pad=pad, num_filter=filters, no_bias=True
        )
        x = mx.sym.BatchNorm(x, name=f"gbn{i}", fix_gamma=True, eps=1e-5 + 1e-12)
        x = mx.sym.Activation(x, name=f"gact{i}", act_type="relu")
    x = mx.sym.Deconvolution(x, kernel=(5, 5), stride=(2, 2), target_shape=(32, 32), num_filter=3, num_group=1, name="g5")
    return mx.sym.Activation(x, name="gact5", act_type="tanh")


@model(data=(2, 3, 32, 32), label=(2, 1))
def dcgan_discriminator(mx):
    x = mx.sym.Variable("data")
    for i, filters in enumerate((8, 16)):
        x = mx.sym.Convolution(x, kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=filters, no_bias=True, name=f"d{i}")
        if i:
            x = mx.sym.BatchNorm(x, name=f"dbn{i}", fix_gamma=True, eps=1e-5)
        x = mx.sym.LeakyReLU(x, name=f"dact{i}", act_type="leaky", slope=0.2)
    x = mx.sym.Flatten(mx.sym.Convolution(x, name="d5", kernel=(8, 8), num_filter=1, no_bias=True))
    return mx.sym.LogisticRegressionOutput(data=x, label=mx.sym.Variable("label"), name="dloss")


@model(data=(2, 3, 16, 16), other={"data": (1, 3, 32, 16)})
def hourglass(mx):
    """Two stacks with intermediate outputs: one node read by several, ``_Plus`` under its old name."""
    def down_up(x, depth, name):
        side = _conv(mx, x, 8, 3, name + "_side")
        x = mx.sym.Pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="max")
        x = _conv(mx, x, 8, 3, name + "_low")
        if depth:
            x = down_up(x, depth - 1, name + "_in")
        return mx.sym._internal._Plus(side, mx.sym.UpSampling(x, scale=2, sample_type="nearest"))

    x = _conv(mx, mx.sym.Variable("data"), 8, 3, "stem")
    outputs = []
    for i in range(2):
        y = down_up(x, 2, f"hg{i}")
        heat = mx.sym.Convolution(y, num_filter=4, kernel=(1, 1), name=f"heat{i}")
        outputs.append(mx.sym.LinearRegressionOutput(heat, name=f"loss{i}", grad_scale=0.5))
        x = x + y + mx.sym.Convolution(heat, num_filter=8, kernel=(1, 1), name=f"remap{i}")
    return mx.sym.Group(outputs)


@model(data=(3, 30))
def autoencoder(mx):
    """Variational: two heads sampled with given noise, losses by ``MakeLoss`` and ``sum`` over axes."""
    data = mx.sym.Variable("data")
    h = mx.sym.Activation(mx.sym.FullyConnected(data, num_hidden=20, name="enc"), act_type="tanh")
    mu = mx.sym.FullyConnected(h, num_hidden=5, name="mu")
    logvar = mx.sym.FullyConnected(h, num_hidden=5, name="logvar")
    z = mu + mx.sym.broadcast_mul(mx.sym.exp(0.5 * logvar), mx.sym.Variable("noise", shape=(1, 5)))
    y = mx.sym.FullyConnected(mx.sym.Activation(mx.sym.FullyConnected(z, num_hidden=20), act_type="tanh"), num_hidden=30)
    y = mx.sym.Activation(y, act_type="sigmoid", name="sigmoid")
    target = mx.sym.sigmoid(data)
    bce = mx.sym.sum(target * mx.sym.log(y) + (1 - target) * mx.sym.log(1 - y), axis=1)
    kl = -0.5 * mx.sym.sum(1 + logvar - pow(mu, 2) - mx.sym.exp(logvar), axis=1)
    return mx.sym.Group([mx.sym.MakeLoss(kl - bce, name="loss"), mx.sym.BlockGrad(y)])
