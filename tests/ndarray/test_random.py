"""Random arrays: shapes, dtypes, moments, seeds. The numbers are not MXNet's; the distributions are."""

from __future__ import annotations

import numpy as np
import pytest

import cyexec as mx
from cyexec.base import MXNetError

nd = mx.nd
N = 40_000  # moments of so many draws are within 5 standard errors of the truth below


@pytest.mark.parametrize(
    "draw,mean,std",
    [
        (lambda **k: nd.random.uniform(2, 4, **k), 3, 2 / 12**0.5),
        (lambda **k: nd.random.normal(1, 3, **k), 1, 3),
        (lambda **k: nd.random.exponential(2, **k), 2, 2),
        (lambda **k: nd.random.gamma(3, 2, **k), 6, 12**0.5),
        (lambda **k: nd.random.poisson(4, **k), 4, 2),
        (lambda **k: nd.random.negative_binomial(3, 0.5, **k), 3, 6**0.5),
        (lambda **k: nd.random.generalized_negative_binomial(2, 0.5, **k), 2, 2),
        (lambda **k: nd.random.randint(0, 10, **k), 4.5, 8.25**0.5),
    ],
    ids=[
        "uniform",
        "normal",
        "exponential",
        "gamma",
        "poisson",
        "negative_binomial",
        "generalized_negative_binomial",
        "randint",
    ],
)
def test_moments_and_seeds(draw, mean, std):
    mx.random.seed(7)
    first = draw(shape=(N,)).asnumpy().astype("float64")
    second = draw(shape=(N,)).asnumpy()
    mx.random.seed(7)
    assert (draw(shape=(N,)).asnumpy() == first).all() and (second != first).any()
    assert abs(first.mean() - mean) < 5 * std / N**0.5
    assert abs(first.std() - std) < 0.05 * std
    assert (
        draw().shape == (1,) and draw(shape=3).shape == (3,) and draw(shape=(2, 2), ctx=mx.cpu(1)).context == mx.cpu(1)
    )


def test_dtypes_and_out():
    assert nd.random.uniform(shape=(2,)).dtype is np.float32
    assert nd.random.uniform(shape=(2,), dtype="float64").dtype is np.float64
    assert nd.random.randint(0, 5, shape=(2,)).dtype is np.int32
    out = nd.zeros((3, 2))
    assert nd.random.uniform(1, 2, out=out) is out and (out.asnumpy() >= 1).all()
    assert nd.random.randn(2, 3).shape == (2, 3)
    assert mx.random.uniform is nd.random.uniform


def test_arrays_as_parameters():
    low, high = nd.array([0, 10]), nd.array([1, 20])
    made = nd.random.uniform(low, high, shape=100).asnumpy()
    assert made.shape == (2, 100) and (made[0] <= 1).all() and (made[1] >= 10).all()
    with pytest.raises(ValueError, match="same type"):
        nd.random.uniform(low, 3)
    with pytest.raises(AssertionError, match="same type"):  # what MXNet raises
        nd.random.uniform(low, 3)
    with pytest.raises(ValueError, match="NDArray or numbers"):
        nd.random.uniform("a")


def test_shuffle_and_multinomial():
    data = nd.arange(100)
    made = nd.random.shuffle(data)
    assert sorted(made.asnumpy().tolist()) == data.asnumpy().tolist() and (made != data).sum().asscalar() > 50
    drawn = nd.random.multinomial(nd.array([[0, 1, 0], [0.5, 0, 0.5]]), shape=1000).asnumpy()
    assert drawn.shape == (2, 1000) and (drawn[0] == 1).all() and 400 < (drawn[1] == 0).sum() < 600
    assert (drawn[1] != 1).all()


@pytest.mark.parametrize("call", [lambda: nd.random.uniform(5, 1), lambda: nd.random.normal(0, -1)])
def test_impossible_parameters(call):
    with pytest.raises(MXNetError):
        call()


def test_seed_must_be_an_integer():
    with pytest.raises(ValueError, match="seed_state must be int"):
        mx.random.seed("a")
