"""Ask MXNet how much memory it allocates for each network: ``python make.py`` in MXNet's Python writes `mxnet.json`.

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

import mxnet as mx

from tests.networks import NETWORKS

sizes = {}
for name, network in NETWORKS.items():
    for mode, request in (("inference", "null"), ("training", "write")):
        for batch in (1, 8):
            symbol = network.build(mx)
            requests = {n: "null" if n in ("data", "softmax_label") else request for n in symbol.list_arguments()}
            executor = symbol.simple_bind(mx.cpu(), grad_req=requests, **network.shapes(batch))
            found = re.search(r"Total (\d+) MB allocated", executor.debug_str())
            sizes[f"{name} {mode} {batch}"] = int(found.group(1))
(HERE / "mxnet.json").write_text(json.dumps(sizes, indent=1) + "\n")
