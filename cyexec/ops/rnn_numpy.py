"""What RNN means, in NumPy: one time step after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from .rnn_layout import directions, layout, width


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _cell(mode: str, x: np.ndarray, a: np.ndarray, h: np.ndarray, c: np.ndarray | None) -> tuple[np.ndarray, Any]:
    """The next h and c, from the input's and the state's products (biases included)."""
    if mode == "lstm":
        i, f, g, o = np.split(x + a, 4, axis=1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        return _sigmoid(o) * np.tanh(c), c
    if mode == "gru":
        (xr, xz, xn), (ar, az, an) = np.split(x, 3, axis=1), np.split(a, 3, axis=1)
        z = _sigmoid(xz + az)
        return (1 - z) * np.tanh(xn + _sigmoid(xr + ar) * an) + z * h, None
    return np.maximum(x + a, 0) if mode == "rnn_relu" else np.tanh(x + a), None


def rnn_numpy(p: Any, data: np.ndarray, parameters: np.ndarray, state: np.ndarray, *cells: np.ndarray, is_train: bool):
    """Output and last states, computed in float64. Without dropout, which depends on chance."""
    assert p.p == 0 or not is_train
    dtype = data.dtype
    x, vector = data.astype(np.float64), parameters.astype(np.float64)
    steps, batch, features = x.shape
    hs, cs = np.array(state, np.float64), np.array(cells[0], np.float64) if p.mode == "lstm" else None
    sides = directions(p)

    def take(piece: Any) -> np.ndarray:
        return vector[piece.start :][: int(np.prod(piece.shape))].reshape(piece.shape)

    for layer, each in enumerate(layout(p, features)[0]):
        y = np.empty((steps, batch, sides * width(p)))
        for side, w in enumerate(each):
            at = layer * sides + side
            h, c = hs[at], None if cs is None else cs[at]
            for t in reversed(range(steps)) if side else range(steps):
                product = x[t] @ take(w.i2h_weight).T + take(w.i2h_bias)
                h, c = _cell(p.mode, product, h @ take(w.h2h_weight).T + take(w.h2h_bias), h, c)
                if w.projection is not None:
                    h = h @ take(w.projection).T
                y[t, :, side * width(p) : (side + 1) * width(p)] = h
            hs[at] = h
            if cs is not None:
                cs[at] = c
        x = y
    states = ([hs] if cs is None else [hs, cs]) if p.state_outputs else []
    return tuple(a.astype(dtype) for a in (x, *states))
