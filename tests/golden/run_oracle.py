"""Ask real MXNet for the outputs, gradients and auxiliary states of the examples that `export_cases.py` wrote.

Runs in MXNet's own environment (Python 3.8, no cyexec): ``python run_oracle.py CASES.npz operators.npz [--only OP]``.
Examples that CASES.npz lists as kept keep the answers that operators.npz has.
The plain operators are asked: oneDNN and subgraph rewrites are off, since some of them are wrong.
Each operator runs in a process of its own (each example, if that ends early): some inputs end MXNet.
"""

import json
import os
import pickle
import re
import sys
import tempfile

for name, value in (
    ("MXNET_SUBGRAPH_BACKEND", "NONE"), ("MXNET_MKLDNN_ENABLED", "0"), ("MXNET_ENGINE_TYPE", "NaiveEngine"),
    ("OMP_NUM_THREADS", "1"), ("MXNET_STORAGE_FALLBACK_LOG_VERBOSE", "0"),
):  # fmt: skip
    os.environ[name] = value

import mxnet as mx
import npz
import numpy as np

# Of larger arrays, that many elements are kept, evenly spread.
KEPT = 256


def one_node_symbol(case, add_like=None):
    """The operator over variables, made as a symbol file: any name MXNet knows can be asked.

    With ``add_like``, output number `add_like` plus a variable ``like`` is the only output: its shape tells the node's.
    """
    names = case["args"] + case["aux"]
    nodes = [{"op": "null", "name": name, "inputs": []} for name in names]
    inputs = [[i, 0, 0] for i in range(len(names))]
    nodes.append({"op": case["op"], "name": "node", "attrs": case["attrs"], "inputs": inputs})
    heads = [[len(names), i, 0] for i in range(case["outputs"])]
    if add_like is not None:
        nodes.append({"op": "null", "name": "like", "inputs": []})
        sides = [[len(names), add_like, 0], [len(names) + 1, 0, 0]]
        nodes.append({"op": "elemwise_add", "name": "sum", "inputs": sides})
        heads = [[len(nodes) - 1, 0, 0]]
    version = {"mxnet_version": ["int", 10901]}
    graph = {
        "nodes": nodes,
        "arg_nodes": [i for i, n in enumerate(nodes) if n["op"] == "null"],
        "heads": heads,
        "attrs": version,
    }
    return mx.sym.load_json(json.dumps(graph))


def ask(case, arrays, backward):
    """Outputs, gradients and auxiliary states of one example, as a dict of arrays."""
    values = {name: arrays[f"{case['key']}/in/{name}"] for name in case["args"] + case["aux"]}
    # Without it, MXNet takes an extent of 0 for an unknown one.
    mx.util.set_np_shape(any(0 in array.shape for array in values.values()))
    symbol = one_node_symbol(case)
    requests = {name: "write" if backward and name in case["grads"] else "null" for name in case["args"]}
    executor = symbol.simple_bind(
        mx.cpu(), grad_req=requests or "null",
        type_dict={name: values[name].dtype for name in case["args"]},
        **{name: values[name].shape for name in case["args"]},
    )  # fmt: skip
    for name in case["args"]:
        executor.arg_dict[name][:] = mx.nd.array(values[name], dtype=values[name].dtype)
    for name in case["aux"]:
        executor.aux_dict[name][:] = mx.nd.array(values[name], dtype=values[name].dtype)
    found = {}
    outputs = executor.forward(is_train=case["is_train"])
    for i, output in enumerate(outputs):
        found[f"out/{i}"] = output.asnumpy()
    if backward:
        heads = [arrays[f"{case['key']}/head/{i}"] for i in range(case["outputs"])]
        executor.backward([mx.nd.array(h, dtype=h.dtype) for h in heads], is_train=case["is_train"])
        for name in case["grads"]:
            found["grad/" + name] = executor.grad_dict[name].asnumpy()
    for name in case["aux"]:
        found["aux/" + name] = executor.aux_dict[name].asnumpy()
    return found


def infer(case, arrays):
    """What MXNet infers from the first argument alone, and from the first output alone (0: unknown)."""
    values = [arrays[f"{case['key']}/in/{name}"] for name in case["args"]]
    found = {}
    if not values or any(0 in array.shape for array in values):
        return found
    first = case["args"][0]
    out = arrays[f"{case['key']}/head/0"].shape
    symbol = one_node_symbol(case)
    for what, ask_it in (
        ("shapes", lambda: symbol.infer_shape_partial(**{first: values[0].shape})),
        ("shapes_from_output", lambda: one_node_symbol(case, 0).infer_shape_partial(like=out)),
        ("dtypes", lambda: symbol.infer_type_partial(**{first: values[0].dtype})),
    ):
        try:
            args, outs, aux = ask_it()
        except Exception:  # noqa: BLE001, S112  it refuses to infer from so little
            continue
        if what == "shapes_from_output":
            args, outs = args[: len(case["args"])], []
        if what == "dtypes":
            args, outs, aux = ([None if t is None else np.dtype(t).name for t in ts] for ts in (args, outs, aux))
        found[what] = [args + aux, outs]
    return found


def message(error):
    """The telling line of an MXNet error."""
    lines = [line for line in str(error).split("\n") if line.strip() and "[bt]" not in line]
    # Times and addresses would make every run's file another one.
    return re.sub(r"\[\d+:\d+:\d+\] |0x[0-9a-f]+", "", f"{type(error).__name__}: {lines[-1] if lines else ''}")


def answers(cases, arrays):
    """(arrays, refusals) of one operator's examples; a refusal is of "forward" or of "backward" alone."""
    results = []
    for case in cases:
        refused = {}
        found = {}
        for backward in [True, False] if case["backward"] else [False]:
            try:
                found = {"arrays": ask(case, arrays, backward)}
                mx.util.set_np_shape(False)
                found["inferred"] = infer(case, arrays)
                break
            except Exception as error:  # noqa: BLE001  any refusal is an answer
                refused["backward" if backward else "forward"] = message(error)
        results.append((found, refused))
    return results


def in_child(cases, arrays):
    """`answers` in a forked process; an operator that ends it is reported as an error."""
    path = tempfile.mktemp()
    child = os.fork()
    if child == 0:
        with open(path, "wb") as file:
            pickle.dump(answers(cases, arrays), file)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    try:
        if status and len(cases) > 1:
            return [in_child([case], arrays)[0] for case in cases]
        if status:
            return [({}, {"forward": f"the process ended with status {status}"})]
        with open(path, "rb") as file:
            return pickle.load(file)
    finally:
        if os.path.exists(path):
            os.remove(path)


def shrunk(array):
    """What is kept of an array: doubles as floats (the comparison allows for it), and a sample of a large one."""
    flat = array.reshape(-1)
    if flat.size > KEPT:
        flat = flat[np.linspace(0, flat.size - 1, KEPT).astype(np.int64)]
    return flat.astype(np.float32) if flat.dtype == np.float64 else flat


def kept_answers(target, keys):
    """Copy the answers to `keys` from golden file `target`; returns them and their blob."""
    index, blob = {}, bytearray()
    if keys:
        with np.load(target) as file:
            old, old_blob = json.loads(file["index"].tobytes().decode())["examples"], file["blob"].tobytes()
    for key in keys:
        entry = index[key] = old[key]
        for array in entry["arrays"].values():
            dtype, shape, offset = array
            count = min(int(np.prod(shape)), KEPT)
            size = np.dtype("float32" if dtype == "float64" else dtype).itemsize * count
            array[2] = len(blob)
            blob += old_blob[offset : offset + size]
    return index, blob


def main(source, target, only=None):
    with np.load(source) as file:
        arrays = {name: file[name] for name in file.files}
    cases = json.loads(arrays["index"].tobytes().decode())
    by_op = {}
    for case in cases:
        if only is None or case["op"] == only:
            by_op.setdefault(case["op"], []).append(case)
    index, blob = kept_answers(target, json.loads(arrays["kept"].tobytes().decode()))
    for op in sorted(by_op):
        for case, (found, refused) in zip(by_op[op], in_child(by_op[op], arrays)):
            entry = {"fingerprint": case["fingerprint"], "arrays": {}, "inferred": found.get("inferred", {})}
            if refused:
                entry["refused"] = refused
                print(case["key"], refused)
            for name, array in sorted(found.get("arrays", {}).items()):
                entry["arrays"][name] = [array.dtype.name, list(array.shape), len(blob)]
                blob += shrunk(array).tobytes()
            index[case["key"]] = entry
    # One blob: thousands of small members would be mostly zip headers.
    text = json.dumps({"mxnet": mx.__version__, "examples": index}, separators=(",", ":"))
    npz.write(target, index=np.frombuffer(text.encode(), np.uint8), blob=np.frombuffer(bytes(blob), np.uint8))
    print(f"{len(index)} examples, {os.path.getsize(target)} bytes")


if __name__ == "__main__":
    main(*[a for a in sys.argv[1:] if a != "--only"])
