"""Detection operators given what a network that diverges, or an empty picture, gives them: no crash, no memory of others."""

from __future__ import annotations

import numpy as np
import pytest

import cyexec as mx

WILD = [np.nan, np.inf, -np.inf, 1e30, -1e30, 0.0, 2.0**31, -(2.0**31), 2.0**63]


def wild(shape, seed=0):
    """Numbers of every size, and none."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(-5, 5, shape)
    picked = rng.uniform(size=shape) < 0.6
    values[picked] = rng.choice(WILD, picked.sum())
    return mx.nd.array(values)


def image(*shape):
    return mx.nd.array(np.random.default_rng(1).uniform(-1, 1, shape))


CALLS = {
    "ROIPooling": lambda r: mx.nd.ROIPooling(image(2, 3, 6, 5), r, pooled_size=(3, 2), spatial_scale=0.5),
    "ROIAlign": lambda r: mx.nd.contrib.ROIAlign(image(2, 3, 6, 5), r, pooled_size=(3, 2), spatial_scale=0.5),
    "ROIAlign aligned": lambda r: mx.nd.contrib.ROIAlign(
        image(2, 3, 6, 5), r, pooled_size=(3, 2), spatial_scale=1.0, aligned=True, sample_ratio=2
    ),
    "PSROIPooling": lambda r: mx.nd.contrib.PSROIPooling(
        image(2, 12, 6, 5), r, spatial_scale=1.0, output_dim=3, pooled_size=2
    ),
    "DeformablePSROIPooling": lambda r: mx.nd.contrib.DeformablePSROIPooling(
        image(2, 12, 6, 5), r, spatial_scale=1.0, output_dim=3, pooled_size=2, group_size=2, no_trans=True
    ),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("seed", range(5))
def test_pooled_values_are_of_the_image_or_zero(name, seed):
    found = CALLS[name](wild((40, 5), seed)).asnumpy()
    # Means and maxima of values in [-1, 1]; ROIs that lie nowhere give zeros.
    assert np.all(np.abs(found) <= 1 + 1e-6), name


@pytest.mark.parametrize("name", CALLS)
def test_no_regions(name):
    found = CALLS[name](mx.nd.array(np.zeros((0, 5), np.float32)))
    assert found.shape[0] == 0


@pytest.mark.parametrize("name", ["ROIPooling", "ROIAlign", "PSROIPooling"])
@pytest.mark.parametrize("count", [0, 30])
def test_gradients_of_wild_regions_are_finite(name, count):
    data, rois = mx.sym.var("data"), mx.sym.var("rois")
    make = {
        "ROIPooling": lambda: mx.sym.ROIPooling(data, rois, pooled_size=(3, 2), spatial_scale=0.5),
        "ROIAlign": lambda: mx.sym.contrib.ROIAlign(data, rois, pooled_size=(3, 2), spatial_scale=0.5),
        "PSROIPooling": lambda: mx.sym.contrib.PSROIPooling(data, rois, spatial_scale=1.0, output_dim=2, pooled_size=2),
    }[name]
    arrays = [image(2, 8, 6, 5), wild((count, 5)) if count else mx.nd.array(np.zeros((0, 5), np.float32))]
    grads = [mx.nd.ones(a.shape) * 7 for a in arrays]
    executor = make().bind(mx.cpu(), arrays, grads)
    out = executor.forward(is_train=True)[0]
    executor.backward(mx.nd.ones(out.shape))
    assert np.isfinite(grads[0].asnumpy()).all()
    assert not grads[1].asnumpy().any()
    if not count:
        assert not grads[0].asnumpy().any()


@pytest.mark.parametrize("seed", range(5))
def test_sampling_at_wild_points(seed):
    found = mx.nd.BilinearSampler(image(2, 3, 5, 4), wild((2, 2, 6, 7), seed)).asnumpy()
    assert np.all(np.abs(found) <= 1 + 1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_suppression_of_wild_boxes(seed):
    rows = wild((3, 20, 6), seed)
    found = mx.nd.contrib.box_nms(rows, id_index=0).asnumpy()
    for image_rows, kept in zip(rows.asnumpy(), found):
        scores = kept[kept[:, 1] > 0, 1]
        assert np.all(scores[:-1] >= scores[1:])
        for row in kept:
            assert (row == -1).all() or (np.isclose(image_rows, row, equal_nan=True)).all(1).any()


@pytest.mark.parametrize("seed", range(3))
def test_proposals_lie_in_the_picture(seed):
    scores, offsets = wild((1, 6, 4, 5), seed), wild((1, 12, 4, 5), seed + 1)
    info = mx.nd.array([[64.0, 80.0, 1.0]])
    rois = mx.nd.contrib.Proposal(
        scores, offsets, info, scales=(2,), ratios=(0.5, 1, 2), rpn_post_nms_top_n=20, rpn_min_size=0
    ).asnumpy()
    assert rois.shape == (20, 5) and not rois[:, 0].any()
    known = ~np.isnan(rois).any(1)
    assert np.all(rois[known, 1:] >= 0) and np.all(rois[known, 3] <= 79) and np.all(rois[known, 4] <= 63)


@pytest.mark.parametrize("seed", range(3))
def test_targets_of_wild_labels(seed):
    anchors = mx.nd.contrib.MultiBoxPrior(image(1, 1, 3, 4), sizes=(0.3, 0.5))
    labels, scores = wild((2, 4, 5), seed), wild((2, 3, anchors.shape[1]), seed)
    for mining in (-1.0, 3.0):
        _, mask, classes = mx.nd.contrib.MultiBoxTarget(anchors, labels, scores, negative_mining_ratio=mining)
        assert set(np.unique(mask.asnumpy())) <= {0.0, 1.0}
        assert classes.shape == (2, anchors.shape[1])


@pytest.mark.parametrize(
    "call,words",
    [
        (lambda: mx.nd.ROIPooling(image(2, 3, 6, 5), image(4, 4), pooled_size=(3, 2), spatial_scale=1), "rois"),
        (lambda: mx.nd.ROIPooling(image(2, 3, 6), image(4, 5), pooled_size=(3, 2), spatial_scale=1), "4 dimensions"),
        (lambda: mx.nd.ROIPooling(image(2, 3, 6, 5), image(4, 5), pooled_size=(0, 2), spatial_scale=1), "pooled_size"),
        (lambda: mx.nd.contrib.box_nms(image(3, 6), coord_start=4), "coord_start=4"),
        (lambda: mx.nd.contrib.box_nms(image(3, 6), score_index=9), "score_index=9"),
        (lambda: mx.nd.contrib.Proposal(image(2, 24, 4, 4), image(2, 48, 4, 4), image(2, 3)), "MultiProposal"),
        (lambda: mx.nd.contrib.MultiBoxPrior(image(1, 1, 2, 2), sizes=()), "at least one size"),
        (lambda: mx.nd.Correlation(image(1, 2, 4, 4), image(1, 2, 4, 4), max_displacement=9), "too small"),
        (lambda: mx.nd.GridGenerator(image(2, 6), transform_type="affine"), "target_shape"),
        (lambda: mx.nd.contrib.AdaptiveAvgPooling2D(image(1, 2, 4, 4), output_size=(0, 1)), "output_size"),
    ],
)
def test_refused_with_what_is_wrong(call, words):
    with pytest.raises(mx.MXNetError, match=words):
        call()
