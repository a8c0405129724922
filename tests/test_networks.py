"""The networks that other tests and the benchmarks share are the published ones: they have as many parameters."""

from math import prod

import pytest

import cyexec as mx
from tests.networks import NETWORKS

# Millions of parameters, as their papers or the zoos that publish checkpoints give them.
MILLIONS = {
    "resnet18_v1": 11.69, "resnet50_v1": 25.56, "mobilenet1.0": 4.23, "mobilenetv2_1.0": 3.50, "alexnet": 61.10,
    "vgg11": 132.86, "vgg16": 138.36, "squeezenet1.0": 1.25, "squeezenet1.1": 1.24, "inception_v3": 23.83,
    "densenet121": 7.98, "resnet20": 0.27, "inception_bn": 11.29,
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_network_has_the_published_size(name):
    network = NETWORKS[name]
    symbol = network.build(mx)
    shapes, outputs, _ = symbol.infer_shape(**network.shapes(2))
    arguments = dict(zip(symbol.list_arguments(), shapes, strict=True))
    assert outputs[0][1] in (2, 10, 1000, 2000)
    if name in MILLIONS:
        count = sum(prod(shape) for a, shape in arguments.items() if a not in ("data", "softmax_label"))
        assert count / 1e6 == pytest.approx(MILLIONS[name], abs=0.006)
