"""One peer in a process of its own: ``python -m benchmarks.worker PEER``.

Reads commands from standard input as JSON lines, answers each with one on standard output. Runs under Python 3.8 too (MXNet's).

* ``{"case": [section, name], "check": true}``: ``{"unit": u, "output": samples or null}`` or ``{"missing": why}``;
* ``{"case": [section, name], "seconds": s}``: ``{"figures": [...]}``: seconds of single calls, or one number of bytes.
"""

import importlib
import json
import sys
import time
import traceback

import numpy as np

from .cases import SECTIONS

# Calls shorter than this are timed in groups: the clock itself takes some 50 ns.
SHORTEST = 2e-4


def measure(run, seconds):
    """Times of single calls, at least two, for about `seconds`."""
    start = time.perf_counter()
    run()
    once = max(time.perf_counter() - start, 1e-7)
    group = max(1, int(SHORTEST / once))
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 2 or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(group):
            run()
        times.append((time.perf_counter() - start) / group)
    return times


def digest(result):
    """64 evenly spread elements of an array, as floats; None of anything else."""
    if not hasattr(result, "__array__") and not hasattr(result, "asnumpy"):
        return None
    array = result.asnumpy() if hasattr(result, "asnumpy") else np.asarray(result)
    flat = array.reshape(-1).astype(float)
    return flat[np.linspace(0, flat.size - 1, min(64, flat.size)).astype(int)].tolist()


def answer(peer, module, ready, command):
    """The reply to a command."""
    section, name = command["case"]
    case = next(c for c in SECTIONS[section][1] if c.name == name)
    maker = case.maker(peer)
    if maker is None:
        return {"missing": "no such case"}
    if name not in ready:
        ready.clear()  # one case's arrays and threads at a time
        ready[name] = maker(module)
    run = ready[name]
    if command.get("check"):
        return {"unit": case.unit, "output": digest(run())}
    return {"figures": [run()] if case.unit == "B" else measure(run, command["seconds"])}


def main(peer):
    module = importlib.import_module(peer)
    ready = {}
    print(json.dumps({"ready": peer}), flush=True)
    for line in sys.stdin:
        try:
            reply = answer(peer, module, ready, json.loads(line))
        except Exception:  # noqa: BLE001  a peer without the operator, or without the memory, is a peer without the case
            reply = {"missing": traceback.format_exc(limit=-3)}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
