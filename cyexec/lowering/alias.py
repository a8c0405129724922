"""Decide which buffers share memory: copies that need not be made, and steps that run in place.

Lowering writes every value into a buffer of its own and moves data with plain copy steps. Here buffers are merged the way
a register allocator coalesces moves:

* *view*: the copy's destination becomes a part of its source (Reshape, slices of the leading axis, identity);
* *born inside*: the copy's source becomes a part of its destination (parts of a concatenation; values that are copied to
  an output of the user's);
* *in place*: a step's result takes the memory of an operand that nobody needs afterwards; or, where the result is an
  output of the user's, the operand is born in that array.

All three are the same act, `_Groups.merge`: one buffer's group moves into another's at an offset. A group is a root buffer
with the buffers inside it, and what is known of it is the steps that touch it. Each rule states when the move cannot
change a value; a rule that is not sure does nothing, and the copy stays.
"""

from __future__ import annotations

from .program import Program, Ref

NEVER = -1


class _Groups:
    """Buffers, merged into groups with a root each, and which steps touch them."""

    def __init__(self, program: Program):
        count = len(program.buffers)
        self.program = program
        self.root = list(range(count))
        self.shift = [0] * count
        self.members: list[list[int]] = [[i] for i in range(count)]
        self.first = [len(program.steps)] * count
        self.last = [NEVER] * count
        self.last_write = [NEVER] * count
        # For each root, (start byte, end byte, step, is_write) of every access. Kept in root coordinates.
        self.accesses: list[list[tuple[int, int, int, bool]]] = [[] for _ in range(count)]
        for k, step in enumerate(program.steps):
            for ref in step.reads:
                self._touch(ref, k, False)
            for ref in step.writes:
                self._touch(ref, k, True)

    def _touch(self, ref: Ref, k: int, is_write: bool) -> None:
        b, start = ref.buffer, ref.offset
        self.accesses[b].append((start, start + ref.nbytes, k, is_write))
        if k < self.first[b]:
            self.first[b] = k
        self.last[b] = k
        if is_write:
            self.last_write[b] = k

    def place(self, ref: Ref) -> tuple[int, int]:
        """Root buffer and byte offset in it."""
        return self.root[ref.buffer], ref.offset + self.shift[ref.buffer]

    def whole(self, ref: Ref) -> bool:
        """Whether `ref` covers all of its group's root."""
        root, offset = self.place(ref)
        return offset == 0 and ref.nbytes == self.program.buffers[root].nbytes

    def merge(self, root: int, into: int, offset: int) -> None:
        """Move the group of `root` into the group of root `into`, `offset` bytes from its start."""
        for member in self.members[root]:
            self.root[member] = into
            self.shift[member] += offset
        self.members[into] += self.members[root]
        self.members[root] = []
        self.first[into] = min(self.first[into], self.first[root])
        self.last[into] = max(self.last[into], self.last[root])
        self.last_write[into] = max(self.last_write[into], self.last_write[root])
        self.accesses[into] += [(a + offset, b + offset, k, w) for a, b, k, w in self.accesses[root]]
        self.accesses[root] = []


def _merge_copy(groups: _Groups, k: int, src: Ref, dst: Ref) -> bool:
    """Make the copy of step `k` unnecessary if that is certainly safe."""
    buffers = groups.program.buffers
    s, s_offset = groups.place(src)
    d, d_offset = groups.place(dst)
    if s == d or buffers[s].ctx != buffers[d].ctx:
        return False
    # After the copy nobody may write to the source's memory; its value is final before step k.
    if groups.last_write[s] >= k:
        return False
    # View: all that is ever written to the destination is this copy. Where the user's argument is the source, the value
    # is read from the user's array, as MXNet does it.
    if not buffers[d].external and groups.whole(dst) and len(groups.members[d]) == 1 and groups.first[d] == k:
        if groups.last_write[d] == k:
            groups.merge(d, s, s_offset)
            return True
    # Born inside: the source is a whole value of ours, and its place in the destination is touched by nothing else
    # until step k, and written by nothing else ever.
    if not buffers[s].external and groups.whole(src):
        end = d_offset + src.nbytes
        for a, b, step, is_write in groups.accesses[d]:
            if a < end and b > d_offset and step != k and (is_write or step < k):
                return False
        groups.merge(s, d, d_offset)
        return True
    return False


def _merge_inplace(groups: _Groups, k: int, w: int, r: int) -> bool:
    """Let write `w` of step `k` take the memory of read `r`, or the other way round where the write is the user's."""
    step, buffers = groups.program.steps[k], groups.program.buffers
    src, dst = step.reads[r], step.writes[w]
    s, s_offset = groups.place(src)
    d, _ = groups.place(dst)
    # The source dies here.
    if s == d or buffers[s].external or groups.last[s] > k or groups.first[d] < k or buffers[s].ctx != buffers[d].ctx:
        return False
    if src.nbytes != dst.nbytes or not groups.whole(src) or not groups.whole(dst):
        return False
    # This step touches its memory through operands that allow it alone.
    allowed = {step.reads[j] for i, j in step.inplace if i == w}
    operands = (*step.reads, *step.writes)
    if any(groups.place(ref)[0] == s and ref not in allowed for ref in operands):
        return False
    # The destination's memory must not be touched by this step in another way either (two results, say).
    if sum(groups.place(ref)[0] == d for ref in operands) > 1:
        return False
    if not buffers[d].external:
        groups.merge(d, s, s_offset)
        return True
    if buffers[d].kind == "output":
        groups.merge(s, d, 0)
        return True
    return False


def share_memory(program: Program, copies: bool = True, inplace: bool = True) -> Program:
    """Merge buffers and drop the copies that became unnecessary. Changes `program` and returns it.

    Parameters
    ----------
    copies, inplace : bool
        Switches for tests: any setting gives the same numbers.
    """
    groups = _Groups(program)
    dropped: set[int] = set()
    if copies:
        for k, step in enumerate(program.steps):
            if step.kernel == "movement.Copy" and _merge_copy(groups, k, step.reads[0], step.writes[0]):
                dropped.add(k)
    if inplace:
        for k, step in enumerate(program.steps):
            if step.inplace and k not in dropped:
                merged: set[int] = set()
                for w, r in step.inplace:
                    if w not in merged and _merge_inplace(groups, k, w, r):
                        merged.add(w)
    program.home = list(zip(groups.root, groups.shift))
    if dropped:
        _drop_steps(program, dropped)
    return program


def _drop_steps(program: Program, dropped: set[int]) -> None:
    """Take steps out and renumber what refers to them."""
    kept_before = [0]
    for k in range(len(program.steps)):
        kept_before.append(kept_before[-1] + (k not in dropped))
    program.steps = [s for k, s in enumerate(program.steps) if k not in dropped]
    program.num_forward = kept_before[program.num_forward]
    program.spans = [(node, kept_before[a], kept_before[b]) for node, a, b in program.spans]
