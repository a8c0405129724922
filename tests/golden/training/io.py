"""Iterators: order, padding, roll-over, descriptions; over arrays, files, and other iterators."""

import os
import struct
import tempfile

import numpy as np


def batch(b):
    return [[d.asnumpy() for d in b.data], [x.asnumpy() for x in b.label], b.pad]


def epochs(it, count=3):
    found = []
    for _ in range(count):
        found.append([batch(b) for b in it])
        it.reset()
    return found


def described(it):
    return [[list(map(str, (d.name, d.shape, np.dtype(d.dtype).name, d.layout))) for d in side]
            for side in (it.provide_data, it.provide_label)]  # fmt: skip


def kind(f, *args, **kwargs):
    try:
        f(*args, **kwargs)
    except Exception as error:  # noqa: BLE001
        return type(error).__name__
    return "none"


def case_order(mx):
    answers = {}
    for n, size in ((10, 4), (8, 4), (9, 4), (3, 4), (2, 4), (5, 1)):
        for handle in ("pad", "discard", "roll_over"):
            for shuffle in (False, True):
                np.random.seed(n)  # noqa: NPY002
                it = mx.io.NDArrayIter(np.arange(n), np.arange(n) * 10, size, shuffle, handle)
                answers["%d/%d/%s/%s" % (n, size, handle, shuffle)] = [it.idx, epochs(it, 4)]
    return answers


def case_interrupted_epochs(mx):
    answers = []
    for handle in ("pad", "discard", "roll_over"):
        it = mx.io.NDArrayIter(np.arange(10), np.arange(10), 4, last_batch_handle=handle)
        cursors = [it.cursor]
        for calls in (1, 2, 3, 0):
            for _ in range(calls):
                if kind(it.next) == "none":
                    cursors.append(it.cursor)
            it.reset()
            answers.append([batch(b) for b in it])
        it.hard_reset()
        answers.append([cursors, [batch(b) for b in it]])
    return answers


def case_inputs(mx):
    answers = []
    for data, label in (
        ({"b": np.zeros((3, 2)), "a": mx.nd.zeros((3, 1), dtype="int32")}, [np.zeros(3, "int64"), np.zeros((3, 1))]),
        ([np.arange(6).reshape(3, 2), np.arange(3, dtype="uint8")], {"y": np.arange(3)}),
        (mx.nd.ones((3, 2), dtype="float64"), None),
        (np.zeros((3, 2), "float16"), []),
        ([[1, 2, 3]], None),
        ([[[1, 2], [3, 4]], [5, 6]], None),
    ):
        it = mx.io.NDArrayIter(data, label, 2)
        first = it.next()
        dtypes = [np.dtype(d.dtype).name for d in first.data + first.label]
        answers.append([described(it), dtypes, batch(first), it.num_data, it.num_source, it.batch_size])
    for data in (None, [], 5, [5], "abc", {"a": 5}, ["a"]):
        answers.append(kind(mx.io.NDArrayIter, data))
    it = mx.io.NDArrayIter(np.zeros((3, 2)), np.zeros(3), 2, data_name="d", label_name="l", layout="NTC")
    answers.append([described(it), it.getindex(), it.iter_next(), it.getpad()])
    return answers


def case_resize(mx):
    answers = []
    for size, internal in ((5, True), (2, False), (3, True), (2, True)):
        it = mx.io.ResizeIter(mx.io.NDArrayIter(np.arange(10), np.arange(10), 4), size, internal)
        answers.append([described(it), epochs(it)])
    return answers


def case_prefetch(mx):
    def source(n, factor):
        return mx.io.NDArrayIter(np.arange(n) * factor, np.arange(n), 4)

    joined = mx.io.PrefetchingIter(
        [source(10, 1), source(10, 2)],
        rename_data=[{"data": "a"}, {"data": "b"}],
        rename_label=[{"softmax_label": "l1"}, {"softmax_label": "l2"}],
    )
    answers = [described(joined), joined.batch_size, epochs(joined)]
    single = mx.io.PrefetchingIter(source(10, 3))
    single.next()
    single.reset()
    answers += [described(single), epochs(single)]
    return answers


class Countdown:
    """Makes a user's own iterator, which gives the four parts of a batch."""

    @staticmethod
    def of(mx, count):
        class Own(mx.io.DataIter):
            def __init__(self):
                super().__init__(2)
                self.left = count
                self.provide_data = [("data", (2,))]
                self.provide_label = []

            def reset(self):
                self.left = count

            def iter_next(self):
                self.left -= 1
                return self.left >= 0

            def getdata(self):
                return [mx.nd.array([self.left, self.left])]

            def getlabel(self):
                return []

            def getpad(self):
                return 0

        return Own()


def case_own(mx):
    it = Countdown.of(mx, 3)
    return [epochs(it), epochs(mx.io.ResizeIter(it, 4)), epochs(mx.io.PrefetchingIter(it)), next(it).index]


def written(folder, name, content):
    path = os.path.join(folder, name)
    with open(path, "wb") as out:
        out.write(content if isinstance(content, bytes) else content.encode())
    return path


def case_csv(mx):
    answers = []
    with tempfile.TemporaryDirectory() as folder:
        rows = "\n".join("%d,%g,%d,%d" % (i, i + 0.5, i + 2, -i) for i in range(7)) + "\n"
        data = written(folder, "data.csv", rows)
        label = written(folder, "label.csv", "\n".join(map(str, range(7))) + "\n")
        for rounding in (True, False):
            for kwargs in (dict(), dict(label_csv=label)):
                it = mx.io.CSVIter(data_csv=data, data_shape=(2, 2), batch_size=3, round_batch=rounding, **kwargs)
                answers.append([described(it), epochs(it, 4), it.batch_size])
        it = mx.io.CSVIter(data_csv=data, data_shape=(4,), batch_size=3, data_name="x", label_name="y")
        answers.append([described(it), [b.index.tolist() for b in it]])
        exact = written(folder, "int.csv", "16777217,2\n3,4\n5,6\n7,8\n")
        it = mx.io.CSVIter(data_csv=exact, data_shape=(2,), batch_size=2, dtype="int64")
        answers.append([described(it), epochs(it)])
        # Four numbers where two are expected: MXNet finds out at once.
        answers.append(kind(lambda: mx.io.CSVIter(data_csv=data, data_shape=(2,), batch_size=2).next()))
        it = mx.io.CSVIter(data_csv=exact, data_shape=(2,), label_csv=exact, label_shape=(2,), batch_size=2)
        answers.append([described(it), epochs(it)])
        answers.append(kind(mx.io.CSVIter, data_csv=os.path.join(folder, "none.csv"), data_shape=(4,), batch_size=2))
    return answers


def case_libsvm(mx):
    with tempfile.TemporaryDirectory() as folder:
        data = written(folder, "data.svm", "1 0:0.5 3:1.5\n0 1:2\n3 2:1 3:4\n")
        it = mx.io.LibSVMIter(data_libsvm=data, data_shape=(4,), batch_size=2)
        return [described(it), epochs(it, 4)]


def case_mnist(mx):
    answers = []
    with tempfile.TemporaryDirectory() as folder:
        images = written(folder, "images", struct.pack(">IIII", 2051, 7, 2, 3) + bytes(range(42)))
        labels = written(folder, "labels", struct.pack(">II", 2049, 7) + bytes(range(7)))
        for kwargs in (dict(), dict(flat=True), dict(num_parts=2, part_index=1), dict(num_parts=2, part_index=0)):
            it = mx.io.MNISTIter(image=images, label=labels, batch_size=3, shuffle=False, silent=True, **kwargs)
            answers.append([described(it), epochs(it, 2)])
    return answers
