import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.dag import Dag, Node
from planner.remat import Again, _Search, rematerialize

from .test_order import dags, live_bytes


def least_peak_of_any_program(dag):
    """Search all ways to compute, drop and recompute values, with nodes first computed in the order given.

    State: how many nodes have been computed, and which values are there; a value may be dropped at any time and made
    again from its inputs. Returns the least peak.
    """
    n = len(dag)
    for limit in range(dag.peak() + 1):
        seen, stack = set(), [(0, frozenset())]
        while stack:
            done, there = stack.pop()
            if done == n:
                return limit
            if (done, there) in seen:
                continue
            seen.add((done, there))
            for i in range(done + 1):
                node = dag.nodes[i]
                if i in there or not all(j in there for j in dag.inputs[i]) or (i < done and not node.recompute):
                    continue
                now = sum(dag.nodes[j].size for j in there) + node.size + node.workspace
                if now <= limit:
                    stack.append((max(done, i + 1), there | {i}))
                for j in dag.inplace[i]:
                    if not dag.nodes[j].keep and now - min(dag.nodes[j].size, node.size) <= limit:
                        stack.append((max(done, i + 1), there - {j} | {i}))
            stack += [(done, there - {j}) for j in there if not dag.nodes[j].keep]
    return 0


@given(dags(most=5), st.integers(0, 40))
@settings(max_examples=150, deadline=None)
def test_small_graphs_against_every_program(dag, limit):
    found = rematerialize(dag, limit)
    assert found.peak <= dag.peak() and found.fits == (found.peak <= limit) and found.exact
    assert found.peak == live_bytes(found.dag, list(range(len(found.dag))))
    assert found.least_peak >= least_peak_of_any_program(dag)
    assert found.fits or found.peak == found.least_peak
    assert found.fits == (found.least_peak <= limit)
    first = [node.id for node in found.dag.nodes if not isinstance(node.id, Again)]
    assert first == [node.id for node in dag.nodes]
    again = [node for node in found.dag.nodes if isinstance(node.id, Again)]
    assert found.work == sum(node.work for node in again) and found.recomputed == [node.id.id for node in again]


@given(dags(most=7), st.integers(0, 60))
@settings(max_examples=150, deadline=None)
def test_programs_still_read_the_same_values(dag, limit):
    """Name each value by how it is computed: recomputation must not change the names."""
    found, value = rematerialize(dag, limit), {}
    original = {}
    for node in dag.nodes:
        original[node.id] = (node.id, *(original[i] for i in dict.fromkeys(node.inputs)))
    for node in found.dag.nodes:
        name = node.id.id if isinstance(node.id, Again) else node.id
        value[node.id] = (name, *(value[i] for i in node.inputs))
        assert value[node.id] == original[name]


def training(layers, size=10):
    """A chain and its gradients, each of which reads its layer's input and output."""
    nodes = [Node(("f", 0), (), size, work=1)]
    nodes += [Node(("f", k), (("f", k - 1),), size, work=1) for k in range(1, layers)]
    nodes.append(Node(("b", layers), (("f", layers - 1),), size, recompute=False))
    for k in range(layers - 1, 0, -1):
        nodes.append(Node(("b", k), (("b", k + 1), ("f", k - 1), ("f", k)), size, recompute=False))
    return Dag(nodes)


@pytest.mark.parametrize("layers", [25, 100, 400])
def test_chains_reach_sublinear_memory(layers):
    dag = training(layers)
    assert dag.peak() >= 10 * layers
    least = rematerialize(dag, 0)
    # Chen et al.: about two square roots of the layers, and each layer at most once again.
    assert not least.fits and least.peak <= 10 * (2 * layers**0.5 + 6) and least.work <= layers
    half = rematerialize(dag, 10 * layers * 6 // 10)
    assert half.fits and half.peak <= 6 * layers and half.work <= 0.7 * layers


def test_more_room_needs_no_more_work():
    dag = training(60)
    works = [rematerialize(dag, limit).work for limit in (250, 400, 500, 550, 700)]
    assert works == sorted(works, reverse=True) and works[-1] == 0


def test_nothing_to_do_and_nothing_possible():
    dag = training(5)
    assert rematerialize(dag, 10**6).recomputed == []
    fixed = Dag([Node("a", (), 5, recompute=False), Node("b", ("a",), 5, recompute=False)])
    found = rematerialize(fixed, 3)
    assert not found.fits and found.least_peak == found.peak == 10 and found.exact


def test_cheap_values_are_preferred():
    """A dear and a cheap value of the same size idle at the peak: the cheap one is made again."""
    chain = [Node("dear", (), 10, work=100), Node("cheap", ("dear",), 10, work=1), Node("x", ("cheap",), 10)]
    end = [Node("y", ("x",), 10), Node("z", ("y", "cheap"), 1), Node("end", ("z", "dear"), 1)]
    dag = Dag([*chain, *end])
    found = rematerialize(dag, dag.peak() - 1)
    assert found.fits and found.recomputed == ["cheap"]


def normalised_layers(layers):
    """Layers of three steps, the second of which (a normalisation) nothing reads late, and their gradients."""
    nodes, before = [], None
    for k in range(layers):
        conv, norm, relu = ("conv", k), ("norm", k), ("relu", k)
        nodes.append(Node(conv, (before,) if before else (), 10, work=100))
        nodes.append(Node(norm, (conv,), 10, work=2))
        nodes.append(Node(relu, (norm,), 10, work=1, inplace=(norm,)))
        before = relu
    for k in reversed(range(layers)):
        after = (("grad", k + 1),) if k + 1 < layers else ()
        reads = (*after, ("relu", k), ("conv", k), *((("relu", k - 1),) if k else ()))
        nodes.append(Node(("grad", k), reads, 10, work=200, recompute=False))
    return Dag(nodes)


def test_helpers_are_made_again_too():
    """To make a relu again, its normalisation is: kept alive for it, it would save nothing. No convolution is needed."""
    dag = normalised_layers(20)
    found = rematerialize(dag, dag.peak() * 6 // 10)
    assert dag.peak() >= 400 and found.fits
    assert {name[0] for name in found.recomputed} == {"norm", "relu"}


def test_large_training_graph_is_quick():
    from time import process_time

    dag, began = training(2500), process_time()
    found = rematerialize(dag, dag.peak() // 4)
    assert process_time() - began < 30 and found.fits  # usually 3 s


def test_search_counts_what_it_builds():
    dag = training(30)
    search = _Search(dag, 0)
    chosen = frozenset(search.candidates[::3])
    assert search.measure(chosen)[0] == search.build(chosen).peak()


@pytest.mark.parametrize("layers", [50, 200])
def test_least_peak_of_a_chain(layers):
    """With M values beside the step, the stretch after the c-th of M checkpoints may have M - c: all M of them M(M+1)/2.

    So M is the least number with M(M+1)/2 of at least the layers, and the fewest that are made again are all but M.
    """
    dag = training(layers)
    step = dag.peak() - 10 * layers
    room = next(m for m in range(layers) if m * (m + 1) // 2 >= layers)
    found = rematerialize(dag, step + 10 * room)
    assert found.fits and len(found.recomputed) == layers - room
    found = rematerialize(dag, step + 10 * room - 1)
    assert not found.fits and found.least_peak == step + 10 * room
