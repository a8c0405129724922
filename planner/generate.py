"""Make problems from seeds: hard ones that are known to fit, and large ones with lifetimes as programs have them.

The same arguments give the same problem on every machine (PCG64 of NumPy).
"""

from __future__ import annotations

import numpy as np

from .blocks import Int64

Arrays = tuple[Int64, Int64, Int64]


def dissection(
    count: int,
    seed: int,
    *,
    capacity: int = 1024,
    steps: int = 1000,
    pinwheels: float = 0.3,
    shrink: float = 0.5,
    remove: float = 0.07,
) -> Arrays:
    """Cut the rectangle `steps` x `capacity` into buffers, so that they are known to fit.

    Parameters
    ----------
    count : int
        Rectangles to cut; fewer remain when some are removed.
    seed : int
    capacity, steps : int
        Bytes and steps of the rectangle.
    pinwheels : float
        Share of cuts that make five pieces in a whirl, which no straight cut can take apart; they make it hard.
    shrink, remove : float
        Share of pieces whose lifetime is cut by up to half, and that are left out: they make it easier.

    Returns
    -------
    start, end, size : ndarray of shape (n,), int64
    """
    rng = np.random.default_rng(seed)
    pieces = [(0, steps, 0, capacity)]
    for _ in range(100 * count):
        if len(pieces) >= count:
            break
        areas = np.array([float((b - a) * (d - c)) for a, b, c, d in pieces]) ** 0.7
        i = int(rng.choice(len(pieces), p=areas / areas.sum()))
        pieces[i : i + 1] = _cut(pieces[i], rng, pinwheels, steps, capacity)
    kept = []
    for a, b, c, d in pieces:
        if rng.random() < remove:
            continue
        if rng.random() < shrink and b - a > 1:
            by = int(rng.integers(1, max(2, (b - a) // 2 + 1)))
            a, b = (a + by, b) if rng.random() < 0.5 else (a, b - by)
        kept.append((a, b, d - c))
    table = np.array([kept[i] for i in rng.permutation(len(kept))], np.int64).reshape(-1, 3)
    return table[:, 0].copy(), table[:, 1].copy(), table[:, 2].copy()


def _cut(
    piece: tuple[int, int, int, int], rng: np.random.Generator, pinwheels: float, steps: int, capacity: int
) -> list[tuple[int, int, int, int]]:
    a, b, c, d = piece
    if b - a > 4 and d - c > 4 and rng.random() < pinwheels:
        (p, q), (r, s) = (
            np.sort(rng.choice(np.arange(low + 1, high), 2, replace=False)) for low, high in ((a, b), (c, d))
        )
        p, q, r, s = int(p), int(q), int(r), int(s)
        if rng.random() < 0.5:
            return [(a, q, c, r), (q, b, c, s), (p, b, s, d), (a, p, r, d), (p, q, r, s)]
        return [(p, b, c, r), (q, b, r, d), (a, q, s, d), (a, p, c, s), (p, q, r, s)]
    across, up = (b - a) / steps, (d - c) / capacity
    if rng.random() < across / (across + up):
        if b - a > 1:
            at = int(rng.integers(a + 1, b))
            return [(a, at, c, d), (at, b, c, d)]
    elif d - c > 1:
        at = int(rng.integers(c + 1, d))
        return [(a, b, c, at), (a, b, at, d)]
    return [piece]


def program(count: int, seed: int, *, align: int = 64) -> Arrays:
    """Make lifetimes as programs have them: temporaries, values kept for long, and nested scopes, mixed.

    Half of the buffers live a few steps, a third are in nested scopes (they end in reverse order of their starts), the
    others live long, log-uniformly up to the whole program. Sizes are log-uniform from 64 bytes to 1 MiB, many equal.

    Returns
    -------
    start, end, size : ndarray of shape (count,), int64
        Sizes are multiples of `align` bytes.
    """
    rng = np.random.default_rng(seed)
    start = np.sort(rng.integers(0, max(count, 1), count))
    life = 1 + rng.geometric(0.2, count)
    kind = rng.random(count)
    long = kind > 0.83
    life[long] = np.exp(rng.uniform(np.log(10), np.log(max(count, 11)), int(long.sum()))).astype(np.int64)
    end = start + life
    # Nested scopes: a scope of power-of-two length holds whatever starts in it until it closes.
    nested = (kind > 0.5) & ~long
    depth = 2 ** rng.integers(2, 9, count)
    end[nested] = (start[nested] // depth[nested] + 1) * depth[nested]
    size = np.exp(rng.uniform(np.log(64), np.log(2**20), count))
    usual = np.exp(rng.uniform(np.log(64), np.log(2**20), 40))
    alike = rng.random(count) < 0.5
    size[alike] = usual[rng.integers(0, 40, int(alike.sum()))]
    return start, np.maximum(end, start + 1), (-(-size // align) * align).astype(np.int64)
