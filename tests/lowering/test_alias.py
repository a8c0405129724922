"""Which results share memory with what they are made from."""

from __future__ import annotations

import cyexec as mx


def layer(x: mx.Symbol, name: str) -> mx.Symbol:
    return mx.sym.FullyConnected(x, num_hidden=64, no_bias=True, name=name)


def test_two_results_take_the_memory_of_two_operands():
    """A sum and its ReLU, made by one step and both read later, are written over the two layers' values that end there."""
    data = mx.sym.Variable("data")
    total = layer(data, "c0") + layer(data, "c1")
    relu = mx.sym.Activation(total, act_type="relu", name="relu")
    plan = (layer(relu, "c2") + total).plan(data=(32, 64), grad_req="null")
    program = plan.program
    fused = [s for s in program.steps if len(s.writes) == len(s.reads) == 2 and s.kernel.startswith("elementwise")]
    assert len(fused) == 1
    before, after = ({program.home[ref.buffer] for ref in refs} for refs in (fused[0].reads, fused[0].writes))
    assert before == after
