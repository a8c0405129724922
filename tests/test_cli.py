"""The command line on a checkpoint: what it prints and writes, and what it says of wrong input."""

from __future__ import annotations

import json

import numpy as np
import pytest

import cyexec as mx
from cyexec.__main__ import main
from cyexec.demo.__main__ import INPUTS, initialise, network


@pytest.fixture
def checkpoint(tmp_path):
    """Prefix of a checkpoint of epoch 3, its executor, and a file with three images."""
    executor = network().simple_bind(mx.cpu(), data=(3, 1, 8, 8), grad_req="null")
    initialise(executor)
    prefix = str(tmp_path / "net")
    args = {n: a for n, a in executor.arg_dict.items() if n not in INPUTS}
    mx.model.save_checkpoint(prefix, 3, network(), args, executor.aux_dict)
    images = np.random.default_rng(0).uniform(0, 1, (3, 1, 8, 8)).astype(np.float32)
    np.save(tmp_path / "x.npy", images)
    return prefix, executor.forward(data=images)[0].asnumpy(), tmp_path


def test_run(checkpoint, capsys):
    prefix, wanted, folder = checkpoint
    out = folder / "out.npy"
    assert main(["run", prefix, "--epoch", "3", "--input", str(folder / "x.npy"), "--output", str(out)]) == 0
    np.testing.assert_array_equal(np.load(out), wanted)
    assert main(["run", prefix, "--epoch", "3", "--input", f"data={folder / 'x.npy'}"]) == 0
    assert f"{wanted[0].argmax()}: " in capsys.readouterr().out


def test_plan(checkpoint, capsys):
    prefix, _, folder = checkpoint
    svg, document = folder / "p.svg", folder / "p.json"
    command = ["plan", prefix, "--shape", "data=3,1,8,8", "--svg", str(svg), "--json", str(document)]
    assert main(command) == 0
    inference = json.loads(document.read_text())["total_bytes"]
    assert f"arena {inference} bytes" in capsys.readouterr().out and svg.read_text().startswith("<svg")
    assert main([*command, "--train"]) == 0
    training = json.loads(document.read_text())["total_bytes"]
    assert training > inference
    said = capsys.readouterr().out
    least = int(said[said.index("Least arena") :].split(": ")[1].split()[0])
    assert 0 < least <= training
    assert main([*command, "--train", "--memory-limit", "least"]) == 0
    assert json.loads(document.read_text())["total_bytes"] == least


def test_summary(checkpoint, capsys):
    prefix, _, _ = checkpoint
    assert main(["summary", prefix, "--shape", "data=1,1,8,8"]) == 0
    text = capsys.readouterr().out
    assert "Total parameters: 118,250" in text and "(1, 64, 4, 4)" in text


@pytest.mark.parametrize(
    "command,said",
    [
        (["run", "nosuch", "--epoch", "1", "--input", "x.npy"], "nosuch-symbol.json"),
        (["run", "{net}", "--epoch", "9", "--input", "{x}"], "net-0009.params"),
        (["run", "{net}", "--epoch", "3", "--input", "bad={x}"], "no argument 'bad'"),
        (["run", "{net}", "--epoch", "3", "--input", "{net}-symbol.json"], "not a readable .npy"),
        (["plan", "{net}", "--shape", "data=1,2,8,8"], "Convolution 'conv1'"),
        (["plan", "{net}", "--shape", "other=1"], "no argument 'other'"),
    ],
)
def test_errors(checkpoint, capsys, command, said):
    prefix, _, folder = checkpoint
    assert main([c.format(net=prefix, x=folder / "x.npy") for c in command]) == 1
    assert said in capsys.readouterr().err
