"""What the goldens of tests/golden/training cannot say: log lines, reproducibility, warnings, messages."""

import logging

import numpy as np
import pytest

import cyexec as mx

nd = mx.nd


def filled(init, name="x_weight", shape=(4, 5), **desc):
    array = nd.zeros(shape)
    init(mx.init.InitDesc(name, **desc), array)
    return array.asnumpy()


def test_seed_repeats_every_random_initialiser():
    for init in (mx.init.Uniform(), mx.init.Normal(), mx.init.Xavier(), mx.init.MSRAPrelu(), mx.init.Orthogonal()):
        mx.random.seed(7)
        first = filled(init)
        second = filled(init)
        mx.random.seed(7)
        np.testing.assert_array_equal(filled(init), first)
        assert (first != second).any()


def test_verbose_lines(caplog):
    caplog.set_level(logging.INFO)
    init = mx.init.Constant(3)
    assert init.set_verbosity(True) is init
    filled(init)
    filled(init, "x_bias")
    filled(init, "q", attrs={"__init__": '["one", {}]'})
    init.set_verbosity(True, lambda array: f"first {array.asnumpy().flat[0]}")
    filled(init)
    init.set_verbosity(False)
    filled(init)
    assert [r.getMessage() for r in caplog.records] == [
        "Initialized x_weight as weight: 3.0",
        "Initialized x_bias as bias: 0.0",
        'Initialized q as ["one", {}]: 1.0',
        "Initialized x_weight as weight: first 3.0",
    ]


def test_load_says_where_from(caplog, tmp_path):
    caplog.set_level(logging.INFO)
    file = str(tmp_path / "p.params")
    nd.save(file, {"arg:a_weight": nd.ones((2,))})
    init = mx.init.Load(file, mx.init.Constant(2), verbose=True)
    assert filled(init, "a_weight", (2,)).tolist() == [1, 1]
    assert filled(init, "b_weight", (2,)).tolist() == [2, 2]
    assert [r.getMessage() for r in caplog.records] == [
        "Initialized a_weight by loading",
        "Initialized b_weight by default",
    ]


def test_users_classes():
    @mx.init.register
    @mx.init.alias("mine")
    class Counting(mx.init.Initializer):
        def __init__(self, start=0):
            super().__init__(start=start)
            self.start = start

        def _init_weight(self, name, arr):
            arr[:] = np.arange(self.start, self.start + arr.size).reshape(arr.shape)

        def _init_bias(self, name, arr):
            arr[:] = -1

    assert filled(mx.init.create("mine", start=2), shape=(3,)).tolist() == [2, 3, 4]
    again = mx.init.create(mx.init.create("Counting", 5).dumps())
    assert again == Counting(5)
    assert filled(again, "x_bias", (2,)).tolist() == [-1, -1]
    assert filled(mx.init.Zero(), "q", (2,), attrs={"__init__": Counting(1).dumps()}).tolist() == [1, 2]
    with pytest.warns(UserWarning, match="xavier is overriding.*Xavier"):
        mx.init.register(type("Xavier", (mx.init.Initializer,), {}))
    mx.init.base._INITIALIZERS.classes["xavier"] = mx.init.Xavier


def test_names_as_plain_strings_are_deprecated():
    with pytest.warns(DeprecationWarning, match="InitDesc"):
        mx.init.One()("x_weight", nd.zeros((2,)))


@pytest.mark.parametrize(
    "call,text",
    [
        (lambda: mx.init.create("nope"), "nope is not registered.*xavier"),
        (lambda: filled(mx.init.Xavier(), "v_weight", (3,)), "vector v_weight.*2D"),
        (lambda: filled(mx.init.Xavier(rnd_type="x")), "random type 'x'"),
        (lambda: filled(mx.init.Orthogonal(rand_type="x")), "rand_type.*'x'"),
        (lambda: filled(mx.init.One(), "other"), "pattern for other"),
        (lambda: filled(mx.init.FusedRNN(None, 2, 1, "lstm"), attrs={"__init__": mx.init.FusedRNN(None, 2, 1, "gru").dumps()}),
         "20 parameters do not fit 1 layers of 2 hidden units, mode gru"),
        (lambda: mx.init.FusedRNN(None, 2, 1, "tree"), "mode.*'tree'"),
    ],
)  # fmt: skip
def test_messages(call, text):
    with pytest.raises((ValueError, AssertionError), match=text):
        call()
