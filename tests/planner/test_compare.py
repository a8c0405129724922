from planner import Buffer, Problem, diff, solve


def plan_of(*buffers):
    return solve(Problem(buffers))


def test_nothing_changed():
    plan = plan_of(Buffer("a", 0, 2, 64))
    assert not diff(plan, plan) and str(diff(plan, plan)) == "total +0 bytes, lower bound +0 bytes"


def test_each_kind_of_change_is_named_once():
    kept = Buffer("kept", 0, 9, 64)
    before = plan_of(kept, Buffer("gone", 0, 2, 64), Buffer("grows", 2, 4, 64), Buffer("later", 4, 6, 64))
    after = plan_of(kept, Buffer("new", 0, 2, 256), Buffer("grows", 2, 4, 128), Buffer("later", 5, 7, 64))
    change = diff(before, after)
    assert [b.id for b in change.added] == ["new"] and [b.id for b in change.removed] == ["gone"]
    assert [a.id for a, _ in change.resized] == ["grows"] and [a.id for a, _ in change.relived] == ["later"]
    assert change.total == 192 and "total +192 bytes" in str(change)
    assert "~ grows: 64 -> 128 bytes" in str(change) and "~ later: steps [4, 6) -> [5, 7)" in str(change)
    assert [a.id for a, _ in change.moved] == [b for b in ["kept"] if before.offsets[b] != after.offsets[b]]
