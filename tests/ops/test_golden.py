"""Every operator against real MXNet: outputs, gradients, auxiliary states, shapes and dtypes of its own cases.

`tests/golden/operators.npz` holds MXNet 1.9.1's answers; `tests/golden/README.md` says how it is made (``make golden``).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cyexec.ops import registry

from ..golden.export_cases import example_fingerprint, examples, prepare
from . import harness

GOLDEN = Path(__file__).parents[1] / "golden" / "operators.npz"
KEPT = 256  # as in run_oracle.py

# Where MXNet is wrong: "operator" or "operator/case", what is not compared (names of arrays, "shapes" or "dtypes" that are
# inferred, "*" for all), and why. The contract tests compare these with NumPy and finite differences in float64.
DIFFERENT: dict[str, tuple[str, str]] = {
    "BatchNorm/11": ("*", "the mean of an empty batch: MXNet has 0/0 and takes it into the moving averages"),
    "Concat": ("shapes", "MXNet counts an input of unknown extent as none: it says 3 for 3 + ?"),
    "_rnn_param_concat": ("shapes", "the same as Concat"),
    "Deconvolution/2": ("out/0", "MXNet's forward is wrong where stride and dilate are both more than 1"),
    "SoftmaxActivation/1": ("grad/data", "in three dimensions MXNet's gradient is not its output's derivative"),
    "SoftmaxOutput/3": ("grad/data", "with out_grad MXNet multiplies with the output instead of the head gradient"),
    "_contrib_BilinearResize2D/9": (
        "shapes_from_output", "MXNet claims that the input whose height and width are taken has the output's channels too"
    ),
    "_contrib_box_nms/7": ("grad/data", "MXNet forgets that boxes changed their form"),
    "_contrib_box_nms/9": ("grad/data", "the same as case 7"),
    "_arange/3": ("out/0", "MXNet rounds a step of -1.5 to an integer in float16"),
    "_image_flip_left_right": ("grad/data", "MXNet hands the gradient on as it is, though the picture was mirrored"),
    "_image_flip_top_bottom": ("grad/data", "the same as flip_left_right"),
    "_image_to_tensor": ("grad/data", "MXNet hands the gradient on as it is, of the output's shape and scale"),
    "_unravel_index/1": ("*", "of indices with two dimensions MXNet takes the first extent alone"),
    "amp_multicast": ("dtypes", "MXNet tells an output's dtype before it knows the widest input"),
    **{
        f"ftml_update/{i}/float16": ("*", "MXNet keeps every intermediate value in half precision, where d loses digits")
        for i in range(3)
    },
    "norm/7": ("out/0", "of integers MXNet sums wrongly: 7 for the norm of (4, 5, 6, 7), whose square is 126"),
    "prod/10": ("grad/data", "where an element is 0, MXNet's gradient is 0/0"),
}


def load():
    with np.load(GOLDEN) as file:
        return json.loads(file["index"].tobytes().decode())["examples"], file["blob"].tobytes()


ANSWERS, BLOB = load()
EXAMPLES = list(examples())


def different(key: str, name: str) -> bool:
    op, number, _ = key.split("/")
    for pattern in (op, f"{op}/{number}", key):
        what = DIFFERENT.get(pattern, ("", ""))[0]
        if what == "*" or name in what.split():
            return True
    return False


def sample(array: np.ndarray) -> np.ndarray:
    flat = array.reshape(-1)
    return flat[np.linspace(0, flat.size - 1, KEPT).astype(np.int64)] if flat.size > KEPT else flat


def compare(key: str, name: str, got: np.ndarray, rtol: float, atol: float) -> None:
    dtype, shape, offset = ANSWERS[key]["arrays"][name]
    assert (got.dtype.name, list(got.shape)) == (dtype, shape), f"{key} {name}"
    kept = np.dtype(np.float32 if dtype == "float64" else dtype)
    want = np.frombuffer(BLOB, kept, min(got.size, KEPT), offset)
    np.testing.assert_allclose(
        sample(got).astype(np.float64), want.astype(np.float64), rtol, atol, err_msg=f"{key} {name}"
    )


@pytest.mark.parametrize("key,op,number,dtype", EXAMPLES, ids=[e[0] for e in EXAMPLES])
def test_same_as_mxnet(key, op, number, dtype):
    if key not in ANSWERS:
        pytest.skip("newer than the golden file: run make golden")
    graph, inputs, heads = prepare(op, number, dtype)
    if ANSWERS[key]["fingerprint"] != example_fingerprint(op, number, inputs, heads):
        pytest.skip("changed since the golden file was made: run make golden")
    case = op.cases[number]
    values = {name: array.copy() for name, array in inputs.items()}
    values.update({f"_head_grad_{i}": head for i, head in enumerate(heads)})
    outputs, grads = harness.run(graph, values)
    # float16: MXNet rounds after every operation, we once at the end; half a unit of its 11 bits, a few times over.
    half = dtype == "float16"
    rtol, atol = max(case.rtol, 4e-3 if half else 0), max(case.atol, 4e-3 if half else 0)
    found = {f"out/{i}": array for i, array in enumerate(outputs)}
    found |= {f"grad/{name}": array for name, array in grads.items()}
    found |= {f"aux/{name}": values[name] for name in op.aux_names(op.params.parse(case.params, op.name))}
    for name, array in found.items():
        if name in ANSWERS[key]["arrays"] and not different(key, name):
            # Gradients sum over more elements than outputs do.
            loose = 10 if name.startswith("grad/") else 1
            compare(key, name, array, rtol * loose, atol * loose)


@pytest.mark.parametrize("key,op,number,dtype", EXAMPLES, ids=[e[0] for e in EXAMPLES])
def test_infers_what_mxnet_infers(key, op, number, dtype):
    """From the first input alone, and from the first output alone, at least as much as MXNet, and nothing else."""
    inferred = ANSWERS.get(key, {}).get("inferred", {})
    case = op.cases[number]
    params = op.params.parse(case.params, op.name)
    names, outs = op.input_names(params), op.output_names(params)
    visible = op.num_visible(params)
    first = harness.case_inputs(op, case, dtype)[:1]
    nothing = [None] * (len(names) - 1)
    for what, (want_ins, want_outs) in inferred.items():
        if different(key, what):
            continue
        if what == "dtypes":
            if op.infer_dtype is None:
                got = [first[0].dtype] * len(names), [first[0].dtype] * len(outs)
            else:
                got = op.infer_dtype(params, [first[0].dtype, *nothing], [None] * len(outs))
            for claimed, want in zip([*got[0], *got[1][:visible]], [*want_ins, *want_outs]):
                assert want is None or claimed is not None and claimed.name == want, (
                    key,
                    what,
                    got,
                    want_ins,
                    want_outs,
                )
            continue
        if what == "shapes":
            got = op.infer_shape(params, [first[0].shape, *nothing], [None] * len(outs))
        else:
            out = tuple(ANSWERS[key]["arrays"]["out/0"][1])
            got = op.infer_shape(params, [None] * len(names), [out, *[None] * (len(outs) - 1)])
        for claimed, want in zip([*got[0], *got[1][:visible]], [*want_ins, *want_outs]):
            if any(want or ()):
                assert claimed is not None and len(claimed) == len(want), (key, what, got, want_ins, want_outs)
                assert all(w in (0, c) for c, w in zip(claimed, want)), (key, what, got, want_ins, want_outs)


def test_golden_file_covers_the_operators():
    """Nearly all visible operators that draw no random numbers have an answer of MXNet's for some case.

    Those that update weights change their inputs, which a graph cannot ask; `tests/golden/training` asks imperatively.
    """
    names = {op.name for _, op, _, _ in EXAMPLES if op.numbers is None}
    answered = {key.split("/")[0] for key, answer in ANSWERS.items() if answer["arrays"]}
    assert len(names - answered) <= 0.05 * len(names), sorted(names - answered)


def test_differences_name_operators_and_reasons():
    for pattern, (what, reason) in DIFFERENT.items():
        assert registry.find(pattern.split("/")[0]) and what and len(reason) > 10, pattern
