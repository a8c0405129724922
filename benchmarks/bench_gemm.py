"""Time matrix products and fully connected layers beside NumPy's (OpenBLAS): ``python -m benchmarks.bench_gemm [threads]``.

Both run in turns in one process; what is printed is the least time of many, in GFLOP/s, and the ratio (below 1: cyexec is
faster). Unset OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE, or the peer is not what it could be.
"""

from __future__ import annotations

import os
import sys
import time

threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)

import numpy as np  # noqa: E402  # threads are chosen above

import cyexec as mx  # noqa: E402

SQUARE = [64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048]
LAYERS = [  # batch, inputs, outputs
    (1, 784, 128), (1, 1024, 1024), (1, 4096, 4096), (4, 1024, 1024), (8, 1024, 1024), (16, 1024, 1024),
    (32, 784, 128), (32, 1024, 1024), (32, 4096, 1024),
]  # fmt: skip


def measure(runs, seconds: float) -> list[float]:
    """Least seconds of each of `runs`, called in turns."""
    best = [1e9] * len(runs)
    groups = []
    for run in runs:
        run()
        start = time.perf_counter()
        run()
        groups.append(max(1, int(1e-4 / max(time.perf_counter() - start, 1e-8))))
    end = time.perf_counter() + seconds
    count = 0
    while count < 5 or time.perf_counter() < end:
        for i, run in enumerate(runs):
            start = time.perf_counter()
            for _ in range(groups[i]):
                run()
            best[i] = min(best[i], (time.perf_counter() - start) / groups[i])
        count += 1
    return best


def line(name: str, flops: float, ours: float, theirs: float) -> None:
    print(f"{name:>24} {flops / ours / 1e9:9.1f} {flops / theirs / 1e9:9.1f} {ours / theirs:7.2f}", flush=True)


def product(m: int, n: int, k: int, transpose_a: bool, transpose_b: bool):
    """The pair of calls (cyexec, NumPy) for one product."""
    rng = np.random.default_rng(0)
    a = rng.uniform(-1, 1, (k, m) if transpose_a else (m, k)).astype("f")
    b = rng.uniform(-1, 1, (n, k) if transpose_b else (k, n)).astype("f")
    c = np.empty((m, n), "f")
    symbol = mx.sym.dot(mx.sym.Variable("a"), mx.sym.Variable("b"), transpose_a=transpose_a, transpose_b=transpose_b)
    executor = symbol.bind(mx.cpu(), {"a": mx.nd.array(a), "b": mx.nd.array(b)})
    x, y = a.T if transpose_a else a, b.T if transpose_b else b
    return executor.forward, lambda: np.matmul(x, y, out=c)


def layer(batch: int, inputs: int, outputs: int):
    """The pair of calls (cyexec, NumPy) for one fully connected layer without bias."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (batch, inputs)).astype("f")
    w = rng.uniform(-1, 1, (outputs, inputs)).astype("f")
    c = np.empty((batch, outputs), "f")
    symbol = mx.sym.FullyConnected(mx.sym.Variable("x"), mx.sym.Variable("w"), num_hidden=outputs, no_bias=True)
    executor = symbol.bind(mx.cpu(), {"x": mx.nd.array(x), "w": mx.nd.array(w)})
    return executor.forward, lambda: np.matmul(x, w.T, out=c)


def main() -> None:
    """Print both tables."""
    mx.set_num_threads(threads)
    print(f"{'product':>24} {'cyexec':>9} {'numpy':>9} {'ratio':>7}   GFLOP/s, {threads} threads")
    for n in SQUARE:
        for ta, tb in ((False, False), (False, True), (True, False)):
            name = f"{n}{' A^T' if ta else ''}{' B^T' if tb else ''}"
            line(name, 2.0 * n**3, *measure(product(n, n, n, ta, tb), 0.3))
    for batch, inputs, outputs in LAYERS:
        name = f"FC {batch} x {inputs} -> {outputs}"
        line(name, 2.0 * batch * inputs * outputs, *measure(layer(batch, inputs, outputs), 0.3))


if __name__ == "__main__":
    main()
