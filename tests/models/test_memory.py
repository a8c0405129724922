"""Training of the zoo's networks, and of those that people had, takes no more memory than MXNet allocates for it.

The figures are whole megabytes of `tests/golden/arena/others.json`. Nothing is run: plans are made.
"""

import json

import pytest

import cyexec as mx

from ..arena_sizes import FOLDER
from ..golden.zoo import networks as zoo
from .test_compat import MODELS

pytestmark = pytest.mark.usefixtures("unchecked")

# Of each family the deepest ones take as long to plan as all the others.
DEEP = ("101", "152", "161", "169", "201")
THEIRS = json.loads((FOLDER / "others.json").read_text(encoding="utf-8"))
TEXTS = zoo.symbols()
# Layers of 8 channels fill half a block, and what is left when everything cheap is computed twice is a little more than the
# whole megabytes that MXNet shows of less than one or two.
PADDED = {"compat fcn", "compat arcface_training", "compat arccos_training"}


def planned(case):
    """The plan of a case, "zoo NETWORK" or "compat MODEL"."""
    kind, name = case.split()
    if kind == "zoo":
        symbol, shapes = mx.sym.load_json(TEXTS[name]), {"data": zoo.shapes(name)[1]}
        requests = {n: "null" if n == "data" else "write" for n in symbol.list_arguments()}
        return symbol.plan(grad_req=requests, **shapes)
    model = MODELS[name]
    with mx.name.NameManager():
        symbol = model.build(mx)
    return symbol.plan(grad_req=model.requests(symbol.list_arguments()), **model.shapes)


@pytest.mark.parametrize("case", [case for case in THEIRS if not any(depth in case for depth in DEEP)])
def test_training_takes_no_more_than_in_mxnet(case):
    ours = planned(case).total
    if case in PADDED:
        assert ours >> 20 <= THEIRS[case] + 1
    else:
        assert ours >> 20 <= THEIRS[case], f"{case}: {ours} bytes, MXNet allocates {THEIRS[case]} MB"
