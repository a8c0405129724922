"""Examples of the RNN operator; imported by `make.py` under MXNet's Python and by the test under ours."""

import itertools
import zlib

import numpy as np

STEPS, BATCH, FEATURES, SIZE = 4, 3, 5, 6


def cases():
    """(key, parameters, dtype, whether gradients are asked for)."""
    for mode, layers, both, states in itertools.product(
        ("rnn_relu", "rnn_tanh", "lstm", "gru"), (1, 2), (False, True), (False, True)
    ):
        params = {
            "mode": mode, "state_size": SIZE, "num_layers": layers, "bidirectional": both, "state_outputs": states,
        }  # fmt: skip
        for dtype in ("float32", "float64"):
            yield (
                f"{mode}/{layers}/{'both' if both else 'one'}/{'states' if states else 'output'}/{dtype}",
                params,
                dtype,
                True,
            )
    for layers, both in itertools.product((1, 2), (False, True)):
        params = {
            "mode": "lstm", "state_size": SIZE, "num_layers": layers, "bidirectional": both, "state_outputs": True,
            "projection_size": 2,
        }  # fmt: skip
        yield f"projection/{layers}/{'both' if both else 'one'}/float64", params, "float64", False


def arrays(key, shapes, dtype):
    """An array for each shape, the same on both sides."""
    rng = np.random.RandomState(zlib.crc32(key.encode()) % 2**31)
    return [rng.uniform(-0.5, 0.5, shape).astype(dtype) for shape in shapes]
