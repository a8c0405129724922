"""Iterators over files: what is wrong with a file is said with its name and line."""

import gzip
import struct

import numpy as np
import pytest

import cyexec as mx


def test_csv_names_the_line_at_fault(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("1,2\n\n3,x\n")
    with pytest.raises(mx.MXNetError, match=r"a\.csv, line 3: could not convert string 'x'"):
        mx.io.CSVIter(data_csv=str(path), data_shape=(2,), batch_size=1).next()
    path.write_text("1,2\n3,4\n5,6,7\n")
    with pytest.raises(mx.MXNetError, match=r"a\.csv, line 3: has 3 numbers, the shape asks for 2"):
        mx.io.CSVIter(data_csv=str(path), data_shape=(2,), batch_size=1).next()


def test_csv_reads_long_files_and_whole_directories(tmp_path):
    rows = np.arange(5000).reshape(2500, 2)
    for i, part in enumerate((rows[:1200], rows[1200:])):
        np.savetxt(tmp_path / f"{i}.csv", part, "%d", ",")
    it = mx.io.CSVIter(data_csv=f"{tmp_path}/", data_shape=(2,), batch_size=500)
    np.testing.assert_array_equal(np.concatenate([b.data[0].asnumpy() for b in it]), rows)


def test_csv_with_fewer_labels_than_rows_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("1\n2\n3\n")
    (tmp_path / "l.csv").write_text("1\n2\n")
    it = mx.io.CSVIter(
        data_csv=str(tmp_path / "a.csv"), label_csv=str(tmp_path / "l.csv"), data_shape=(1,), batch_size=3
    )
    with pytest.raises(mx.MXNetError, match="only 2 rows of labels"):
        it.next()


def test_csv_smaller_than_a_batch_wraps_around_more_than_once(tmp_path):
    (tmp_path / "a.csv").write_text("1\n2\n")
    it = mx.io.CSVIter(data_csv=str(tmp_path / "a.csv"), data_shape=(1,), batch_size=5)
    batch = it.next()
    assert batch.data[0].asnumpy().ravel().tolist() == [1, 2, 1, 2, 1]
    assert batch.pad == 3


def test_libsvm_names_the_line_at_fault(tmp_path):
    path = tmp_path / "a.svm"
    path.write_text("1 0:1\n0 4:1\n")
    with pytest.raises(mx.MXNetError, match=r"a\.svm, line 2: index 4 is outside of a row of 4"):
        mx.io.LibSVMIter(data_libsvm=str(path), data_shape=(4,), batch_size=2).next()


def test_libsvm_labels_from_a_file_of_their_own(tmp_path):
    (tmp_path / "a.svm").write_text("1 0:1\n0 3:1\n")
    (tmp_path / "l.svm").write_text("0:5 2:1\n1:7\n")
    it = mx.io.LibSVMIter(
        data_libsvm=str(tmp_path / "a.svm"), label_libsvm=str(tmp_path / "l.svm"), data_shape=(4,), label_shape=(3,),
        batch_size=2,
    )  # fmt: skip
    assert it.next().label[0].asnumpy().tolist() == [[5, 0, 1], [0, 7, 0]]


def idx(path, array):
    content = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return str(path)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_shuffles_once_and_reads_compressed_files(tmp_path, suffix):
    images = np.arange(20 * 6, dtype=np.uint8).reshape(20, 2, 3)
    kwargs = dict(
        image=idx(tmp_path / f"images{suffix}", images),
        label=idx(tmp_path / f"labels{suffix}", np.arange(20, dtype=np.uint8)),
        batch_size=6,
        silent=True,
    )
    it = mx.io.MNISTIter(**kwargs)
    epochs = []
    for _ in range(2):
        batches = list(it)
        epochs.append([b.label[0].asnumpy().tolist() for b in batches])
        for b in batches:
            wanted = images[b.label[0].asnumpy().astype(int)] / 256
            np.testing.assert_array_equal(b.data[0].asnumpy()[:, 0], wanted)
        it.reset()
    assert epochs[0] == epochs[1]
    assert len(epochs[0]) == 3
    assert sum(epochs[0], []) != sorted(sum(epochs[0], []))
    again = mx.io.MNISTIter(seed=1, **kwargs).next().label[0].asnumpy().tolist()
    assert again != epochs[0][0]


def test_mnist_files_cut_off_or_of_another_kind_are_refused(tmp_path):
    good = idx(tmp_path / "images", np.zeros((3, 2, 2), np.uint8))
    labels = idx(tmp_path / "labels", np.zeros(3, np.uint8))
    cut = tmp_path / "cut"
    cut.write_bytes((tmp_path / "images").read_bytes()[:-1])
    with pytest.raises(mx.MXNetError, match="is cut off"):
        mx.io.MNISTIter(image=str(cut), label=labels)
    with pytest.raises(mx.MXNetError, match="is no idx file"):
        (tmp_path / "text").write_text("hello")
        mx.io.MNISTIter(image=str(tmp_path / "text"), label=labels)
    with pytest.raises(mx.MXNetError, match="No such file"):
        mx.io.MNISTIter(image=str(tmp_path / "none"), label=labels)
    with pytest.raises(mx.MXNetError, match="for 2 images"):
        mx.io.MNISTIter(image=idx(tmp_path / "two", np.zeros((2, 2, 2), np.uint8)), label=labels)
    packed = tmp_path / "broken.gz"
    packed.write_bytes(gzip.compress((tmp_path / "images").read_bytes())[:-9])
    with pytest.raises(mx.MXNetError, match=r"broken\.gz"):
        mx.io.MNISTIter(image=str(packed), label=labels)
    assert mx.io.MNISTIter(image=good, label=labels, batch_size=3, silent=True).next().pad == 0
