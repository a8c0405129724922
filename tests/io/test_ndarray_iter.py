"""What MXNet's answers (tests/golden/training/io.py) do not show: arrays read in pieces, isolation, errors, laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cyexec as mx


class Dataset:
    """Like an ``h5py.Dataset``: it knows its shape and takes slices and increasing lists, nothing else."""

    def __init__(self, values):
        self.values = values
        self.shape = values.shape
        self.dtype = values.dtype
        self.read = 0

    def __getitem__(self, key):
        if isinstance(key, list):
            assert key == sorted(set(key)), "h5py takes increasing numbers only"
        else:
            assert isinstance(key, slice)
        found = self.values[key]
        self.read += len(found)
        return found


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("handle", ["pad", "discard", "roll_over"])
def test_arrays_read_in_pieces_give_what_arrays_in_memory_give(shuffle, handle):
    values = np.random.default_rng(0).random((11, 3))
    answers = []
    for data in (values, Dataset(values)):
        np.random.seed(3)  # noqa: NPY002
        it = mx.io.NDArrayIter(data, np.arange(11), 4, shuffle, handle)
        found = []
        for _ in range(3):
            found += [(b.data[0].asnumpy().tolist(), b.label[0].asnumpy().tolist(), b.pad) for b in it]
            it.reset()
        answers.append(found)
    assert answers[0] == answers[1]


def test_arrays_read_in_pieces_are_read_batch_by_batch():
    data = Dataset(np.zeros((100, 2), np.float32))
    it = mx.io.NDArrayIter(data, batch_size=10)
    it.next()
    assert data.read == 10


@given(st.integers(1, 30), st.integers(1, 9), st.booleans(), st.sampled_from(["pad", "roll_over"]))
def test_every_example_is_seen_once_an_epoch_on_average(n, batch_size, shuffle, handle):
    it = mx.io.NDArrayIter(np.arange(n), None, batch_size, shuffle, handle)
    seen = np.zeros(n, int)
    epochs = 6
    for _ in range(epochs):
        for batch in it:
            numbers = batch.data[0].asnumpy().astype(int)
            seen_here = numbers[: batch_size - batch.pad] if handle == "pad" else numbers
            np.add.at(seen, seen_here, 1)
        it.reset()
    if handle == "pad":
        assert (seen == epochs).all()
    elif n >= batch_size:
        # What has rolled over is still to come: at most one incomplete batch. When a batch begins with examples of the epoch
        # before, it ends with the first of the next one; none is lost.
        assert 0 <= epochs * n - seen.sum() < batch_size


def test_batches_are_the_users_own():
    values = np.arange(6, dtype=np.float32)
    it = mx.io.NDArrayIter(values, batch_size=3)
    values[:] = -1
    first = it.next()
    first.data[0][:] = 7
    it.reset()
    assert it.next().data[0].asnumpy().tolist() == [0, 1, 2]


def test_too_few_examples_are_refused_by_name():
    with pytest.raises(ValueError, match="'softmax_label' has 2 examples, but 'data' has 3"):
        mx.io.NDArrayIter(np.zeros((3, 2)), np.zeros(2))


def test_the_first_array_says_how_many_examples_count():
    it = mx.io.NDArrayIter(np.zeros((4, 2)), np.arange(7), batch_size=2)
    assert [batch.label[0].asnumpy().tolist() for batch in it] == [[0, 1], [2, 3]]


def test_unknown_handling_of_the_last_batch_is_refused():
    with pytest.raises(ValueError, match="last_batch_handle is 'keep'"):
        mx.io.NDArrayIter(np.zeros(3), last_batch_handle="keep")


def test_there_is_no_batch_before_the_first():
    with pytest.raises(AssertionError, match="no current batch"):
        mx.io.NDArrayIter(np.zeros(3)).getdata()
