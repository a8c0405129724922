import subprocess
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import Buffer, Problem, solve
from planner.__main__ import main
from planner.csvio import CsvError, read_plan, read_problem

from .strategies import problems

EXAMPLE = "id,lower,upper,size\nb1,0,3,4\nb2,3,9,4\nb3,0,9,4\nb4,9,21,4\nb5,0,21,4\n"


@pytest.fixture
def example(tmp_path):
    path = tmp_path / "example.csv"
    path.write_text(EXAMPLE)
    return path


def test_solve_writes_a_plan_that_check_accepts(example, tmp_path, capsys):
    out = tmp_path / "out.csv"
    files = {kind: tmp_path / f"plan.{kind}" for kind in ("svg", "html", "json")}
    flags = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    assert main(["solve", str(example), "--output", str(out), "--text", *flags]) == 0
    assert "12 bytes (12 B), optimal" in capsys.readouterr().err
    assert all(path.stat().st_size > 500 for path in files.values())
    assert main(["check", str(out), "--capacity", "12"]) == 0
    assert "right: 5 buffers in 12 bytes" in capsys.readouterr().out
    assert main(["check", str(out), "--capacity", "11"]) == 1
    out.write_text(out.read_text().replace("b5,0,21,4,", "b5,0,21,4,1"))
    assert main(["check", str(out)]) == 1
    assert "b5" in capsys.readouterr().out


def test_statuses(example, tmp_path, capsys):
    assert main(["solve", str(example), "--capacity", "12"]) == 0
    assert capsys.readouterr().out.startswith("id,lower,upper,size,offset\nb1,")
    assert main(["solve", str(example), "--capacity", "11"]) == 1
    assert "proved: 11 bytes are not enough" in capsys.readouterr().err
    hard = tmp_path / "hard.csv"
    assert main(["generate", "dissection", "--count", "900", "--seed", "3", "--output", str(hard)]) == 0
    assert main(["solve", str(hard), "--capacity", "1024", "--time-limit", "0.01"]) == 2
    assert "not known in 0.01 s" in capsys.readouterr().err
    assert main(["solve", str(tmp_path / "gone.csv")]) == 3
    assert "gone.csv" in capsys.readouterr().err
    assert main(["bounds", str(example)]) == 0
    assert "lower bound 12 bytes" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["solve"], ["fly"], [], ["solve", "x", "--capacity", "-3"], ["solve", "x", "--time-limit", "nan"]]
)
def test_wrong_usage_is_bad_input(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 3


def test_runs_as_a_module_from_standard_input():
    done = subprocess.run(
        [sys.executable, "-m", "planner", "solve", "-"], input=EXAMPLE.encode(), capture_output=True, check=False
    )
    assert done.returncode == 0 and done.stdout.count(b"\n") == 6


BAD = {
    "": ":1: the file is empty",
    "id,lower,upper\na,0,1\n": ":1: no column 'size'",
    "id,lower,upper,size,colour\n": ":1: unknown column 'colour'",
    "id,lower,upper,size,size\n": ":1: column 'size' is given twice",
    "x," * 1_000_000 + "\n": ":1: 1000001 columns",
    EXAMPLE + "b6,0,1\n": ":7: 3 cells; the header has 4",
    EXAMPLE + "b6,0,1,-4\n": ":7: buffer 'b6': size is -4",
    EXAMPLE + "b6,5,1,4\n": ":7: buffer 'b6': lifetime [5, 1) is reversed",
    EXAMPLE + "b6,0,1,9223372036854775807\n": ":7: buffer 'b6': size is 9223372036854775807",
    EXAMPLE + "b6,0,1,99999999999999999999\n": ":7: size is '99999999999999999999'; expected an integer below",
    EXAMPLE + "b6,0,1,4.5\n": ":7: size is '4.5'",
    EXAMPLE + "b6,0,1,\u0664\n": ":7: size is",
    EXAMPLE + "b6,0,1,\n": ":7: size is ''",
    EXAMPLE + "b1,0,1,4\n": ":7: id 'b1' is already on line 2",
    EXAMPLE + ",0,1,4\n": ":7: the id is empty",
    EXAMPLE + '"b6,0,1,4\n': ":7: ",
    EXAMPLE + "b6,0,1," + "9" * 200_000 + "\n": ":7: ",
    "id,lower,upper,size,gaps\na,0,9,4,1..3\n": ":2: gaps has '1..3'",
    "id,lower,upper,size,gaps\na,0,9,4,8-12\n": ":2: buffer 'a': gap [8, 12)",
    "id,lower,upper,size,alias\na,0,9,4,\nb,0,9,4,z+0\n": ":3: buffer 'b': alias of 'z'",
    "id,lower,upper,size,alias\na,0,9,4,b\n": ":2: alias is 'b'",
    "id,lower,upper,size,offset\na,0,9,4,x\n": ":2: offset is 'x'",
    "id,lower,upper,size,offset\na,0,9,4,0\n\nb,0,9,4,2\n": ":4: buffers 'a' (fixed at 0, 4 bytes) and 'b'",
    "id,lower,upper,size,alignment\na,0,9,4,0\n": ":2: buffer 'a': align is 0",
}


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_bad_input_names_the_line(text, tmp_path, capsys):
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    assert main(["solve", str(path)]) == 3
    message = capsys.readouterr().err
    assert f"bad.csv{BAD[text]}" in message and len(message) < 400


def test_encodings():
    assert len(read_problem(EXAMPLE.encode("utf-8-sig")).buffers) == 5
    assert len(read_problem(EXAMPLE.encode("utf-16")).buffers) == 5
    assert len(read_problem(EXAMPLE.replace("\n", "\r\n").encode()).buffers) == 5
    with pytest.raises(CsvError, match="input:3: not utf-8-sig text"):
        read_problem(b"id,lower,upper,size\na,0,1,4\nb\xe9,0,1,4\n")


@given(problems(fancy=True))
@settings(deadline=None)
def test_csv_round_trip(problem):
    plan = solve(problem)
    again, offsets = read_plan(plan.to_csv().encode())
    assert offsets == plan.offsets
    default = {"cpu0": "cpu0", "cpu1": "cpu1", 0: 0}

    def key(b):
        return (b.id, b.start, b.end, b.size, b.align if b.alias is None else 0, b.gaps, default[b.arena], b.alias)

    assert [key(b) for b in again.buffers] == [key(b) for b in problem.buffers]


@given(st.binary(max_size=200) | st.text(alphabet="idlowerupsz,0123456789-\n\"'+ ", max_size=200).map(str.encode))
def test_mutated_input_gives_a_problem_or_an_error(data):
    for text in (data, EXAMPLE.encode() + data, EXAMPLE.encode()[: len(data)] + data):
        try:
            assert isinstance(read_problem(text), Problem)
        except CsvError as error:
            assert str(error).startswith("input:")


def test_broken_pipe_is_no_traceback(monkeypatch, example):
    def gone(text):
        raise BrokenPipeError

    out = SimpleNamespace(write=gone, flush=lambda: None, fileno=lambda: sys.__stderr__.fileno())
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr("os.dup2", lambda *_: None)
    assert main(["solve", str(example)]) == 3


def test_html_is_self_contained_and_escapes():
    plan = solve(Problem([Buffer("</script><b>", 0, 2, 64), Buffer("b", 1, 3, 64, arena="cpu1")]))
    page = plan.to_html(title="<t>", describe=lambda b: "operator")
    assert "</script><b>" not in page and "<title>&lt;t&gt;</title>" in page and "operator" in page
    assert page.count("</script>") == 1 and "http" not in page
