"""What tests/golden/training/visualization.py does not show."""

import sys

import pytest

import cyexec as mx


def test_parameters_of_layers_that_flatten_by_themselves_are_all_counted(capsys):
    parts = mx.sym.SliceChannel(mx.sym.Variable("data"), num_outputs=2, name="parts")
    net = mx.sym.FullyConnected(parts[0], num_hidden=4, name="fc")
    mx.viz.print_summary(net, {"data": (2, 6, 5)})
    weights = sum(size for size in (4 * 3 * 5, 4))
    assert f"Total params: {weights}\n" in capsys.readouterr().out


def test_drawing_needs_graphviz(monkeypatch):
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(ImportError, match="pip install graphviz"):
        mx.viz.plot_network(mx.sym.Variable("x"))


def test_only_symbols_are_shown():
    with pytest.raises(TypeError, match="must be Symbol, found int"):
        mx.viz.print_summary(3)
