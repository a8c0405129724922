"""`mx.contrib`: experimental operators under their older home.

``mx.contrib.symbol`` (``sym``) holds what ``mx.sym.contrib`` does, ``mx.contrib.ndarray`` (``nd``) what ``mx.nd.contrib``
does. ``mx.contrib.tensorboard`` writes metrics for TensorBoard.
"""

from . import ndarray, symbol, tensorboard
from . import ndarray as nd
from . import symbol as sym

__all__ = ["nd", "ndarray", "sym", "symbol", "tensorboard"]
