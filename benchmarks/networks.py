"""The networks that are timed, in a form that every peer can read.

``write(mx)`` puts each network into ``build/benchmarks/NAME.json``: its symbol's JSON and the shapes of everything it needs.
``load(name)`` reads it back in any peer's Python (3.8 and newer; NumPy is all it needs), with the same seeded weights in each.
"""

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "build" / "benchmarks"
sys.path.insert(0, str(ROOT / "tests" / "golden" / "zoo"))

import networks as zoo  # noqa: E402

# The name in the table, and in the zoo.
ZOO = {
    "resnet18": "resnet18_v1", "resnet50": "resnet50_v1", "mobilenetv2": "mobilenetv2_1.0", "vgg11": "vgg11",
    "squeezenet": "squeezenet1.0", "densenet121": "densenet121", "alexnet": "alexnet", "inceptionv3": "inceptionv3",
}  # fmt: skip
# The networks that are trained (of `tests.networks`), and their batches.
TRAINING = {"mlp": 32, "lenet": 64, "resnet20": 64, "resnet18_v1": 8, "lstm": 32}


class Network:
    """A symbol's JSON, its nodes, the shapes of its variables, and their values."""

    def __init__(self, name, text, inputs, arguments, auxiliary):
        self.name = name
        self.text = text
        self.inputs = {k: tuple(v) for k, v in inputs.items()}
        self.arguments = {k: tuple(v) for k, v in arguments.items()}
        self.auxiliary = {k: tuple(v) for k, v in auxiliary.items()}

    @property
    def graph(self):
        """The parsed JSON."""
        return json.loads(self.text)

    def value(self, variable):
        """The value of an input, parameter or auxiliary state."""
        shape = self.arguments.get(variable) or self.auxiliary[variable]
        return zoo.value(variable, shape, self.name)

    @property
    def parameters(self):
        """Names of the arguments that are not inputs."""
        return [name for name in self.arguments if name not in self.inputs]


def _sources(mx):
    """(name, symbol, input shapes) of every network."""
    from tests.networks import NETWORKS

    texts = zoo.symbols()
    for name, full in ZOO.items():
        yield name, mx.sym.load_json(texts[full]), {"data": (1, 3) + zoo.FULL[full]}
    mlp = NETWORKS["mlp"].build(mx).get_internals()["output_output"]
    yield "mlp", mx.sym.softmax(mlp, name="prob"), {"data": (1, 784)}
    for name, batch in TRAINING.items():
        symbol = NETWORKS[name].build(mx)
        inputs = {"softmax_label": (batch,), **NETWORKS[name].shapes(batch)}
        if name == "lstm":  # a label for each word; a module wants the batch in front
            inputs["softmax_label"] = inputs["data"]
            symbol = symbol(softmax_label=mx.sym.reshape(mx.sym.Variable("softmax_label"), shape=(-1,)))
        yield name + "_training", symbol, inputs


def write(mx):
    """Write every network; `mx` is cyexec (or MXNet)."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, symbol, inputs in _sources(mx):
        arguments, _, auxiliary = symbol.infer_shape(**inputs)
        entry = {
            "name": name,
            "text": symbol.tojson(),
            "inputs": inputs,
            "arguments": dict(zip(symbol.list_arguments(), arguments)),
            "auxiliary": dict(zip(symbol.list_auxiliary_states(), auxiliary)),
        }
        path = FOLDER / f"{name}.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(entry), encoding="utf-8")
        os.replace(part, path)


def load(name):
    """The `Network` of a name."""
    with open(FOLDER / f"{name}.json", encoding="utf-8") as file:
        return Network(**json.load(file))
