"""Output operators that define a loss by its gradient: SoftmaxOutput, the regressions, MakeLoss, SVMOutput.

Their gradients take no head gradient into account (SoftmaxOutput does with ``out_grad``), and none flows to the label.

Where MXNet 1.9.1 strays from this, by experiment: with ``out_grad`` it multiplies with the output instead of the head
gradient, and with ``grad_req='add'`` SoftmaxOutput forgets the old gradient and the regressions scale it. We do neither.
"""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from ..lowering.lower import Instr
from .infer import product, same_shape, unify
from .params import Bool, Enum, Float, Params
from .reducing import reduce_step
from .registry import register
from .schema import Case, Op
from .softmax import softmax_numpy


class SoftmaxOutputParams(Params):
    grad_scale = Float(default=1.0, doc="Scales the gradient.")
    ignore_label = Float(default=-1.0, doc="With use_ignore, instances with this label have no gradient.")
    multi_output = Bool(default=False, doc="Compute softmax along axis 1, with a label for each other position.")
    use_ignore = Bool(default=False, doc="Whether instances whose label is ignore_label have no gradient.")
    preserve_shape = Bool(default=False, doc="Compute softmax along the last axis.")
    normalization = Enum(
        "batch", "null", "valid", default="null",
        doc="Divide the gradient by nothing, by the number of instances, or by that of labels that are not ignore_label.",
    )  # fmt: skip
    out_grad = Bool(default=False, doc="Multiply the gradient with the head gradient.")
    smooth_alpha = Float(
        default=0.0,
        doc="Label smoothing: this much of the target is taken from the label and spread over other classes.",
    )


class ScaleParams(Params):
    grad_scale = Float(default=1.0, doc="Scales the gradient.")


class RegressionGradParams(Params):
    scale = Float(default=1.0, doc="Scales the gradient.")
    mean_absolute = Bool(default=False, doc="Take the sign of the difference.")


class MakeLossParams(Params):
    grad_scale = Float(default=1.0, doc="Scales the gradient.")
    valid_thresh = Float(default=0.0, doc="With normalization='valid', elements above it count as valid.")
    normalization = Enum(
        "batch", "null", "valid", default="null",
        doc="Divide the gradient by nothing, by the batch size, or by the number of valid elements.",
    )  # fmt: skip


class SVMParams(Params):
    margin = Float(default=1.0, doc="The loss penalises outputs inside this margin.")
    regularization_coefficient = Float(default=1.0, doc="Factor of the loss.")
    use_linear = Bool(default=False, doc="Use the hinge loss (L1-SVM) instead of its square (L2-SVM).")


# SoftmaxOutput


def _softmax_view(p, shape):
    """(outer, n, inner) that softmax sees."""
    if p.multi_output and len(shape) > 1:
        return shape[0], shape[1], product(shape[2:])
    if p.preserve_shape:
        return product(shape[:-1]), shape[-1], 1
    return shape[0], product(shape[1:]), 1


def _softmax_output_shape(p, ins, outs):
    data, label = unify(ins[0], outs[0], "data and output shapes"), ins[1]
    if data is None:
        return [None, label], [None]
    if label is not None and len(label) == len(data):
        try:
            both = unify(data, label)
            return [both, both], [both]
        except ShapeError:
            pass
    if not p.multi_output:
        label = unify(label, data[:-1], f"data is {data}; label must be the same or without the last axis: shapes")
        return [data, label], [data]
    if len(data) < 2:
        raise ShapeError(f"multi_output needs at least 2 dimensions, data is {data}")
    inner = -1 if -1 in data[2:] else product(data[2:])
    forms = [(data[0], inner), (data[0], *data[2:]), (data[0], 1, *data[2:])]
    for form in forms:
        try:
            return [data, unify(label, form)], [data]
        except ShapeError:
            continue
    raise ShapeError(f"data is {data}; label must be one of {[data, *forms]}, found {label}")


def _softmax_output_lower(low, node):
    _, n, inner = _softmax_view(node.params, low.outs[0].shape)
    low.step("softmax.Softmax", [low.ins[0]], low.outs, inplace=[(0, 0)], n=n, inner=inner)


def _softmax_output_gradient(g, node, ograds):
    heads = (ograds[0],) if node.params.out_grad and ograds[0] is not None else ()
    p = node.params if heads else node.params.replace(out_grad=False)
    return [g("_backward_SoftmaxOutput", node[0], node.inputs[1], *heads, like=p), None]


def _softmax_output_grad_lower(low, node):
    p, (y, label, *heads), out = node.params, low.ins, low.outs[0]
    if y.shape == label.shape:
        # Probabilities as labels: no normalisation, no ignoring.
        code = [Instr("sub", (0, 1)), Instr("mul_s", (2 + len(heads),), p.grad_scale)]
        if heads:
            code.append(Instr("mul", (4, 2)))
        low.elementwise(code, [y, label, *heads], [out])
        return
    outer, n, inner = _softmax_view(p, y.shape)
    scale = p.grad_scale
    hit, miss = 1.0, 0.0
    if p.multi_output:
        # As MXNet has it: the sum over positions becomes a mean, and there is no smoothing.
        if p.normalization != "valid":
            scale /= max(inner, 1)
        if p.normalization == "batch":
            scale /= max(outer, 1)
    else:
        if p.normalization == "batch":
            scale /= max(product(label.shape), 1)  # labels, not instances: MXNet's batch is the flattened label
        if n > 1:
            hit, miss = 1.0 - p.smooth_alpha, p.smooth_alpha / (n - 1)
    low.step(
        "loss.SoftmaxOutputGrad", [y, label, *heads], [out],
        inplace=[(0, 0)] + [(0, 2)] * len(heads),
        n=n, inner=inner, scale=scale, hit=hit, miss=miss, ignore=int(p.ignore_label), use_ignore=p.use_ignore,
        count_valid=p.normalization == "valid",
    )  # fmt: skip


register(
    Op(
        name="_backward_SoftmaxOutput",
        doc="Gradient of SoftmaxOutput from its result.",
        params=SoftmaxOutputParams,
        inputs=lambda p: ("output", "label", "ograd") if p.out_grad else ("output", "label"),
        infer_shape=lambda p, ins, outs: (ins, [ins[0]]),
        lower=_softmax_output_grad_lower,
        hidden=True,
    )
)


def _softmax_output_numpy(p, x, label, is_train):
    return softmax_numpy(x.reshape(_softmax_view(p, x.shape)), 1).reshape(x.shape)


_FLOATS = ("float32", "float64", "float16")
_LABEL = np.array([0.0, 2.0, -1.0, 1.0])


def _softmax_case(shape, label, **params):
    return Case(shapes={"data": shape}, data={"label": label}, params=params, grad=False, dtypes=_FLOATS)


register(
    Op(
        name="SoftmaxOutput",
        aliases=("Softmax",),
        doc="Apply softmax; backward computes the gradient of its cross entropy with the label.",
        params=SoftmaxOutputParams,
        inputs=("data", "label"),
        infer_shape=_softmax_output_shape,
        gradient=_softmax_output_gradient,
        loss=True,
        lower=_softmax_output_lower,
        reference=_softmax_output_numpy,
        cases=(
            _softmax_case((4, 3), _LABEL),
            _softmax_case((4, 3), _LABEL, use_ignore=True, normalization="valid"),
            _softmax_case((4, 3), _LABEL, normalization="batch", grad_scale=3.0, smooth_alpha=0.3),
            _softmax_case((4, 3), _LABEL, out_grad=True),
            _softmax_case((2, 3), np.array([[0.0, 1, 0], [0.5, 0.5, 0]])),
            _softmax_case((2, 3, 2), np.array([[0.0, 2], [1, -1]]), multi_output=True, use_ignore=True),
            _softmax_case((2, 3, 2, 2), np.zeros((2, 2, 2)), multi_output=True, normalization="batch"),
            _softmax_case((2, 3, 2), np.array([[0.0, 1, 0], [1, 1, 0]]), preserve_shape=True),
            _softmax_case((2, 3, 2), np.array([[0.0, 1, 0], [1, 1, 0]])),
        ),
    )
)


# Regressions


def _regression_shape(p, ins, outs):
    data, label = unify(ins[0], outs[0], "data and output shapes"), ins[1]
    if data is None:
        return [None, label], [None]
    if label is None:
        return [data, data[:1] if len(data) == 2 and data[1] == 1 else data], [data]
    if -1 not in data and -1 not in label:
        if label[0] != data[0] or product(label) != product(data):
            raise ShapeError(f"label must have as many elements for each instance as data: found {label} and {data}")
    elif len(label) == len(data):
        data = label = unify(data, label, "data and label shapes")
    return [data, label], [data]


def _regression_gradient(mean_absolute):
    def gradient(g, node, ograds):
        out, label = node[0], node.inputs[1]
        count = product(label.shape[1:])
        scale = node.params.grad_scale / max(count, 1)
        return [g("_backward_regression", out, label, scale=scale, mean_absolute=mean_absolute), None]

    return gradient


def _regression_grad_lower(low, node):
    p, (y, label) = node.params, low.ins
    code = [Instr("sub", (0, 1))] + ([Instr("sign", (2,))] if p.mean_absolute else [])
    code.append(Instr("mul_s", (1 + len(code),), p.scale))
    low.elementwise(code, [y, label.reshape(*y.shape)], low.outs)


register(
    Op(
        name="_backward_regression",
        doc="Gradient of the regression outputs: scale * (output - label), or its sign.",
        params=RegressionGradParams,
        inputs=("output", "label"),
        infer_shape=lambda p, ins, outs: (ins, [ins[0]]),
        lower=_regression_grad_lower,
        hidden=True,
    )
)


def _lower_copy(low, node):
    low.copy(low.outs[0], low.ins[0])


def _lower_sigmoid(low, node):
    low.elementwise([Instr("sigmoid", (0,))], [low.ins[0]], low.outs)


_REGRESSION_CASES = (
    Case(shapes={"data": (4, 3), "label": (4, 3)}, params={"grad_scale": 2.0}, grad=False, dtypes=_FLOATS),
    Case(shapes={"data": (4, 1), "label": (4,)}, grad=False),
    Case(shapes={"data": (4, 2, 3), "label": (4, 6)}, grad=False),
)
for _name, _what, _lower, _absolute in (
    ("LinearRegressionOutput", "squared error", _lower_copy, False),
    ("LogisticRegressionOutput", "cross entropy of its logistic function", _lower_sigmoid, False),
    ("MAERegressionOutput", "absolute error", _lower_copy, True),
):
    register(
        Op(
            name=_name,
            aliases=(f"_sparse_{_name}",),
            doc=f"Hand data on; backward computes the gradient of the {_what}, divided by the outputs of an instance."
            if _lower is _lower_copy
            else f"Apply the logistic function; backward computes the gradient of the {_what}.",
            params=ScaleParams,
            inputs=("data", "label"),
            infer_shape=_regression_shape,
            gradient=_regression_gradient(_absolute),
            lower=_lower,
            reference=(lambda p, x, label, is_train: x)
            if _lower is _lower_copy
            else (lambda p, x, label, is_train: 1 / (1 + np.exp(-x.astype(np.float64)))),
            cases=_REGRESSION_CASES,
        )
    )


# MakeLoss


def _make_loss_grad_lower(low, node):
    p, x, out = node.params, low.ins[0], low.outs[0]
    if p.normalization != "valid":
        # MXNet counts the rows: all axes but the last.
        low.fill(out, p.grad_scale / (max(product(x.shape[:-1]), 1) if p.normalization == "batch" else 1))
        return
    above = low.workspace(x.shape, x.dtype)
    count = low.workspace((1,) * len(x.shape), x.dtype)
    low.elementwise([Instr("greater_s", (0,), p.valid_thresh)], [x], [above])
    reduce_step(low, "Sum", above, count, tuple(range(len(x.shape))))
    low.elementwise([Instr("maximum_s", (0,), 1.0), Instr("rdiv_s", (1,), p.grad_scale)], [count], [out])


register(
    Op(
        name="_backward_MakeLoss",
        doc="Gradient of MakeLoss: grad_scale everywhere, normalised.",
        params=MakeLossParams,
        infer_shape=same_shape,
        lower=_make_loss_grad_lower,
        hidden=True,
    )
)
register(
    Op(
        name="MakeLoss",
        doc="Hand data on as a loss: its gradient is grad_scale, whatever the head gradient.",
        params=MakeLossParams,
        infer_shape=same_shape,
        gradient=lambda g, node, ograds: [g("_backward_MakeLoss", node.inputs[0], like=node.params)],
        lower=_lower_copy,
        reference=lambda p, x, is_train: x,
        cases=(
            Case(shapes={"data": (4, 3)}, params={"grad_scale": 3.0}, grad=False, dtypes=_FLOATS),
            Case(shapes={"data": (4, 3)}, params={"normalization": "batch"}, grad=False),
            Case(shapes={"data": (4, 3)}, params={"normalization": "valid", "valid_thresh": 0.3}, grad=False),
            Case(shapes={"data": (2, 3, 4)}, params={"normalization": "batch"}, grad=False),
            Case(shapes={"data": (4,)}, params={"normalization": "batch"}, grad=False),
        ),
    )
)


# SVMOutput


def _svm_shape(p, ins, outs):
    data = unify(ins[0], outs[0], "data and output shapes")
    label = ins[1]
    if data is not None:
        label = unify(label, data[:-1], "label must be data without the last axis: shapes")
    return [data, label], [data]


def _svm_grad_lower(low, node):
    p, x = node.params, low.ins[0]
    low.step(
        "loss.SvmGrad", low.ins, low.outs, inplace=[(0, 0)],
        n=x.shape[-1], margin=p.margin, weight=p.regularization_coefficient, linear=p.use_linear,
    )  # fmt: skip


register(
    Op(
        name="_backward_SVMOutput",
        doc="Gradient of SVMOutput.",
        params=SVMParams,
        inputs=("data", "label"),
        infer_shape=lambda p, ins, outs: (ins, [ins[0]]),
        lower=_svm_grad_lower,
        hidden=True,
    )
)
register(
    Op(
        name="SVMOutput",
        doc="Hand data on; backward computes the gradient of a support vector machine's loss, one class against all.",
        params=SVMParams,
        inputs=("data", "label"),
        infer_shape=_svm_shape,
        gradient=lambda g, node, ograds: [g("_backward_SVMOutput", *node.inputs, like=node.params), None],
        lower=_lower_copy,
        reference=lambda p, x, label, is_train: x,
        cases=(
            Case(shapes={"data": (4, 3)}, data={"label": np.array([0.0, 2, 1, 1])}, grad=False, dtypes=_FLOATS),
            Case(
                shapes={"data": (4, 3)},
                data={"label": np.array([0.0, 2, 1, 1])},
                params={"margin": 0.5, "regularization_coefficient": 2.0, "use_linear": True},
                grad=False,
            ),
        ),
    )
)
