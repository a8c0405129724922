"""Ask MXNet 1.9.1 what the expressions of expressions.txt and differences.txt give, and keep the answers in expected.json."""

import json
import os
import warnings

os.environ.update(MXNET_ENGINE_TYPE="NaiveEngine", MXNET_MKLDNN_ENABLED="0", MXNET_STORAGE_FALLBACK_LOG_VERBOSE="0")

import mxnet as mx  # reads the environment
from evaluate import evaluate, namespace

HERE = os.path.dirname(os.path.abspath(__file__))
warnings.simplefilter("ignore")
names = namespace(mx)
lines = []
for name in ("expressions.txt", "differences.txt"):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        lines += [line.strip() for line in file]
answers = {line: evaluate(line, names) for line in lines if line and not line.startswith("#")}
with open(os.path.join(HERE, "expected.json"), "w", encoding="utf-8") as file:
    file.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in answers.items()) + "\n}\n")
