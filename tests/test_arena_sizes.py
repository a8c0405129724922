"""No network may need more memory than it did, nor more than MXNet allocates."""

import warnings

import pytest

from .arena_sizes import CASES, of_mxnet, plan, record, recorded

pytestmark = pytest.mark.usefixtures("unchecked")

# Planning all of them takes a while: inference of one item and training with eight are looked at.
LOOKED_AT = [case for case in CASES if case.endswith(("inference 1", "training 8"))]


@pytest.mark.parametrize("case", LOOKED_AT)
def test_arena_does_not_grow(case, request):
    total = plan(case).total
    if request.config.getoption("--record-arenas"):
        record({case: total})
    before = recorded().get(case)
    assert before is not None, f"{case}: {total} bytes are not recorded; run pytest {__file__} --record-arenas"
    assert total <= before, f"{case}: the arena grew from {before} to {total} bytes"
    if total < before:
        warnings.warn(
            f"{case}: the arena shrank from {before} to {total} bytes; record it: --record-arenas", stacklevel=1
        )


@pytest.mark.parametrize("case", CASES)
def test_arena_is_not_larger_than_mxnets(case):
    ours, theirs = recorded()[case], of_mxnet()[case]
    assert ours >> 20 <= theirs, f"{case}: {ours} bytes, MXNet allocates {theirs} MB"
