"""Training in blocked layout: gradients, moving averages and outputs as in plain layout."""

import numpy as np
import pytest

import cyexec as mx
from cyexec.graph.graph import Graph
from cyexec.passes import add_gradient, block_layout, fuse_epilogue, fuse_norm_relu, pipeline

from ..ops.harness import run
from .compare import check_pass, graph_of, lines
from .test_block_layout import KINDS, conv, network


def training_graph(symbol, **shapes):
    graph = graph_of(symbol, is_train=True, **shapes)
    arguments = [n for n in graph.nodes if n.kind == "arg"]
    return add_gradient.run(graph, [(n.number, "write") for n in sorted(arguments, key=lambda n: n.number)])


def values_of(graph, seed=0):
    """Values around zero, so that relus cut; statistics and scales are positive."""
    rng = np.random.default_rng(seed)
    made = {}
    for node in graph.nodes:
        if node.is_variable:
            positive = node.name.endswith(("gamma", "var"))
            made[node.name] = rng.uniform(0.5 if positive else -1, 1.5 if positive else 1, node.shapes[0]).astype(np.float32)
    return made


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_same_gradients(kind, batch):
    graph = training_graph(network(kind), x=(batch, 7, 9, 11))
    done = pipeline.optimize(graph)
    plain, blocked = values_of(graph), values_of(graph)
    wanted, wanted_grads = run(graph, plain)
    got, grads = run(done, blocked)
    for name, a, b in [
        *((str(i), a, b) for i, (a, b) in enumerate(zip(got, wanted))),
        *((n, grads[n], wanted_grads[n]) for n in wanted_grads),
        *((n, blocked[n], plain[n]) for n in plain),  # moving averages
    ]:
        # Sums in another order: float32 round-off of the largest number.
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=5e-5 * max(np.abs(b).max(initial=0), 1e-3), err_msg=f"{kind} {name}")


def test_batch_norm_takes_the_relu_both_ways():
    with mx.name.NameManager():
        x = conv(mx.sym.var("x"), 16, name="c0", no_bias=True)
        x = mx.sym.Activation(mx.sym.BatchNorm(x, name="bn"), act_type="relu", name="relu")
        net = conv(x, 16, name="c1", no_bias=True)
    graph = fuse_epilogue.run(block_layout.run(training_graph(net, x=(2, 16, 5, 6))))
    after = lines(fuse_norm_relu.run(graph))
    assert "relu = _BlockedBatchNorm(c0, bn_gamma, bn_beta, bn_moving_mean, bn_moving_var)" in after
    gradient = next(line for line in after if "_BlockedBatchNormGradient" in line)
    assert gradient == (
        "bn_backward = _BlockedBatchNormGradient("
        "c1_backward, c0, bn_gamma, relu:1, relu:2, relu, bn_moving_mean, bn_moving_var)"
    )
    assert not any("_backward_Activation" in line for line in after)
    check_pass(fuse_norm_relu.run, graph, after)


def test_a_relu_whose_gradient_is_read_twice_stays():
    x = mx.sym.BatchNorm(conv(mx.sym.var("x"), 16), name="bn")
    net = mx.sym.relu(x) + x
    graph = block_layout.run(training_graph(net, x=(2, 16, 5, 6)))
    assert lines(fuse_norm_relu.run(graph)) == lines(graph)


def test_global_statistics_stay_plain():
    x = mx.sym.BatchNorm(conv(mx.sym.var("x"), 16), use_global_stats=True, name="bn")
    graph = pipeline.optimize(training_graph(x, x=(2, 16, 5, 6)))
    assert any("= BatchNorm(" in line for line in lines(graph))


def test_inference_mode_gradients():
    """`forward(is_train=False)` then `backward`: BatchNorm uses the moving averages there."""
    net = network("batch norm")
    base = graph_of(net, x=(2, 7, 9, 11))
    graph = add_gradient.run(Graph(base.outputs), [(n.number, "write") for n in base.nodes if n.kind == "arg"])
    values = values_of(graph)
    _, wanted = run(graph, {k: v.copy() for k, v in values.items()})
    _, got = run(pipeline.optimize(graph), {k: v.copy() for k, v in values.items()})
    for name in wanted:
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-4, atol=5e-5 * np.abs(wanted[name]).max(), err_msg=name)


@pytest.mark.parametrize(
    "channels,filters,groups,stride,is_blocked",
    [(64, 64, 8, 1, True), (32, 64, 8, 1, True), (64, 32, 4, 2, True), (128, 128, 32, 1, True), (64, 64, 32, 1, False)],
)
def test_gradients_of_small_groups(channels, filters, groups, stride, is_blocked):
    """Groups are multiplied several at a time, and of the result their own parts taken; float64 has plain kernels."""
    net = mx.sym.Convolution(
        mx.sym.var("data"), kernel=(3, 3), stride=(stride, stride), pad=(1, 1), num_filter=filters, num_group=groups
    )
    gradients = {}
    for dtype in ("float64", "float32"):
        rng = np.random.default_rng(0)
        executor = net.simple_bind(
            mx.cpu(), type_dict=dict.fromkeys(net.list_arguments(), dtype), data=(3, channels, 9, 8)
        )
        for array in executor.arg_arrays:
            array[:] = rng.uniform(-1, 1, array.shape)
        executor.forward(is_train=True)
        executor.backward([mx.nd.array(rng.uniform(-1, 1, executor.outputs[0].shape), dtype=dtype)])
        gradients[dtype] = [array.asnumpy() for array in executor.grad_arrays]
    kernels = {step.kernel for step in executor._program(True, True).program.steps}
    assert ("blocked_weight.WeightGradient" in kernels) is is_blocked
    for single, double in zip(gradients["float32"], gradients["float64"]):
        np.testing.assert_allclose(single, double, rtol=0, atol=1e-5 * np.abs(double).max())
