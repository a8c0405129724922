"""A bound graph: every shape, dtype and parameter known.

    Symbol --build--> Graph --passes--> Graph --lowering--> Program

`graph.py` has nodes, entries and graphs; `infer.py` the shape and dtype inference that runs on symbols; `build.py` makes
a graph from a symbol; `spec.py` checks that a graph is well formed; `text.py` prints one. Nothing here computes.
"""
