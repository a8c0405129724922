"""Write the answers of MXNet 1.9.1: run from the repository's root in the oracle's environment.

    python tests/golden/training/make.py [scenario ...]

A scenario is a file beside this one whose functions ``case_*(mx)`` return plain data: every number, string and error
kind that matters. The tests call the same functions with ``mx = cyexec``. Kept working on Python 3.8 and without any
import of this repository.
"""

import importlib.util
import json
import logging
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SCENARIOS = sorted(name[:-3] for name in os.listdir(HERE) if name.endswith(".py") and name[:-3] not in ("make", "__init__"))


def load_scenario(name):
    """Import the scenario file `name` by its path."""
    spec = importlib.util.spec_from_file_location("scenario_" + name, os.path.join(HERE, name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cases(module):
    """Functions of a scenario, by name."""
    return {n[5:]: f for n, f in vars(module).items() if n.startswith("case_")}


def plain(value):
    """Reduce numbers of NumPy, tuples and arrays to what JSON can say."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (bytes, bytearray)):
        return "bytes " + value.hex()
    if isinstance(value, float) and value != value:
        return "nan"
    if isinstance(value, float) and abs(value) == float("inf"):
        return str(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    if hasattr(value, "asnumpy"):
        return plain(value.asnumpy())
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)


def main(names):
    # The plain operators, one after the other; read when MXNet is imported.
    os.environ.update(MXNET_SUBGRAPH_BACKEND="NONE", MXNET_MKLDNN_ENABLED="0", MXNET_ENGINE_TYPE="NaiveEngine")
    import mxnet

    logging.disable(logging.NOTSET)
    for name in names or SCENARIOS:
        path = os.path.join(HERE, name + ".py")
        if not os.path.exists(path):
            continue
        answers = {case: plain(f(mxnet)) for case, f in sorted(cases(load_scenario(name)).items())}
        with open(os.path.join(HERE, name + ".json"), "w") as out:
            json.dump(answers, out, indent=1, sort_keys=True)
            out.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])
