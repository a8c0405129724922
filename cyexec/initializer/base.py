"""Which rule initialises a parameter: by its name's ending, or by the ``__init__`` attribute of its variable."""

from __future__ import annotations

import json
import logging
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..ndarray import NDArray, random
from ..registry import registry_of


class InitDesc(str):
    """A parameter's name, with what else decides its first value.

    Parameters
    ----------
    name : str
    attrs : dict of str to str, optional
        Attributes of the variable; ``__init__`` names an initialiser of its own.
    global_init : Initializer, optional
        The initialiser of the whole network, for initialisers that pass parts on to it.
    """

    attrs: dict[str, str]
    global_init: Initializer | None

    def __new__(
        cls, name: str, attrs: Mapping[str, str] | None = None, global_init: Initializer | None = None
    ) -> InitDesc:
        made = super().__new__(cls, name)
        made.attrs = dict(attrs or {})
        made.global_init = global_init
        return made


def _root_mean_square(array: NDArray) -> str:
    values = array.asnumpy()
    return str(np.linalg.norm(values) / values.dtype.type(math.sqrt(values.size)))


# Ending of a name to the method for it, first match wins. `_init_default` is for all other names.
_BY_ENDING = (
    ("weight", "_init_weight"),
    ("bias", "_init_bias"),
    ("gamma", "_init_gamma"),
    ("beta", "_init_beta"),
    ("min", "_init_zero"),
    ("max", "_init_one"),
    ("weight_quantize", "_init_quantized_weight"),
    ("bias_quantize", "_init_quantized_bias"),
)
# The same for plain strings instead of descriptions, which old scripts give: (beginning, ending, method).
_BY_OLD_NAME = (
    ("upsampling", "", "_init_bilinear"),
    ("stn_loc", "weight", "_init_zero"),
    ("stn_loc", "bias", "_init_loc_bias"),
    ("", "weight", "_init_weight"),
    ("", "bias", "_init_bias"),
    ("", "gamma", "_init_gamma"),
    ("", "beta", "_init_beta"),
    ("", "moving_mean", "_init_zero"),
    ("", "moving_var", "_init_one"),
    ("", "moving_inv_var", "_init_zero"),
    ("", "moving_avg", "_init_zero"),
    ("", "min", "_init_zero"),
    ("", "max", "_init_one"),
)


class Initializer:
    """Base of all initialisers: derive from it and define `_init_weight`.

    Parameters
    ----------
    **kwargs
        What `dumps` writes: parameters that make an equal initialiser.
    """

    def __init__(self, **kwargs: Any):
        self._kwargs = kwargs
        self._verbose = False
        self._print_func: Callable[[NDArray], Any] = _root_mean_square

    def set_verbosity(
        self, verbose: bool = False, print_func: Callable[[NDArray], Any] | None = None
    ) -> Initializer:
        """Log a line for every parameter from now on.

        Parameters
        ----------
        verbose : bool
        print_func : callable, optional
            From an array to what is shown of it; by default the root of the mean square.

        Returns
        -------
        Initializer
            This one.
        """
        self._verbose = verbose
        self._print_func = print_func or _root_mean_square
        return self

    def _verbose_print(self, desc: str, init: str, arr: NDArray) -> None:
        if self._verbose:
            logging.info("Initialized %s as %s: %s", desc, init, self._print_func(arr))

    def dumps(self) -> str:
        """Return JSON text that `create` makes an equal initialiser from."""
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Initializer) and type(self) is type(other) and self._kwargs == other._kwargs

    __hash__ = object.__hash__

    def __call__(self, desc: str, arr: NDArray) -> None:
        """Set `arr` to the first values of the parameter that `desc` describes.

        Parameters
        ----------
        desc : InitDesc
            Or a plain name, with MXNet's older rules for it (deprecated there).
        arr : NDArray
            Changed in place.

        Raises
        ------
        ValueError
            There is no rule for the name.
        """
        if not isinstance(desc, InitDesc):
            self._legacy_init(desc, arr)
            return
        if desc.global_init is None:
            desc.global_init = self
        own = desc.attrs.get("__init__")
        if own:
            create(own)._init_weight(desc, arr)
            self._verbose_print(desc, own, arr)
            return
        for ending, method in _BY_ENDING:
            if desc.endswith(ending):
                getattr(self, method)(desc, arr)
                self._verbose_print(desc, ending, arr)
                return
        self._init_default(desc, arr)

    def _legacy_init(self, name: str, arr: NDArray) -> None:
        if not isinstance(name, str):
            raise TypeError(f"name must be string, found {name!r}")
        warnings.warn(
            "Calling initializer with init(str, NDArray) has been deprecated. "
            "Please use init(mx.init.InitDesc(...), NDArray) instead.",
            DeprecationWarning,
            stacklevel=3,
        )
        for beginning, ending, method in _BY_OLD_NAME:
            if name.startswith(beginning) and name.endswith(ending):
                getattr(self, method)(name, arr)
                return
        self._init_default(name, arr)

    # One method for each rule; users' classes override them.

    def _init_weight(self, name: str, arr: NDArray) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define _init_weight")

    def _init_zero(self, name: str, arr: NDArray) -> None:
        arr[:] = 0.0

    def _init_one(self, name: str, arr: NDArray) -> None:
        arr[:] = 1.0

    _init_bias = _init_zero
    _init_gamma = _init_one
    _init_beta = _init_zero
    _init_quantized_bias = _init_zero

    def _init_quantized_weight(self, name: str, arr: NDArray) -> None:
        arr[:] = random.randint(-127, 128, arr.shape)

    def _init_loc_bias(self, name: str, arr: NDArray) -> None:
        if arr.shape != (6,):
            raise AssertionError(f"{name}: an affine transformation has 6 numbers, found shape {arr.shape}")
        arr[:] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]

    def _init_bilinear(self, name: str, arr: NDArray) -> None:
        arr[:] = bilinear_filter(arr.shape)

    def _init_default(self, name: str, arr: NDArray) -> None:
        raise ValueError(
            f'Unknown initialization pattern for {name}. Default initialization is now limited to "weight", "bias", '
            '"gamma" (1.0), and "beta" (0.0). Please use mx.sym.Variable(init=mx.init.*) to set initialization pattern'
        )


def bilinear_filter(shape: tuple[int, ...]) -> np.ndarray:
    """Filters of shape (..., height, width) that interpolate linearly when they upsample.

    The centre is computed of the width for both axes, as MXNet does.
    """
    if len(shape) < 2:
        raise ValueError(f"a bilinear filter has two dimensions at least, found shape {shape}")
    factor = math.ceil(shape[-1] / 2.0)
    centre = (2 * factor - 1 - factor % 2) / (2.0 * factor)
    x, y = (1 - np.abs(np.arange(n) / factor - centre) for n in (shape[-1], shape[-2]))
    return np.broadcast_to(np.outer(y, x), shape)


_INITIALIZERS = registry_of(Initializer, "initializer")
register, alias = _INITIALIZERS.add, _INITIALIZERS.alias


def create(initializer: Any, *args: Any, **kwargs: Any) -> Initializer:
    """Make an initialiser.

    Parameters
    ----------
    initializer : str, Initializer or callable
        A registered name; JSON text of ``["name", {parameters}]`` or ``{"initializer": "name", parameters}``; or an
        initialiser, which is returned as it is.
    *args, **kwargs
        Parameters of a named one.

    Raises
    ------
    AssertionError
        Nothing is registered under that name.
    """
    if isinstance(initializer, Initializer) or callable(initializer) and not isinstance(initializer, (str, type)):
        return initializer
    return _INITIALIZERS.create(initializer, *args, **kwargs)
