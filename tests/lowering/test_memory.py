"""The plan as an object, a table, a picture and JSON: all say the same."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import cyexec as mx
from cyexec.demo.__main__ import network


def small_plan(**kwargs):
    return network().plan(data=(4, 1, 8, 8), **kwargs)


def test_plan_before_and_after_binding_is_one():
    planned = small_plan()
    bound = network().simple_bind(mx.cpu(), data=(4, 1, 8, 8)).plan
    assert planned.total == bound.total
    assert [(b.name, b.offset, b.first_step, b.last_step) for b in planned.buffers] == [
        (b.name, b.offset, b.first_step, b.last_step) for b in bound.buffers
    ]


def test_inference_needs_less_than_training():
    assert 0 < small_plan(grad_req="null").total < small_plan().total


def test_arena_is_what_the_plan_says():
    executor = network().simple_bind(mx.cpu(), data=(4, 1, 8, 8))
    assert sum(a.nbytes for a in executor._arenas) == executor.plan.total == executor.plan.totals["arena"]
    executor.forward(is_train=False)
    executor.forward(is_train=True)
    executor.backward()
    assert sum(a.nbytes for a in executor._arenas) == executor.plan.total


def test_totals_add_up():
    plan = small_plan()
    sums = dict.fromkeys(plan.totals, 0)
    kinds = {"arg": "arguments", "grad": "gradients", "aux": "auxiliary states", "output": "outputs",
             "head_grad": "head gradients", "value": "intermediates", "workspace": "workspaces"}  # fmt: skip
    for buffer in plan.buffers:
        sums[kinds[buffer.kind]] += buffer.nbytes
    assert {k: v for k, v in sums.items() if k != "arena"} == {k: v for k, v in plan.totals.items() if k != "arena"}
    assert plan.totals["arguments"] == plan.totals["gradients"]  # every argument gets one, data and label too
    assert plan.lower_bound <= plan.total


def test_buffers_alive_together_are_apart():
    for grad_req in ("null", "write"):
        inside = [b for b in small_plan(grad_req=grad_req).buffers if b.offset >= 0 and not b.alias and b.nbytes]
        for i, a in enumerate(inside):
            for b in inside[:i]:
                together = a.first_step <= b.last_step and b.first_step <= a.last_step
                apart = a.offset + a.nbytes <= b.offset or b.offset + b.nbytes <= a.offset
                # Lives of roots may be longer than their own steps show, never shorter.
                assert not together or apart, (a, b)


def test_peak_names_buffers_of_that_step():
    step, alive = small_plan().peak()
    assert alive and all(b.offset >= 0 for b in alive)
    assert sum(b.nbytes for b in alive) <= small_plan().total


def test_json_text_and_pictures():
    plan = small_plan()
    document = json.loads(plan.to_json())
    assert document["total_bytes"] == plan.total and len(document["buffers"]) == len(plan.buffers)
    text = plan.to_text()
    assert f"arena {plan.total} bytes" in text and "conv1_output" in text
    assert ET.fromstring(plan.to_svg()).tag.endswith("svg")
    page = plan.to_html()
    assert "conv1_output" in page and "http://" not in page.replace("http://www.w3.org", "")


def test_workspaces_are_counted():
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, name="c")
    executor = net.simple_bind(mx.cpu(), data=(1, 3, 9, 9), grad_req="null")
    last = executor.debug_str().split("\n")[-2]
    workspaces = [b for b in executor.plan.buffers if b.kind == "workspace" and b.nbytes]
    assert last == f"Total {len(workspaces)} TempSpace resource requested" and workspaces
