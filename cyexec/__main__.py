"""Command line for a user's own checkpoint: ``python -m cyexec run | plan | summary PREFIX``."""

from __future__ import annotations

import argparse
import glob
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import cyexec as mx

from .base import MXNetError
from .graph.infer import infer_shapes, to_mxnet_shape
from .ops.infer import is_full, product
from .symbol.node import auxiliary, topological


class UsageError(Exception):
    """A wrong command line or file, told in one line."""


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    match = re.fullmatch(r"([^=]+)=\(?\s*(\d+(?:\s*,\s*\d+)*)\s*,?\s*\)?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"expected NAME=N,N,..., found {text!r}")
    return match[1], tuple(int(d) for d in match[2].split(","))


def _latest_epoch(prefix: str) -> int | None:
    found = [re.search(r"-(\d{4,})\.params$", f) for f in glob.glob(glob.escape(prefix) + "-*.params")]
    return max((int(m[1]) for m in found if m), default=None)


def _parameters(prefix: str, epoch: int | None) -> tuple[dict, dict]:
    """Parameters of `epoch`, or of the latest there is; none if there is no file."""
    if epoch is None:
        epoch = _latest_epoch(prefix)
    return mx.model.load_params(prefix, epoch) if epoch is not None else ({}, {})


def _inputs(symbol: mx.Symbol, given: Sequence[str], params: dict) -> dict[str, np.ndarray]:
    """Arrays by argument name from ``x.npy`` or ``NAME=x.npy``."""
    free = [n for n in symbol.list_arguments() if n not in params]
    out: dict[str, np.ndarray] = {}
    for item in given:
        name, eq, path = item.partition("=")
        if not eq:
            rest = [n for n in free if n not in out and not n.endswith("label")]
            if not rest:
                raise UsageError(f"--input {item}: no input is left to give; the symbol's inputs are {', '.join(free)}")
            name, path = rest[0], item
        elif name not in symbol.list_arguments():
            raise UsageError(f"--input {item}: the symbol has no argument '{name}'; inputs are {', '.join(free)}")
        try:
            out[name] = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise UsageError(f"{path}: not a readable .npy file: {error}") from None
        if not isinstance(out[name], np.ndarray):
            raise UsageError(f"{path}: holds several arrays; expected one .npy array")
    return out


def run(options: argparse.Namespace) -> None:
    """Run a checkpoint on arrays and show or save its outputs."""
    symbol = mx.sym.load(f"{options.prefix}-symbol.json")
    args, auxs = mx.model.load_params(options.prefix, options.epoch)
    inputs = _inputs(symbol, options.input, args)
    executor = symbol.simple_bind(
        mx.cpu(),
        grad_req="null",
        type_dict={n: a.dtype for n, a in args.items() if n in symbol.list_arguments()},
        **{n: a.shape for n, a in inputs.items()},
    )
    missing = [
        n
        for n in symbol.list_arguments()
        if n not in args and n not in inputs and not n.endswith("label")
    ] + [n for n in symbol.list_auxiliary_states() if n not in auxs]
    if missing:
        raise UsageError(f"no values for {', '.join(missing)}: neither among the parameters nor given with --input")
    executor.copy_params_from(args, auxs, allow_extra_params=True)
    executor.forward(**inputs)
    for name, output in executor.output_dict.items():
        value = output.asnumpy()
        print(f"{name}: shape {value.shape}, dtype {value.dtype}")
        if options.output:
            path = options.output if len(executor.outputs) == 1 else f"{Path(options.output).with_suffix('')}-{name}.npy"
            np.save(path, value)
            print(f"  saved to {path}")
        elif value.ndim == 2 and value.shape[1] > 1:
            for row in value[:8]:
                best = np.argsort(-row)[:5]
                print("  " + "  ".join(f"{i}: {row[i]:.5g}" for i in best))
        else:
            print("  " + np.array2string(value, threshold=20, edgeitems=3).replace("\n", "\n  "))


def plan(options: argparse.Namespace) -> None:
    """Plan a network's memory without allocating it."""
    symbol = mx.sym.load(f"{options.prefix}-symbol.json")
    args, auxs = _parameters(options.prefix, options.epoch)
    known = {n: a.shape for n, a in {**args, **auxs}.items()}
    names = symbol.list_arguments() + symbol.list_auxiliary_states()
    shapes = {**{n: s for n, s in known.items() if n in names}, **dict(options.shape)}
    unknown = [n for n, _ in options.shape if n not in names]
    if unknown:
        raise UsageError(f"--shape: the symbol has no argument '{unknown[0]}'")
    params = set(args) if args else {n for n in names if n not in dict(options.shape)}
    requests = {n: "write" if options.train and n in params and not n.endswith("label") else "null" for n in names}
    made = symbol.plan(grad_req=requests, memory_limit=options.memory_limit, **shapes)
    print(made.to_text())
    if options.train:
        least = symbol.plan(grad_req=requests, memory_limit="least", **shapes).total
        print(f"Least arena that computing values twice can reach (memory_limit): {least} bytes")
    for path, text in ((options.svg, made.to_svg), (options.json, made.to_json)):
        if path:
            Path(path).write_text(text(), encoding="utf-8")
            print(f"written: {path}")


def summary(options: argparse.Namespace) -> None:
    """List the layers with output shapes and parameters."""
    symbol = mx.sym.load(f"{options.prefix}-symbol.json")
    args, auxs = _parameters(options.prefix, options.epoch)
    names = symbol.list_arguments() + symbol.list_auxiliary_states()
    known = {n: a.shape for n, a in {**args, **auxs}.items() if n in names}
    known.update(options.shape)
    shapes = infer_shapes(symbol._outputs, known, partial=True)
    nodes = topological(symbol._outputs)
    aux = auxiliary(nodes)
    given = {n for n, _ in options.shape}
    rows = [("layer", "operator", "output", "parameters")]
    total = counted = 0
    for node in nodes:
        if node.op is None:
            continue
        own = [s for s, _ in node.inputs if s.op is None and s not in aux and s.name not in given and s.name != "data"]
        own = [s for s in own if not s.name.endswith("label")]
        full = [shape for shape in (shapes[s][0] for s in own) if shape is not None and is_full(shape)]
        count = sum(product(shape) for shape in full)
        counted += len(own) - len(full)
        total += count
        out = shapes[node][0]
        rows.append((node.name, node.op.name, "?" if out is None else str(to_mxnet_shape(out)), f"{count:,}" if own else ""))
    widths = [max(len(r[i]) for r in rows) for i in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:3], widths)]
        print("  ".join([*cells, row[3].rjust(widths[3])]).rstrip())
    print(f"Total parameters: {total:,}" + (f" (and {counted} of unknown size: give --shape)" if counted else ""))
    print(f"Inputs: {', '.join(n for n in symbol.list_arguments() if n not in args) if args else '(no parameters found)'}")
    print(f"Outputs: {', '.join(symbol.list_outputs())}")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m cyexec", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)

    one = commands.add_parser("run", help="run a checkpoint on .npy arrays")
    one.add_argument("prefix", metavar="PREFIX", help="of PREFIX-symbol.json and PREFIX-0000.params")
    one.add_argument("--epoch", type=int, required=True)
    one.add_argument("--input", action="append", required=True, metavar="[NAME=]X.NPY", help="may be given several times")
    one.add_argument("--output", metavar="F.NPY", help="save the output instead of printing it")
    one.set_defaults(action=run)

    one = commands.add_parser("plan", help="show the memory plan")
    one.add_argument("prefix", metavar="PREFIX")
    one.add_argument("--shape", action="append", type=_shape, required=True, metavar="NAME=N,N,...")
    one.add_argument("--epoch", type=int, help="take parameter shapes from this checkpoint (default: the latest, if any)")
    one.add_argument("--train", action="store_true", help="plan forward and backward; tells the least memory that can do it")
    one.add_argument("--memory-limit", metavar="BYTES", help="compute values twice to stay below, such as 512MB; or least")
    one.add_argument("--svg", metavar="F", help="write a picture")
    one.add_argument("--json", metavar="F", help="write everything")
    one.set_defaults(action=plan)

    one = commands.add_parser("summary", help="list layers and parameters")
    one.add_argument("prefix", metavar="PREFIX")
    one.add_argument("--epoch", type=int)
    one.add_argument("--shape", action="append", type=_shape, default=[], metavar="NAME=N,N,...")
    one.set_defaults(action=summary)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, or 1 after telling what is wrong."""
    options = parser().parse_args(arguments)
    try:
        options.action(options)
    except (UsageError, MXNetError, OSError, ValueError, TypeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
