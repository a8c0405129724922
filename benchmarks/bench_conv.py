"""Time the convolution kernels on the layers of well-known networks: ``python -m benchmarks.bench_conv [NETWORK ...]``.

For each distinct layer, batch 1 (``--batch N`` for others): GFLOP/s of the plain algorithm's operations with one and two
threads, and the fraction of the machine's peak, which is measured with a tile whose operands stay in a first-level cache.
Winograd's transforms do fewer operations and may pass 100 %. ``--algorithm direct`` forces one where it applies.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from cyexec.kernels import levels
from cyexec.lowering import blocked
from cyexec.runtime import schedule

FLOAT32 = np.dtype(np.float32)

# (channels, filters, size of the input, kernel, stride, pad, groups, how many); two-valued ones are (y, x).
LAYERS: dict[str, list[tuple]] = {
    "resnet18": [
        (3, 64, 224, 7, 2, 3, 1, 1), (64, 64, 56, 3, 1, 1, 1, 4), (64, 128, 56, 3, 2, 1, 1, 1),
        (64, 128, 56, 1, 2, 0, 1, 1), (128, 128, 28, 3, 1, 1, 1, 3), (128, 256, 28, 3, 2, 1, 1, 1),
        (128, 256, 28, 1, 2, 0, 1, 1), (256, 256, 14, 3, 1, 1, 1, 3), (256, 512, 14, 3, 2, 1, 1, 1),
        (256, 512, 14, 1, 2, 0, 1, 1), (512, 512, 7, 3, 1, 1, 1, 3),
    ],
    "resnet50": [
        (3, 64, 224, 7, 2, 3, 1, 1), (64, 64, 56, 1, 1, 0, 1, 1), (64, 64, 56, 3, 1, 1, 1, 3),
        (64, 256, 56, 1, 1, 0, 1, 4), (256, 64, 56, 1, 1, 0, 1, 2), (256, 128, 56, 1, 2, 0, 1, 1),
        (128, 128, 28, 3, 1, 1, 1, 4), (128, 512, 28, 1, 1, 0, 1, 4), (256, 512, 56, 1, 2, 0, 1, 1),
        (512, 128, 28, 1, 1, 0, 1, 3), (512, 256, 28, 1, 2, 0, 1, 1), (256, 256, 14, 3, 1, 1, 1, 6),
        (256, 1024, 14, 1, 1, 0, 1, 6), (512, 1024, 28, 1, 2, 0, 1, 1), (1024, 256, 14, 1, 1, 0, 1, 5),
        (1024, 512, 14, 1, 2, 0, 1, 1), (512, 512, 7, 3, 1, 1, 1, 3), (512, 2048, 7, 1, 1, 0, 1, 3),
        (1024, 2048, 14, 1, 2, 0, 1, 1), (2048, 512, 7, 1, 1, 0, 1, 2),
    ],
    "vgg11": [
        (3, 64, 224, 3, 1, 1, 1, 1), (64, 128, 112, 3, 1, 1, 1, 1), (128, 256, 56, 3, 1, 1, 1, 1),
        (256, 256, 56, 3, 1, 1, 1, 1), (256, 512, 28, 3, 1, 1, 1, 1), (512, 512, 28, 3, 1, 1, 1, 1),
        (512, 512, 14, 3, 1, 1, 1, 2),
    ],
    "mobilenetv2": [
        (3, 32, 224, 3, 2, 1, 1, 1), (32, 32, 112, 3, 1, 1, 32, 1), (32, 16, 112, 1, 1, 0, 1, 1),
        (16, 96, 112, 1, 1, 0, 1, 1), (96, 96, 112, 3, 2, 1, 96, 1), (96, 24, 56, 1, 1, 0, 1, 1),
        (24, 144, 56, 1, 1, 0, 1, 2), (144, 144, 56, 3, 1, 1, 144, 1), (144, 24, 56, 1, 1, 0, 1, 1),
        (144, 144, 56, 3, 2, 1, 144, 1), (144, 32, 28, 1, 1, 0, 1, 1), (32, 192, 28, 1, 1, 0, 1, 3),
        (192, 192, 28, 3, 1, 1, 192, 2), (192, 32, 28, 1, 1, 0, 1, 2), (192, 192, 28, 3, 2, 1, 192, 1),
        (192, 64, 14, 1, 1, 0, 1, 1), (64, 384, 14, 1, 1, 0, 1, 4), (384, 384, 14, 3, 1, 1, 384, 4),
        (384, 64, 14, 1, 1, 0, 1, 3), (384, 96, 14, 1, 1, 0, 1, 1), (96, 576, 14, 1, 1, 0, 1, 3),
        (576, 576, 14, 3, 1, 1, 576, 2), (576, 96, 14, 1, 1, 0, 1, 2), (576, 576, 14, 3, 2, 1, 576, 1),
        (576, 160, 7, 1, 1, 0, 1, 1), (160, 960, 7, 1, 1, 0, 1, 3), (960, 960, 7, 3, 1, 1, 960, 3),
        (960, 160, 7, 1, 1, 0, 1, 2), (960, 320, 7, 1, 1, 0, 1, 1), (320, 1280, 7, 1, 1, 0, 1, 1),
    ],
    "densenet121": [
        (3, 64, 224, 7, 2, 3, 1, 1), (64, 128, 56, 1, 1, 0, 1, 1), (160, 128, 56, 1, 1, 0, 1, 5),
        (128, 32, 56, 3, 1, 1, 1, 6), (256, 128, 56, 1, 1, 0, 1, 1), (320, 128, 28, 1, 1, 0, 1, 12),
        (128, 32, 28, 3, 1, 1, 1, 12), (512, 256, 28, 1, 1, 0, 1, 1), (640, 128, 14, 1, 1, 0, 1, 24),
        (128, 32, 14, 3, 1, 1, 1, 24), (1024, 512, 14, 1, 1, 0, 1, 1), (768, 128, 7, 1, 1, 0, 1, 16),
        (128, 32, 7, 3, 1, 1, 1, 16),
    ],
    "inceptionv3": [
        (3, 32, 299, 3, 2, 0, 1, 1), (32, 32, 149, 3, 1, 0, 1, 1), (32, 64, 147, 3, 1, 1, 1, 1),
        (64, 80, 73, 1, 1, 0, 1, 1), (80, 192, 73, 3, 1, 0, 1, 1), (192, 64, 35, 1, 1, 0, 1, 2),
        (48, 64, 35, 5, 1, 2, 1, 3), (64, 96, 35, 3, 1, 1, 1, 4), (96, 96, 35, 3, 1, 1, 1, 3),
        (288, 384, 35, 3, 2, 0, 1, 1), (768, 192, 17, 1, 1, 0, 1, 12), (128, 128, 17, (1, 7), 1, (0, 3), 1, 2),
        (160, 160, 17, (7, 1), 1, (3, 0), 1, 4), (192, 192, 17, (1, 7), 1, (0, 3), 1, 4),
        (192, 192, 17, (7, 1), 1, (3, 0), 1, 4), (192, 320, 17, 3, 2, 0, 1, 1), (1280, 320, 8, 1, 1, 0, 1, 1),
        (1280, 384, 8, 1, 1, 0, 1, 1), (384, 384, 8, (1, 3), 1, (0, 1), 1, 4), (384, 384, 8, (3, 1), 1, (1, 0), 1, 4),
        (1280, 448, 8, 1, 1, 0, 1, 1), (448, 384, 8, 3, 1, 1, 1, 2), (2048, 320, 8, 1, 1, 0, 1, 1),
    ],
    "squeezenet": [
        (3, 96, 224, 7, 2, 0, 1, 1), (96, 16, 54, 1, 1, 0, 1, 1), (16, 64, 54, 1, 1, 0, 1, 2),
        (16, 64, 54, 3, 1, 1, 1, 2), (128, 32, 54, 1, 1, 0, 1, 1), (32, 128, 54, 3, 1, 1, 1, 1),
        (32, 128, 27, 3, 1, 1, 1, 1), (48, 192, 27, 3, 1, 1, 1, 2), (64, 256, 27, 3, 1, 1, 1, 1),
        (384, 64, 27, 1, 1, 0, 1, 1), (64, 256, 13, 3, 1, 1, 1, 1), (512, 1000, 13, 1, 1, 0, 1, 1),
    ],
    "alexnet": [
        (3, 64, 224, 11, 4, 2, 1, 1), (64, 192, 27, 5, 1, 2, 1, 1), (192, 384, 13, 3, 1, 1, 1, 1),
        (384, 256, 13, 3, 1, 1, 1, 1), (256, 256, 13, 3, 1, 1, 1, 1),
    ],
}  # fmt: skip


def two(value: Any) -> tuple[int, int]:
    """A value for y and one for x."""
    return value if isinstance(value, tuple) else (value, value)


def geometry(layer: tuple, batch: int) -> dict[str, Any]:
    """The layer as the steps take it."""
    channels, filters, size, kernel, stride, pad, groups, _ = layer
    size, kernel, stride, pad = two(size), two(kernel), two(stride), two(pad)
    out = tuple((n + 2 * p - k) // s + 1 for n, p, k, s in zip(size, pad, kernel, stride))
    return {
        "batch": batch, "channels": channels, "filters": filters, "groups": groups, "in_size": (1, *size),
        "taps": (1, *kernel), "stride": (1, *stride), "dilate": (1, 1, 1), "pad": (0, *pad), "out_size": (1, *out),
    }  # fmt: skip


def operations(g: dict[str, Any]) -> float:
    """Multiplications and additions of a plain loop."""
    terms = g["channels"] // g["groups"] * np.prod(g["taps"])
    return 2.0 * g["batch"] * g["filters"] * terms * np.prod(g["out_size"])


def make_step(g: dict[str, Any], algorithm: str) -> Any:
    """A convolution over random numbers."""
    rng = np.random.default_rng(0)
    kernel, args, size = blocked.step_arguments(g, algorithm)
    x_shape = blocked.blocked_shape(g["batch"], g["channels"], g["in_size"])
    if algorithm == "plain":
        x_shape = (g["batch"], g["channels"], *g["in_size"])
    x = rng.standard_normal(x_shape, FLOAT32)
    packed = rng.standard_normal(blocked.packed_size(g, algorithm), FLOAT32)
    y = np.zeros(blocked.blocked_shape(g["batch"], g["filters"], g["out_size"]), FLOAT32)
    work = np.zeros(size, FLOAT32)
    bias = np.zeros(g["filters"], FLOAT32)
    cls, _ = levels.resolve(kernel, FLOAT32)
    return cls([x, packed, bias], [y, work], operands=("bias",), act1=blocked.RELU, **args)


def seconds(step: Any, threads: int, budget: float = 0.15) -> float:
    """Least time of a run, of as many as `budget` seconds hold."""
    schedule.set_num_threads(threads)
    step.cost = 1e9 if threads > 1 else step.cost
    made = schedule.Schedule([step])
    best, end = float("inf"), time.perf_counter() + budget
    while time.perf_counter() < end:
        begin = time.perf_counter()
        made.run(0, 1)
        best = min(best, time.perf_counter() - begin)
    return best


def peak() -> float:
    """GFLOP/s of one thread where nothing but the tile counts."""
    g = geometry((128, 32, (14, 14), 1, 1, 0, 1, 1), 1)
    return operations(g) / seconds(make_step(g, "pointwise"), 1, 0.5) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(LAYERS))
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--algorithm")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    best = peak()
    print(f"peak {best:.0f} GFLOP/s a thread, level {levels.level}")
    for network in options.networks:
        totals = [0.0] * len(options.threads)
        for layer in LAYERS[network]:
            g = geometry(layer, options.batch)
            algorithm = blocked.choose(g, "plain" if blocked.reads_plain(g) else "blocked")
            if options.algorithm and options.algorithm in blocked.algorithms(g):
                algorithm = options.algorithm
            times = [seconds(make_step(g, algorithm), threads) for threads in options.threads]
            totals = [t + layer[-1] * s for t, s in zip(totals, times)]
            rates = [operations(g) / s / 1e9 for s in times]
            print(
                f"{network:12} {str(layer):42} {algorithm:10}"
                + "".join(f"{s * 1e6:8.0f} us {r:5.0f} {r / best / n:5.0%}" for s, r, n in zip(times, rates, options.threads))
            )
        sums = ", ".join(f"{t * 1e3:.2f} ms with {n}" for t, n in zip(totals, options.threads))
        print(f"{network:12} all convolutions: {sums} threads")


if __name__ == "__main__":
    main()
