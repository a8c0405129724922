"""What runs: alignment, no allocation, threads, signals, forks, freed memory."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
import weakref

import numpy as np
import pytest

import cyexec as mx
from cyexec.runtime import schedule
from cyexec.runtime.schedule import Schedule

S, nd = mx.sym, mx.nd


def network(batch=4):
    net = S.Convolution(S.Variable("data"), kernel=(3, 3), num_filter=8, pad=(1, 1), name="conv")
    net = S.Activation(S.BatchNorm(net, name="bn"), act_type="relu")
    net = S.Dropout(S.Pooling(net, kernel=(2, 2), stride=(2, 2), pool_type="max"), p=0.3)
    net = S.SoftmaxOutput(S.FullyConnected(S.Flatten(net), num_hidden=10, name="fc"), name="softmax")
    executor = net.simple_bind(mx.cpu(), data=(batch, 1, 12, 12))
    random = np.random.RandomState(0)
    for array in executor.arg_arrays:
        array[:] = random.rand(*array.shape)
    return executor


@pytest.fixture
def threads():
    """Two threads, shared by even the smallest steps."""
    old = schedule.set_sharing_thresholds(0, 0)
    mx.set_num_threads(2)
    yield
    mx.set_num_threads(0)
    schedule.set_sharing_thresholds(*old)


class Info(ctypes.Structure):
    """glibc's struct mallinfo2."""

    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]


LIBC = ctypes.CDLL(None)


def heap_in_use() -> int:
    """Bytes that malloc has given out and not got back."""
    if not hasattr(LIBC, "mallinfo2"):
        pytest.skip("needs glibc's mallinfo2")
    LIBC.mallinfo2.restype = Info
    info = LIBC.mallinfo2()
    return info.uordblks + info.hblkhd


@pytest.mark.parametrize("count", [1, 2])
def test_nothing_is_allocated_while_running(count, threads):
    mx.set_num_threads(count)
    executor = network()

    def passes(n):
        for _ in range(n):
            executor.forward(is_train=True)
            executor.backward()
            executor.forward()

    passes(300)  # counters pass 256: Python keeps smaller numbers
    gc.collect()
    gc.disable()
    try:
        passes(30)  # the collection emptied Python's lists of free objects
        heap_in_use()
        before, blocks = heap_in_use(), sys.getallocatedblocks()
        passes(300)
        grown = sys.getallocatedblocks() - blocks
        assert heap_in_use() - before < 4096
        assert grown < 20
        tracemalloc.start()
        passes(2)
        tracemalloc.reset_peak()
        start, _ = tracemalloc.get_traced_memory()
        passes(20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    # A run makes a few small Python objects (numbers, tuples of arguments); the smallest tensor here has 256 bytes.
    assert peak - start < 6000, "a tensor or an object for each step is allocated"


def test_python_objects_per_run_do_not_grow_with_the_steps():
    def peak(depth):
        x = y = S.Variable("x")
        for _ in range(depth):
            y = S.sin(S.dot(y, x))
        executor = y.simple_bind(mx.cpu(), x=(4, 4), grad_req="null")
        executor.forward()
        tracemalloc.start()
        executor.forward()
        tracemalloc.reset_peak()
        start = tracemalloc.get_traced_memory()[0]
        executor.forward()
        found = tracemalloc.get_traced_memory()[1] - start
        tracemalloc.stop()
        return found

    assert peak(400) <= peak(4) + 256


def test_everything_is_aligned():
    executor = network()
    executor.forward(is_train=True)
    executor.backward()
    assert all(arena.block.address % 64 == 0 for arena in executor._arenas)
    plan = executor.plan
    assert all(offset % 64 == 0 for offset in plan.plan.offsets.values())
    for array in (*executor.arg_arrays, *executor.grad_arrays, *executor.aux_arrays, *executor.outputs):
        if array is not None:
            assert array.asnumpy() is not None and array._array.ctypes.data % 64 == 0


# Threads


def test_thread_counts_come_from_the_environment():
    def count(**env):
        clean = {k: v for k, v in os.environ.items() if k not in ("CYEXEC_NUM_THREADS", "OMP_NUM_THREADS")}
        code = "from cyexec.runtime.schedule import get_num_threads; print(get_num_threads())"
        made = subprocess.run([sys.executable, "-c", code], env={**clean, **env}, capture_output=True, check=True)
        return int(made.stdout)

    assert count(CYEXEC_NUM_THREADS="3", OMP_NUM_THREADS="5") == 3
    assert count(OMP_NUM_THREADS="5") == 5
    assert count(CYEXEC_NUM_THREADS="nonsense", OMP_NUM_THREADS="0") == len(os.sched_getaffinity(0))


def test_set_num_threads():
    try:
        mx.set_num_threads(3)
        assert mx.get_num_threads() == 3
        with pytest.raises(ValueError, match="-1"):
            mx.set_num_threads(-1)
        assert mx.get_num_threads() == 3
    finally:
        mx.set_num_threads(0)
    assert mx.get_num_threads() >= 1


def test_executors_in_python_threads(threads, unchecked):
    """Each thread its own executor, and all threads one executor: no crash, and an own executor's numbers are right."""
    shared = network()
    wanted = network().forward()[0].asnumpy()
    failures = []

    def work():
        try:
            own = network()
            for _ in range(20):
                np.testing.assert_array_equal(own.forward()[0].asnumpy(), wanted)
                shared.forward(is_train=True)
                shared.backward()
        except BaseException as error:
            failures.append(error)

    pool = [threading.Thread(target=work) for _ in range(3)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join(60)
        assert not thread.is_alive()
    assert not failures, failures
    np.testing.assert_array_equal(shared.forward()[0].asnumpy().shape, wanted.shape)


def test_two_threads_on_one_executor_agree_on_its_values():
    x = S.Variable("x")
    executor = S.exp(S.sin(x) * x).simple_bind(mx.cpu(), x=(2000,), grad_req="null")
    executor.arg_dict["x"][:] = np.linspace(0, 1, 2000)
    wanted = executor.forward()[0].asnumpy()
    fresh = S.exp(S.sin(x) * x).simple_bind(mx.cpu(), x=(2000,), grad_req="null")
    fresh.arg_dict["x"][:] = np.linspace(0, 1, 2000)
    pool = [threading.Thread(target=lambda: [fresh.forward() for _ in range(50)]) for _ in range(4)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join(60)
    np.testing.assert_array_equal(fresh.outputs[0].asnumpy(), wanted)


# Forks


def in_child(function, seconds=20) -> int:
    """Exit status of `function` in a forked child; the child is killed, and the test fails, if it hangs."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            function()
            status = 0
        finally:
            os._exit(status)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    pytest.fail("the forked child hangs")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_runs(threads):
    executor = network()
    wanted = executor.forward()[0].asnumpy()  # with two threads: the pool exists now

    def child():
        assert mx.get_num_threads() == 1
        np.testing.assert_array_equal(executor.forward()[0].asnumpy(), wanted)
        executor.forward(is_train=True)
        executor.backward()
        np.testing.assert_array_equal(network().forward()[0].asnumpy(), wanted)
        assert (nd.ones((300, 300)) * 2).asnumpy().sum() == 180000

    assert in_child(child) == 0
    np.testing.assert_array_equal(executor.forward()[0].asnumpy(), wanted)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_while_another_thread_runs(threads):
    executor = network(64)
    wanted = network().forward()[0].asnumpy()
    stop = threading.Event()

    def work():
        while not stop.is_set():
            executor.forward(is_train=True)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        time.sleep(0.05)
        for _ in range(3):
            assert in_child(lambda: np.testing.assert_array_equal(network().forward()[0].asnumpy(), wanted)) == 0
    finally:
        stop.set()
        thread.join(60)


# Ctrl-C


@pytest.mark.parametrize("count", [1, 2])
def test_ctrl_c_ends_a_long_forward(count):
    x = y = S.Variable("x")
    for _ in range(2000):
        y = S.dot(y, x)
    executor = y.simple_bind(mx.cpu(), x=(600, 600), grad_req="null")  # seconds for one forward
    arange = np.arange(600, dtype=np.float32)
    executor.arg_dict["x"][:] = np.diag(arange > 300)
    executor._program(False, False).schedule()  # steps are made at the first run, which is not what is timed here
    mx.set_num_threads(count)
    timer = threading.Timer(0.15, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            executor.forward()
        assert time.monotonic() - start < 1.5
    finally:
        timer.cancel()
        mx.set_num_threads(0)
    short = S.dot(x, x).simple_bind(mx.cpu(), x=(600, 600), shared_exec=executor)
    short.arg_dict["x"][:] = np.diag(arange)
    np.testing.assert_array_equal(short.forward()[0].asnumpy(), np.diag(arange * arange))


def test_gradients_after_an_interrupted_forward():
    """What a forward cut short left behind is not taken for its values."""
    x = S.Variable("x")
    y = x
    for _ in range(200):
        y = S.sin(S.dot(y, x))
    executor = y.simple_bind(mx.cpu(), x=(8, 8))
    executor.arg_dict["x"][:] = np.random.RandomState(0).rand(8, 8) / 4
    executor.forward(is_train=True)
    executor.backward(nd.ones((8, 8)))
    wanted = executor.grad_arrays[0].asnumpy()
    compiled = executor._program(True, True)
    executor.forward(is_train=True)
    compiled.started()  # as an interrupted forward leaves it
    for arena in executor._arenas:
        np.frombuffer(arena.block, np.uint8)[:] = 0xFF
    executor.backward(nd.ones((8, 8)))
    np.testing.assert_array_equal(executor.grad_arrays[0].asnumpy(), wanted)


# Memory returns


def test_executors_are_freed_at_once():
    gc.collect()
    gc.disable()
    try:
        executor = network()
        executor.forward(is_train=True)
        executor.backward()
        executor.forward()
        executor.set_monitor_callback(lambda name, value: None)
        executor.forward()
        child = executor.reshape(partial_shaping=True, data=(2, 1, 12, 12))
        child.forward()
        arena = weakref.ref(executor._arenas[0])
        block = executor._arenas[0].block
        address = block.address
        del block, executor, child
        assert arena() is None, "a reference cycle keeps the arena"
        assert address
    finally:
        gc.enable()


def test_memory_of_many_executors_returns():
    x = S.Variable("x")
    net = S.sin(S.dot(x, x))

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    sizes = []
    for k in range(20):
        executor = net.simple_bind(mx.cpu(), x=(700, 700))  # 2 MB each array
        executor.forward(is_train=True)
        executor.backward(nd.ones((700, 700)))
        if k % 5 == 4:
            sizes.append(resident())
    assert sizes[-1] - sizes[0] < 30e6


def test_schedule_refuses_steps_outside():
    empty = Schedule([])
    empty.run(0, 0)
    for start, stop in ((0, 1), (-1, 0), (1, 0)):
        with pytest.raises(IndexError):
            empty.run(start, stop)
