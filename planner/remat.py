"""Choose values to compute twice, so that the peak fits a limit.

A training program reads most values of its forward part twice: soon after they are made, and much later in the
backward part. A value that is recomputed is dropped during its longest idle time and made again, from its inputs, when
it is next needed; inputs that were dropped too are made again first, others stay alive until then.

        made  read          idle: dropped              made again  read
    ──────■────□─────────────────────────────────────────────■──────□────▶ step

A value that nothing reads late has no idle time, but what is made again from it would keep it alive: it is a helper, made
again too where that is less than it would take.

Which values: few are tried in all combinations. Many are chosen by Chen et al., "Training Deep Nets with Sublinear Memory
Cost" (2016): keep a checkpoint whenever the values since the last one exceed a budget, for many budgets, among all values
or only the cheap ones; then by bytes at the peak per work; at last what turns out not to be needed is taken back.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

from .dag import Dag

_ALL_COMBINATIONS = 10  # candidates: 1,024 programs to look at
_LOOKS = 400_000  # nodes looked at in all trials of a large graph: about a second
_FEWEST_TRIALS = 60
_HALVINGS = 14  # of a budget: to a thousandth and less
_SMALL = 4  # a helper smaller than what it helps by this factor stays alive instead


class Again(NamedTuple):
    """The id of the second computation of a node."""

    id: Hashable


@dataclass(frozen=True, eq=False)
class Rematerialization:
    """A program with recomputation.

    Attributes
    ----------
    dag : Dag
        The program in its order; a node made again is a second `Node` whose id is `Again(id)`, and later readers of its
        value name that as their input.
    recomputed : list
        Ids of the nodes made again, in order.
    work : float
        Work of making them again.
    peak : int
        Bytes of the largest step.
    fits : bool
        Whether the peak is within the limit. If not, this is the program with the least peak found.
    least_peak : int
        The least peak of all programs looked at, bytes.
    exact : bool
        Whether all choices of this kind have been looked at, so that the work is (or the peak, if nothing fits) the
        least there is.
    """

    dag: Dag
    recomputed: list[Hashable]
    work: float
    peak: int
    fits: bool
    least_peak: int
    exact: bool


def rematerialize(dag: Dag, limit: int, *, trials: int | None = None) -> Rematerialization:
    """Choose what to recompute so that the peak is at most `limit` bytes, with little recomputed work.

    The peak is never above that of recomputing nothing. The order of first computations stays as given.

    Parameters
    ----------
    dag : Dag
        With `work` of each node and `recompute=False` for nodes that must not run twice.
    limit : int
        Bytes.
    trials : int, optional
        About how many sets of values to try, where they are too many for all; by default what takes a second or less.
    """
    search = _Search(dag, limit, trials)
    search.try_set(frozenset())
    exact = True
    if search.best_peak > limit:
        every = list(search.drop_after)
        if len(every) <= _ALL_COMBINATIONS:
            for count in range(1, len(every) + 1):
                for chosen in combinations(every, count):
                    search.try_set(frozenset(chosen))
        else:
            exact = False
            search.try_families()
            search.relieve_peak()
            search.take_back()
    program = search.build(search.best)
    recomputed = [node.id.id for node in program.nodes if isinstance(node.id, Again)]
    return Rematerialization(
        program, recomputed, search.best_work, search.best_peak, search.best_peak <= limit, search.least_peak, exact
    )


class _Search:
    """Remember the best set of values to recompute: fitting with least work, or else with the least peak."""

    def __init__(self, dag: Dag, limit: int, trials: int | None = None) -> None:
        self.dag, self.limit = dag, limit
        # When a value is dropped if it is chosen: after its last use before its longest idle time.
        self.drop_after: dict[int, int] = {}
        self.next_use: dict[int, int] = {}  # only of those that have an idle time: the candidates
        for i, node in enumerate(dag.nodes):
            if not node.recompute or node.keep or not node.size:
                continue
            uses = [i, *dag.readers[i]]
            idle, at = max(((b - a, a) for a, b in zip(uses, uses[1:], strict=False)), default=(0, i))
            self.drop_after[i] = at if idle > 1 else uses[-1]
            if idle > 1:
                self.next_use[i] = at + idle
        self.candidates = list(self.next_use)
        self.price = {i: self._price(i) for i in self.candidates}
        self.tried: set[frozenset[int]] = set()
        self.trials = trials or max(_FEWEST_TRIALS, _LOOKS // max(len(dag), 1))
        self.reserve = min(self.trials, _FEWEST_TRIALS) // 2  # for what follows the families
        self.best: frozenset[int] = frozenset()
        self.best_peak, self.best_work, self.least_peak = 1 << 62, 0.0, 1 << 62

    def with_helpers(self, chosen: Iterable[int]) -> frozenset[int]:
        """Add what must be made again so that nothing stays alive only to make the chosen ones again."""
        dag, result = self.dag, set(chosen)
        stack = [(i, self.next_use[i]) for i in result if i in self.next_use]
        while stack:
            i, when = stack.pop()
            for j in dag.inputs[i]:
                if j in result or j not in self.drop_after or max(dag.readers[j]) >= when:
                    continue
                if dag.nodes[j].size * _SMALL >= dag.nodes[i].size:
                    result.add(j)
                    stack.append((j, when))
        return frozenset(result)

    def _price(self, i: int) -> float:
        """Work for each byte that making `i` again saves, helpers included."""
        nodes = self.dag.nodes
        return sum(nodes[j].work for j in self.with_helpers((i,))) / nodes[i].size

    def runs(self, chosen: frozenset[int]) -> Iterator[tuple[int, Sequence[int]]]:
        """Yield the steps: the value that is made, and those that are read.

        Second copies are numbered behind all first ones.
        """
        dag, n = self.dag, len(self.dag)
        again = [False] * n
        concerned = {reader for i in chosen for reader in dag.readers[i]}
        for t in range(n):
            if t not in concerned:
                yield t, dag.inputs[t]
                continue
            # Depth first: inputs that are gone are made again before what needs them.
            stack = [(t, False)]
            while stack:
                i, second = stack[-1]
                if second and again[i]:
                    stack.pop()
                    continue
                gone = [j for j in dag.inputs[i] if j in chosen and not again[j] and t > self.drop_after[j]]
                if gone:
                    stack += [(j, True) for j in reversed(gone)]
                    continue
                stack.pop()
                again[i] = again[i] or second
                yield i + n * second, [j + n * again[j] for j in dag.inputs[i]]

    def measure(self, chosen: frozenset[int]) -> tuple[int, float]:
        """Return the peak in bytes and the recomputed work."""
        dag, n = self.dag, len(self.dag)
        sizes, takes, frees, inplace = dag.sizes, dag.takes, dag.frees, dag.inplace
        steps = list(self.runs(chosen))
        left = [0] * (2 * n)
        for _, inputs in steps:
            for value in inputs:
                left[value] += 1
        live, peak, work = 0, 0, 0.0
        for made, inputs in steps:
            i, freed, shared = made, 0, 0
            if made >= n:
                i = made - n
                work += dag.nodes[i].work
            for value in inputs:
                left[value] -= 1
                if not left[value]:
                    j = value if value < n else value - n
                    freed += frees[j]
                    if j in inplace[i]:
                        shared = max(shared, min(sizes[i], frees[j]))
            if live + takes[i] - shared > peak:
                peak = live + takes[i] - shared
            live += (sizes[i] if left[made] else sizes[i] - frees[i]) - freed
        return peak, work

    def try_set(self, chosen: frozenset[int]) -> tuple[int, float] | None:
        """Measure a set not seen before and remember it if it is the best."""
        if chosen in self.tried:
            return None
        self.tried.add(chosen)
        self.trials -= 1
        peak, work = self.measure(chosen)
        self.least_peak = min(self.least_peak, peak)
        excess, best = max(peak - self.limit, 0), max(self.best_peak - self.limit, 0)
        if (excess, work, peak) < (best, self.best_work, self.best_peak):
            self.best, self.best_peak, self.best_work = chosen, peak, work
        return peak, work

    def try_families(self) -> None:
        nodes, price = self.dag.nodes, self.price
        prices = sorted(price.values())
        limits = {prices[len(prices) * k // 8 - 1] for k in range(1, 9)}
        for tapered in (False, True):
            for most in sorted(limits, reverse=True):
                cheap = [i for i in self.candidates if price[i] <= most]
                total, largest = sum(nodes[i].size for i in cheap), max(nodes[i].size for i in cheap)
                budget = float(total + 1)
                while budget > largest / 2 and self.trials > self.reserve:
                    self.try_set(self.with_helpers(self._between_checkpoints(cheap, budget, tapered)))
                    budget /= 1.5
        if self.best_peak > self.limit:
            self._taper_to_least_peak()

    def _taper_to_least_peak(self) -> None:
        """Halve the distance between budgets too small and too large for tapered checkpoints of all candidates.

        A small budget makes many checkpoints, all of which are there at once; a large one makes long stretches, which
        are: the least peak is where the two are equal.
        """
        sizes = [self.dag.nodes[i].size for i in self.candidates]
        low, high = float(min(sizes)), float(sum(sizes))
        for _ in range(min(_HALVINGS, self.trials // 2)):
            budget = (low + high) / 2
            chosen = list(self._between_checkpoints(self.candidates, budget, True))
            self.try_set(self.with_helpers(chosen))
            kept = sum(sizes) - sum(self.dag.nodes[i].size for i in chosen)
            low, high = (budget, high) if kept > budget else (low, budget)

    def _between_checkpoints(self, candidates: Iterable[int], budget: float, tapered: bool) -> Iterator[int]:
        """Yield what is dropped between checkpoints: stretches of `budget` bytes, less the checkpoints so far if tapered.

        Tapered, each stretch is made again beside the checkpoints before it in as many bytes as any other.
        """
        held, kept = 0.0, 0
        for i in candidates:
            size = self.dag.nodes[i].size
            held += size
            if held + (kept if tapered else 0) > budget:
                held, kept = 0.0, kept + size
            else:
                yield i

    def relieve_peak(self) -> None:
        """Add what is idle at the peak, cheapest bytes first, until the peak fits or does not get lower."""
        nodes, chosen = self.dag.nodes, self.best
        if self.best_peak <= self.limit:
            chosen = frozenset()
        lowest = 1 << 62
        for _ in range(max(8, self.trials // 2)):
            step, peak = self._peak_step(chosen)
            if peak <= self.limit or self.trials <= 0:
                break
            idle = [i for i in self.candidates if i not in chosen and self.drop_after[i] < step < self.next_use[i]]
            idle.sort(key=lambda i: (self.price[i], i))
            excess, more = peak - self.limit, set()
            for i in idle:
                if excess <= 0:
                    break
                more.add(i)
                excess -= nodes[i].size
            if not more:
                break
            chosen = self.with_helpers(chosen | more)
            self.try_set(chosen)
            if peak >= lowest * 2:
                break
            lowest = min(lowest, peak)

    def _peak_step(self, chosen: frozenset[int]) -> tuple[int, int]:
        """Return the position in the given order at which the peak is, and its bytes."""
        program = self.build(chosen)
        profile = program.profile()
        peak = max(profile, default=0)
        at = profile.index(peak)
        done = sum(not isinstance(node.id, Again) for node in program.nodes[: at + 1])
        return done - (not isinstance(program.nodes[at].id, Again)), peak

    def take_back(self) -> None:
        """Leave out what the limit does not need, dearest first, in pieces that get smaller."""
        if self.best_peak > self.limit:
            return
        self.trials = max(self.trials, 2 * self.reserve)
        piece = max(len(self.best) // 2, 1)
        while self.trials > 0 and self.best:
            dear = sorted(self.best, key=lambda i: (-self.dag.nodes[i].work, i))
            for k in range(0, len(dear), piece):
                if self.trials <= 0:
                    return
                self.try_set(self.best - set(dear[k : k + piece]))
            if piece == 1:
                return
            piece //= 2

    def build(self, chosen: frozenset[int]) -> Dag:
        """Return the program as a graph."""
        nodes, made = self.dag.nodes, []

        n = len(nodes)

        def name(value: int) -> Hashable:
            return nodes[value].id if value < n else Again(nodes[value - n].id)

        for value, inputs in self.runs(chosen):
            node = nodes[value % n]
            names = {nodes[j % n].id: name(j) for j in inputs}
            inplace = tuple(names[nodes[j].id] for j in self.dag.inplace[value % n])
            made.append(replace(node, id=name(value), inputs=tuple(names.values()), inplace=inplace))
        return Dag(made)
