"""Monitor between its batches: nothing runs slower, nothing is left behind."""

import numpy as np

import cyexec as mx


def bound():
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    return mx.sym.Activation(net, act_type="relu", name="act").simple_bind(mx.cpu(), data=(2, 4))


def test_executors_are_watched_only_between_tic_and_toc():
    executor = bound()
    calls = []

    def stat(value):
        calls.append(value.shape)
        return mx.nd.norm(value)

    monitor = mx.mon.Monitor(2, stat, pattern=".*output")
    monitor.install(executor)
    executor.forward()
    assert calls == []
    monitor.tic()
    executor.forward()
    assert calls == [(2, 3), (2, 3)]
    assert [name for _, name, _ in monitor.toc()] == ["fc_output", "act_output"]
    monitor.tic()  # a batch that is not watched
    executor.forward()
    assert monitor.toc() == []
    executor.forward()
    assert len(calls) == 2


def test_an_executor_installed_within_a_batch_is_watched():
    monitor = mx.mon.Monitor(1, pattern="fc_output")
    monitor.tic()
    executor = bound()
    monitor.install(executor)
    executor.forward()
    assert [name for _, name, _ in monitor.toc()] == ["fc_output"]


def test_watching_changes_no_number():
    executor = bound()
    executor.arg_dict["fc_weight"][:] = np.random.default_rng(0).standard_normal((3, 4))
    executor.arg_dict["data"][:] = np.random.default_rng(1).standard_normal((2, 4))
    outputs = []
    for watched in (False, True):
        monitor = mx.mon.Monitor(1, lambda x: x.__imul__(0), monitor_all=True)  # a statistic that spoils what it gets
        if watched:
            monitor.install(executor)
        monitor.tic()
        executor.forward(is_train=True)
        outputs.append(executor.outputs[0].asnumpy())
    np.testing.assert_array_equal(*outputs)


def test_numbers_are_written_as_float32():
    """As ``0.1``, not as the double that is nearest to it."""
    executor = bound()
    monitor = mx.mon.Monitor(1, lambda x: mx.nd.array([0.1]), pattern="fc_output")
    monitor.install(executor)
    monitor.tic()
    executor.forward()
    assert monitor.toc() == [(1, "fc_output", "0.1\t")]
