"""Every operator with a public name."""

from ..codegen import lazy_namespace
from .generate import make_function

__getattr__, __dir__ = lazy_namespace(__name__, "op", globals(), make_function)
