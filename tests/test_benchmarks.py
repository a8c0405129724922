"""The benchmark harness itself: what it times exists, agrees, and is shown."""

import pytest

import cyexec as mx
from benchmarks import networks, table
from benchmarks.__main__ import chosen
from benchmarks.cases import ON_REQUEST, SECTIONS
from benchmarks.harness import MissingPeer, Peer, Row, disagree, python_of, run_case

CASES = [case for _, cases in SECTIONS.values() for case in cases]


def test_names_are_unique_and_cyexec_runs_every_case():
    assert len({case.name for case in CASES} | set(SECTIONS)) == len(CASES) + len(SECTIONS)
    assert all(case.maker("cyexec") for case in CASES)


def test_selection_takes_sections_and_cases():
    assert chosen([]) == [
        (section, case.name) for section, (_, cases) in SECTIONS.items() if section not in ON_REQUEST for case in cases
    ]
    assert chosen(["two ops"]) == [("small", "two ops")]
    assert [case for _, case in chosen(["inference"])] == list(networks.ZOO)
    with pytest.raises(ValueError, match="no section or case 'nothing'.*resnet18"):
        chosen(["nothing"])


def test_a_worker_checks_and_times_a_case():
    networks.write(mx)
    peer = Peer("cyexec", 1)
    try:
        row = run_case([peer], "small", "MLP batch 1", 2, 0.001, 0.5)
        missing = peer.ask(case=["small", "two ops"], seconds="no number")
        memory = run_case([peer], "memory", "memory of lenet_training", 2, 0.001, 0.5)
    finally:
        peer.close()
    assert row.notes == [] and row.best is None
    assert 1e-7 < row.figure("cyexec") < 1e-1
    assert "TypeError" in missing["missing"]
    assert memory.unit == "B" and len(memory.figures["cyexec"]) == 1 and memory.figure("cyexec") > 1 << 20


def test_a_missing_peer_says_how_to_make_it(monkeypatch):
    monkeypatch.setenv("CYEXEC_BENCH_MXNET", "/nowhere/python")
    with pytest.raises(MissingPeer, match="/nowhere/python; `benchmarks/peers/mxnet.sh DIRECTORY`"):
        python_of("mxnet")


def test_digests_disagree_beyond_round_off():
    assert not disagree([1.0, -100.0], [1.01, -100.0])
    assert disagree([1.0, -100.0], [2.0, -100.0])
    assert disagree([1.0], [1.0, 1.0])
    assert not disagree(None, [1.0])


def test_the_table_has_ratios_and_their_mean():
    rows = []
    for name, own, theirs, numpy in (("a", 1e-3, 2e-3, 5e-4), ("b", 4e-6, 2e-6, None)):
        rows.append(Row(name, 0.5))
        rows[-1].figures = {"cyexec": [own, own, 9.0], "mxnet": [theirs], "numpy": [numpy] if numpy else []}
    rows[0].notes.append("numpy gives another answer")
    text = table.table("Title", rows, ["cyexec", "mxnet", "torch", "numpy"])
    assert text.splitlines()[0] == "| Title | cyexec | mxnet | numpy | / mxnet | / best |"
    assert "| a | 1 ms | 2 ms | 500 us | 0.50 | 2.00 |" in text
    assert "| b | 4 us | 2 us | - | 2.00 | 2.00 |" in text
    assert "| geometric mean |  |  |  | 1.00 | 2.00 |" in text
    assert "* a: numpy gives another answer" in text
