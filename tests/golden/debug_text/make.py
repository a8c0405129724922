"""Ask real MXNet what `Executor.debug_str` prints; write `golden.json`.

Runs in MXNet's own environment (Python 3.8, no cyexec): ``python make.py CASES.json``, cases made by `export.py`.
Each operator has a process of its own: some end MXNet. Examples that MXNet refuses to bind are left out.
"""

import json
import os
import re
import sys

for name, value in (
    ("MXNET_SUBGRAPH_BACKEND", "NONE"), ("MXNET_MKLDNN_ENABLED", "0"), ("MXNET_ENGINE_TYPE", "NaiveEngine"),
    ("OMP_NUM_THREADS", "1"), ("MXNET_STORAGE_FALLBACK_LOG_VERBOSE", "0"),
):  # fmt: skip
    os.environ[name] = value

import mxnet as mx
import numpy as np
import symbols

HERE = os.path.dirname(os.path.abspath(__file__))


def bound(symbol, shapes, dtypes=None, grad_req="write", groups=None):
    """The text without the totals at its end."""
    contexts = {name: mx.cpu(i) for name, i in groups.items()} if groups else None
    executor = symbol.simple_bind(
        mx.cpu(), grad_req=grad_req, type_dict=dtypes, group2ctx=contexts, **{k: tuple(v) for k, v in shapes.items()}
    )
    return executor.debug_str().split("Total ")[0]


# Operators


def ask(case):
    """(backward part, whether gradients of zero make zeros, whether equal nodes are merged, whether the gradient is copied to
    the forward node's context before it is used); None where MXNet refuses."""
    # Without it, MXNet takes a scalar's shape for an unknown one.
    mx.util.set_np_shape(any(not shape for shape in case["shapes"]))
    args = range(case["args"])
    shapes = {f"i{k}": case["shapes"][k] for k in args}
    dtypes = {f"i{k}": np.dtype(case["dtypes"][k]) for k in args}

    def text(make, grad_req, groups=None):
        return bound(mx.sym.load_json(make(case)), shapes, dtypes, grad_req if case["args"] else "null", groups)

    backward = zeros = merged = copied = None
    try:
        merged = "Name=node2" not in text(symbols.twice, "null")
        zeros = "Op:zeros_like, Name=node_" in text(symbols.blocked, "write") if case["args"] else None
        forward = body(text(symbols.one_node, "null"))
        written = text(symbols.one_node, "write")
        assert forward in written
        backward = written.replace(forward, "")
        copied = "Name=sin0_backward_0_copy" in text(symbols.elsewhere, "write", {"a": 0, "b": 1})
    except RuntimeError as error:
        if "computes it on cpu(1)" in str(error):
            copied = False
    return backward, zeros, merged, copied


def body(text):
    """A text without the list of outputs."""
    return "".join(line for line in text.splitlines(True)[1:] if not line.startswith("\toutput["))


def in_child(cases):
    """`ask` of each in a forked process; what was found before its end."""
    source, target = os.pipe()
    if os.fork() == 0:
        os.close(source)
        with os.fdopen(target, "w") as file:
            for case in cases:
                file.write(json.dumps(ask(case)) + "\n")
                file.flush()
        os._exit(0)
    os.close(target)
    with os.fdopen(source) as file:
        found = [json.loads(line) for line in file]
    os.wait()
    return found


def operators(path):
    """Examples of single operators, and which operators are not merged."""
    with open(path) as file:
        cases = json.load(file)
    by_op = {}
    for case in cases:
        by_op.setdefault(case["op"], []).append(case)
    examples, separate = [], set()
    for op, all_cases in by_op.items():
        seen = set()
        for case, (backward, zeros, merged, copied) in zip(all_cases, in_child(all_cases)):
            if merged is None:
                continue
            if not merged:
                separate.add(op)
            # Examples that differ in values of attributes alone teach the same.
            teaches = (re.sub(r"(?m)^\t\w+=.*\n", "", backward), zeros) if backward is not None else None
            if op in ("batch_dot", "transpose") or teaches not in seen:
                seen.add(teaches)
                kept = {k: v for k, v in case.items() if k not in ("shapes", "dtypes")}
                examples.append({**kept, "backward": backward, "zeros": zeros, "copied": copied})
    return examples, sorted(separate)


# Graphs


def graphs():
    """(title, symbol, shapes, options) of the structural cases."""
    v, sym, internal = mx.sym.var, mx.sym, mx.sym._internal
    x, y, z, w = v("x"), v("y"), v("z"), v("w")
    shape = {"x": (2, 3)}

    def use(times, f):
        total = f(0)
        for i in range(1, times):
            total = sym.elemwise_add(total, f(i))
        return total

    net = sym.FullyConnected(x, num_hidden=3, name="fc1")
    net = sym.Activation(net, act_type="relu", name="relu1")
    body = sym.exp(net) * net + net
    yield "network", body, shape, {}
    yield "some gradients", body, shape, {"grad_req": {"fc1_weight": "add", "fc1_bias": "null", "x": "null"}}
    yield "no gradients", body, shape, {"grad_req": "null"}
    loss = sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=2, name="fc2"), name="softmax")
    yield "loss", loss, shape, {}
    yield "two losses", sym.Group([loss, sym.MakeLoss(x * 2, grad_scale=2)]), shape, {}
    yield "internals", loss.get_internals(), shape, {}
    for times in (2, 3, 7, 8, 10):
        yield f"used {times} times", use(times, lambda i: internal._mul_scalar(x, scalar=i + 1)), shape, {}
    yield "the same 20 times", use(20, lambda i: x), shape, {}
    yield "the same 9 times", use(9, lambda i: x), shape, {}
    yield "both inputs 10 times", use(5, lambda i: sym.elemwise_mul(x, x, attr={"__k__": str(i)})), shape, {}
    yield "squares", x * x + sym.elemwise_mul(x, x + 1), shape, {}
    yield "long sum of an inner value", sym.sin(use(9, lambda i: internal._mul_scalar(net, scalar=i))), shape, {}

    yield "variable", x, shape, {}
    yield "variable without gradient", x, shape, {"grad_req": "null"}
    yield "a variable twice", sym.Group([x, x]), shape, {}
    yield "variables among outputs", sym.Group([x * 2, x, sym.sin(y)]), {"x": (2, 3), "y": (2,)}, {}
    s = sym.sin(x)
    yield "outputs that are internal", sym.Group([s, sym.cos(s), s * 2]), shape, {}
    yield "an output three times", sym.Group([s, s, s]), shape, {}
    yield "one gradient for three", x + z + w, {"x": (2, 3)}, {}
    yield "one second gradient for two", sym.elemwise_mul(z, x + w), {"x": (2, 3)}, {}
    yield "add and null", x * z + x, {"x": (2, 3)}, {"grad_req": {"x": "add", "z": "null"}}
    yield "no inputs", internal._full(shape=(2, 3), value=3, name="full"), {}, {}
    yield "constants", sym.zeros((2, 3)) * x + sym.zeros((2, 3)), shape, {}
    yield "equal names", sym.sin(v("x"), name="n") + sym.cos(v("x"), name="n"), shape, {}

    block = sym.BlockGrad
    for title, symbol in (
        ("blocked", block(sym.sin(x))),
        ("blocked input", block(sym.sin(x)) * y),
        ("blocked network", block(body)),
        ("blocked norm", block(sym.BatchNorm(x, name="bn"))),
        ("blocked sum", block(sym.add_n(sym.sin(x), sym.cos(x), name="a"))),
        ("blocked addition", block(sym.elemwise_add(sym.sin(x), sym.cos(y)))),
        ("blocked choice", block(sym.where(x > 0, sym.sin(x), x))),
        ("zeros and more", block(x) + x),
        ("zeros alone", block(x) + sym.zeros_like(x) + block(sym.sin(x))),
        ("loss and zeros", block(x) + sym.make_loss(x) + x),
        ("comparison", sym.FullyConnected(sym.sin(x) == 2, num_hidden=2, name="fc")),
        ("not differentiable", sym.sin(sym.argmax(sym.cos(x), axis=1))),
        ("not differentiable but blocked", block(sym.argmax_channel(x))),
        ("loss of a function", sym.MakeLoss(sym.sin(x))),
        ("blocked loss", block(sym.make_loss(sym.sin(x)))),
    ):
        yield title, symbol, {"x": (2, 3), **({"y": (2, 3)} if "y" in symbol.list_arguments() else {})}, {}
    parts = sym.split(x, num_outputs=3, axis=1, name="sp")
    yield "one part", sym.sin(parts[1]), shape, {}
    yield "one part blocked", block(parts[1]), shape, {}
    parts = internal._split_v2(x, indices=(0, 1), axis=1, name="sp2")
    yield "one part of the newer split blocked", block(parts[1]), shape, {}
    top = sym.topk(x, k=2, ret_typ="both", name="top")
    yield "values of topk blocked", block(top[0]), shape, {}
    yield "indices of topk", sym.Group([top[1] * 2, block(top[0])]), shape, {}
    yield "indices of topk blocked", block(top[1]), shape, {}

    yield "equal nodes", sym.sin(x) + sym.sin(x), shape, {}
    yield "equal nodes, no gradients", sym.sin(x) + sym.sin(x), shape, {"grad_req": "null"}
    yield "equal but for an attribute", sym.sin(x, attr={"__a__": "1"}) + sym.sin(x), shape, {}
    yield "equal but for a spelling", x * 2 + x * 2.0, shape, {}
    yield "equal branches", sym.cos(sym.sin(x)) + sym.cos(sym.sin(x)), shape, {}
    yield "equal outputs", sym.Group([sym.sin(x) for _ in range(4)]), shape, {}
    c = sym.cos(x)
    yield "equal outputs among others", sym.Group([c, c, sym.sin(x) + sym.sin(x), s, sym.sin(x), s]), shape, {}
    inner = [sym.sin(x, name="l") * 2, sym.sin(x, name="k"), sym.cos(sym.sin(x, name="j"))]
    yield "an output equal to an inner value", sym.Group(inner), shape, {}
    yield "equal outputs and a variable", sym.Group([x, sym.sin(x), x, sym.sin(x)]), shape, {}
    equal = [internal._split_v2(x, indices=(0, 1), axis=1, name=n)[1] for n in "ab"]
    yield "equal parts", sym.Group(equal), shape, {}

    norm = sym.BatchNorm(x, name="bn")
    yield "norm", norm, shape, {}
    yield "norm, no gradients", norm, shape, {"grad_req": "null"}
    shared = [v(n) for n in ("gamma", "beta", "mean", "var")]
    two = sym.BatchNorm(x, *shared, name="bn1") + sym.sin(sym.BatchNorm(x, *shared, name="bn2"))
    yield "two norms of the same states", two, shape, {}
    yield "its internals", two.get_internals(), shape, {}

    marked = v("d", lr_mult=3, wd_mult=2, init=mx.init.One(), attr={"__foo__": "2"})
    marked = sym.FullyConnected(marked, num_hidden=2, name="fc", attr={"__lr_mult__": "3", "__ctx_group__": "q"})
    yield "attributes", sym.exp(sym.broadcast_like(marked, y), attr={"__zap__": "1"}), {"d": (2, 3), "y": (2, 2)}, {}

    with mx.AttrScope(ctx_group="a", __mood__="x"):
        one = sym.exp(sym.FullyConnected(x, num_hidden=2, name="fa"), name="ea")
    with mx.AttrScope(ctx_group="b"):
        two = sym.FullyConnected(one, num_hidden=2, name="fb") + one + 1 + sym.exp(one, name="eb")
    with mx.AttrScope(ctx_group="c"):
        three = sym.BatchNorm(two * one, name="bn")
    both = {"a": 0, "b": 1}
    yield "contexts", two, shape, {"groups": both}
    yield "contexts, no gradients", two, shape, {"groups": both, "grad_req": "null"}
    yield "contexts that are one", two, shape, {"groups": {"a": 0, "b": 0}}
    yield "contexts not given", two, shape, {}
    yield "contexts, one other", two, shape, {"groups": {"a": 2}}
    yield "contexts and nodes without", sym.split(two, num_outputs=2, name="sp")[1] * 2, shape, {"groups": both}
    yield "three contexts", three, shape, {"groups": {"a": 0, "b": 1, "c": 2}}
    yield "three contexts and two outputs", sym.Group([three, two, one]), shape, {"groups": {"a": 1, "b": 2, "c": 0}}
    with mx.AttrScope(ctx_group="b"):
        crossed = sym.sin(x * y, name="s") + x
    yield "a variable in another context", crossed + x, {"x": (2, 3)}, {"groups": both}
    yield "equal nodes of two contexts", crossed + sym.sin(x * y), {"x": (2, 3)}, {"groups": both}


def main(path):
    found = []
    with mx.name.NameManager():
        for title, symbol, shapes, options in graphs():
            mx.util.set_np_shape(False)
            try:
                text = bound(symbol, shapes, **options)
            except RuntimeError as error:
                print(title, str(error).split("\n")[-1])
                continue
            known = {k: v for k, v in json.loads(symbol.tojson()).items() if k in ("nodes", "arg_nodes", "heads")}
            found.append({"title": title, "symbol": known, "shapes": shapes, **options, "text": text})
    examples, separate = operators(path)
    with open(os.path.join(HERE, "golden.json"), "w") as file:
        # One example per line.
        file.write(f'{{"mxnet": "{mx.__version__}",\n"not_merged": {json.dumps(separate)},\n')
        for name, parts, end in (("graphs", found, ",\n"), ("operators", examples, "}\n")):
            lines = ",\n".join(json.dumps(part, separators=(",", ":")) for part in parts)
            file.write(f'"{name}": [\n{lines}\n]{end}')
    print(len(found), "graphs,", len(examples), "examples of operators")


if __name__ == "__main__":
    main(sys.argv[1])
