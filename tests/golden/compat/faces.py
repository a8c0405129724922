"""Face detectors and embeddings: MTCNN, RetinaFace, ArcFace, MobileFaceNet, their heads for training."""

from recipe import model


def _prelu(mx, x, name):
    return mx.sym.LeakyReLU(x, act_type="prelu", name=name)


def _conv_prelu(mx, x, filters, kernel, name, stride=1):
    x = mx.sym.Convolution(x, num_filter=filters, kernel=(kernel, kernel), stride=(stride, stride), name=name)
    return _prelu(mx, x, "prelu_" + name)


@model(data=(1, 3, 24, 30), other={"data": (3, 3, 33, 41)})
def mtcnn_pnet(mx):
    x = _conv_prelu(mx, mx.sym.Variable("data"), 10, 3, "conv1")
    x = mx.sym.Pooling(x, pool_type="max", pooling_convention="full", kernel=(2, 2), stride=(2, 2), name="pool1")
    x = _conv_prelu(mx, _conv_prelu(mx, x, 16, 3, "conv2"), 32, 3, "conv3")
    prob = mx.sym.Convolution(x, num_filter=2, kernel=(1, 1), name="conv4_1")
    box = mx.sym.Convolution(x, num_filter=4, kernel=(1, 1), name="conv4_2")
    return mx.sym.Group([mx.sym.SoftmaxActivation(prob, mode="channel", name="prob1"), box])


@model(data=(2, 3, 48, 48), other={"data": (5, 3, 48, 48)})
def mtcnn_onet(mx):
    x = mx.sym.Variable("data")
    for i, (filters, kernel, pool) in enumerate(((32, 3, 3), (64, 3, 3), (64, 3, 2), (128, 2, 0))):
        x = _conv_prelu(mx, x, filters, kernel, f"conv{i + 1}")
        if pool:
            x = mx.sym.Pooling(x, pool_type="max", pooling_convention="full", kernel=(pool, pool), stride=(2, 2))
    x = mx.sym.FullyConnected(x, num_hidden=64, name="conv5")
    x = _prelu(mx, x, "prelu5")
    prob = mx.sym.FullyConnected(x, num_hidden=2, name="conv6_1")
    return mx.sym.Group([
        mx.sym.SoftmaxActivation(prob, name="prob1"),
        mx.sym.FullyConnected(x, num_hidden=4, name="conv6_2"),
        mx.sym.FullyConnected(x, num_hidden=10, name="conv6_3"),
    ])  # fmt: skip


@model(data=(4, 3, 12, 12), label=(4,), bbox_target=(4, 4), integers={"label": 2})
def mtcnn_training(mx):
    """Its training head: three losses, hard examples chosen by a mask that is data."""
    x = _conv_prelu(mx, mx.sym.Variable("data"), 10, 3, "conv1")
    x = mx.sym.Pooling(x, pool_type="max", pooling_convention="full", kernel=(2, 2), stride=(2, 2), name="pool1")
    x = _conv_prelu(mx, _conv_prelu(mx, x, 16, 3, "conv2"), 32, 3, "conv3")
    score = mx.sym.Convolution(x, num_filter=2, kernel=(1, 1), name="conv4_1")
    box = mx.sym.Convolution(x, num_filter=4, kernel=(1, 1), name="conv4_2")
    prob = mx.sym.SoftmaxOutput(
        mx.sym.Reshape(score, shape=(-1, 2)), label=mx.sym.Variable("label"), use_ignore=True, name="cls_prob"
    )
    target = mx.sym.Variable("bbox_target")
    box = mx.sym.LinearRegressionOutput(mx.sym.Flatten(box), label=target, grad_scale=1, name="bbox_pred")
    return mx.sym.Group([prob, box, mx.sym.BlockGrad(mx.sym.argmax(prob, axis=1))])


def _residual_unit_ir(mx, x, filters, stride, same, name):
    bn = dict(fix_gamma=False, momentum=0.9, eps=2e-5)
    y = mx.sym.BatchNorm(x, name=name + "_bn1", **bn)
    y = mx.sym.Convolution(
        y, num_filter=filters, kernel=(3, 3), pad=(1, 1), no_bias=True, workspace=256, name=name + "_conv1"
    )
    y = _prelu(mx, mx.sym.BatchNorm(y, name=name + "_bn2", **bn), name + "_relu1")
    y = mx.sym.Convolution(
        y, num_filter=filters, kernel=(3, 3), stride=stride, pad=(1, 1), no_bias=True, workspace=256, name=name + "_conv2"
    )
    y = mx.sym.BatchNorm(y, name=name + "_bn3", **bn)
    z = mx.sym.Pooling(y, global_pool=True, kernel=(7, 7), pool_type="avg", name=name + "_se_pool1")
    z = mx.sym.Convolution(z, num_filter=filters // 4, kernel=(1, 1), name=name + "_se_conv1")
    z = mx.sym.Convolution(_prelu(mx, z, name + "_se_relu1"), num_filter=filters, kernel=(1, 1), name=name + "_se_conv2")
    y = mx.sym.broadcast_mul(y, mx.sym.Activation(z, act_type="sigmoid", name=name + "_se_sigmoid"))
    if not same:
        x = mx.sym.Convolution(
            x, num_filter=filters, kernel=(1, 1), stride=stride, no_bias=True, workspace=256, name=name + "_conv1sc"
        )
        x = mx.sym.BatchNorm(x, name=name + "_sc", **bn)
    return y + x


def _arcface_embedding(mx, filters=(8, 8, 16), embedding=16):
    x = mx.sym.identity(mx.sym.Variable("data"), name="id")
    x = mx.sym._internal._MulScalar(mx.sym._internal._minus_scalar(x, scalar=0.1), scalar=0.78125)
    x = mx.sym.Convolution(x, num_filter=8, kernel=(3, 3), pad=(1, 1), no_bias=True, workspace=256, name="conv0")
    x = mx.sym.BatchNorm(x, fix_gamma=False, eps=2e-5, momentum=0.9, name="bn0")
    x = _prelu(mx, x, "relu0")
    for i, width in enumerate(filters):
        x = _residual_unit_ir(mx, x, width, (2, 2), False, f"stage{i + 1}_unit1")
        x = _residual_unit_ir(mx, x, width, (1, 1), True, f"stage{i + 1}_unit2")
    x = mx.sym.BatchNorm(x, fix_gamma=False, eps=2e-5, momentum=0.9, name="bn1")
    x = mx.sym.Dropout(x, p=0.0)
    x = mx.sym.FullyConnected(x, num_hidden=embedding, name="pre_fc1")
    return mx.sym.BatchNorm(x, fix_gamma=True, eps=2e-5, momentum=0.9, name="fc1")


@model(data=(4, 3, 32, 32), other={"data": (1, 3, 32, 32)})
def arcface_embedding(mx):
    return _arcface_embedding(mx)


@model(data=(6, 3, 32, 32), softmax_label=(6,), integers={"softmax_label": 10})
def arcface_training(mx):
    """Additive angular margin: normalised weights, ``pick``, ``one_hot``, ``where``, with old operator names."""
    import math

    embedding, label = _arcface_embedding(mx), mx.sym.Variable("softmax_label")
    weight = mx.sym.Variable("fc7_weight", shape=(10, 16), lr_mult=1.0)
    s, m = 64.0, 0.5
    weight = mx.sym.L2Normalization(weight, mode="instance")
    normed = mx.sym.L2Normalization(embedding, mode="instance", name="fc1n") * s
    fc7 = mx.sym.FullyConnected(normed, weight=weight, no_bias=True, num_hidden=10, name="fc7")
    cos_t = mx.sym.pick(fc7, label, axis=1) / s
    sin_t = mx.sym.sqrt(1 - cos_t * cos_t)
    new = cos_t * math.cos(m) - sin_t * math.sin(m)
    cond = mx.sym.Activation(cos_t - math.cos(math.pi - m), act_type="relu")
    new = mx.sym.where(cond, new, cos_t - math.sin(math.pi - m) * m) * s
    diff = mx.sym.expand_dims(new - mx.sym.pick(fc7, label, axis=1), 1)
    gt = mx.sym.one_hot(label, depth=10, on_value=1.0, off_value=0.0)
    fc7 = fc7 + mx.sym.broadcast_mul(gt, diff)
    return mx.sym.Group([
        mx.sym.BlockGrad(embedding),
        mx.sym.SoftmaxOutput(fc7, label=label, name="softmax", normalization="valid"),
    ])  # fmt: skip


@model(data=(6, 3, 32, 32), softmax_label=(6,), integers={"softmax_label": 10})
def arccos_training(mx):
    """The later form, with ``arccos`` and ``cos``; cross entropy as a second head."""
    embedding, label = _arcface_embedding(mx), mx.sym.Variable("softmax_label")
    weight = mx.sym.L2Normalization(mx.sym.Variable("fc7_weight", shape=(10, 16)), mode="instance")
    normed = mx.sym.L2Normalization(embedding, mode="instance", name="fc1n")
    fc7 = mx.sym.FullyConnected(normed, weight=weight, no_bias=True, num_hidden=10, name="fc7")
    picked = mx.sym.pick(fc7, label, axis=1)
    body = mx.sym.cos(mx.sym.arccos(picked) + 0.2)
    diff = mx.sym.expand_dims(body - picked, 1)
    fc7 = (fc7 + mx.sym.broadcast_mul(mx.sym.one_hot(label, depth=10), diff)) * 32.0
    softmax = mx.sym.SoftmaxOutput(fc7, label=label, name="softmax", normalization="valid")
    ce = mx.sym.SoftmaxActivation(fc7)
    ce = mx.sym.sum(mx.sym.log(ce) * mx.sym.one_hot(label, depth=10, on_value=-1.0, off_value=0.0)) / 6
    return mx.sym.Group([mx.sym.BlockGrad(embedding), softmax, mx.sym.BlockGrad(ce)])


@model(data=(4, 3, 32, 32))
def mobilefacenet(mx):
    def unit(x, filters, kernel, stride, pad, group, name, linear=False):
        x = mx.sym.Convolution(
            x, num_filter=filters, kernel=kernel, num_group=group, stride=stride, pad=pad, no_bias=True, name=name + "_conv2d"
        )
        x = mx.sym.BatchNorm(x, fix_gamma=False, momentum=0.9, name=name + "_batchnorm")
        return x if linear else _prelu(mx, x, name + "_relu")

    x = unit(mx.sym.Variable("data"), 16, (3, 3), (2, 2), (1, 1), 1, "conv_1")
    x = unit(x, 16, (3, 3), (1, 1), (1, 1), 16, "conv_2_dw")
    for i, stride in enumerate(((2, 2), (1, 1))):
        y = unit(x, 32, (1, 1), (1, 1), (0, 0), 1, f"dconv_{i}_sep")
        y = unit(y, 32, (3, 3), stride, (1, 1), 32, f"dconv_{i}_dw")
        y = unit(y, 16, (1, 1), (1, 1), (0, 0), 1, f"dconv_{i}_proj", linear=True)
        x = y if i == 0 else x + y
    x = unit(x, 32, (1, 1), (1, 1), (0, 0), 1, "conv_6sep")
    x = unit(x, 32, (8, 8), (1, 1), (0, 0), 32, "conv_6dw7_7", linear=True)
    x = mx.sym.FullyConnected(x, num_hidden=16, name="pre_fc1")
    return mx.sym.BatchNorm(x, fix_gamma=True, eps=2e-5, momentum=0.9, name="fc1")


@model(data=(1, 3, 64, 96), other={"data": (1, 3, 96, 64)})
def retinaface(mx):
    """Feature pyramid: nearest ``UpSampling``, ``Crop`` to the smaller map, heads of ``SoftmaxActivation(channel)``."""

    def unit(x, filters, kernel, stride, name, act=True):
        x = mx.sym.Convolution(
            x, num_filter=filters, kernel=(kernel, kernel), stride=(stride, stride), pad=(kernel // 2, kernel // 2), name=name
        )
        x = mx.sym.BatchNorm(x, eps=2e-5, momentum=0.9, fix_gamma=False, name=name + "_bn")
        return mx.sym.Activation(x, act_type="relu", name=name + "_relu") if act else x

    x, maps = mx.sym.Variable("data"), []
    for i in range(5):
        x = unit(x, 8, 3, 2, f"c{i}")
        if i > 1:
            maps.append(x)
    pyramid = [unit(maps[2], 8, 1, 1, "rf_c3_lateral")]
    for i in (1, 0):
        up = mx.sym.UpSampling(pyramid[0], scale=2, sample_type="nearest", workspace=512, num_args=1, name=f"up{i}")
        side = unit(maps[i], 8, 1, 1, f"rf_c{i}_lateral")
        pyramid.insert(0, unit(mx.sym.elemwise_add(side, mx.sym.Crop(up, side, name=f"crop{i}")), 8, 3, 1, f"aggr{i}"))
    outputs = []
    for i, level in enumerate(pyramid):
        det = mx.sym.Concat(unit(level, 8, 3, 1, f"det{i}a", False), unit(level, 4, 3, 1, f"det{i}b", False), dim=1)
        det = mx.sym.Activation(det, act_type="relu")
        score = mx.sym.Convolution(det, num_filter=4, kernel=(1, 1), name=f"face_rpn_cls_score_stride{i}")
        shaped = mx.sym.Reshape(score, shape=(0, 2, -1, 0), name=f"rpn_cls_score_reshape_stride{i}")
        prob = mx.sym.SoftmaxActivation(shaped, mode="channel", name=f"rpn_cls_prob_stride{i}")
        outputs.append(mx.sym.Reshape(prob, shape=(0, 4, -1, 0), name=f"rpn_cls_prob_reshape_stride{i}"))
        outputs.append(mx.sym.Convolution(det, num_filter=8, kernel=(1, 1), name=f"face_rpn_bbox_pred_stride{i}"))
    return mx.sym.Group(outputs)
