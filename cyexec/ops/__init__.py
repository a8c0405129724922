"""The operators: one file for each family, one definition for each operator.

`schema.py` says what a definition holds, `params.py` how parameters are parsed, `infer.py` has shared rules, `registry.py`
finds operators by name. Importing this package registers all of them. Nothing here touches memory: ``lower`` describes
steps, `cyexec.kernels` runs them.
"""

import importlib
import pkgutil

_INFRASTRUCTURE = {"schema", "params", "infer", "registry"}
_LAST = "sparse_names"  # names of operators that the other modules define

for _module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
    if _module not in _INFRASTRUCTURE | {_LAST}:
        importlib.import_module(f"{__name__}.{_module}")
importlib.import_module(f"{__name__}.{_LAST}")
