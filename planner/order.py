"""Choose an order of steps with a low peak.

Nodes that every other node comes before or after (the trunk of a network) cut any order into the same segments, which
are solved apart. Small segments are solved exactly, others get the best of several greedy orders, whose surroundings
of the peak are then improved by the exact search, window by window.

Three kinds of greedy orders: steps that add least first; the same backwards in time; and an order already known, in which
only those steps move that can do no harm: what frees as much as it takes runs as soon as it can, and backwards, what takes
as much as it frees as late as it can. Beside them, the graph is taken for a tree (`tree`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from heapq import heapify, heappop, heappush

from .dag import Dag
from .tree import is_tree, order_as_tree

_WORK, _MOST_WORK = 1_000_000, 4_000_000  # nodes looked at by the exact search in all: half a second, two seconds
_LOOKS = (15_000, 60_000, 250_000)  # nodes looked at in the search of one window, round by round
_MOST_EXACT = 100  # nodes of a segment: the sets of more are too many to begin with
_STATES = 4_000  # sets of finished nodes looked at for one segment
# Nodes of a window around the peak, and how many of them are before it: 14 have a few hundred sets usually, more have few
# that stay below the peak.
_WINDOWS = tuple((width, ahead) for width in (14, 30, 60) for ahead in (width // 2, width - 2, 2))
_TREE = 10  # what it costs for each node to take a graph for a tree, in nodes looked at
_STARTS = 4  # orders, the best ones, that the windows begin from
_ROUNDS = 200  # windows tried around one peak after the other


@dataclass(frozen=True)
class Order:
    """An order of steps.

    Attributes
    ----------
    ids : list
        Node ids in the order to run them.
    positions : list of int
        The same as positions in the `Dag`.
    peak : int
        Bytes of its largest step.
    optimal : bool
        Whether it is proved that no order has a lower peak.
    """

    ids: list[Hashable]
    positions: list[int]
    peak: int
    optimal: bool


def order(dag: Dag, *, work: int | None = None) -> Order:
    """Return an order whose peak is low, and never above that of the order given.

    Parameters
    ----------
    dag : Dag
    work : int, optional
        How many nodes the exact search may look at in all; the greedy orders always run. By default a million, up to
        four for a graph of more than ten thousand nodes.

    Notes
    -----
    The exact search is dynamic programming over sets of finished nodes, best first; see Ahn et al., "Ordering Chaos"
    (MLSys 2020). A step that frees at least as much as it takes and stays below the peak so far is run at once: moved
    to the front of any order it makes no later step larger.
    """
    left = _Budget(min(max(_WORK, 100 * len(dag)), _MOST_WORK) if work is None else work)
    given = list(range(len(dag)))
    candidates = [given]
    bound = dag.bound()
    if is_tree(dag):
        candidates.append(order_as_tree(dag))
        bound = min(dag.peak(way) for way in candidates)
    elif dag.peak(given) > bound:
        ways = _WAYS + (_TREES if left.spend(2 * _TREE * len(dag)) else ())
        for way in ways:
            candidates.append(way(dag))
            if dag.peak(candidates[-1]) <= bound:
                break
        candidates.append(_grow_again(dag, min(candidates, key=dag.peak), bound, left))
    levels = [dag.levels(candidate) for candidate in candidates]
    result: list[int] = []
    for low, high in _segments(dag):
        which = min(range(len(candidates)), key=lambda k: max(levels[k][0][low:high]))
        part, peak = candidates[which][low:high], max(levels[which][0][low:high])
        if peak > bound and high - low <= _MOST_EXACT:
            exact = _exact(dag, part, levels[which][1][low], bound, peak, left)
            if exact.proved:
                bound = max(bound, exact.peak)
            part = exact.part
        result += part
    best = _Best(dag, result)
    # A thorough look costs as much as several quick ones, so it comes later.
    for looks in _LOOKS:
        if left.work < 2 * len(dag):
            break
        best.take(_improve_windows(dag, best.positions, bound, left, looks))
        settled = _settle(dag, best.positions)
        if best.take(settled):
            best.take(_improve_windows(dag, settled, bound, left, looks))
        if looks == _LOOKS[0]:
            for other in sorted(candidates, key=dag.peak)[:_STARTS] if left.work > len(dag) * _STARTS else ():
                best.take(_improve_windows(dag, other, bound, left, looks))
    return Order([dag.nodes[i].id for i in best.positions], best.positions, best.peak, best.peak <= bound)


class _Best:
    """The best order so far."""

    def __init__(self, dag: Dag, positions: list[int]) -> None:
        self.dag, self.positions, self.peak = dag, positions, dag.peak(positions)

    def take(self, positions: list[int]) -> bool:
        """Keep `positions` if their peak is lower."""
        peak = self.dag.peak(positions)
        if peak >= self.peak:
            return False
        self.positions, self.peak = positions, peak
        return True


@dataclass
class _Budget:
    """Nodes that the exact search may still look at; other ways pay for as many as would take their time."""

    work: int

    def spend(self, work: int) -> bool:
        """Pay for something if as much is left for the search."""
        enough = self.work >= 2 * work
        self.work -= work * enough
        return enough


def _grow_again(dag: Dag, current: list[int], bound: int, left: _Budget) -> list[int]:
    """Take the graph for a tree whose values hang on their last or first readers in the best order so far, repeatedly."""
    peak = dag.peak(current)
    while peak > bound and left.spend(4 * _TREE * len(dag)):
        when = _turns(current).__getitem__
        grown = [order_as_tree(dag, partial(way, key=when)) for way in (max, min)]
        found = min((*grown, *(_settle(dag, way) for way in grown)), key=dag.peak)
        if dag.peak(found) >= peak:
            break
        current, peak = found, dag.peak(found)
    return current


def _segments(dag: Dag) -> list[tuple[int, int]]:
    """Return ranges of positions that every order runs one after the other."""
    n = len(dag)
    last_need = [max(before, default=-1) for before in dag.before]
    first_use = [n] * n
    for i, before in enumerate(dag.before):
        for j in before:
            first_use[j] = min(first_use[j], i)
    # All later nodes follow from i if each needs something at i or later; all earlier ones lead to i if each is
    # needed by something at i or before.
    least = [n] * (n + 1)
    for i in range(n - 1, -1, -1):
        least[i] = min(least[i + 1], last_need[i])
    segments, start, most = [], 0, -1
    for i in range(n):
        if most <= i and least[i + 1] >= i:
            segments.append((start, i + 1))
            start = i + 1
        most = max(most, first_use[i])
    if start < n:
        segments.append((start, n))
    return segments


@dataclass(frozen=True)
class _Part:
    part: list[int]
    peak: int
    proved: bool


def _exact(
    dag: Dag,
    part: list[int],
    base: int,
    enough: int,
    peak: int,
    left: _Budget,
    looks: int = _LOOKS[-1],
    turn: list[int] | None = None,
) -> _Part:
    """Search the orders of `part` for one with the lowest peak; stop at `enough` bytes.

    Parameters
    ----------
    part : list of int
        Nodes that run one after the other, now with `peak` bytes.
    base : int
        Bytes alive before.
    left : _Budget
        Is spent. A search that cannot even run every node once is not begun.
    looks : int
        How many nodes to look at for it at most.
    turn : list of int, optional
        When each node runs now; a segment, whose other readers all have larger positions, does not need it.
    """
    count = len(part)
    states = min(_STATES, looks // count, left.work // count)
    if states < count:
        return _Part(part, peak, False)
    bit = {i: 1 << k for k, i in enumerate(part)}
    outside = {j for i in part for j in dag.inputs[i] if j not in bit}
    readers = {j: sum(bit.get(r, 0) for r in dag.readers[j]) for j in (*part, *outside)}
    last = max(part) if turn is None else max(turn[i] for i in part)
    stays = {
        j: dag.nodes[j].keep or any(r not in bit and (r if turn is None else turn[r]) > last for r in dag.readers[j])
        for j in (*part, *outside)
    }
    needs = [sum(bit.get(j, 0) for j in dag.before[i]) for i in part]
    full = (1 << count) - 1
    heap: list[tuple[int, int, int, int]] = [(0, count, 0, base)]
    came: dict[int, tuple[int, int, int]] = {0: (0, 0, -1)}  # set -> its lowest peak so far, and how to get there
    closed: set[int] = set()
    while heap:
        high, _, done, live = heappop(heap)
        if done == full:
            found: list[int] = []
            while done:
                _, done, k = came[done]
                found.append(part[k])
            return _Part(found[::-1], high, True)
        if done in closed:
            continue
        closed.add(done)
        left.work -= count
        if len(closed) > states:
            return _Part(part, peak, False)
        moves = []
        for k in range(count):
            if done >> k & 1 or needs[k] & ~done:
                continue
            i = part[k]
            node, now = dag.nodes[i], done | 1 << k
            free = [j for j in dag.inputs[i] if not stays[j] and not readers[j] & ~now]
            step = live + node.size + node.workspace - dag.shared(i, free.__contains__)
            after = live + node.size - sum(dag.nodes[j].size for j in free)
            if not stays[i] and not readers[i]:
                after -= node.size
            if step <= max(high, enough) and after <= live:
                moves = [(max(high, step), after, now, k)]
                break
            if step < peak:
                moves.append((max(high, step), after, now, k))
        for step, after, now, k in moves:
            if now not in came or step < came[now][0]:
                came[now] = (step, done, k)
                heappush(heap, (step, count - now.bit_count(), now, after))
    # Nothing below the peak known: it is the least.
    return _Part(part, peak, True)


def _improve_windows(dag: Dag, current: list[int], bound: int, left: _Budget, looks: int) -> list[int]:
    """Solve windows around the peak exactly until that no longer helps."""
    for _ in range(_ROUNDS):
        left.work -= len(dag)
        if left.work < 0:
            break
        profile, live = dag.levels(current)
        peak = max(profile, default=0)
        if peak <= bound:
            break
        turn = _turns(current)
        at = profile.index(peak)
        for width, ahead in _WINDOWS:
            low = max(0, at - ahead)
            found = _exact(dag, current[low : low + width], live[low], bound, peak, left, looks, turn)
            if found.peak < peak:
                current = current[:low] + found.part + current[low + width :]
                break
        else:
            break
    return current


def _forward(dag: Dag, newest: bool, kept: list[int] | None = None) -> list[int]:
    """Run whichever ready node adds least to what is alive; of equals the oldest, or what became ready last.

    With `kept`, an order, nodes that add something keep their order.
    """
    n = len(dag)
    left = [len(readers) for readers in dag.readers]
    needs = [len(before) for before in dag.before]
    opens = _dependents(dag)

    turn = _turns(kept)

    def net(i: int) -> int:
        node = dag.nodes[i]
        freed = sum(dag.nodes[j].size for j in dag.inputs[i] if left[j] == 1 and not dag.nodes[j].keep)
        added = (node.size if left[i] or node.keep else 0) - freed
        return 1 + turn[i] if turn and added > 0 else added

    def touched(i: int) -> list[int]:
        """Nodes that have become the last readers of something."""
        changed = []
        for j in dag.inputs[i]:
            left[j] -= 1
            if left[j] == 1:
                changed += [r for r in dag.readers[j] if not done[r]]
        return changed

    done = [False] * n
    return _take_least(needs, opens, net, touched, done, newest)


def _backward(dag: Dag, kept: list[int] | None = None) -> list[int]:
    """The same from the end: undo whichever node leaves least alive before it."""
    n = len(dag)
    alive = [node.keep for node in dag.nodes]
    opens = [list(before) for before in dag.before]
    needs = [len(later) for later in _dependents(dag)]

    turn = _turns(kept and kept[::-1])

    def net(i: int) -> int:
        gained = sum(dag.nodes[j].size for j in dag.inputs[i] if not alive[j])
        added = gained - (dag.nodes[i].size if alive[i] else 0)
        return 1 + turn[i] if turn and added > 0 else added

    def touched(i: int) -> list[int]:
        changed = []
        for j in dag.inputs[i]:
            if not alive[j]:
                alive[j] = True
                changed += [r for r in (*dag.readers[j], j) if not done[r]]
        return changed

    done = [False] * n
    return _take_least(needs, opens, net, touched, done, True)[::-1]


def _settle(dag: Dag, current: list[int]) -> list[int]:
    """Move what can do no harm in an order."""
    return _backward(dag, _forward(dag, False, current))


def _turns(order: list[int] | None) -> list[int]:
    turn = [0] * len(order or ())
    for t, i in enumerate(order or ()):
        turn[i] = t
    return turn


def _dependents(dag: Dag) -> list[list[int]]:
    later: list[list[int]] = [[] for _ in dag.nodes]
    for i, before in enumerate(dag.before):
        for j in before:
            later[j].append(i)
    return later


def _take_least(
    needs: list[int],
    opens: list[list[int]],
    net: Callable[[int], int],
    touched: Callable[[int], list[int]],
    done: list[bool],
    newest: bool,
) -> list[int]:
    """Take ready nodes by least `net`; `touched` books a node and says whose `net` that has lowered."""
    heap = [(net(i), i, i) for i, count in enumerate(needs) if not count]
    heapify(heap)
    result: list[int] = []
    while heap:
        value, rank, i = heappop(heap)
        if done[i]:
            continue
        if net(i) != value:
            heappush(heap, (net(i), rank, i))
            continue
        done[i] = True
        result.append(i)
        changed = touched(i)
        for j in opens[i]:
            needs[j] -= 1
            if not needs[j]:
                changed.append(j)
        for j in changed:
            if not needs[j] and not done[j]:
                heappush(heap, (net(j), -len(result) if newest else j, j))
    return result


_WAYS: tuple[Callable[[Dag], list[int]], ...] = (
    lambda dag: _settle(dag, list(range(len(dag)))),
    lambda dag: _forward(dag, False),
    lambda dag: _forward(dag, True),
    lambda dag: _backward(dag),
)
_TREES: tuple[Callable[[Dag], list[int]], ...] = (order_as_tree, lambda dag: order_as_tree(dag, min))
