"""Ask MXNet how much memory it allocates for each network: ``python make.py`` in MXNet's Python writes `mxnet.json`, with
the networks of `tests/networks`, and `others.json`, with the training of those of Gluon's zoo and of `compat`.

The plain executor is asked (no oneDNN, no rewritten graphs): "Total N MB allocated" of `debug_str` is the pool of intermediate
values, outputs included, workspaces of operators not.
"""

import json
import os
import re
import sys
from pathlib import Path

for name, value in (
    ("MXNET_SUBGRAPH_BACKEND", "NONE"), ("MXNET_MKLDNN_ENABLED", "0"), ("MXNET_ENGINE_TYPE", "NaiveEngine"),
    ("MXNET_STORAGE_FALLBACK_LOG_VERBOSE", "0"),
):  # fmt: skip
    os.environ[name] = value

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent.parent))

sys.path[:0] = [str(HERE.parent / "compat"), str(HERE.parent)]

import detection  # noqa: F401  importing registers the models
import faces  # noqa: F401
import images  # noqa: F401
import losses  # noqa: F401
import mxnet as mx
import text  # noqa: F401
import vision  # noqa: F401
from recipe import MODELS
from zoo import networks as zoo

from tests.networks import NETWORKS


def megabytes(symbol, requests, shapes):
    """What `debug_str` says."""
    executor = symbol.simple_bind(mx.cpu(), grad_req=requests, **shapes)
    return int(re.search(r"Total (\d+) MB allocated", executor.debug_str()).group(1))


sizes = {}
for name, network in NETWORKS.items():
    for mode, request in (("inference", "null"), ("training", "write")):
        for batch in (1, 8):
            symbol = network.build(mx)
            requests = {n: "null" if n in ("data", "softmax_label") else request for n in symbol.list_arguments()}
            sizes[f"{name} {mode} {batch}"] = megabytes(symbol, requests, network.shapes(batch))
(HERE / "mxnet.json").write_text(json.dumps(sizes, indent=1) + "\n")

others = {}
for name, source in zoo.symbols().items():
    symbol = mx.sym.load_json(source)
    requests = {n: "null" if n == "data" else "write" for n in symbol.list_arguments()}
    others[f"zoo {name}"] = megabytes(symbol, requests, {"data": zoo.shapes(name)[1]})
for name, model in MODELS.items():
    if model.gradients:
        with mx.name.NameManager():
            symbol = model.build(mx)
        others[f"compat {name}"] = megabytes(symbol, model.requests(symbol.list_arguments()), model.shapes)
(HERE / "others.json").write_text(json.dumps(others, indent=1) + "\n")
