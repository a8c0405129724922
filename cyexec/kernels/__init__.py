"""Steps: kernels in Cython, compiled for several CPU levels, that know sizes and numbers and nothing of graphs.

    NAME.pxi (step classes over memoryviews) + NAME.h (register blocks, loops) --setup.py--> _NAME_DTYPE_LEVEL modules

`step.pxd` is what a schedule runs, `team.h` how threads meet, `levels.py` which module serves (`_cpu.pyx` asks the CPU). Arrays
are plain, or `blocked_*`: channels in blocks of 16, innermost, for convolutional networks. A kernel allocates nothing, and
its numbers do not depend on how many threads share it.
"""
