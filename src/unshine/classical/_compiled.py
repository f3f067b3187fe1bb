"""Loops over pixels, compiled with numba."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(fastmath: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a loop over pixels with numba, once per machine where its cache may be written.

    Without a writable folder for the cache (a read-only container) numba refuses; the loop is
    then compiled once per process.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            return njit(cache=True, fastmath=fastmath)(function)
        except RuntimeError:
            return njit(fastmath=fastmath)(function)

    return decorate
