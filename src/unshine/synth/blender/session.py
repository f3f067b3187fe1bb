"""Blender as a module: started, emptied, kept quiet."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any

from unshine.errors import UnshineError
from unshine.extras import missing

SYSTEM_PACKAGES = "libx11-6 libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libgl1"


def blender_version() -> str:
    """Return the version of bpy, without starting it.

    Raises
    ------
    UnshineError
        If it is not installed.
    """
    try:
        return metadata.version("bpy")
    except metadata.PackageNotFoundError:
        raise _missing() from None


@contextmanager
def blender_session() -> Iterator[Any]:
    """Import bpy and start from an empty scene; what Blender prints is not shown.

    Raises
    ------
    UnshineError
        If it is not installed, or cannot start.
    """
    try:
        import bpy
    except ModuleNotFoundError as error:
        if error.name == "bpy":
            raise _missing() from None
        raise
    except ImportError as error:
        raise UnshineError(
            f"Blender cannot start ({error}); on Debian or Ubuntu run: "
            f"apt-get install {SYSTEM_PACKAGES}"
        ) from None
    # Blender reports each sample on the standard output, past Python.
    silence, streams = os.open(os.devnull, os.O_WRONLY), [os.dup(1), os.dup(2)]
    try:
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        yield bpy
    finally:
        for number, stream in enumerate(streams, 1):
            os.dup2(stream, number)
            os.close(stream)
        os.close(silence)


def use_one_thread() -> None:
    """Render with one thread from now on, in this process."""
    with blender_session() as bpy:
        before = bpy.app.handlers.render_init
        before.append(bpy.app.handlers.persistent(_set_one_thread))
        # Blender cannot end while it holds a function of Python's.
        atexit.register(before.clear)


def _missing() -> UnshineError:
    return UnshineError(f"{missing('bpy', 'render')} (on Python 3.11, the only one it exists for)")


def _set_one_thread(scene: Any, _: Any = None) -> None:
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
