"""What a module is fed with: iterators over batches.

    arrays (arrays.py) --ndarray_iter.py--+
    files --file_iter.py, csv_iter.py,    +--> DataBatch (batch.py) --> Module
            libsvm_iter.py, mnist_iter.py |
    other iterators --wrappers.py---------+

An iterator (`DataIter`, iterator.py) describes its batches by `provide_data` and `provide_label` and gives one epoch until
`reset`. Users subclass `DataIter` for data of their own.
"""

from typing import Any

from .batch import DataBatch, DataDesc
from .csv_iter import CSVIter
from .file_iter import MXDataIter
from .iterator import DataIter
from .libsvm_iter import LibSVMIter
from .mnist_iter import MNISTIter
from .ndarray_iter import NDArrayIter
from .wrappers import PrefetchingIter, ResizeIter

# They have their names here, but are made of `cyexec.image`, which is made of this.
_OF_IMAGES = ("ImageDetRecordIter", "ImageRecordIter", "ImageRecordUInt8Iter")


def __getattr__(name: str) -> Any:
    if name in _OF_IMAGES:
        from .. import image

        return getattr(image, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_OF_IMAGES})


__all__ = [
    "CSVIter", "DataBatch", "DataDesc", "DataIter", "LibSVMIter", "MNISTIter", "MXDataIter", "NDArrayIter",
    "PrefetchingIter", "ResizeIter",
]  # fmt: skip
