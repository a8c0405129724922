"""Initialisers made of others, and of parameters that are there already."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..ndarray import NDArray, load

Init = Callable[[str, NDArray], Any]


class Load:
    """Parameters from a file or dict; others from another initialiser.

    Parameters
    ----------
    param : str or dict of str to NDArray
        File name or parameters; ``arg:`` and ``aux:`` before names are dropped.
    default_init : Initializer, optional
        For names that are not there.
    verbose : bool
        Log where each parameter came from.
    """

    def __init__(self, param: Any, default_init: Init | None = None, verbose: bool = False):
        if isinstance(param, str):
            param = load(param)
        if not isinstance(param, Mapping):
            raise AssertionError(f"Load: param must be a dict of names to arrays or the file of one, not {type(param)}")
        self.param: dict[str, NDArray] = {}
        for name, value in param.items():
            self.param[name[4:] if name.startswith(("arg:", "aux:")) else name] = value
        self.default_init = default_init
        self.verbose = verbose

    def __call__(self, name: str, arr: NDArray) -> None:
        """Set `arr`. Raises AssertionError when the shapes differ, or nothing is known of `name`."""
        found = self.param.get(name)
        if found is not None:
            if arr.shape != found.shape:
                raise AssertionError(
                    f"Parameter {name} cannot be initialized from loading. Shape mismatch, target {arr.shape} vs "
                    f"loaded {found.shape}"
                )
            arr[:] = found
        elif self.default_init is not None:
            self.default_init(name, arr)
        else:
            raise AssertionError(
                f"Cannot Initialize {name}. Not found in loaded param and no default Initializer is provided."
            )
        if self.verbose:
            logging.info("Initialized %s by %s", name, "loading" if found is not None else "default")


class Mixed:
    """The initialiser of the first pattern that a parameter's name matches.

    Parameters
    ----------
    patterns : list of str
        Regular expressions, matched at the beginning of names.
    initializers : list of Initializer
        One for each pattern.
    """

    def __init__(self, patterns: Sequence[str], initializers: Sequence[Init]):
        if len(patterns) != len(initializers):
            raise AssertionError(f"Mixed: {len(patterns)} patterns, but {len(initializers)} initializers")
        self.map = [(re.compile(pattern), init) for pattern, init in zip(patterns, initializers)]

    def __call__(self, name: str, arr: NDArray) -> None:
        """Set `arr`. Raises ValueError when no pattern matches `name`."""
        for pattern, init in self.map:
            if pattern.match(name):
                init(name, arr)
                return
        raise ValueError(
            f'Parameter name {name} did not match any pattern. Consider adding a ".*" pattern at the end with a '
            "default Initializer."
        )
