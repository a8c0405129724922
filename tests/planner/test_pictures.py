import csv
import io
import json
import xml.etree.ElementTree as ET

from hypothesis import given

from planner import Buffer, Problem, solve, to_text

from .strategies import problems

SMALL = Problem([Buffer("a", 0, 2, 4, 1), Buffer("b", 2, 4, 2, 1), Buffer("c<&>", 1, 3, 2, 1)])


@given(problems(fancy=True))
def test_svg_is_xml_with_a_rectangle_per_piece_of_life(problem):
    root = ET.fromstring(solve(problem).to_svg())
    drawn = root.findall(".//{http://www.w3.org/2000/svg}rect[@class='b']")
    wanted = sum(low < high and b.size > 0 for b in problem.buffers for low, high in b.lifetimes)
    assert len(drawn) == wanted


def test_svg_hover_shows_name_bytes_and_operator():
    picture = solve(SMALL).to_svg(describe=lambda b: f"operator of {b.id}")
    assert "c&lt;&amp;&gt;" in picture and "operator of a" in picture and "4 bytes" in picture


def test_text_picture():
    lines = to_text(solve(SMALL)).splitlines()[1:]
    assert sorted("".join(lines)) == sorted("a" * 8 + "b" * 4 + "c" * 4 + "." * (4 * len(lines) - 16))


@given(problems(fancy=True))
def test_text_of_any_problem(problem):
    plan = solve(problem)
    heads = [line for line in to_text(plan, height=5).splitlines() if line.startswith("arena ")]
    assert len(heads) == len(plan.totals)


@given(problems(fancy=True))
def test_json_and_csv_hold_every_offset(problem):
    plan = solve(problem)
    data = json.loads(plan.to_json())
    assert {b["id"]: b["offset"] for b in data["buffers"]} == plan.offsets
    assert data["total"] == plan.total and data["lower_bound"] == plan.lower_bound
    rows = csv.DictReader(io.StringIO(plan.to_csv()))
    assert {row["id"]: int(row["offset"]) for row in rows} == plan.offsets
