"""Profiling: what is recorded and when, the trace file, the table; nothing changes while it is off."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import cyexec as mx
from cyexec.runtime import tracing

ROUND = 1 + 1e-9


@pytest.fixture(autouse=True)
def fresh(tmp_path):
    mx.profiler.set_config(filename=str(tmp_path / "profile.json"), profile_all=True)
    mx.profiler.dumps(reset=True)
    yield
    mx.profiler.set_state("stop")
    mx.profiler.dumps(reset=True)


def bound():
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc")
    executor = mx.sym.softmax(net, name="sm").simple_bind(mx.cpu(), data=(3, 5))
    rng = np.random.default_rng(0)
    for array in executor.arg_arrays:
        array[:] = rng.standard_normal(array.shape)
    return executor


def step(executor):
    executor.forward(is_train=True)
    executor.backward([mx.nd.ones((3, 4))])
    return [a.asnumpy() for a in (*executor.outputs, *executor.grad_arrays)]


def statistics():
    return json.loads(mx.profiler.dumps(format="json"))["Time"]


def test_steps_of_executors_are_timed_and_compute_the_same():
    executor = bound()
    wanted = step(executor)
    mx.profiler.set_state("run")
    for _ in range(3):
        for a, b in zip(step(executor), wanted):
            np.testing.assert_array_equal(a, b)
    mx.profiler.set_state("stop")
    found = statistics()
    assert found["operator"]["FullyConnected"]["Count"] >= 3
    assert found["executor"]["forward"]["Count"] == found["executor"]["backward"]["Count"] == 3
    for entry in found["operator"].values():
        # Sums of decimal fractions round.
        assert 0 < entry["Min"] <= entry["Avg"] * ROUND and entry["Avg"] <= entry["Max"] * ROUND
        assert entry["Max"] <= entry["Total"] * ROUND
        assert entry["Avg"] == pytest.approx(entry["Total"] / entry["Count"])
    inside = sum(entry["Total"] for entry in found["operator"].values())
    assert inside <= sum(entry["Total"] for entry in found["executor"].values()) * ROUND


def test_nothing_is_recorded_while_it_is_off_or_paused():
    executor = bound()
    step(executor)
    assert statistics() == {}
    mx.profiler.set_state("run")
    mx.profiler.pause()
    step(executor)
    assert statistics() == {}
    mx.profiler.resume()
    step(executor)
    mx.profiler.set_state("stop")
    before = statistics()
    step(executor)
    assert statistics() == before != {}
    assert tracing.current is None


def test_schedules_are_ordinary_ones_again_afterwards():
    executor = bound()
    mx.profiler.set_state("run")
    step(executor)
    mx.profiler.set_state("stop")
    step(executor)
    (program,) = executor._programs.values()
    assert type(program.schedule()).__name__ in ("Schedule", "CheckedSchedule")


def test_imperative_calls_are_timed():
    mx.profiler.set_state("run")
    for _ in range(2):
        mx.nd.sin(mx.nd.ones(3))
    mx.profiler.set_state("stop")
    assert statistics()["imperative"]["sin"]["Count"] == 2


def test_kinds_can_be_left_out():
    mx.profiler.set_config(profile_symbolic=False)
    mx.profiler.set_state("run")
    step(bound())
    mx.nd.sin(mx.nd.ones(3))
    mx.profiler.set_state("stop")
    assert set(statistics()) == {"imperative"}


def test_updates_of_a_module_are_timed():
    module = mx.mod.Module(mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3), name="softmax"))
    batches = mx.io.NDArrayIter(np.zeros((8, 4)), np.zeros(8), 4)
    mx.profiler.set_state("run")
    module.fit(batches, num_epoch=1)
    mx.profiler.set_state("stop")
    found = statistics()["executor"]
    assert [found[name]["Count"] for name in ("forward", "backward", "update")] == [2, 2, 2]


def test_operators_of_python_are_timed():
    class Same(mx.operator.CustomOp):
        def forward(self, is_train, req, in_data, out_data, aux):
            self.assign(out_data[0], req[0], in_data[0])

    @mx.operator.register("test_profiled")
    class SameProp(mx.operator.CustomOpProp):
        def create_operator(self, ctx, in_shapes, in_dtypes):
            return Same()

    executor = mx.sym.Custom(mx.sym.Variable("x"), op_type="test_profiled").simple_bind(mx.cpu(), x=(2,), grad_req="null")
    mx.profiler.set_state("run")
    executor.forward()
    mx.profiler.set_state("stop")
    assert statistics()["operator"]["Custom"]["Count"] == 1


def test_the_file_is_a_chrome_trace(tmp_path):
    executor = bound()
    domain = mx.profiler.Domain("mine")
    mx.profiler.set_state("run")
    with domain.new_task("load"):
        step(executor)
    frame = domain.new_frame("batch")
    frame.start()
    frame.stop()
    event = mx.profiler.Event("alone")
    event.start()
    event.stop()
    counter = domain.new_counter("seen", 5)
    counter += 3
    counter -= 1
    counter.increment()
    counter.decrement(2)
    domain.new_marker("now").mark("thread")
    mx.profiler.dump()
    content = json.loads((tmp_path / "profile.json").read_text())
    events = content["traceEvents"]
    assert content["displayTimeUnit"] == "ms"
    for e in events:
        assert {"ph", "name", "pid", "tid"} <= set(e)
        assert e["ph"] in "XCiM" and isinstance(e["tid"], int) and e["tid"] < 2**53
        if e["ph"] != "M":
            assert e["ts"] >= 0 and e["cat"]
        if e["ph"] == "X":
            assert e["dur"] >= 0
    by_name = {e["name"]: e for e in events}
    load, inside = by_name["load"], by_name["FullyConnected"]
    assert load["cat"] == "mine" and by_name["batch"]["cat"] == "mine,frame" and by_name["alone"]["cat"] == "event"
    assert load["ts"] <= inside["ts"] and inside["ts"] + inside["dur"] <= load["ts"] + load["dur"]
    assert inside["args"]["node"].startswith("fc")
    assert [e["args"]["seen"] for e in events if e["ph"] == "C"] == [5, 8, 7, 8, 6]
    assert by_name["now"]["s"] == "t"
    # Steps on one thread follow each other.
    steps = sorted((e for e in events if e.get("cat") == "operator"), key=lambda e: e["ts"])
    assert all(a["ts"] + a["dur"] <= b["ts"] + 1e-3 for a, b in zip(steps, steps[1:]))
    # `dump` ends profiling.
    step(executor)
    assert statistics()["executor"]["forward"]["Count"] == 1


def test_the_table_is_mxnets(monkeypatch):
    ticks = iter(range(0, 10**9, 1500000))
    monkeypatch.setattr(tracing, "clock", lambda: next(ticks))
    mx.profiler.set_state("run")
    for name in ("one", "two", "two"):
        with mx.profiler.Domain("d").new_task(name):
            pass
    mx.profiler.set_state("stop")
    # As MXNet 1.9.1 prints it.
    assert mx.profiler.dumps() == (
        "\nProfile Statistics:\n\tNote the difference in units for different entries.\n\nd\n=================\n"
        "Name                          Total Count        Time (ms)    Min Time (ms)    Max Time (ms)    Avg Time (ms)\n"
        "----                          -----------        ---------    -------------    -------------    -------------\n"
        "two                                     2           3.0000           1.5000           1.5000           1.5000\n"
        "one                                     1           1.5000           1.5000           1.5000           1.5000\n"
    )
    lines = mx.profiler.dumps(sort_by="count", ascending=True, reset=True).split("\n")
    assert [line.split()[0] for line in lines[-3:-1]] == ["one", "two"]
    assert statistics() == {}


def test_objects_record_nothing_while_profiling_is_off():
    domain = mx.profiler.Domain("d")
    assert [str(o) for o in (domain, domain.new_task("t"), domain.new_counter("c"), domain.new_marker("m"))] == list("dtcm")
    with domain.new_task("t"):
        pass
    domain.new_counter("c", 1).increment()
    assert statistics() == {}


def test_deprecated_names_work_and_wrong_values_do_not(tmp_path):
    with pytest.warns(UserWarning, match="deprecated"):
        mx.profiler.profiler_set_config(mode="symbolic", filename=str(tmp_path / "old.json"))
    with pytest.warns(UserWarning, match="deprecated"):
        mx.profiler.profiler_set_state("run")
    step(bound())
    with pytest.warns(UserWarning, match="deprecated"):
        mx.profiler.dump_profile()
    assert json.loads((tmp_path / "old.json").read_text())["traceEvents"]
    with pytest.raises(mx.MXNetError, match="Cannot find argument 'colour'"):
        mx.profiler.set_config(colour=1)
    with pytest.raises(KeyError):
        mx.profiler.set_state("walk")
    with pytest.raises(AssertionError, match="format"):
        mx.profiler.dumps(format="xml")
    with pytest.raises(AssertionError, match="sort_by"):
        mx.profiler.dumps(sort_by="colour")


def test_profiling_can_begin_with_the_process(tmp_path):
    script = "import cyexec as mx; mx.nd.sin(mx.nd.ones(3))"
    environment = {**os.environ, "MXNET_PROFILER_AUTOSTART": "1", "PYTHONPATH": os.getcwd()}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)
    events = json.loads((tmp_path / "profile.json").read_text())["traceEvents"]
    assert "sin" in {e["name"] for e in events}
