"""Options of the tests, and what each of them starts from."""

import pytest

from cyexec.runtime import programs


@pytest.fixture(autouse=True)
def no_programs_kept():
    """A test that changes how programs are made must not find one that was made before."""
    programs.clear()


@pytest.fixture
def unchecked(monkeypatch):
    """For tests of what CYEXEC_CHECK=1 changes: sizes of arenas, steps as one schedule, threads that it would tell of."""
    monkeypatch.delenv("CYEXEC_CHECK", raising=False)


def pytest_addoption(parser):
    parser.addoption(
        "--record-arenas", action="store_true", help="record the bytes of arenas (tests/golden/arena/sizes.json)"
    )
