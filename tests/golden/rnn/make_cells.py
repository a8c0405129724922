"""Ask the oracle how it composes and computes `cell_cases.py`: run with its Python; writes cells.json.gz and cells.npz here.

Each network's JSON is kept as a line for each node, without what follows from the nodes; numbers of automatic names count on
from network to network, so both sides must build all of them in order.
"""

import gzip
import json
import os

os.environ.update(MXNET_SUBGRAPH_BACKEND="NONE", MXNET_MKLDNN_ENABLED="1", MXNET_ENGINE_TYPE="NaiveEngine")

import mxnet as mx  # noqa: E402
import numpy as np  # noqa: E402
from cell_cases import evaluate, networks  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def lines(text):
    document = json.loads(text)
    nodes = [[n["op"], n["name"], n.get("attrs", {}), n["inputs"]] for n in document["nodes"]]
    return {"nodes": nodes, "heads": document["heads"]}


if __name__ == "__main__":
    found, values = {}, {}
    for key, _, symbol, shapes in networks(mx):
        found[key] = lines(symbol.tojson())
        if shapes:
            values.update({f"{key}/{name}": array for name, array in evaluate(mx, key, symbol, shapes).items()})
    with open(os.path.join(HERE, "cells.json.gz"), "wb") as file:
        # No time of day in the file: equal answers are equal files.
        file.write(gzip.compress(json.dumps(found).encode(), mtime=0))
    index = "\n".join(f"{name}\t{' '.join(map(str, array.shape))}" for name, array in values.items())
    np.savez_compressed(
        os.path.join(HERE, "cells.npz"),
        index=np.frombuffer(index.encode(), np.uint8),
        blob=np.concatenate([array.ravel() for array in values.values()]),
    )
