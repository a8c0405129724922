from itertools import permutations
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import PlannerError
from planner.dag import Dag, Node
from planner.order import order


@st.composite
def dags(draw, most=7):
    nodes = []
    for i in range(draw(st.integers(0, most))):
        names = [n.id for n in nodes]
        inputs = draw(st.lists(st.sampled_from(names), unique=True, max_size=3)) if names else []
        after = draw(st.lists(st.sampled_from(names), max_size=1)) if names else []
        size, workspace = draw(st.integers(0, 9)), draw(st.sampled_from((0, 0, 0, 5)))
        work = draw(st.integers(1, 5))
        nodes.append(Node(f"n{i}", tuple(inputs), size, workspace, work, draw(st.integers(0, 5)) == 0, tuple(after)))
    return Dag(nodes)


def live_bytes(dag, positions):
    """Compute the peak from the definition, step by step."""
    peak = 0
    for t, i in enumerate(positions):
        alive = 0
        for made_at, j in enumerate(positions[: t + 1]):
            used = [positions.index(r) for r in dag.readers[j]]
            if dag.nodes[j].keep or made_at == t or any(at >= t for at in used):
                alive += dag.nodes[j].size
        peak = max(peak, alive + dag.nodes[i].workspace)
    return peak


def can_run(dag, positions):
    return all(positions.index(j) < positions.index(i) for i in positions for j in dag.before[i])


@given(dags(), st.integers(0, 4000))
@settings(max_examples=300, deadline=None)
def test_small_graphs_are_solved_exactly(dag, states):
    found = order(dag, states=states)
    assert sorted(found.positions) == list(range(len(dag))) and can_run(dag, found.positions)
    assert [dag.nodes[i].id for i in found.positions] == found.ids
    assert found.peak == live_bytes(dag, found.positions) <= dag.peak()
    if states > 200 or found.optimal:
        every = (p for p in permutations(range(len(dag))) if can_run(dag, p))
        assert found.peak == min(live_bytes(dag, p) for p in every)
    assert dag.bound() <= found.peak


def random_dag(count, seed, reach=30):
    rng = np.random.default_rng(seed)
    nodes = []
    for i in range(count):
        inputs = {int(i - 1 - rng.integers(0, min(i, reach))) for _ in range(rng.integers(1, 4))} if i else set()
        nodes.append(Node(i, tuple(inputs), int(rng.integers(1, 1000))))
    return Dag(nodes)


def test_wide_graph_is_much_better_than_given():
    """Forty chains listed side by side: run one after the other, one value is alive instead of forty."""
    nodes = [Node((k, 0), (), 10) for k in range(40)]
    nodes += [Node((k, step), ((k, step - 1),), 1 if step == 9 else 10) for step in range(1, 10) for k in range(40)]
    dag = Dag([*nodes, Node("sum", tuple((k, 9) for k in range(40)), 1)])
    found = order(dag)
    assert dag.peak() >= 400 and found.peak <= 60


def test_large_graphs_are_quick_and_valid():
    dag = random_dag(10_000, 1)
    began = process_time()
    found = order(dag)
    assert process_time() - began < 10  # usually 1 s
    at = {i: t for t, i in enumerate(found.positions)}
    assert all(at[j] < at[i] for i in range(len(dag)) for j in dag.before[i])
    assert found.peak == dag.peak(found.positions) <= dag.peak()


def test_deterministic():
    assert order(random_dag(300, 2)).ids == order(random_dag(300, 2)).ids


@pytest.mark.parametrize(
    "nodes, words",
    [
        ([Node("a"), Node("a")], "'a': given twice"),
        ([Node("a", ("b",)), Node("b")], "'a': needs 'b', which comes later"),
        ([Node("a", ("z",))], "'a': needs 'z', which is not in the graph"),
        ([Node("a", size=-1)], "'a': size -1"),
    ],
)
def test_errors_name_the_node(nodes, words):
    with pytest.raises(PlannerError) as error:
        Dag(nodes)
    assert words in str(error.value)
