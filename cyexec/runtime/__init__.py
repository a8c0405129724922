"""Steps at fixed addresses.

    Program + offsets --materialize.py--> steps --schedule.pyx--> one C loop without the GIL

`arena.pyx` owns the memory, `materialize.py` makes step objects over it, `schedule.pyx` runs them, `executor.py` is what
the user holds.
"""
