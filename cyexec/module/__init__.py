"""Training and prediction over executors: ``mx.mod``.

    batch --Module--> executor_group.py: slices for each context --> executors --> outputs, gradients
                                                                         |
    parameters <--training.py: updater, or store and optimizer ----------+

`base_module.py` has the loops that all modules share (`fit`, `score`, `predict`), `module.py` the one over a symbol,
`bucketing_module.py` one symbol for each kind of batch, `sequential_module.py` modules in a row, `python_module.py`
modules written in Python.
"""

from __future__ import annotations

from . import base_module, bucketing_module, executor_group, module, python_module, sequential_module
from .base_module import BaseModule
from .bucketing_module import BucketingModule
from .module import Module
from .python_module import PythonLossModule, PythonModule
from .sequential_module import SequentialModule

__all__ = [
    "BaseModule", "BucketingModule", "Module", "PythonLossModule", "PythonModule", "SequentialModule", "base_module",
    "bucketing_module", "executor_group", "module", "python_module", "sequential_module",
]  # fmt: skip
