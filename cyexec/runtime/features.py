"""What this build can do, under the names that MXNet's features have: ``mx.runtime.Features``."""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

from ..kernels import levels


class Feature(NamedTuple):
    """A feature and whether it is there."""

    name: str
    enabled: bool

    def __repr__(self) -> str:
        return f"{'✔' if self.enabled else '✖'} {self.name}"


_ABSENT = (
    "CUDA", "CUDNN", "NCCL", "CUDA_RTC", "TENSORRT", "CPU_SSE4A", "SSE", "JEMALLOC", "BLAS_OPEN", "BLAS_ATLAS", "BLAS_MKL",
    "BLAS_APPLE", "LAPACK", "MKLDNN", "CAFFE", "DIST_KVSTORE", "CXX14", "DEBUG", "TVM_OP",
)  # fmt: skip
_PRESENT = ("OPENMP", "PROFILER", "INT64_TENSOR_SIZE", "SIGNAL_HANDLER")
# The level from which on kernels use these instructions.
_LEVELS = {
    "CPU_SSE": "base", "CPU_SSE2": "base", "CPU_SSE3": "v2", "CPU_SSE4_1": "v2", "CPU_SSE4_2": "v2", "CPU_AVX": "v3",
    "CPU_AVX2": "v3", "F16C": "v3",
}  # fmt: skip


def feature_list() -> list[Feature]:
    """Return all features."""
    found = dict.fromkeys(_ABSENT, False) | dict.fromkeys(_PRESENT, True)
    at = levels.LEVELS.index(levels.level)
    found |= {name: levels.LEVELS.index(level) <= at for name, level in _LEVELS.items()}
    # Of use to `mx.image` alone, which Pillow serves as well.
    found["OPENCV"] = any(importlib.util.find_spec(name) is not None for name in ("cv2", "PIL"))
    return [Feature(name, enabled) for name, enabled in sorted(found.items())]


class Features(dict[str, Feature]):
    """All features by name."""

    def __init__(self) -> None:
        super().__init__((feature.name, feature) for feature in feature_list())

    def __repr__(self) -> str:
        return str(list(self.values()))

    def is_enabled(self, feature_name: str) -> bool:
        """Whether a feature is there; case does not matter. Raises RuntimeError for an unknown one."""
        name = feature_name.upper()
        if name not in self:
            raise RuntimeError(f"Feature '{name}' is unknown, known features are: {list(self)}")
        return self[name].enabled
