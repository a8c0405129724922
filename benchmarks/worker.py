"""One peer in a process of its own: reads commands from standard input, times cases, writes seconds as JSON lines.

Runs under Python 3.8 too (MXNet's). Commands: {"case": name, "seconds": s} -> {"times": [...]} or {"missing": why}.
"""

import importlib
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cases import CASES  # noqa: E402


def measure(run, seconds):
    """Times of single calls: at least 5, for about `seconds`. Short calls are timed in groups."""
    run()
    start = time.perf_counter()
    run()
    once = max(time.perf_counter() - start, 1e-7)
    group = max(1, int(2e-4 / once))
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(group):
            run()
        times.append((time.perf_counter() - start) / group)
    return times


def main(peer):
    module = None if peer == "numpy" else importlib.import_module(peer)
    ready = {}
    print(json.dumps({"ready": peer}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        name = command["case"]
        maker = CASES[name].get("numpy" if peer == "numpy" else "mx")
        if maker is None:
            print(json.dumps({"missing": "no such case for " + peer}), flush=True)
            continue
        if name not in ready:
            ready[name] = maker(module)
        print(json.dumps({"times": measure(ready[name], command["seconds"])}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
