"""Make the golden .params files beside this script. Run it with MXNet 1.9.1; the older formats are written by hand."""

import os
import struct

# Without this engine MXNet saves a row_sparse array before it knows how many rows there are.
os.environ.update(MXNET_ENGINE_TYPE="NaiveEngine")

import mxnet as mx
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
DTYPES = ["float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool"]


def path(name):
    return os.path.join(HERE, name)


def values(dtype):
    return mx.nd.array(
        np.arange(6).reshape(2, 3) % 2 if dtype == "bool" else np.arange(6).reshape(2, 3) - 2, dtype=dtype
    )


def write(name, arrays, names=()):
    parts = [struct.pack("<QQQ", 0x112, 0, len(arrays)), *arrays, struct.pack("<Q", len(names))]
    parts += [struct.pack("<Q", len(n.encode())) + n.encode() for n in names]
    with open(path(name), "wb") as file:
        file.write(b"".join(parts))


def old(array, magic):
    """One array in format V0 (no magic) or V1."""
    extents = "q" if magic else "I"
    head = struct.pack("<I", magic) if magic else b""
    head += struct.pack("<I", array.ndim) + struct.pack(f"<{array.ndim}{extents}", *array.shape)
    return head + struct.pack("<iii", 1, 0, {"float32": 0, "int32": 4}[str(array.dtype)]) + array.tobytes()


mx.nd.save(path("list.params"), [values(d) for d in DTYPES])
mx.nd.save(path("dict.params"), {"arg:fc1_weight": values("float32"), "aux:\u00e9": values("float16")})
mx.nd.save(path("single.params"), values("int64"))
mx.nd.save(path("empty.params"), [])
mx.nd.save(path("zero_size.params"), [mx.nd.zeros((2, 3))[0:0]])
mx.nd.save(path("context.params"), [mx.nd.array([1], ctx=mx.cpu(2))])
dense = mx.nd.array([[0, 1, 0], [0, 0, 0], [2, 0, 3]])
mx.nd.save(path("row_sparse.params"), {"w": dense.tostype("row_sparse")})
mx.nd.save(path("csr.params"), {"w": dense.tostype("csr")})
with mx.util.np_shape(True), mx.util.np_array(True):
    mx.npx.save(path("v3.params"), {"scalar": mx.np.array(3.0), "matrix": mx.np.ones((2, 3), dtype="float64")})
plain = [np.arange(6, dtype="float32").reshape(2, 3), np.array([7, -7], dtype="int32")]
write("v0.params", [old(a, 0) for a in plain], ["arg:a", "aux:b"])
write("v1.params", [old(a, 0xF993FAC8) for a in plain], ["arg:a", "aux:b"])
for name in ("v0.params", "v1.params"):  # MXNet must agree that these are its formats
    loaded = mx.nd.load(path(name))
    assert [(loaded[k].asnumpy() == v).all() for k, v in zip(("arg:a", "aux:b"), plain)] == [True, True], loaded
