"""PrefetchingIter's threads: exceptions, their end, and reading ahead."""

import gc
import threading
import traceback

import numpy as np
import pytest

import cyexec as mx


class Failing(mx.io.NDArrayIter):
    """Fails once, at its second batch."""

    failures = 0

    def next(self):
        if self.cursor == 0 and not self.failures:
            self.failures += 1
            raise LookupError("no such image")
        return super().next()


def numbers(batch):
    return batch.data[0].asnumpy().tolist()


def test_an_exception_arrives_as_itself_and_iteration_goes_on():
    it = mx.io.PrefetchingIter(Failing(np.arange(6), batch_size=2))
    assert numbers(it.next()) == [0, 1]
    with pytest.raises(LookupError, match="no such image") as caught:
        it.next()
    assert any(frame.name == "next" and "test_wrappers" in frame.filename for frame in traceback.extract_tb(caught.tb))
    assert [numbers(b) for b in it] == [[2, 3], [4, 5]]


def test_the_end_stays_the_end_until_reset():
    it = mx.io.PrefetchingIter(mx.io.NDArrayIter(np.arange(2), batch_size=2))
    assert len(list(it)) == 1
    for _ in range(2):
        with pytest.raises(StopIteration):
            it.next()
    it.reset()
    assert len(list(it)) == 1


def test_iterators_of_different_lengths_are_refused():
    it = mx.io.PrefetchingIter(
        [mx.io.NDArrayIter(np.arange(4), batch_size=2), mx.io.NDArrayIter(np.arange(2), batch_size=2)],
        rename_data=[{"data": "a"}, {"data": "b"}],
    )
    it.next()
    with pytest.raises(AssertionError, match="Number of entry mismatches"):
        it.next()


def test_different_padding_is_refused():
    it = mx.io.PrefetchingIter(
        [mx.io.NDArrayIter(np.arange(3), batch_size=4), mx.io.NDArrayIter(np.arange(4), batch_size=4)]
    )
    with pytest.raises(AssertionError, match="Different pad size"):
        it.next()


def test_the_next_batch_is_read_while_this_one_is_used():
    class Slow(mx.io.NDArrayIter):
        asked = threading.Event()

        def next(self):
            if self.cursor == 0:
                self.asked.set()
            return super().next()

    it = mx.io.PrefetchingIter(Slow(np.arange(4), batch_size=2))
    it.next()
    assert Slow.asked.wait(10)


def test_threads_end_with_the_iterator():
    before = set(threading.enumerate())
    it = mx.io.PrefetchingIter(mx.io.NDArrayIter(np.arange(4), batch_size=2))
    it.next()
    (thread,) = [t for t in set(threading.enumerate()) - before if t.name.startswith("PrefetchingIter")]
    del it
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
