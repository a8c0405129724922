"""Random operators: moments, whole distributions, independence, repeatability. Seeded: they hold or do not for good."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cyexec.base import MXNetError
from cyexec.graph.graph import Graph, make_node
from cyexec.kernels import levels
from cyexec.ops import registry

from . import harness

N = 40000


def draw(name, arrays=(), seed=11, **params):
    """Outputs of one random operator."""
    op = registry.get(name)
    arrays = [np.asarray(a) for a in arrays]
    parsed = op.params.parse(params, name)
    inputs = [harness.variable(n, a) for n, a in zip(op.input_names(parsed), arrays)]
    node = make_node(op, parsed, [v[0] for v in inputs], "node")
    graph = Graph([node[i] for i in range(len(node.shapes))], (), False)
    outputs, _ = harness.run(graph, {v.name: a for v, a in zip(inputs, arrays)}, seed)
    return outputs[0] if len(outputs) == 1 else outputs


MOMENTS = [
    ("_random_uniform", {"low": -2, "high": 4}, 1.0, 3.0),
    ("_random_normal", {"loc": 3, "scale": 2}, 3.0, 4.0),
    ("_random_exponential", {"lam": 4}, 0.25, 1 / 16),
    ("_random_gamma", {"alpha": 9, "beta": 0.5}, 4.5, 2.25),
    ("_random_gamma", {"alpha": 0.3, "beta": 2}, 0.6, 1.2),
    ("_random_poisson", {"lam": 0.5}, 0.5, 0.5),
    ("_random_poisson", {"lam": 9.9}, 9.9, 9.9),
    ("_random_poisson", {"lam": 10}, 10, 10),
    ("_random_poisson", {"lam": 1000}, 1000, 1000),
    ("_random_negative_binomial", {"k": 3, "p": 0.4}, 4.5, 11.25),
    ("_random_generalized_negative_binomial", {"mu": 2, "alpha": 0.3}, 2, 3.2),
    ("_random_generalized_negative_binomial", {"mu": 2, "alpha": 0}, 2, 2),
    ("_random_randint", {"low": -5, "high": 6}, 0, 10),
]


@pytest.mark.parametrize("name,params,mean,variance", MOMENTS, ids=lambda v: str(v) if not isinstance(v, float) else "")
def test_moments(name, params, mean, variance):
    x = draw(name, shape=(N,), **params).astype(np.float64)
    # Five standard deviations of the mean; the variance's own deviation depends on the fourth moment: estimated.
    assert abs(x.mean() - mean) < 5 * math.sqrt(variance / N)
    fourth = ((x - mean) ** 4).mean()
    assert abs(x.var() - variance) < 5 * math.sqrt((fourth - variance**2) / N)


def distance(x, cdf):
    """Kolmogorov's distance of a sample from a continuous distribution, times sqrt(n)."""
    x = np.sort(x.astype(np.float64))
    steps = np.arange(x.size + 1) / x.size
    wanted = np.array([cdf(v) for v in x])
    return max((steps[1:] - wanted).max(), (wanted - steps[:-1]).max()) * math.sqrt(x.size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "name,params,cdf",
    [
        ("uniform", {"low": 1, "high": 3}, lambda v: (v - 1) / 2),
        ("normal", {"loc": 1, "scale": 2}, lambda v: (1 + math.erf((v - 1) / 8**0.5)) / 2),
        ("exponential", {"lam": 2}, lambda v: 1 - math.exp(-2 * v)),
        # Gamma of shape 2 has a closed distribution function; shape 1 is the exponential; 1/2 is a squared normal.
        ("gamma", {"alpha": 2, "beta": 3}, lambda v: 1 - math.exp(-v / 3) * (1 + v / 3)),
        ("gamma", {"alpha": 1, "beta": 1}, lambda v: 1 - math.exp(-v)),
        ("gamma", {"alpha": 0.5, "beta": 2}, lambda v: math.erf(math.sqrt(v / 2))),
    ],
    ids=lambda v: str(v) if not callable(v) else "",
)
def test_distribution(name, params, cdf, dtype):
    x = draw(f"_random_{name}", shape=(N,), dtype=dtype, **params)
    assert x.dtype == dtype
    # 2.0: by chance once in 1500 samples (Kolmogorov's distribution).
    assert distance(x, cdf) < 2.0


@pytest.mark.parametrize("lam", [0.7, 9.0, 12.0, 60.0])
def test_poisson_probabilities(lam):
    x = draw("_random_poisson", shape=(N,), lam=lam).astype(int)
    top = int(lam + 6 * math.sqrt(lam)) + 3
    wanted = np.array([math.exp(k * math.log(lam) - lam - math.lgamma(k + 1)) for k in range(top)]) * N
    got = np.bincount(np.minimum(x, top - 1), minlength=top)
    often = wanted > 10
    chi = ((got - wanted)[often] ** 2 / wanted[often]).sum()
    assert chi < often.sum() + 5 * math.sqrt(2 * often.sum())


def test_neighbours_are_independent():
    for name in ("uniform", "normal"):
        x = draw(f"_random_{name}", shape=(N,)).astype(np.float64)
        x = (x - x.mean()) / x.std()
        for lag in (1, 2, 16, 32, 64):
            assert abs((x[lag:] * x[:-lag]).mean()) < 5 / math.sqrt(N)


def test_uniform_is_half_open():
    x = draw("_random_uniform", shape=(N,), low=1.0, high=float(np.nextafter(np.float32(1), np.float32(2))))
    assert (x == 1).all()


@pytest.mark.parametrize("name", ["uniform", "gamma", "poisson"])
def test_repeatable_at_every_level(name):
    first = draw(f"_random_{name}", shape=(1000,), dtype="float64")
    assert (first != draw(f"_random_{name}", shape=(1000,), dtype="float64", seed=12)).any()
    np.testing.assert_array_equal(first[:77], draw(f"_random_{name}", shape=(77,), dtype="float64"))
    before = levels.level
    try:
        levels.set_level("base")
        np.testing.assert_allclose(first, draw(f"_random_{name}", shape=(1000,), dtype="float64"), rtol=1e-12)
    finally:
        levels.set_level(before)


@pytest.mark.parametrize("row", ["uniform", "normal", "gamma"])
def test_parameters_by_element(row):
    a, b = np.array([[1.0, 100.0]], np.float32), np.array([[2.0, 200.0]], np.float32)
    x = draw(f"_sample_{row}", [a, b], shape=(N // 4, 2))
    assert x.shape == (1, 2, N // 4, 2) and x.dtype == np.float32
    mean = {"uniform": (a + b) / 2, "normal": a, "gamma": a * b}[row]
    deviation = {"uniform": (b - a) / 12**0.5, "normal": b, "gamma": np.sqrt(a) * b}[row]
    assert (abs(x.mean((2, 3)) - mean) < 5 * deviation / math.sqrt(N / 2)).all()


def test_like_and_float16():
    x = draw("_random_uniform_like", [np.zeros((3, 1000), np.float16)])
    assert x.shape == (3, 1000) and x.dtype == np.float16 and abs(x.astype(float).mean() - 0.5) < 0.03


def test_randint_takes_all_values_alike():
    x = draw("_random_randint", low=-3, high=4, shape=(N,))
    assert x.dtype == np.int32
    counts = np.bincount(x + 3, minlength=7)
    assert counts.size == 7 and abs(counts - N / 7).max() < 5 * math.sqrt(N / 7)
    wide = draw("_random_randint", low=-(2**63), high=2**63 - 1, shape=(1000,), dtype="int64")
    assert 400 < (wide < 0).sum() < 600 and abs(wide.astype(float)).max() > 2**62


def test_multinomial():
    p = np.array([[0.1, 0.2, 0.0, 0.7], [0.0, 0.5, 0.5, 0.0]])
    drawn, log_p = draw("_sample_multinomial", [p], shape=(100, 100), get_prob=True)
    assert drawn.shape == log_p.shape == (2, 100, 100) and drawn.dtype == np.int32 and log_p.dtype == np.float64
    for row in range(2):
        rate = np.bincount(drawn[row].ravel(), minlength=4) / 1e4
        assert (abs(rate - p[row]) <= 5 * np.sqrt(p[row] * (1 - p[row]) / 1e4)).all()
        np.testing.assert_allclose(log_p[row], np.log(p[row][drawn[row]]))
    assert draw("_sample_multinomial", [p[0]]).shape == (1,)


def test_multinomial_gradient():
    data, drawn = np.array([[0.25, 0.75]]), np.array([[1, 0, 1]], np.int32)
    got = draw("_backward_sample_multinomial", [np.array([[1.0, 2.0, 3.0]]), data, drawn])
    np.testing.assert_allclose(got, [[8.0, 4 / 0.75]])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8", "float16"])
def test_shuffle(dtype):
    x = np.arange(100).astype(dtype)[:, None] * np.ones((1, 3), dtype)
    y = draw("_shuffle", [x])
    assert (y != x).any() and (y == y[:, :1]).all()
    np.testing.assert_array_equal(np.sort(y[:, 0]), x[:, 0])


def test_shuffle_has_no_favourites():
    """Each of four elements comes to each place equally often."""
    counts = np.zeros((4, 4))
    for seed in range(2000):
        counts[np.arange(4), draw("_shuffle", [np.arange(4)], seed=seed)] += 1
    assert abs(counts - 500).max() < 5 * math.sqrt(500 * 0.75)


@pytest.mark.parametrize(
    "name,params",
    [
        ("_random_uniform", {"low": 2, "high": 1}),
        ("_random_normal", {"scale": -1}),
        ("_random_exponential", {"lam": 0}),
        ("_random_poisson", {"lam": -1}),
        ("_random_randint", {"low": 5, "high": 5}),
        ("_random_randint", {"low": 0, "high": 2**40}),
        ("_random_uniform", {"dtype": "int32"}),
        ("_random_uniform", {"shape": (0, 2)}),
        ("_random_uniform", {"shape": None}),
    ],
    ids=str,
)
def test_impossible_parameters(name, params):
    with pytest.raises(MXNetError, match=name):
        draw(name, **{"shape": (2,), **params})


def philox(counter, key):
    """Philox4x32-10 of Salmon et al. (2011), in Python."""
    c, k = list(counter), list(key)
    for _ in range(10):
        first, second = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [second >> 32 ^ c[1] ^ k[0], second & 0xFFFFFFFF, first >> 32 ^ c[3] ^ k[1], first & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def test_philox():
    # The first known answers of the authors' library (Random123, kat_vectors).
    assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert philox([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    # Element 64 * b + 16 * w + l is word w of counter 16 * b + l; this program's only stream is number 1.
    seed = 0x123456789ABCDEF0
    x = draw("_random_uniform", shape=(200,), seed=seed)
    for i in (0, 5, 16, 40, 63, 64, 150, 199):
        b, w, lane = i // 64, i % 64 // 16, i % 16
        word = philox([16 * b + lane, 0, 1, 0], [seed & 0xFFFFFFFF, seed >> 32])[w]
        assert x[i] == np.float32((word >> 8) / 2**24)
