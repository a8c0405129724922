"""The library runs on the oldest Python that it names: no newer syntax, and nothing imported that came later."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OLDEST = (3, int(re.search(r'requires-python = ">=3\.(\d+)"', (ROOT / "pyproject.toml").read_text())[1]))
SOURCES = sorted(p for folder in ("cyexec", "planner") for p in (ROOT / folder).rglob("*.py"))
# Of the standard library, since 3.11 or 3.12.
LATER = {
    "typing": {"LiteralString", "Never", "NotRequired", "Required", "Self", "TypeVarTuple", "Unpack", "override"},
    "enum": {"StrEnum", "ReprEnum", "verify"},
    "datetime": {"UTC"},
    "itertools": {"batched"},
    "contextlib": {"chdir"},
}


def _imported(node):
    """(module, name) of every import that is done when the code runs."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        return
    if isinstance(node, ast.ImportFrom):
        yield from ((node.module, alias.name) for alias in node.names)
    elif isinstance(node, ast.Import):
        yield from ((alias.name, None) for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from _imported(child)


@pytest.mark.skipif(OLDEST != (3, 10), reason="LATER is what is newer than Python 3.10")
@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_source_is_old_enough(path):
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=OLDEST)
    found = [f"{m}.{n}" for m, n in _imported(tree) if m == "tomllib" or n in LATER.get(m, ())]
    assert not found
