"""Record files that are broken, copied between processes, or full of magic numbers. MXNet's bytes are in tests/golden."""

import os
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cyexec as mx
from cyexec.recordio import IRHeader, MXIndexedRecordIO, MXRecordIO

MAGIC = struct.pack("<I", 0xCED7230A)
records = st.lists(st.lists(st.sampled_from([MAGIC, b"a", b"bcd", b"efgh", MAGIC[:2]]), max_size=8).map(b"".join), max_size=6)


def write(path, contents):
    writer = MXRecordIO(path, "w")
    for content in contents:
        writer.write(content)
    writer.close()


def read_all(path):
    reader = MXRecordIO(path, "r")
    return list(iter(reader.read, None))


@given(records)
def test_what_is_written_is_read(tmp_path_factory, contents):
    path = tmp_path_factory.mktemp("records") / "a.rec"
    write(path, contents)
    assert read_all(path) == contents
    # The magic number stands nowhere but at the beginning of a part.
    data = path.read_bytes()
    at = 0
    while at < len(data):
        assert data[at : at + 4] == MAGIC
        length = struct.unpack_from("<I", data, at + 4)[0] & (1 << 29) - 1
        padded = data[at + 8 : at + 8 + -(-length // 4) * 4]
        assert MAGIC not in [padded[i : i + 4] for i in range(0, len(padded), 4)]
        at += 8 + len(padded)


@given(records.filter(lambda found: sum(map(len, found)) > 0), st.data())
def test_a_file_cut_off_anywhere_gives_whole_records_and_then_an_error(tmp_path_factory, contents, data):
    path = tmp_path_factory.mktemp("records") / "a.rec"
    write(path, contents)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:cut])
    reader = MXRecordIO(path, "r")
    found = []
    try:
        while (record := reader.read()) is not None:
            found.append(record)
    except mx.MXNetError as error:
        assert "is cut off in the record at byte" in str(error)
    else:
        rest = whole[cut : cut + 8]
        assert rest[:4] == MAGIC and struct.unpack("<I", rest[4:])[0] >> 29 in (0, 1)  # it was cut between records
    assert found == contents[: len(found)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello, world", "there is no record at byte 0"),
        (MAGIC + struct.pack("<I", (1 << 29) - 1) + b"abcd", "is cut off in the record at byte 0"),  # claims 512 MB
        (MAGIC + struct.pack("<I", 3 << 29), "there is no record at byte 0"),  # a last part with no first one
        (MAGIC + struct.pack("<I", 1 << 29) + MAGIC + struct.pack("<I", 0), "there is no record at byte 8"),
    ],
)
def test_broken_files_are_refused(tmp_path, data, message):
    path = tmp_path / "broken.rec"
    path.write_bytes(data)
    reader = MXRecordIO(path, "r")
    with pytest.raises(mx.MXNetError, match=message):
        reader.read()


def test_records_that_are_too_long_are_refused(tmp_path):
    writer = MXRecordIO(tmp_path / "a.rec", "w")
    with pytest.raises(mx.MXNetError, match="too long"):
        writer.write(memoryview(np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (1 << 29,), (0,)).copy()))


def test_broken_index_is_told_by_line(tmp_path):
    write(tmp_path / "a.rec", [b"x"])
    (tmp_path / "a.idx").write_text("0\t0\nnonsense\n")
    with pytest.raises(mx.MXNetError, match=r"a\.idx, line 2"):
        MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "r")


def test_keys_may_be_of_another_type(tmp_path):
    writer = MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "w", str)
    writer.write_idx("cat", b"meow")
    writer.close()
    assert MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "r", str).read_idx("cat") == b"meow"


def test_reading_a_closed_file_is_refused(tmp_path):
    write(tmp_path / "a.rec", [b"x"])
    reader = MXRecordIO(tmp_path / "a.rec", "r")
    reader.close()
    reader.close()
    with pytest.raises(mx.MXNetError, match="is closed"):
        reader.read()


def test_pickled_readers_begin_again_and_keep_their_index(tmp_path):
    writer = MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "w")
    for i in range(3):
        writer.write_idx(i, b"%d" % i)
    writer.close()
    reader = MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "r")
    reader.read()
    copy = pickle.loads(pickle.dumps(reader))
    assert (copy.read_idx(2), copy.keys, reader.read()) == (b"2", [0, 1, 2], b"1")


def in_child(work):
    """What `work()` gives in a forked child, as text."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = str(work())
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(writable, answer.encode())
        os._exit(0)
    os.waitpid(child, 0)
    answer = os.read(readable, 10000).decode()
    os.close(readable)
    os.close(writable)
    return answer


def test_in_a_forked_child_readers_are_their_own_and_writers_refuse(tmp_path):
    write(tmp_path / "a.rec", [b"0", b"1", b"2"])
    reader = MXRecordIO(tmp_path / "a.rec", "r")
    reader.read()
    assert in_child(lambda: [reader.read(), reader.read()]) == "[b'0', b'1']"
    assert reader.read() == b"1"
    writer = MXRecordIO(tmp_path / "b.rec", "w")
    writer.write(b"parent")
    assert in_child(lambda: writer.write(b"child")).startswith("RuntimeError: Forbidden operation in multiple processes")
    assert in_child(writer.close) == "None"
    writer.close()
    assert read_all(tmp_path / "b.rec") == [b"parent"]


def test_records_too_short_for_a_header_are_refused():
    with pytest.raises(mx.MXNetError, match="too short for a header"):
        mx.recordio.unpack(b"short")
    packed = mx.recordio.pack(IRHeader(0, [1, 2, 3], 0, 0), b"")
    with pytest.raises(mx.MXNetError, match="too short for its 3 labels"):
        mx.recordio.unpack(packed[:-1])


def test_without_an_image_library_there_is_a_clear_error(monkeypatch):
    def absent(name):
        raise ImportError(name)

    mx.codec._library.cache_clear()
    monkeypatch.setattr(mx.codec.importlib, "import_module", absent)
    with pytest.raises(ImportError, match=r"needs Pillow or OpenCV.*pip install cyexec\[image\]"):
        mx.recordio.pack_img(IRHeader(0, 1, 2, 3), np.zeros((2, 2, 3), np.uint8))
    mx.codec._library.cache_clear()


def test_images_make_the_round_trip():
    pytest.importorskip("PIL")
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    packed = mx.recordio.pack_img(IRHeader(0, 1.0, 2, 3), image, quality=9, img_fmt=".png")
    header, found = mx.recordio.unpack_img(packed)
    assert header.label == 1.0
    np.testing.assert_array_equal(found, image)
    _, grey = mx.recordio.unpack_img(packed, iscolor=0)
    weights = np.array([0.114, 0.587, 0.299])  # blue, green, red
    np.testing.assert_allclose(grey, image @ weights, atol=1)
    smooth = np.linspace(0, 255, 64, dtype=np.uint8).reshape(8, 8, 1).repeat(3, 2)
    _, found = mx.recordio.unpack_img(mx.recordio.pack_img(IRHeader(0, 1.0, 2, 3), smooth))
    np.testing.assert_allclose(found.astype(int), smooth, atol=4)
    with pytest.raises(mx.MXNetError, match="Invalid image file"):
        mx.recordio.unpack_img(mx.recordio.pack(IRHeader(0, 1, 2, 3), b"no image"))
