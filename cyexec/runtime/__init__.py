"""Steps at fixed addresses.

    Program + offsets --materialize.py--> steps --schedule.pyx--> one C loop without the GIL

`programs.py` makes and plans the programs of a graph. `arena.pyx` owns the memory, `materialize.py` makes step objects over it,
`schedule.pyx` runs them, `constants.py` keeps what follows from parameters alone, `compiled.py` is one program with all of
these, `executor.py` is what the user holds.
`features.py` says, in MXNet's words, what this build can do.
"""

from .features import Feature, Features, feature_list

__all__ = ["Feature", "Features", "feature_list"]
