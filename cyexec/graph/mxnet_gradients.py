"""Which backward operators MXNet prints for each operator: the table behind the backward part of `Executor.debug_str`.

Nothing is computed from it. Our gradients are in `cyexec/ops`, are composed differently and are optimised; users compare
`debug_str` with what MXNet printed. Every line was read off MXNet 1.9.1 (see `tests/golden/debug_text`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..ops.custom import declared
from .text import TextNode


@dataclass(frozen=True)
class Backward:
    """One backward node.

    Parameters
    ----------
    op : str
        Its operator. Empty: no node; the gradient of the output is the inputs' gradient.
    reads : str
        Its inputs: ``g`` gradients of all outputs, ``i`` all inputs, ``o`` all outputs; with a number, one of them.
        MXNet may have more outputs than we do.
    attrs : dict, optional
        None: those of the forward node.
    suffix : str, optional
        Of its name after the forward node's. None: it has no name at all.
    feeds : tuple of int, optional
        Whose gradients its outputs are, in order. None: all inputs.
    zeros : bool
        Whether MXNet writes zeros for every input where all gradients that the node would read are zeros. A rule with
        one node that stands always stands as a whole.
    """

    op: str
    reads: str
    attrs: dict[str, str] | None = None
    suffix: str | None = "_backward"
    feeds: tuple[int, ...] | None = None
    zeros: bool = True


Rule = tuple[Backward, ...]


def zeros_like(number: int, suffix: str) -> Backward:
    """Zeros as the gradient of one input."""
    return Backward("zeros_like", f"i{number}", {}, suffix, (number,))


def zeros(node: TextNode) -> Rule:
    """Zeros as the gradient of every input."""
    if len(node.args) == 1:
        return (zeros_like(0, "_backward"),)
    return tuple(zeros_like(i, f"_in{i}_backward") for i in range(len(node.args)))


def backward(node: TextNode) -> Rule | None:
    """The backward nodes of `node`; None where MXNet has none or the table does not know."""
    irregular = IRREGULAR.get(node.op)
    if irregular is not None:
        return irregular(node, node.params)
    return RULES.get(node.op)


# Where all gradients of outputs are zeros, zeros are passed on. "_backward_" and the operator's name unless said otherwise.
_REGULAR = {
    "g": "broadcast_add broadcast_sub _mul_scalar _div_scalar amp_cast amp_multicast squeeze stack diag sum mean slice "
    "slice_axis slice_like tile repeat reverse _contrib_box_iou _contrib_bipartite_matching _contrib_BilinearResize2D "
    "_contrib_AdaptiveAvgPooling2D _linalg_extractdiag _linalg_makediag _linalg_extracttrian _linalg_maketrian _image_crop",
    "g0 i0": "_image_normalize clip hard_sigmoid Embedding",
    "g0 i1": "take",
    "g0 o0": "SoftmaxActivation _linalg_potrf _linalg_inverse",
    "g0 i0 o0": "prod nansum nanprod max min norm",
    "g o": "_linalg_gelqf _linalg_syevd",
    "g i": "_linalg_trmm _linalg_syrk _linalg_sumlogdiag "
    "broadcast_mul broadcast_div _mod broadcast_mod _power broadcast_power _maximum broadcast_maximum _minimum "
    "broadcast_minimum _hypot broadcast_hypot dot _linalg_gemm2 _linalg_gemm softmax_cross_entropy",
}
# Of these too, but MXNet does not know that their backward operators are such.
_REGULAR_UNMARKED = {
    "g0 i0": "_rdiv_scalar _mod_scalar _rmod_scalar _power_scalar _maximum_scalar _minimum_scalar _hypot_scalar smooth_l1 "
    "softsign expm1 log log2 log10 log1p rsqrt rcbrt square reciprocal abs sign sin cos arcsin arccos arctan degrees "
    "radians sinh cosh arcsinh arccosh arctanh erf gamma gammaln",
    "g0 o0": "_rpower_scalar relu sigmoid tanh sqrt cbrt tan erfinv",
}
_OTHER_NAMES = {
    "elemwise_sub": ("_backward_sub", "g"), "elemwise_mul": ("_backward_mul", "g i"),
    "elemwise_div": ("_backward_div", "g i"), "_plus_scalar": ("_copy", "g"), "_minus_scalar": ("_copy", "g"),
    "_copy": ("_copy", "g"), "_rminus_scalar": ("negative", "g"), "negative": ("negative", "g"),
    "exp": ("elemwise_mul", "g o"), "Cast": ("_backward_cast", "g"), "Reshape": ("_backward_reshape", "g"),
    "expand_dims": ("_backward_reshape", "g"), "Flatten": ("_backward_copy", "g"),
    "_split_v2": ("_split_v2_backward", "g"), "depth_to_space": ("space_to_depth", "g"),
    "space_to_depth": ("depth_to_space", "g"), "cumsum": ("_backward_np_cumsum", "g"),
    "_contrib_div_sqrt_dim": ("_contrib_div_sqrt_dim", "g"), "_contrib_quadratic": ("_contrib_backward_quadratic", "g i"),
    "_contrib_gradientmultiplier": ("_contrib_backward_gradientmultiplier", "g"),
    "_contrib_index_copy": ("_contrib_backward_index_copy", "g i"),
}  # fmt: skip
_OTHER_NAMES |= {
    f"_image_{_name}": ("_copy", "g") for _name in ("to_tensor", "resize", "flip_left_right", "flip_top_bottom")
}
_OTHER_NAMES |= {
    f"_contrib_interleaved_matmul_{_name}": (f"_backward_interleaved_matmul_{_name}", "g i")
    for _name in ("selfatt_qk", "selfatt_valatt", "encdec_qk", "encdec_valatt")
}
# The backward node stands whatever the gradients of outputs are: losses, and operators from before NNVM.
_ALWAYS = {
    "g": "SliceChannel Crop Pad SwapAxis",
    "g i": "Convolution Deconvolution Concat",
    "g i o": "LeakyReLU Pooling_v1 moments",
    "g0 o1 o2 i": "BatchNorm",
    "g0 o1 o2 i0 i1 i3 i4": "BatchNorm_v1",
    "g0 i0 i1 o1 o2": "LayerNorm GroupNorm",
    "g0 o1 o2 i0 i1": "InstanceNorm",
    "g0 o1": "Dropout",
    "g0 o0 o1": "L2Normalization",
    "g0 g1 o0 o1": "_contrib_box_nms",
    "g0 i1 o1": "ROIPooling",
    "g0 i0 o1 i1": "BilinearSampler",
    "g0 o1 o2 i0": "SpatialTransformer",
    "g0 o1 o2": "Correlation",
    "g0 i o": "_linalg_potri _linalg_trsm",
    "g0 o0 o1 o2": "_linalg_det",
    "g1 o0 o1 o2 o3": "_linalg_slogdet",
    "g0 i0 i1": "FullyConnected IdentityAttachKLSparseReg",
    "g0 i0 o1": "LRN",
    "o0 i1": "SoftmaxOutput",
    "i1 o0": "SVMOutput",
}
_ALWAYS_OTHER_NAMES = {
    "_rnn_param_concat": ("_backward_Concat", "g i"),
    "CTCLoss": ("_backward_ctc_loss", "g0 g1 o0 o1"),
    "LinearRegressionOutput": ("_backward_linear_reg_out", "i1 o0"),
    "LogisticRegressionOutput": ("_backward_logistic_reg_out", "i1 o0"),
    "MAERegressionOutput": ("_backward_mae_reg_out", "i1 o0"),
    "_CrossDeviceCopy": ("_backward__CrossDeviceCopy", "g i o"), "_contrib_ROIAlign": ("_backward_ROIAlign", "g0 i1"),
    "_contrib_PSROIPooling": ("_backward__contrib_PSROIPooling", "g0 i1"),
    "_contrib_MultiBoxPrior": ("_backward__contrib_MultiBoxPrior", "g0 i0 o0"),
    "_contrib_MultiBoxTarget": ("_backward__contrib_MultiBoxTarget", ""),
    "_contrib_MultiBoxDetection": ("_backward__contrib_MultiBoxDetection", "g0 i o0"),
    "_contrib_DeformableConvolution": ("_backward__contrib_DeformableConvolution", "g0 i0 i1 i2"),
    "_contrib_ModulatedDeformableConvolution": ("_backward__contrib_ModulatedDeformableConvolution", "g0 i0 i1 i2 i3"),
    "_contrib_DeformablePSROIPooling": ("_backward__contrib_DeformablePSROIPooling", "g0 i o1"),
    "_contrib_SyncBatchNorm": ("_backward__contrib_SyncBatchNorm", "g0 o1 o2 i0 i1 i3 i4"),
    "_contrib_Proposal": ("_backward__contrib_Proposal", ""),
    "_contrib_MultiProposal": ("_backward__contrib_MultiProposal", ""),
}
_ALWAYS_OTHER_NAMES |= {
    f"_random_pdf_{_name}": (f"_backward_pdf_{_name}", "g i o")
    for _name in (
        "uniform", "normal", "gamma", "exponential", "poisson", "negative_binomial", "generalized_negative_binomial",
        "dirichlet",
    )
}  # fmt: skip
_ZERO = [
    "argmax", "argmin", "argsort", "zeros_like", "ones_like", "shape_array", "size_array", "one_hot", "BlockGrad",
    "_contrib_box_encode", "_contrib_box_decode", "_contrib_index_array",
    "rint", "round", "ceil", "floor", "trunc", "fix", "logical_not", "_contrib_arange_like", "_ravel_multi_index",
    "_unravel_index",
]
_ZERO += [
    prefix + name + suffix
    for prefix, suffix in (("_", ""), ("_", "_scalar"), ("broadcast_", ""))
    for name in [
        "equal", "not_equal", "greater", "greater_equal", "lesser", "lesser_equal", "logical_and", "logical_or",
        "logical_xor",
    ]
]
_ZERO += [
    prefix + name + suffix
    for prefix, suffix in (("_random_", "_like"), ("_sample_", ""))
    for name in ["uniform", "normal", "gamma", "exponential", "poisson", "negative_binomial", "generalized_negative_binomial"]
]

_KEEPDIMS = {"keepdims": "true"}
RULES: dict[str, Rule] = {
    "make_loss": (Backward("ones_like", "i0", {}, zeros=False),),
    "elemwise_add": (Backward("", "g0", zeros=False),),
    "_contrib_round_ste": (Backward("", "g0", zeros=False),),
    "_contrib_sign_ste": (Backward("", "g0", zeros=False),),
    "broadcast_to": (Backward("_broadcast_backward", "g", _KEEPDIMS),),
    "broadcast_axis": (Backward("_broadcast_backward", "g", _KEEPDIMS),),
    "broadcast_like": (
        Backward("_broadcast_backward", "g", _KEEPDIMS, feeds=(0,)), zeros_like(1, "_rhs_backward"),
    ),
    "reshape_like": (Backward("_backward_copy", "g", {}, feeds=(0,)), zeros_like(1, "_rhs_backward")),
    "_identity_with_attr_like_rhs": (
        Backward("_backward_copy", "g", {}, feeds=(0,)), zeros_like(1, "_rhs_backward"),
    ),
    "pick": (Backward("_backward_pick", "g0 i1", feeds=(0,)), zeros_like(1, "_index_backward")),
    "gather_nd": (
        Backward("_backward_gather_nd", "g0 i1", {}, feeds=(0,), zeros=False), zeros_like(1, "_backward_indices"),
    ),
    "scatter_nd": (
        Backward("gather_nd", "g0 i1", {}, feeds=(0,), zeros=False), zeros_like(1, "_backward_indices"),
    ),
    "where": (
        zeros_like(0, "_cond_backward"), Backward("_backward_where", "g0 i0", feeds=(1, 2), zeros=False),
    ),
}  # fmt: skip
for _table, _zeros in ((_REGULAR, True), (_REGULAR_UNMARKED, True), (_ALWAYS, False)):
    for _reads, _names in _table.items():
        RULES |= {
            _name: (Backward("_backward_" + _name.lstrip("_"), _reads, zeros=_zeros),) for _name in _names.split()
        }
for _others, _zeros in ((_OTHER_NAMES, True), (_ALWAYS_OTHER_NAMES, False)):
    RULES |= {_name: (Backward(_op, _reads, zeros=_zeros),) for _name, (_op, _reads) in _others.items()}


_MARKED = frozenset({"_broadcast_backward", "_split_v2_backward"}) | {
    f"_contrib_backward_{_name}" for _name in ("quadratic", "gradientmultiplier", "index_copy")
}
_UNMARKED = {f"_backward_{_name}" for _name in ("softmax", "log_softmax", "softmin")}
_UNMARKED |= {f"_backward_{_name.lstrip('_')}" for _names in _REGULAR_UNMARKED.values() for _name in _names.split()}


def is_backward(op: str) -> bool:
    """Whether MXNet knows that `op` is a backward operator, and computes it in its forward node's context."""
    return op in _MARKED or (op.startswith("_backward_") and op not in _UNMARKED)


# Operators whose backward nodes depend on their parameters.


def _activation(node: TextNode, params: Any) -> Rule:
    reads = "g0 o0" if params.act_type == "relu" else "g0 o0 i0"
    return (Backward("_backward_Activation", reads, zeros=False),)


def _grid_generator(node: TextNode, params: Any) -> Rule:
    reads = "g0 o1" if params.transform_type == "affine" else "g0"
    return (Backward("_backward_GridGenerator", reads, zeros=False),)


def _softmax(node: TextNode, params: Any) -> Rule:
    # Another dtype or a length makes it read its inputs too.
    plain = len(node.args) == 1 and getattr(params, "dtype", None) is None
    return (Backward(f"_backward_{node.op}", "g0 o0" if plain else "g0 i o0", zeros=plain),)


def _batch_dot(node: TextNode, params: Any) -> Rule:
    def made(first: str, second: str, a: bool, b: bool, side: str, feed: int) -> Backward:
        attrs = node.attrs
        if not (params.transpose_a and params.transpose_b):
            attrs = {**attrs, "transpose_a": str(a).lower(), "transpose_b": str(b).lower()}
        return Backward("batch_dot", f"{first} {second}", attrs, f"_backward_{side}", (feed,), zeros=False)

    a, b = params.transpose_a, params.transpose_b
    left = made("i1", "g0", b, True, "lhs", 0) if a else made("g0", "i1", False, not b, "lhs", 0)
    right = made("g0", "i0", True, a, "rhs", 1) if b else made("i0", "g0", not a, False, "rhs", 1)
    return left, right


def _transpose(node: TextNode, params: Any) -> Rule:
    axes = params.axes
    if not axes:
        return (Backward("transpose", "g0", {}),)
    order = sorted(range(len(axes)), key=lambda i: axes[i] % len(axes))
    return (Backward("transpose", "g0", {"axes": f"[{','.join(map(str, order))}]"}),)


def _add_n(node: TextNode, params: Any) -> Rule:
    return tuple(Backward("_copy", "g0", {}, None, (i,), zeros=False) for i in range(len(node.args)))


def _make_loss(node: TextNode, params: Any) -> Rule:
    return (Backward("_backward_MakeLoss", "i0" if params.normalization == "valid" else "", zeros=False),)


def _pooling(node: TextNode, params: Any) -> Rule:
    # Where oneDNN could be used MXNet has a second output, the workspace of maximum pooling.
    first = params.layout in (None, "NCW", "NCHW", "NCDHW")
    extra = params.pool_type == "max" and params.kernel and first and params.pooling_convention != "same"
    return (Backward("_backward_Pooling", "g0 g1 i0 o0 o1" if extra else "g0 i0 o0", zeros=False),)


def _sequence(node: TextNode, params: Any) -> Rule:
    return (Backward(f"_backward_{node.op}", "g0 i1" if len(node.args) == 2 else "g0", zeros=False),)


def _up_sampling(node: TextNode, params: Any) -> Rule:
    return (Backward("_backward_UpSampling", "g0 i" if params.sample_type == "bilinear" else "g0", zeros=False),)


def _topk(node: TextNode, params: Any) -> Rule:
    return (Backward("_backward_topk", "g0 o0 o1"),) if params.ret_typ in ("value", "both") else zeros(node)


def _sort(node: TextNode, params: Any) -> Rule:
    axis = "None" if params.axis is None else str(params.axis)
    attrs = {"axis": axis, "is_ascend": str(int(params.is_ascend)), "k": "0", "ret_typ": "value"}
    return (Backward("_backward_topk", "g0 o0 o1", attrs),)


def _sample_multinomial(node: TextNode, params: Any) -> Rule:
    if params.get_prob:
        return (Backward("_backward_sample_multinomial", "g1 i0 o0", {}, zeros=False),)
    return zeros(node)


def _rnn(node: TextNode, params: Any) -> Rule:
    lstm = params.mode == "lstm"
    states = ("o1 g1 i3 o2 g2" if lstm else "o1 g1") if params.state_outputs else ("i3" if lstm else "")
    return (Backward("_backward_RNN", f"i0 i1 i2 o0 g0 {states}", zeros=False),)


def _custom(node: TextNode, params: Any) -> Rule:
    names = [f"g{i}" for i in range(len(params.outputs))]
    names += [f"i{i}" for i in range(len(params.arguments))]
    names += [f"o{i}" for i in range(len(params.outputs))]
    reads = [name for name, read in zip(names, declared(params)) if read]
    reads += [f"i{len(params.arguments) + i}" for i in range(len(params.aux))]
    feeds = tuple(range(len(params.arguments)))
    return (Backward("_backward_Custom", " ".join(reads), {}, "", feeds, zeros=False),)


IRREGULAR: dict[str, Callable[[TextNode, Any], Rule]] = {
    "Activation": _activation, "softmax": _softmax, "log_softmax": _softmax, "softmin": _softmax,
    "batch_dot": _batch_dot, "transpose": _transpose, "add_n": _add_n, "MakeLoss": _make_loss, "Pooling": _pooling,
    "SequenceMask": _sequence, "SequenceReverse": _sequence, "SequenceLast": _sequence, "UpSampling": _up_sampling,
    "topk": _topk, "sort": _sort, "_sample_multinomial": _sample_multinomial,
    "RNN": _rnn, "Custom": _custom,
    "GridGenerator": _grid_generator,
}  # fmt: skip
IRREGULAR |= {_name: lambda node, params: zeros(node) for _name in _ZERO}
