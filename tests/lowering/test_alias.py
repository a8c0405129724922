"""Which results share memory with what they are made from."""

from __future__ import annotations

import cyexec as mx


def convolution(x: mx.Symbol, name: str) -> mx.Symbol:
    return mx.sym.Convolution(x, kernel=(1, 1), num_filter=8, no_bias=True, name=name)


def test_two_results_take_the_memory_of_two_operands():
    """A sum and its ReLU, made by one step and both read later, are written over the two convolutions that end there."""
    data = mx.sym.Variable("data")
    total = convolution(data, "c0") + convolution(data, "c1")
    relu = mx.sym.Activation(total, act_type="relu", name="relu")
    plan = (convolution(relu, "c2") + total).plan(data=(4, 8, 32, 32), grad_req="null")
    program = plan.program
    fused = [s for s in program.steps if len(s.writes) == len(s.reads) == 2 and s.kernel.startswith("elementwise")]
    assert len(fused) == 1
    before, after = ({program.home[ref.buffer] for ref in refs} for refs in (fused[0].reads, fused[0].writes))
    assert before == after
