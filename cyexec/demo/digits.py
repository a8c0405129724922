"""The handwritten digits and how they are shown."""

from __future__ import annotations

import gzip
from importlib import resources

import numpy as np

SHADES = " .:-=+*#%@"


def load(seed: int = 7, held_out: int = 360) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return (images, labels) for training and for testing.

    Returns
    -------
    images : ndarray of shape (N, 1, 8, 8), float32, in 0 to 1
    labels : ndarray of shape (N,), float32, in 0 to 9
        Shuffled by `seed`; the last `held_out` are for testing.
    """
    with resources.files(__package__).joinpath("digits.csv.gz").open("rb") as raw, gzip.open(raw, "rt") as text:
        table = np.loadtxt(text, delimiter=",", dtype=np.float32)
    table = table[np.random.default_rng(seed).permutation(len(table))]
    images = table[:, :64].reshape(-1, 1, 8, 8) / 16
    labels = table[:, 64]
    return (images[:-held_out], labels[:-held_out]), (images[-held_out:], labels[-held_out:])


def side_by_side(images: np.ndarray, captions: list[str]) -> str:
    """Text pictures of several digits in a row, with captions below."""
    lines = []
    for row in range(images.shape[2]):
        cells = ["".join(SHADES[int(v * 9.999)] * 2 for v in image[0, row]) for image in images]
        lines.append("   ".join(cells))
    lines.append("   ".join(c.ljust(16) for c in captions))
    return "\n".join(line.rstrip() for line in lines)
