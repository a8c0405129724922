"""Record files: every byte that is written, and what is read back."""

import os
import pickle
import struct
import tempfile

import numpy as np

MAGIC = struct.pack("<I", 0xCED7230A)
CONTENTS = [
    b"", b"a", b"abcd", b"abcde", MAGIC, b"ab" + MAGIC, b"abcd" + MAGIC + b"xy", MAGIC + MAGIC + b"z",
    b"1234" + MAGIC + MAGIC + b"5678" + MAGIC, MAGIC[:3] + MAGIC + MAGIC, bytes(range(256)) * 3 + MAGIC + b"!",
]  # fmt: skip


def kind(f, *args, **kwargs):
    try:
        f(*args, **kwargs)
    except Exception as error:  # noqa: BLE001
        return type(error).__name__
    return "none"


def content(path):
    with open(path, "rb") as file:
        return file.read()


def case_records(mx):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.rec")
        writer = mx.recordio.MXRecordIO(path, "w")
        for data in CONTENTS:
            writer.write(data)
        writer.close()
        reader = mx.recordio.MXRecordIO(path, "r")
        found = [reader.read() for _ in range(len(CONTENTS) + 2)]
        reader.reset()
        again = [reader.read() for _ in range(2)]
        copy = pickle.loads(pickle.dumps(reader))
        errors = [kind(reader.write, b""), kind(mx.recordio.MXRecordIO, path, "x")]
        errors.append(kind(mx.recordio.MXRecordIO, os.path.join(folder, "none"), "r"))
        return [content(path), found, again, copy.read(), copy.is_open, errors]


def case_indexed(mx):
    with tempfile.TemporaryDirectory() as folder:
        rec, idx = os.path.join(folder, "a.rec"), os.path.join(folder, "a.idx")
        writer = mx.recordio.MXIndexedRecordIO(idx, rec, "w")
        positions = []
        for key in (0, 5, "7"):
            positions.append(writer.tell())
            writer.write_idx(key, b"record %d" % int(key) + MAGIC)
        answers = [positions, writer.keys, {str(k): v for k, v in writer.idx.items()}]
        errors = [kind(writer.read), kind(writer.seek, 0)]
        writer.close()
        reader = mx.recordio.MXIndexedRecordIO(idx, rec, "r")
        answers += [content(rec), content(idx), reader.keys, reader.read_idx(7), reader.read_idx(0), reader.read()]
        errors += [kind(reader.read_idx, 9), kind(reader.tell), kind(reader.write_idx, 1, b"")]
        return answers + [errors]


def case_headers(mx):
    answers = []
    for label in (3, 2.5, [1, 2, 3], np.array([4.0, 5.0]), np.float32(7), np.zeros((2, 2)), []):
        packed = mx.recordio.pack(mx.recordio.IRHeader(0, label, 2**40, 5), b"data")
        header, rest = mx.recordio.unpack(packed)
        answers.append([packed, list(header), type(header).__name__, rest])
    answers.append(mx.recordio.pack((9, 1, 2, 3), b"x"))
    return answers
