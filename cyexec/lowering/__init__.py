"""Graph to Program: a linear list of steps over abstract buffers.

    Graph --lower.py--> Program --alias.py--> fewer buffers --liveness.py--> planner.Problem --planner--> offsets

`program.py` has the nouns: `Ref` (a typed part of a buffer), `BufferSpec`, `StepSpec`, `Program`. An operator's ``lower``
writes correct steps and never thinks about memory: whole-buffer copies that need not be made are taken out afterwards by
`alias.py`, which also lets steps run in place. `gemm.py` and `blocked*.py` say how large the workspaces of matrix products and
convolutions are, and which algorithm is used; `room.py` makes workspaces smaller where they would raise the peak, and
`recompute.py` trades time for memory. Nothing here allocates tensors.
"""
