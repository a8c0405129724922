"""Operators named ``_image_X``."""

from .generate import lazy_namespace

__getattr__, __dir__ = lazy_namespace(__name__, "image", globals())
