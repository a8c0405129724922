"""Peers as processes that take turns.

A peer's Python is found in the environment variable of its environment (``CYEXEC_BENCH_MXNET`` and so on), else in
``.peers/NAME/bin/python`` where ``make peers`` puts it. While one peer is timed all others are stopped (SIGSTOP): worker
threads of some of them spin for a while after a call, and would slow the next.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Peer -> the environment that has it, made by `benchmarks/peers/ENVIRONMENT.sh`; None: this very Python.
ENVIRONMENTS = {
    "cyexec": None, "mxnet": "mxnet", "onnxruntime": "onnx", "openvino": "onnx", "torch": "torch",
    "jax": "torch", "numpy": None,
}  # fmt: skip


class MissingPeer(Exception):
    """A peer whose Python is not there, or cannot import it."""


def python_of(peer: str) -> str:
    """The path of the Python that imports a peer."""
    environment = ENVIRONMENTS[peer]
    if environment is None:
        return sys.executable
    variable = f"CYEXEC_BENCH_{environment.upper()}"
    path = os.environ.get(variable) or str(ROOT / ".peers" / environment / "bin" / "python")
    if not os.access(path, os.X_OK):
        raise MissingPeer(f"no {path}; `benchmarks/peers/{environment}.sh DIRECTORY` makes it, {variable} names another")
    return path


class Peer:
    """A worker process, stopped while it is not asked.

    Raises
    ------
    MissingPeer
        It cannot be started.
    """

    def __init__(self, name: str, threads: int):
        self.name = name
        self._cores = sorted(os.sched_getaffinity(0))[:threads]
        count = str(threads)
        env = {**os.environ, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count}
        # Set on some machines for old builds of OpenBLAS, these slow a current one.
        for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
            env.pop(variable, None)
        self._process = subprocess.Popen(
            [python_of(name), "-m", "benchmarks.worker", name], cwd=ROOT, env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=self._pin,
            start_new_session=True,  # some peers start processes of their own, which are to stop and end with them
        )  # fmt: skip
        try:
            self._read()
        except RuntimeError as error:
            raise MissingPeer(str(error)) from None
        self._signal(signal.SIGSTOP)

    def _pin(self) -> None:
        os.sched_setaffinity(0, self._cores)

    def _read(self) -> dict:
        assert self._process.stdout is not None
        while True:
            line = self._process.stdout.readline()
            if not line:
                raise RuntimeError(f"its worker ended with status {self._process.wait()}")
            if line.startswith("{"):
                return json.loads(line)

    def ask(self, **command: object) -> dict:
        """Send a command and wait for the answer."""
        assert self._process.stdin is not None
        self._signal(signal.SIGCONT)
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            return self._read()
        except (RuntimeError, BrokenPipeError) as error:
            return {"missing": f"{error}"}
        finally:
            self._signal(signal.SIGSTOP)

    def close(self) -> None:
        """End the process and what it started."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(self._process.pid, number)


def disagree(own: list[float] | None, other: list[float] | None) -> bool:
    """Whether two digests differ by more than the round-off of a deep network."""
    if own is None or other is None:
        return False
    scale = max(abs(x) for x in own) or 1.0
    return len(own) != len(other) or max(abs(x - y) for x, y in zip(own, other)) > 1e-3 * scale


class Row:
    """Figures of one case by peer, and their quantile (0.5: the median)."""

    def __init__(self, name: str, quantile: float):
        self.name = name
        self.unit = "s"
        self.quantile = quantile
        self.figures: dict[str, list[float]] = {}
        self.notes: list[str] = []

    def figure(self, peer: str) -> float | None:
        """The quantile of a peer's figures, None without any."""
        figures = sorted(self.figures.get(peer, ()))
        return figures[int(self.quantile * (len(figures) - 1))] if figures else None

    @property
    def best(self) -> float | None:
        """The least figure among the peers other than cyexec."""
        found = [f for peer in self.figures if peer != "cyexec" and (f := self.figure(peer)) is not None]
        return min(found, default=None)


def run_case(peers: list[Peer], section: str, name: str, rounds: int, seconds: float, quantile: float) -> Row:
    """Check that the peers agree on a case, then time it round after round."""
    row = Row(name, quantile)
    case = [section, name]
    able = []
    digests: dict[str, list[float] | None] = {}
    for peer in peers:
        reply = peer.ask(case=case, check=True)
        if "missing" in reply:
            if reply["missing"] != "no such case":
                row.notes.append(f"{peer.name} cannot: {reply['missing'].strip().splitlines()[-1]}")
            continue
        able.append(peer)
        row.unit = reply["unit"]
        digests[peer.name] = reply["output"]
        if disagree(digests.get("cyexec"), reply["output"]):
            row.notes.append(f"{peer.name} gives another answer")
    for _ in range(rounds if row.unit == "s" else 1):
        for peer in able:
            reply = peer.ask(case=case, seconds=seconds)
            row.figures.setdefault(peer.name, []).extend(reply.get("figures", []))
    return row
