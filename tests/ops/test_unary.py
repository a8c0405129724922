"""Derivatives of unary functions where cancellation lurks."""

import numpy as np

import cyexec as mx


def test_gammaln_gradient_below_zero():
    """digamma(x) is -1 / x - 0.5772 near 0, and near -1 it is -1 / (x + 1) + 0.4228, from either side."""
    x = np.array([-1e-40, -1e-10, -1.0000001, -0.9999999])
    executor = mx.sym.gammaln(mx.sym.Variable("x")).simple_bind(mx.cpu(), type_dict={"x": "float64"}, x=x.shape)
    executor.arg_dict["x"][:] = mx.nd.array(x, dtype="float64")
    executor.forward(is_train=True)
    executor.backward([mx.nd.ones(x.shape, dtype="float64")])
    nearest = np.rint(x)
    want = -1 / (x - nearest) - 0.5772156649015329 - nearest
    np.testing.assert_allclose(executor.grad_dict["x"].asnumpy(), want, rtol=1e-13)
