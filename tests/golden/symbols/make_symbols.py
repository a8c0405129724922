"""Ask MXNet what `models.py` gives there. Run with the oracle's Python; writes symbols.json, old.json and
operators.json here.

``operators.json`` has, for every operator that can be called without inputs, its own name, the names of its arguments,
auxiliary states and outputs, and how many outputs it has in all.
"""

import json
import os
import re
import warnings

import models
import mxnet as mx

# Operators that end the process when they are called without inputs, or belong to other front ends.
SKIPPED = re.compile(
    "update|multi_|preload|_backward|_np|_sg|image|_cv|quantiz|dgl|subgraph|[Cc]ustom|CachedOp|CrossDev|_Nati|_NDArr"
    "|imdecode|tvm|_set_value|_onehot|foreach|while_loop|cond$|calib|hawkes|edge_id|intgemm|reset_arrays|group_ada"
)
HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLES = [
    ("int", "1"), ("long", "1"), ("Shape", "(1, 1)"), ("float", "1.0"), ("double", "1.0"), ("boolean", "True"),
    ("tuple", "(1.0,)"), ("ptr", "0"),
]  # fmt: skip


def names(types):
    return [None if t is None else t.__name__ for t in types] if types is not None else None


def outcome(function, convert, kwargs):
    try:
        return [convert(group) for group in function(**kwargs)]
    except mx.MXNetError:
        return "error"


def describe(name, builder):
    with mx.name.NameManager():
        symbol = builder(mx)
    known = models.KNOWN[name]
    return {
        "json": symbol.tojson().replace("10901", "10700"),
        "text": symbol.debug_str(),
        "repr": repr(symbol),
        "arguments": symbol.list_arguments(),
        "outputs": symbol.list_outputs(),
        "auxiliary": symbol.list_auxiliary_states(),
        "inputs": symbol.list_inputs(),
        "internals": symbol.get_internals().list_outputs(),
        "attr_dict": symbol.attr_dict(),
        "list_attr": symbol.list_attr(),
        "shapes": [outcome(symbol.infer_shape, lambda g: g, s) for s in known["shapes"]],
        "partial": [outcome(symbol.infer_shape_partial, lambda g: g, s) for s in known["shapes"]],
        "dtypes": [outcome(symbol.infer_type, names, d) for d in known["dtypes"]],
        "partial_dtypes": [outcome(symbol.infer_type_partial, names, d) for d in known["dtypes"]],
    }


def required(doc):
    """Values for the required parameters that an operator's documentation lists."""
    values = {}
    for name, kind in re.findall(r"^(\w+) : (.*), required$", doc, re.M):
        if name == "dtype":
            values[name] = "float32"
            continue
        choices = re.match(r"\{(?:None,)?\s*'([^']+)'", kind)
        if choices:
            values[name] = choices.group(1)
        elif kind == "string":
            values[name] = "x"
        else:
            values[name] = next((v for k, v in SAMPLES if kind.startswith(k)), None)
    if "kernel : " in doc and "pool_type : " in doc:
        values["kernel"] = "(1, 1)"  # required in effect
    return {k: v for k, v in values.items() if v is not None}


def operators():
    found = {}
    spaces = [(mx.sym.op, ""), (mx.sym._internal, ""), (mx.sym.contrib, "_contrib_"), (mx.sym.linalg, "_linalg_")]
    for space, prefix in spaces:
        for name in dir(space):
            function = getattr(space, name)
            if name.startswith("__") or not callable(function) or "Symbol" not in (function.__doc__ or ""):
                continue
            if isinstance(function, type) or SKIPPED.search(name):
                continue
            params = required(function.__doc__)
            if "num_args : int" in function.__doc__ or "variable length of positional" in function.__doc__:
                params["num_args"] = "2"
            try:
                symbol = function(name="n", **params)
                data = json.loads(symbol.tojson())
                rows = data["node_row_ptr"]
                found[prefix + name] = {
                    "params": params,
                    "op": data["nodes"][-1]["op"],
                    "arguments": symbol.list_arguments(),
                    "auxiliary": symbol.list_auxiliary_states(),
                    "outputs": symbol.list_outputs(),
                    "all_outputs": rows[-1] - rows[-2],
                }
            except Exception as error:  # some cannot be made without more; they are not compared
                print("skipped", name, str(error)[:80].replace("\n", " "))
    return found


def old_files():
    """What MXNet makes of files in the formats of earlier versions (written by hand after published ones)."""
    found = {}
    for name in sorted(os.listdir(os.path.join(HERE, "old"))):
        symbol = mx.sym.load(os.path.join(HERE, "old", name))
        found[name] = {"json": symbol.tojson().replace("10901", "10700"), "attr_dict": symbol.attr_dict()}
    return found


def main():
    warnings.simplefilter("ignore")
    with open(os.path.join(HERE, "symbols.json"), "w") as file:
        json.dump({n: describe(n, b) for n, b in models.BUILDERS.items()}, file, indent=1, sort_keys=True)
    with open(os.path.join(HERE, "old.json"), "w") as file:
        json.dump(old_files(), file, indent=1, sort_keys=True)
    entries = sorted(operators().items())
    with open(os.path.join(HERE, "operators.json"), "w") as file:
        file.write(
            "{\n" + ",\n".join(json.dumps(k) + ": " + json.dumps(v, sort_keys=True) for k, v in entries) + "\n}\n"
        )


if __name__ == "__main__":
    main()
