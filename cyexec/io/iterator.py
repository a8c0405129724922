"""The interface of all iterators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .batch import DataBatch

if TYPE_CHECKING:
    from typing import Self


class DataIter:
    """An iterator over the batches of an epoch.

    A subclass gives either `next`, or `iter_next` with `getdata`, `getlabel`, `getpad` and perhaps `getindex`; and the
    attributes `provide_data` and `provide_label`, lists of `DataDesc`.

    Parameters
    ----------
    batch_size : int
    """

    # Subclasses set these as attributes or define them as properties, so there is only their type here.
    if TYPE_CHECKING:
        provide_data: Any
        provide_label: Any

    def __init__(self, batch_size: int = 0):
        self.batch_size = batch_size

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> DataBatch:
        return self.next()

    def reset(self) -> None:
        """Begin a new epoch."""

    def next(self) -> DataBatch:
        """Return the next batch. Raises StopIteration at the end of the epoch."""
        if not self.iter_next():
            raise StopIteration
        return DataBatch(self.getdata(), self.getlabel(), pad=self.getpad(), index=self.getindex())

    def iter_next(self) -> bool:
        """Move to the next batch; whether there is one."""
        return False

    def getdata(self) -> Any:
        """Data of the current batch."""
        return None

    def getlabel(self) -> Any:
        """Labels of the current batch."""
        return None

    def getindex(self) -> Any:
        """Which examples are in the current batch, where the iterator knows."""
        return None

    def getpad(self) -> int | None:
        """How many examples at the end of the current batch only fill it."""
        return None
