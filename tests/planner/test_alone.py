"""The planner without cyexec: it imports nothing of it, and is installed from its own folder."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "planner"
USE = """
import sys, planner
plan = planner.solve(planner.Problem([planner.Buffer("a", 0, 2, 100), planner.Buffer("b", 1, 3, 50)]))
assert plan.optimal and "<svg" in plan.to_svg(), plan
sys.exit(any(name.split(".")[0] == "cyexec" for name in sys.modules))
"""


def test_import_does_not_import_cyexec():
    subprocess.run([sys.executable, "-c", USE], check=True, cwd=FOLDER.parent)


def test_example_of_the_readme():
    blocks = (FOLDER / "README.md").read_text().split("```")[1::2]
    code = next(block for block in blocks if block.startswith("python\n"))
    shown = blocks[blocks.index(code) + 1].strip()
    ran = subprocess.run([sys.executable, "-c", code[7:]], check=True, cwd=FOLDER.parent, capture_output=True, text=True)
    assert ran.stdout.strip() == shown


def test_every_module_is_in_the_project_of_its_own():
    tomllib = pytest.importorskip("tomllib")
    settings = tomllib.loads((FOLDER / "pyproject.toml").read_text())["tool"]["setuptools"]
    sources = sorted(source for module in settings["ext-modules"] for source in module["sources"])
    assert sources == sorted(path.name for path in FOLDER.glob("*.pyx"))
    assert [f"planner.{Path(s).stem}" for s in sources] == sorted(m["name"] for m in settings["ext-modules"])


def test_wheel_of_the_folder(tmp_path):
    """Build it as `pip install ./planner` does, and use it from there; six seconds of the compiler's work."""
    pytest.importorskip("pip")
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "--no-cache-dir"]
    subprocess.run([*wheel, str(FOLDER), "-w", str(tmp_path)], check=True)
    (made,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(made).extractall(tmp_path / "installed")
    subprocess.run([sys.executable, "-c", USE], check=True, cwd=tmp_path / "installed")
