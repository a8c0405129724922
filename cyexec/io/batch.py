"""One batch, and the description of its arrays."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from ..ndarray import NDArray


class DataDesc(namedtuple("DataDesc", ["name", "shape"])):
    """Name, shape, dtype and layout of one input. Unpacks as ``(name, shape)``."""

    dtype: Any
    layout: str

    def __new__(cls, name: str, shape: tuple[int, ...], dtype: Any = np.float32, layout: str = "NCHW") -> DataDesc:
        made = super().__new__(cls, name, tuple(shape))
        made.dtype = dtype
        made.layout = layout
        return made

    def __repr__(self) -> str:
        return f"DataDesc[{self.name},{self.shape},{self.dtype},{self.layout}]"

    @staticmethod
    def get_batch_axis(layout: str | None) -> int:
        """Axis of the batch in `layout` (0 when there is none)."""
        return 0 if layout is None else layout.find("N")

    @staticmethod
    def get_list(shapes: Any, types: Any) -> list[DataDesc]:
        """Descriptions from lists of (name, shape) and of (name, dtype)."""
        if types is None:
            return [DataDesc(name, shape) for name, shape in shapes]
        by_name = dict(types)
        return [DataDesc(name, shape, by_name[name]) for name, shape in shapes]


class DataBatch:
    """One batch.

    Parameters
    ----------
    data, label : list of NDArray
        In the order of the module's names.
    pad : int, optional
        How many examples at the end only fill the batch.
    index : array, optional
        Which examples they are.
    bucket_key, provide_data, provide_label
        For modules of several shapes.
    """

    def __init__(
        self,
        data: list[NDArray] | tuple[NDArray, ...],
        label: list[NDArray] | tuple[NDArray, ...] | None = None,
        pad: int | None = None,
        index: Any = None,
        bucket_key: Any = None,
        provide_data: Any = None,
        provide_label: Any = None,
    ):
        if data is not None and not isinstance(data, (list, tuple)):
            raise AssertionError("Data must be list of NDArrays")
        if label is not None and not isinstance(label, (list, tuple)):
            raise AssertionError("Label must be list of NDArrays")
        self.data = data
        self.label = label
        self.pad = pad
        self.index = index
        self.bucket_key = bucket_key
        self.provide_data = provide_data
        self.provide_label = provide_label

    def __str__(self) -> str:
        shapes = [d.shape for d in self.data or ()]
        labels = [d.shape for d in self.label] if self.label else None
        return f"DataBatch: data shapes: {shapes} label shapes: {labels}"
