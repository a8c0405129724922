"""Stubs (.pyi) say what the compiled modules are: the same public names, and parameters of the same names."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("cyexec/**/*.pyx"), *ROOT.glob("planner/**/*.pyx")])


def stub_of(source: Path) -> ast.Module:
    return ast.parse(source.with_suffix(".pyi").read_text(encoding="utf-8"))


def module_of(source: Path):
    return importlib.import_module(".".join(source.relative_to(ROOT).with_suffix("").parts))


def parameters(function: ast.FunctionDef) -> list[str]:
    a = function.args
    return [p.arg for p in [*a.posonlyargs, *a.args, *a.kwonlyargs]]


def defined(body: list[ast.stmt], kind: type) -> dict:
    return {node.name: node for node in body if isinstance(node, kind)}


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_every_module_has_a_stub(source):
    assert source.with_suffix(".pyi").exists()


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_names_of_the_stub_exist(source):
    module, stub = module_of(source), stub_of(source)
    for name, cls in defined(stub.body, ast.ClassDef).items():
        actual = getattr(module, name)
        assert inspect.isclass(actual)
        for node in cls.body:
            if isinstance(node, ast.FunctionDef) and node.name != "__buffer__":  # (Python 3.12 shows it)
                assert hasattr(actual, node.name), f"{name}.{node.name}"
            # Attributes of a class of Cython's; those of a Python class are made by __init__, and private ones hidden.
            if isinstance(node, ast.AnnAssign) and not actual.__dictoffset__:
                attribute = node.target.id
                assert attribute.startswith("_") or hasattr(actual, attribute), f"{name}.{attribute}"
    for name in defined(stub.body, ast.FunctionDef):
        assert callable(getattr(module, name))


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_public_names_are_in_the_stub(source):
    """What the Cython source defines with `def`, `cpdef` or `cdef class`."""
    module, stub = module_of(source), stub_of(source)
    own = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    }
    assert own <= {*defined(stub.body, ast.ClassDef), *defined(stub.body, ast.FunctionDef)}


def source_signatures(source: Path) -> dict[str, list[str]]:
    """Parameters of the functions at a source's left margin (compiled functions do not carry them)."""
    found, lines = {}, iter(source.read_text(encoding="utf-8").splitlines())
    for line in lines:
        if line.startswith(("def ", "cpdef ")):
            while ")" not in line:
                line += next(lines)
            name, _, rest = line.partition("(")
            inside = rest.rpartition(")")[0]
            words = [p.split("=")[0].split(":")[0].split() for p in inside.split(",")]
            found[name.split()[-1]] = [w[-1].strip("*&") for w in words if w and w != ["*"]]
    return found


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_parameters_are_the_sources(source):
    written = source_signatures(source)
    for name, function in defined(stub_of(source).body, ast.FunctionDef).items():
        assert [p.partition("[")[0] for p in written[name]] == parameters(function), name
