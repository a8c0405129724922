"""Every operator with a public name."""

from .generate import lazy_namespace

__getattr__, __dir__ = lazy_namespace(__name__, "op", globals())
