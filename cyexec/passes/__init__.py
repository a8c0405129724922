"""Graph to Graph. A pass is a pure function in a file of its own, tested alone; `pipeline.py` lists them in order.

    Graph --add_gradient--> --place_devices--> --pipeline.optimize--> Graph --hoist_constants--> constants, and what runs

Passes of inference alone take out what does nothing there and fold BatchNorm; `block_layout.py` (its rules for each operator:
`block_rules.py`) changes the layout of convolutional networks; the others only join nodes, and change no bit of any number.
Every file begins with before, after and conditions. With CYEXEC_CHECK=1 `graph/spec.py` checks the grammar after each.
Passes know operators and parameters, nothing of memory or of how a kernel computes.
"""
