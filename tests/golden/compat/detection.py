"""Detectors: SSD for training and deployment, Faster R-CNN, YOLO as exported from Gluon, R-FCN's parts."""

from recipe import model


def _features(mx, data, filters=(8, 8, 16)):
    maps, x = [], data
    for i, width in enumerate(filters):
        x = mx.sym.Convolution(x, num_filter=width, kernel=(3, 3), stride=(2, 2), pad=(1, 1), name=f"conv{i}")
        x = mx.sym.Activation(x, act_type="relu", name=f"conv{i}_relu")
        maps.append(x)
    return maps


def _multibox(mx, maps, classes=3, sizes=((0.2, 0.3), (0.4, 0.5)), ratios=(1, 2, 0.5)):
    """As `common.py` of the SSD example: L2Normalization with a learned scale, transposed heads, anchors."""
    locs, confs, anchors = [], [], []
    for k, x in enumerate(maps):
        if k == 0:
            x = mx.sym.L2Normalization(x, mode="channel", name=f"m{k}_norm")
            scale = mx.sym.Variable(f"m{k}_scale", shape=(1, 8, 1, 1), wd_mult=0.1)
            x = mx.sym.broadcast_mul(lhs=scale, rhs=x)
        n = len(sizes[k]) - 1 + len(ratios)
        loc = mx.sym.Convolution(x, kernel=(3, 3), pad=(1, 1), num_filter=n * 4, name=f"m{k}_loc_pred_conv")
        loc = mx.sym.Flatten(mx.sym.transpose(loc, axes=(0, 2, 3, 1)))
        conf = mx.sym.Convolution(x, kernel=(3, 3), pad=(1, 1), num_filter=n * (classes + 1), name=f"m{k}_cls_pred_conv")
        conf = mx.sym.Flatten(mx.sym.transpose(conf, axes=(0, 2, 3, 1)))
        locs.append(loc)
        confs.append(conf)
        anchor = mx.sym.contrib.MultiBoxPrior(x, sizes=sizes[k], ratios=ratios, clip=False, name=f"m{k}_anchors")
        anchors.append(mx.sym.Flatten(anchor))
    loc = mx.sym.Concat(*locs, num_args=len(locs), dim=1, name="multibox_loc_pred")
    conf = mx.sym.Reshape(mx.sym.Concat(*confs, num_args=len(confs), dim=1), shape=(0, -1, classes + 1))
    conf = mx.sym.transpose(conf, axes=(0, 2, 1), name="multibox_conf_pred")
    anchor = mx.sym.Reshape(mx.sym.Concat(*anchors, num_args=len(anchors), dim=1), shape=(0, -1, 4), name="multibox_anchors")
    return loc, conf, anchor


@model(data=(2, 3, 32, 32), other={"data": (1, 3, 32, 48)}, gradients=False)
def ssd_deploy(mx):
    loc, conf, anchor = _multibox(mx, _features(mx, mx.sym.Variable("data"))[1:])
    prob = mx.sym.SoftmaxActivation(conf, mode="channel", name="cls_prob")
    return mx.sym.contrib.MultiBoxDetection(
        *[prob, loc, anchor], name="detection", nms_threshold=0.5, force_suppress=False, variances=(0.1, 0.1, 0.2, 0.2),
        nms_topk=20,
    )  # fmt: skip


@model(data=(2, 3, 32, 32), label=(2, 2, 5), ranges={"label": (0.1, 0.8)})
def ssd_training(mx):
    loc, conf, anchor = _multibox(mx, _features(mx, mx.sym.Variable("data"))[1:])
    label = mx.sym.Variable("label")
    corner = mx.sym.slice_axis(label, axis=2, begin=1, end=3) * 0.5
    size = mx.sym.slice_axis(label, axis=2, begin=3, end=5) * 0.5
    kind = mx.sym.floor(mx.sym.slice_axis(label, axis=2, begin=0, end=1) * 3)
    boxes = mx.sym.BlockGrad(mx.sym.Concat(kind, corner, corner + size, dim=2))
    target = mx.sym.contrib.MultiBoxTarget(
        *[anchor, boxes, conf], overlap_threshold=0.5, ignore_label=-1, negative_mining_ratio=3, minimum_negative_samples=0,
        negative_mining_thresh=0.5, variances=(0.1, 0.1, 0.2, 0.2), name="multibox_target",
    )  # fmt: skip
    loc_target, mask, cls_target = target[0], target[1], target[2]
    prob = mx.sym.SoftmaxOutput(
        data=conf, label=cls_target, ignore_label=-1, use_ignore=True, grad_scale=1.0, multi_output=True,
        normalization="valid", name="cls_prob",
    )  # fmt: skip
    diff = mx.sym.smooth_l1(data=mask * (loc - loc_target), scalar=1.0, name="loc_loss_")
    loss = mx.sym.MakeLoss(diff, grad_scale=1.0, normalization="valid", name="loc_loss")
    return mx.sym.Group([prob, loss, mx.sym.MakeLoss(data=cls_target, grad_scale=0, name="cls_label")])


@model(data=(1, 3, 64, 64), im_info=(1, 3), ranges={"im_info": (60, 64)}, gradients=False)
def faster_rcnn_test(mx):
    """Proposals and pooled regions: the test network of the example."""
    feature = _features(mx, mx.sym.Variable("data"))[-1]
    rpn = mx.sym.relu(mx.sym.Convolution(feature, kernel=(3, 3), pad=(1, 1), num_filter=16, name="rpn_conv_3x3"))
    score = mx.sym.Convolution(rpn, kernel=(1, 1), num_filter=2 * 6, name="rpn_cls_score")
    box = mx.sym.Convolution(rpn, kernel=(1, 1), num_filter=4 * 6, name="rpn_bbox_pred")
    shaped = mx.sym.Reshape(score, shape=(0, 2, -1, 0), name="rpn_cls_score_reshape")
    prob = mx.sym.SoftmaxActivation(shaped, mode="channel", name="rpn_cls_prob")
    prob = mx.sym.Reshape(prob, shape=(0, 12, -1, 0), name="rpn_cls_prob_reshape")
    rois = mx.sym.contrib.Proposal(
        cls_prob=prob, bbox_pred=box, im_info=mx.sym.Variable("im_info"), name="rois", feature_stride=8, scales=(2, 4),
        ratios=(0.5, 1, 2), rpn_pre_nms_top_n=60, rpn_post_nms_top_n=10, threshold=0.7, rpn_min_size=4,
    )  # fmt: skip
    pool = mx.sym.ROIPooling(name="roi_pool5", data=feature, rois=rois, pooled_size=(3, 3), spatial_scale=1.0 / 8)
    top = mx.sym.relu(mx.sym.FullyConnected(mx.sym.Flatten(pool), num_hidden=16, name="fc6"))
    cls = mx.sym.softmax(mx.sym.FullyConnected(top, num_hidden=4, name="cls_score"), name="cls_prob")
    return mx.sym.Group([rois, mx.sym.Reshape(cls, shape=(1, -1, 4), name="cls_prob_reshape")])


@model(data=(1, 8, 12, 12), rois=(4, 5), ranges={"rois": (0, 40)})
def region_heads(mx):
    """ROIPooling with gradients; rois begin with a batch index of 0."""
    rois = mx.sym.Variable("rois")
    corner = mx.sym.slice_axis(rois, axis=1, begin=1, end=3)
    size = mx.sym.slice_axis(rois, axis=1, begin=3, end=5) + 20
    boxes = mx.sym.BlockGrad(mx.sym.Concat(mx.sym.slice_axis(rois, axis=1, begin=0, end=1) * 0, corner, corner + size, dim=1))
    x = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(1, 1), num_filter=8, name="top")
    a = mx.sym.ROIPooling(x, boxes, pooled_size=(2, 2), spatial_scale=0.125)
    b = mx.sym.contrib.ROIAlign(x, boxes, pooled_size=(2, 2), spatial_scale=0.125, sample_ratio=2)
    return mx.sym.Group([a, b])


@model(data=(1, 18, 4, 4), gradients=False)
def yolo_decode(mx):
    """How gluoncv's YOLO3 exports: reshapes, slices, grids that are arguments, ``where``, box_nms."""
    x = mx.sym.Convolution(mx.sym.Variable("data"), num_filter=3 * 7, kernel=(1, 1), name="pred")
    x = mx.sym.transpose(mx.sym.reshape(x, shape=(0, 21, -1)), axes=(0, 2, 1))
    x = mx.sym.reshape(x, shape=(0, -1, 3, 7))
    centers = mx.sym.slice_axis(x, axis=-1, begin=0, end=2)
    scales = mx.sym.slice_axis(x, axis=-1, begin=2, end=4)
    objness = mx.sym.sigmoid(mx.sym.slice_axis(x, axis=-1, begin=4, end=5))
    classes = mx.sym.slice_axis(x, axis=-1, begin=5, end=None)
    offsets = mx.sym.stack(*[
        mx.sym.tile(mx.sym.arange(4), reps=(4,)), mx.sym.repeat(mx.sym.arange(4), repeats=4)
    ], axis=-1)  # fmt: skip
    offsets = mx.sym.reshape(offsets, shape=(1, -1, 1, 2))
    centers = mx.sym.broadcast_mul(mx.sym.broadcast_add(mx.sym.sigmoid(centers), offsets), mx.sym.ones((1,)) * 8)
    anchors = mx.sym.Variable("anchors", shape=(1, 1, 3, 2))
    scales = mx.sym.broadcast_mul(mx.sym.exp(scales), mx.sym.abs(anchors) * 100)
    half = scales / 2.0
    box = mx.sym.concat(centers - half, centers + half, dim=-1)
    score = mx.sym.broadcast_mul(mx.sym.sigmoid(classes), objness)
    score = mx.sym.where(score > 0.2, score, mx.sym.zeros_like(score))
    box = mx.sym.tile(mx.sym.expand_dims(box, axis=0), reps=(2, 1, 1, 1, 1))
    score = mx.sym.expand_dims(mx.sym.transpose(score, axes=(3, 0, 1, 2)), axis=-1)
    ids = mx.sym.broadcast_add(score * 0, mx.sym.reshape(mx.sym.arange(0, 2), shape=(0, 1, 1, 1, 1)))
    det = mx.sym.concat(ids, score, box, dim=-1)
    det = mx.sym.reshape(mx.sym.transpose(det, axes=(1, 0, 2, 3, 4)), shape=(0, -1, 6))
    out = mx.sym.contrib.box_nms(
        det, overlap_thresh=0.45, valid_thresh=0.01, topk=40, id_index=0, score_index=1, coord_start=2, force_suppress=False
    )
    out = mx.sym.slice_axis(out, axis=1, begin=0, end=30)
    return mx.sym.Group([mx.sym.slice_axis(out, axis=2, begin=i, end=j) for i, j in ((0, 1), (1, 2), (2, None))])


@model(anchors=(1, 6, 4), boxes=(1, 3, 4), ranges={"anchors": (0, 1), "boxes": (0, 1)}, gradients=False)
def box_overlap(mx):
    """Intersection over union by broadcast slices, and by the operator."""
    def corners(x):
        a, b = mx.sym.slice_axis(x, axis=-1, begin=0, end=2), mx.sym.slice_axis(x, axis=-1, begin=2, end=4)
        return mx.sym.concat(a, a + b, dim=-1)

    a, b = corners(mx.sym.Variable("anchors")), corners(mx.sym.Variable("boxes"))
    iou = mx.sym.contrib.box_iou(mx.sym.reshape(a, (-1, 4)), mx.sym.reshape(b, (-1, 4)), format="corner")
    best = mx.sym.argmax(iou, axis=1)
    match = mx.sym.contrib.bipartite_matching(mx.sym.expand_dims(iou, 0), threshold=1e-3, is_ascend=False)
    return mx.sym.Group([iou, best, match[0], match[1]])
