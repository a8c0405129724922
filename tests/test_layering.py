"""One import order of folders, written once, here.

A folder may import what stands before it. Imports inside functions count: they are how a cycle hides. Imports for type
checkers (``if TYPE_CHECKING``) do not: they are gone when the program runs.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = (
    "planner", "kernels",                                # import nothing of ours
    # Small modules of cyexec's own folder, in one row with folders.
    "base", "autograd", "context", "libinfo", "registry", "util", "log", "engine", "attribute", "name", "nested", "zipfian",
    "ops", "codegen", "operator", "graph", "passes", "lowering", "symbol", "ndarray", "contrib", "runtime",
    "random", "config", "initializer", "lr_scheduler", "optimizer", "kvstore", "metric",
    "codec", "recordio", "io", "image", "checkpoint",
    "rnn", "callback", "monitor", "module", "model", "executor_manager",
    "profiler", "visualization", "test_utils", "cyexec", "demo", "__main__",
)  # fmt: skip
# Upward imports that are there all the same, and why.
UPWARD = {
    ("ops", "lowering"): "an operator writes its steps in lowering's words (Instr, gemm); lowering needs schemas only",
    ("ops", "ndarray"): "operators written in Python get NDArrays; they are made when the steps are",
    ("passes", "lowering"): "block_layout asks which convolutions have kernels in blocked layout, and block_rules its words",
    ("operator", "symbol"): "PythonOp.get_symbol makes a symbol when called",
    ("graph", "symbol"): "a graph is made from a symbol and shown as one; symbol needs graph's inference",
    ("symbol", "runtime"): "bind and eval are methods of Symbol; imported when called",
    ("ndarray", "runtime"): "an imperative call is a schedule of one node; executors hold NDArrays",
    ("io", "image"): "ImageRecordIter has its name in io; imported when it is asked for",
}


def unit(module: str) -> str:
    """The place in `ORDER` that a module belongs to."""
    parts = module.split(".")
    return parts[1] if parts[0] == "cyexec" and len(parts) > 1 else parts[0]


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def walk(node: ast.AST):
    """All nodes that run."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not is_for_types(child):
            yield from walk(child)


def imported(path: Path) -> set[str]:
    """Modules of ours that a file imports, as full names."""
    package = path.relative_to(ROOT).parent.parts
    found = set()
    for node in walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (start, node.module) if part)
            # `from . import name` and `from cyexec import name`: the name may be a module or a folder.
            names = module in ("cyexec", "planner") or not node.module
            found |= {f"{module}.{alias.name}" for alias in node.names} if names else {module}
    return {name for name in found if name.split(".")[0] in ("cyexec", "planner")}


def sources() -> list[Path]:
    return sorted([*ROOT.glob("cyexec/**/*.py"), *ROOT.glob("planner/**/*.py")])


def edges() -> set[tuple[str, str, str]]:
    """(importing unit, imported unit, file) for imports across units."""
    found = set()
    for path in sources():
        own = path.relative_to(ROOT).with_suffix("").parts
        here = "cyexec" if own == ("cyexec", "__init__") else unit(".".join(own))
        for module in imported(path):
            there = unit(module)
            if there.startswith("_") and there != "__main__" or there not in ORDER:
                there = "cyexec"  # a name such as __version__
            if there != here:
                found.add((here, there, path.relative_to(ROOT).as_posix()))
    return found


EDGES = sorted(edges())


@pytest.mark.parametrize("here", ORDER)
def test_folders_import_only_what_stands_before_them(here):
    allowed = set(ORDER[: ORDER.index(here)])
    for importer, there, file in EDGES:
        if importer == here and there not in allowed:
            assert (here, there) in UPWARD, f"{file} imports {there}, which stands after {here} in tests/test_layering.py"


def test_planner_and_kernels_import_nothing_of_ours():
    assert not [edge for edge in EDGES if edge[0] in ("planner", "kernels")]


def test_every_excuse_is_used():
    assert set(UPWARD) <= {(here, there) for here, there, _ in EDGES}


def test_every_folder_has_a_place():
    folders = {p.name for p in (ROOT / "cyexec").iterdir() if (p / "__init__.py").exists()}
    modules = {p.stem for p in (ROOT / "cyexec").glob("*.py")} - {"__init__"}
    assert folders | modules | {"planner", "cyexec"} == set(ORDER)
