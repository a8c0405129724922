"""Make `operators.npz`, `ndarray`, `params`, `zoo` and `compat` again: ``make golden ORACLE=/path/to/a/python/with/mxnet``.

``ORACLE=... python -m tests.golden new`` asks only what `operators.npz` has no fresh answer for.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .export_cases import main as export

HERE = Path(__file__).parent
ONLY_NEW = sys.argv[1:] == ["new"]

with tempfile.TemporaryDirectory() as folder:
    cases = str(Path(folder) / "cases.npz")
    export(cases, str(HERE / "operators.npz") if ONLY_NEW else None)
    subprocess.run([os.environ["ORACLE"], HERE / "run_oracle.py", cases, HERE / "operators.npz"], check=True)
SCRIPTS = (
    "ndarray/make.py", "params/make.py", "zoo/make.py", "compat/make.py", "training/make.py", "curves/make.py",
    "optimizer/make_updates.py", "optimizer/make_states.py", "image/make.py",
)  # fmt: skip
for script in () if ONLY_NEW else SCRIPTS:
    subprocess.run([os.environ["ORACLE"], HERE / script], check=True)
