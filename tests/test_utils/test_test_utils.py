"""The tools find what is wrong, and nothing else."""

import sys

import numpy as np
import pytest

import cyexec as mx
from cyexec import test_utils as tu

SQUARE = mx.sym.square(mx.sym.Variable("a"), name="sq")


@mx.operator.register("test_wrong_gradient")
class WrongGradientProp(mx.operator.CustomOpProp):
    def create_operator(self, ctx, in_shapes, in_dtypes):
        class WrongGradient(mx.operator.CustomOp):
            def forward(self, is_train, req, in_data, out_data, aux):
                self.assign(out_data[0], req[0], in_data[0] * in_data[0])

            def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
                self.assign(in_grad[0], req[0], out_grad[0] * in_data[0] * 2.1)

        return WrongGradient()


def test_messages_name_the_largest_error_and_its_place():
    with pytest.raises(AssertionError) as caught:
        tu.assert_almost_equal(np.array([[1.0, 2], [3, 4]]), np.array([[1, 2.5], [3, 4]]), names=("x", "y"))
    # The wording of MXNet 1.9.1.
    text = str(caught.value)
    assert "Maximum errors for vector of size 4:  rtol=1e-05, atol=1e-20" in text
    assert "Error 20000.000000 exceeds tolerance rtol=1.000000e-05, atol=1.000000e-20 (mismatch 25.000000%)." in text
    assert "Location of maximum error: (0, 1), x=2.00000000, y=2.50000000" in text


def test_tolerances_follow_the_less_precise_dtype():
    a, b = np.array([1.0]), np.array([1.005])
    assert not tu.almost_equal(a, b)
    assert tu.almost_equal(a.astype("float16"), b)
    assert tu.get_tols(np.zeros(1, "float16"), np.zeros(1), None, None) == (1e-2, 1e-1)
    assert tu.almost_equal(a, b, rtol={np.dtype("float64"): 0.01})
    assert not tu.almost_equal(np.array([1]), np.array([2]))


@pytest.mark.parametrize(
    ("a", "b", "kwargs", "agree"),
    [
        ([1.0, np.nan], [1.0, np.nan], {}, False),
        ([1.0, np.nan], [1.0, np.nan], {"equal_nan": True}, True),
        ([np.inf], [np.inf], {}, True),
        ([np.inf], [1.0], {}, False),
        ([1.0, 1.0], [1.0], {}, True),
        ([1.0, 1.0], [1.0], {"use_broadcast": False}, False),
        ([1.0, 1.0], [1.0, 1.0, 1.0], {}, False),
    ],
)
def test_special_values_and_shapes(a, b, kwargs, agree):
    a, b = np.array(a), np.array(b)
    assert tu.almost_equal(a, b, **kwargs) == agree
    if agree:
        tu.assert_almost_equal(a, b, **kwargs)
    else:
        with pytest.raises(AssertionError):
            tu.assert_almost_equal(a, b, **kwargs)


def test_ndarrays_and_parts_that_may_differ():
    tu.assert_almost_equal(mx.nd.ones(3), np.ones(3))
    tu.assert_almost_equal_ignore_nan(np.array([1.0, np.nan]), np.array([1.0, 2]))
    tu.assert_almost_equal_with_err(np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 3, 5]), etol=0.25)
    with pytest.raises(AssertionError, match="mismatch 25"):
        tu.assert_almost_equal_with_err(np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 3, 5]), etol=0.2)
    tu.compare_ndarray_tuple((mx.nd.ones(2), None, [mx.nd.zeros(1)]), (mx.nd.ones(2), mx.nd.ones(1), [mx.nd.zeros(1)]))
    assert tu.same(mx.nd.ones(2), np.ones(2)) and not tu.same(np.ones(2), np.ones(3))


def test_symbolic_forward():
    values = np.array([[1.0, -2], [3, 0.5]])
    (output,) = tu.check_symbolic_forward(SQUARE, [values], [values**2])
    assert output.shape == (2, 2)
    tu.check_symbolic_forward(SQUARE, {"a": values}, {"sq_output": values**2})
    with pytest.raises(AssertionError, match="FORWARD_sq_output"):
        tu.check_symbolic_forward(SQUARE, [values], [values**2 + 0.1])
    with pytest.raises(ValueError, match="location: b is unknown"):
        tu.check_symbolic_forward(SQUARE, {"b": values}, [values])
    with pytest.raises(ValueError, match="location: a is missing"):
        tu.check_symbolic_forward(SQUARE, {}, [values])


@pytest.mark.parametrize("request_", ["write", "add", "null"])
def test_symbolic_backward(request_):
    values, heads = np.array([1.0, -2]), np.array([3.0, 4])
    grads = tu.check_symbolic_backward(SQUARE, [values], [heads], [2 * values * heads], grad_req=request_)
    assert list(grads) == ["a"]
    if request_ != "null":
        with pytest.raises(AssertionError, match="BACKWARD_a"):
            tu.check_symbolic_backward(SQUARE, [values], [heads], {"a": 2 * values * heads + 0.1}, grad_req=request_)


@pytest.mark.parametrize("request_", ["write", "add", "null"])
def test_numeric_gradient(request_):
    np.random.seed(0)  # noqa: NPY002
    values = np.array([[1.0, -2], [3, 0.5]])
    tu.check_numeric_gradient(SQUARE, [values], grad_nodes={"a": request_})
    if request_ != "null":
        wrong = mx.sym.Custom(mx.sym.Variable("a"), op_type="test_wrong_gradient")
        with pytest.raises(AssertionError, match="NUMERICAL_a"):
            tu.check_numeric_gradient(wrong, [values], grad_nodes={"a": request_})


def test_numeric_gradient_with_states_in_float64():
    np.random.seed(0)  # noqa: NPY002
    net = mx.sym.BatchNorm(mx.sym.Variable("x"), fix_gamma=False, name="bn")
    rng = np.random.default_rng(0)
    location = {"x": rng.random((4, 3)), "bn_gamma": rng.random(3), "bn_beta": rng.random(3)}
    aux = [np.zeros(3), np.ones(3)]
    tu.check_numeric_gradient(net, location, aux, numeric_eps=1e-4, rtol=1e-4, atol=1e-6, dtype=np.float64)


def test_consistency():
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    settings = [
        {"ctx": mx.cpu(0), "data": (2, 5), "type_dict": {"data": dtype}} for dtype in (np.float32, np.float64, np.float16)
    ]
    truth = tu.check_consistency(net, settings)
    assert set(truth) == {"fc_output", "data_grad", "fc_weight_grad", "fc_bias_grad"}
    assert truth["fc_output"].dtype == np.float64
    other = mx.sym.FullyConnected(mx.sym.Variable("data") * 1.1, num_hidden=3, name="fc")
    with pytest.raises(AssertionError, match="fc_output in cpu"):
        tu.check_consistency([net, other], settings[:2])


def test_speed_and_simple_forward():
    assert 0 < tu.check_speed(SQUARE, N=2, a=(3, 3)) < 10
    assert 0 < tu.check_speed(SQUARE, {"a": np.ones(3)}, N=2, typ="forward") < 10
    np.testing.assert_array_equal(tu.simple_forward(SQUARE, a=np.array([2.0, 3])), [4, 9])


def test_contexts_and_environment(monkeypatch):
    assert tu.default_context() == mx.cpu(0) and tu.default_dtype() is np.float32 and tu.list_gpus() == []
    tu.set_default_context(mx.cpu(1))
    try:
        assert mx.current_context() == mx.cpu(1)
    finally:
        tu.set_default_context(mx.cpu(0))
    monkeypatch.setenv("CYEXEC_TEST_A", "1")
    with tu.environment({"CYEXEC_TEST_A": None, "CYEXEC_TEST_B": 2}):
        import os

        assert "CYEXEC_TEST_A" not in os.environ and os.environ["CYEXEC_TEST_B"] == "2"
    assert os.environ["CYEXEC_TEST_A"] == "1" and "CYEXEC_TEST_B" not in os.environ


def test_retry():
    runs = []

    @tu.retry(3)
    def flaky(fails):
        runs.append(1)
        assert len(runs) > fails
        return "done"

    assert flaky(2) == "done"
    runs.clear()
    with pytest.raises(AssertionError):
        flaky(5)
    assert len(runs) == 3


def test_exceptions():
    tu.assert_exception(int, ValueError, "x")
    with pytest.raises(AssertionError, match="did not raise"):
        tu.assert_exception(int, ValueError, "1")


def test_arrays_that_are_one_memory():
    a = mx.nd.zeros((4, 3))
    assert tu.same_array(a, a.reshape((4, 3)))
    assert not tu.same_array(a, a.copy())
    assert not tu.same_array(a[0:2], a[2:4])


def test_structures():
    other = mx.sym.square(mx.sym.Variable("b"))
    assert tu.same_symbol_structure(SQUARE, other)
    assert not tu.same_symbol_structure(SQUARE, mx.sym.sin(mx.sym.Variable("b")))


def test_random_arrays_follow_the_seed():
    made = []
    for _ in range(2):
        np.random.seed(7)  # noqa: NPY002
        made.append(
            [tu.rand_shape_nd(3), tu.rand_shape_2d(3, 4), tu.rand_shape_3d(5, 6, 7), tu.rand_ndarray((2, 2)).asnumpy().tolist(),
             tu.random_arrays((2,)).tolist(), [a.tolist() for a in tu.random_arrays((2,), (), (1, 2))],
             tu.random_sample([1, 2, 3], 2)]
        )  # fmt: skip
    assert made[0] == made[1]
    assert all(1 <= d <= 10 for d in made[0][0])


def test_reductions():
    a = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(tu.np_reduce(a, (0, 2), True, np.sum), a.sum((0, 2), keepdims=True))
    np.testing.assert_array_equal(tu.np_reduce(a, None, False, np.max), a.max())
    np.testing.assert_array_equal(tu.collapse_sum_like(a, (3, 1)), a.sum((0, 2)).reshape(3, 1))


def test_distributions():
    rng = np.random.default_rng(0)
    assert tu.mean_check(lambda n: rng.normal(1, 2, n), 1, 2, 10000)
    assert not tu.mean_check(lambda n: rng.normal(1.2, 2, n), 1, 2, 10000)
    assert tu.var_check(lambda n: rng.normal(1, 2, n), 2, 10000)
    assert not tu.var_check(lambda n: rng.normal(1, 2.2, n), 2, 10000)


def test_standard_error_is_discarded(capfd):
    with tu.discard_stderr():
        print("lost", file=sys.stderr)
    print("kept", file=sys.stderr)
    assert capfd.readouterr().err == "kept\n"


def test_data_sets_are_read_but_never_fetched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MXNET_HOME", str(tmp_path / "home"))
    for f in (tu.get_mnist, tu.get_mnist_ubyte):
        with pytest.raises(mx.MXNetError, match="train-images-idx3-ubyte is not there"):
            f()
    with pytest.raises(mx.MXNetError, match="fetches nothing"):
        tu.download("http://example.com/a.bin")
    (tmp_path / "a.bin").write_bytes(b"")
    assert tu.download("http://example.com/a.bin") == "a.bin"
    data = tmp_path / "home" / "datasets" / "mnist"
    data.mkdir(parents=True)
    for name, count in (("train", 6), ("t10k", 4)):
        images = np.full((count, 28, 28), 255, np.uint8)
        head = b"\0\0\x08\x03" + np.array(images.shape, ">u4").tobytes()
        (data / f"{name}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        (data / f"{name}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + np.array([count], ">u4").tobytes() + bytes(count))
    mnist = tu.get_mnist()
    assert {k: v.shape for k, v in mnist.items()} == {
        "train_data": (6, 1, 28, 28), "train_label": (6,), "test_data": (4, 1, 28, 28), "test_label": (4,),
    }  # fmt: skip
    assert mnist["train_data"].max() == 1
    train, test = tu.get_mnist_iterator(2, (784,))
    assert len(list(train)) == 3 and next(test).data[0].shape == (2, 784)


def test_dummy_iterator_never_ends():
    it = tu.DummyIter(mx.io.NDArrayIter(np.arange(4), np.arange(4), 2))
    assert [next(it).data[0].asnumpy().tolist() for _ in range(5)] == [[0, 1]] * 5
