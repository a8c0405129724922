"""Make `operators.npz`, `ndarray`, `params` and `zoo` again: ``make golden ORACLE=/path/to/a/python/with/mxnet``."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from .export_cases import main as export

HERE = Path(__file__).parent

with tempfile.TemporaryDirectory() as folder:
    cases = str(Path(folder) / "cases.npz")
    export(cases)
    subprocess.run([os.environ["ORACLE"], HERE / "run_oracle.py", cases, HERE / "operators.npz"], check=True)
for script in ("ndarray/make.py", "params/make.py", "zoo/make.py"):
    subprocess.run([os.environ["ORACLE"], HERE / script], check=True)
