"""Files of arrays: byte for byte MXNet's, every older version read, no file trusted, no save half done."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import cyexec.ndarray as nd
from cyexec.base import MXNetError
from cyexec.ndarray import paramsio

GOLDEN = Path(__file__).parent.parent / "golden" / "params"
DTYPES = ["float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool"]
WRITTEN_AS_READ = ["list", "dict", "single", "empty", "zero_size"]


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.params").read_bytes()


def file_bytes(data) -> bytes:
    return b"".join(paramsio.dumps(data))


def values(dtype: str) -> np.ndarray:
    plain = np.arange(6).reshape(2, 3)
    return (plain % 2 if dtype == "bool" else plain - 2).astype(dtype)


def test_golden_values():
    for dtype, array in zip(DTYPES, nd.load(GOLDEN / "list.params")):
        assert array.dtype is np.dtype(dtype).type and array.context == nd.zeros((1,)).context
        np.testing.assert_array_equal(array.asnumpy(), values(dtype))
    named = nd.load(str(GOLDEN / "dict.params"))
    assert list(named) == ["arg:fc1_weight", "aux:é"]
    assert nd.load(GOLDEN / "empty.params") == []
    assert nd.load(GOLDEN / "zero_size.params")[0].shape == (0, 3)
    assert nd.load(GOLDEN / "context.params")[0].asnumpy().tolist() == [1]


@pytest.mark.parametrize("name", WRITTEN_AS_READ)
def test_written_byte_for_byte(name, tmp_path):
    path = tmp_path / "x.params"
    nd.save(path, nd.load(GOLDEN / f"{name}.params"))
    assert path.read_bytes() == golden(name)


def test_context_is_written():
    assert file_bytes([nd.array([1], ctx="cpu(2)")]) == golden("context")


@pytest.mark.parametrize("name", ["v0", "v1"])
def test_old_versions(name):
    loaded = nd.load(GOLDEN / f"{name}.params")
    np.testing.assert_array_equal(loaded["arg:a"].asnumpy(), np.arange(6, dtype="float32").reshape(2, 3))
    np.testing.assert_array_equal(loaded["aux:b"].asnumpy(), np.array([7, -7], "int32"))


def test_version_3_and_scalars():
    loaded = nd.load(GOLDEN / "v3.params")
    assert loaded["scalar"].shape == () and loaded["scalar"].asscalar() == 3
    assert loaded["matrix"].dtype is np.float64
    assert file_bytes({"scalar": loaded["scalar"]})[24:28] == struct.pack("<I", paramsio.V3)
    assert nd.load_frombuffer(file_bytes([loaded["scalar"]]))[0].asscalar() == 3


@pytest.mark.parametrize("name", ["row_sparse", "csr"])
def test_sparse_arrays_become_dense(name):
    loaded = nd.load(GOLDEN / f"{name}.params")
    assert loaded["w"].asnumpy().tolist() == [[0, 1, 0], [0, 0, 0], [2, 0, 3]]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_round_trip(data):
    arrays = data.draw(
        st.lists(
            st.sampled_from(DTYPES).flatmap(
                lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0))
            ),
            max_size=4,
        )
    )
    names = data.draw(st.none() | st.just([f"arg:é{i}" for i in range(len(arrays))]))
    saved = [nd.array(a, dtype=a.dtype) for a in arrays]
    raw = file_bytes(saved if names is None else dict(zip(names, saved)))
    loaded = nd.load_frombuffer(raw)
    if names and arrays:
        assert list(loaded) == names
        loaded = list(loaded.values())
    for before, after in zip(arrays, loaded, strict=True):
        assert before.dtype.type is after.dtype and before.shape == after.shape
        assert before.tobytes() == after.asnumpy().tobytes()


FILES = ["list", "dict", "v0", "v1", "v3", "row_sparse", "csr"]


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_told(name):
    raw = golden(name)
    for length in range(len(raw)):
        with pytest.raises(MXNetError, match="byte"):
            nd.load_frombuffer(raw[:length])
    with pytest.raises(MXNetError, match="follow the end"):
        nd.load_frombuffer(raw + b"\0")


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(FILES), st.data())
def test_mutated_files_never_crash(name, data):
    raw = bytearray(golden(name))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        width = data.draw(st.sampled_from([1, 4, 8]))
        value = data.draw(
            st.sampled_from([0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1]) | st.integers(0, 2**64 - 1)
        )
        raw[at : at + width] = (value & ((1 << 8 * width) - 1)).to_bytes(width, "little")
    try:
        nd.load_frombuffer(bytes(raw))
    except MXNetError as error:
        assert "byte" in str(error)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_never_crash(raw):
    for data in (raw, struct.pack("<QQQ", 0x112, 0, 1) + raw):
        try:
            nd.load_frombuffer(data)
        except MXNetError as error:
            assert "byte" in str(error)


def array_header(shape, magic=paramsio.V2, stype=0, dtype=0):
    return struct.pack(f"<Iii{len(shape)}q", magic, stype, len(shape), *shape) + struct.pack("<iii", 1, 0, dtype)


def test_a_huge_extent_beside_a_zero_is_refused():
    shape = (2**60, 0)
    raw = struct.pack("<QQQ", 0x112, 0, 1) + array_header(shape) + struct.pack("<Q", 0)
    with pytest.raises(MXNetError, match="larger than any memory.*byte|byte.*larger than any memory"):
        nd.load_frombuffer(raw)


@pytest.mark.parametrize(
    "raw,told",
    [
        (b"", "magic number"),
        (struct.pack("<QQQ", 0x113, 0, 0), "0x112"),
        (struct.pack("<QQQ", 0x112, 0, 2**62), "cannot fit"),
        (struct.pack("<QQQ", 0x112, 0, 1) + array_header((2**40, 2**10)) + bytes(16), "elements of shape"),
        (struct.pack("<QQQ", 0x112, 0, 1) + array_header((2**62, 4)) + bytes(16), "larger than any memory"),
        (struct.pack("<QQQ", 0x112, 0, 1) + array_header((0, 2**62, 2**62)) + bytes(16), "larger than any memory"),
        (struct.pack("<QQQ", 0x112, 0, 1) + array_header((-1, 4)) + bytes(16), "negative"),
        (struct.pack("<QQQ", 0x112, 0, 1) + array_header((4,), dtype=12) + bytes(16), "dtype flag 12"),
        (struct.pack("<QQQ", 0x112, 0, 1) + array_header((4,), stype=9) + bytes(16), "storage type 9"),
        (struct.pack("<QQQ", 0x112, 0, 1) + array_header((4,), magic=0xDEADBEEF) + bytes(16), "0xdeadbeef"),
        (
            struct.pack("<QQQ", 0x112, 0, 1) + struct.pack("<I", 0xF993FAC9) + struct.pack("<ii", 0, 10**6),
            "1000000 dim",
        ),
        (struct.pack("<QQQ", 0x112, 0, 1) + array_header((1,)) + bytes(4) + struct.pack("<Q", 7), "7 names for 1"),
        (struct.pack("<QQQ", 0x112, 0, 1) + array_header((1,)) + bytes(4) + struct.pack("<QQ", 1, 2**63), "name"),
    ],
)
def test_lies_cost_no_memory(raw, told):
    tracemalloc.start()
    try:
        with pytest.raises(MXNetError, match=f"buffer, byte .*{told}"):
            nd.load_frombuffer(raw)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_lying_sparse_array_costs_no_memory():
    raw = bytearray(golden("csr"))
    raw[48:56] = struct.pack("<q", 2**40)
    with pytest.raises(MXNetError, match="too large"):
        nd.load_frombuffer(bytes(raw))


def test_files_are_named(tmp_path):
    with pytest.raises(MXNetError, match=r"nothing\.params: cannot be read: No such file"):
        nd.load(tmp_path / "nothing.params")
    (tmp_path / "short.params").write_bytes(golden("single")[:50])
    with pytest.raises(MXNetError, match=r"short\.params, byte \d+: expected .* bytes are left"):
        nd.load(tmp_path / "short.params")
    with pytest.raises(MXNetError, match="cannot be written"):
        nd.save(tmp_path / "no" / "folder.params", [])


@pytest.mark.parametrize("data", [3, None, "x"])
def test_save_of_something_else(data, tmp_path):
    with pytest.raises(ValueError, match="data needs to either be"):
        nd.save(tmp_path / "x", data)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("data", [[3], {"a": 3}, {3: nd.array([1])}], ids=str)
def test_save_of_other_items(data, tmp_path):
    with pytest.raises(TypeError, match="save only accept"):
        nd.save(tmp_path / "x", data)


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_failed_save_keeps_the_old_file(failing, tmp_path, monkeypatch):
    path = tmp_path / "x.params"
    nd.save(path, [nd.ones((3,))])
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(MXNetError, match="cannot be written: No space left"):
        nd.save(path, [nd.zeros((3,))])
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["x.params"]


def test_killed_save_keeps_a_whole_file(tmp_path):
    path = tmp_path / "x.params"
    script = (
        "import sys; import cyexec.ndarray as nd\n"
        "a = [nd.ones((1000, 1000)), nd.zeros((1000, 1000))]\n"
        "nd.save(sys.argv[1], a[:1]); print('saved', flush=True)\n"
        "while True: nd.save(sys.argv[1], a[:1]); nd.save(sys.argv[1], a[1:])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"saved\n"
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    array = nd.load(path)[0].asnumpy()
    assert array.shape == (1000, 1000) and len(np.unique(array)) == 1


def test_permissions_and_links_are_kept(tmp_path):
    target, link = tmp_path / "target.params", tmp_path / "link.params"
    nd.save(target, [])
    target.chmod(0o640)
    link.symlink_to(target)
    nd.save(link, [nd.ones((1,))])
    assert link.is_symlink() and target.stat().st_mode & 0o777 == 0o640
    assert len(nd.load(target)) == 1


def test_of_a_name_that_stands_twice_the_last_array_counts(tmp_path):
    """Other front ends could write such files; MXNet's Python makes a dict of them."""
    nd.save(tmp_path / "x.params", {"arg:a": nd.array([1]), "arg:b": nd.array([2])})
    loaded = nd.load_frombuffer((tmp_path / "x.params").read_bytes().replace(b"arg:b", b"arg:a"))
    assert {name: array.asnumpy().tolist() for name, array in loaded.items()} == {"arg:a": [2]}
