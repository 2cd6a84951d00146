"""Folders that belong to one process: gone when it ends, and where it was killed, when the next one starts."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "of-"
_TURNS = ".turns"


class PrivateFolder:
    """A temporary folder in ``parent``. A lock on it, which the kernel drops with the process, says it is in use.

    Raises OSError where it cannot be made. A child process has to ``leave`` it, or would delete it at its end.
    """

    def __init__(self, parent: Path) -> None:
        with _turn(parent):
            _sweep(parent)
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            self._handle = os.open(self.path, os.O_RDONLY)
            fcntl.flock(self._handle, fcntl.LOCK_EX)
        self._finalizer = weakref.finalize(self, _remove, self.path, self._handle)

    def remove(self) -> None:
        """Delete it with all it holds. Done by itself at the latest when the process ends."""
        self._finalizer()

    def leave(self) -> None:
        """Let go of it, in a child process: it is the parent's, and its life alone keeps it."""
        if self._finalizer.detach():
            os.close(self._handle)


def sweep_stale(parent: Path) -> int:
    """Delete the folders of processes that are dead. Returns how many. Making a folder sweeps as well."""
    if not parent.is_dir():
        return 0
    with _turn(parent):
        return _sweep(parent)


@contextmanager
def _turn(parent: Path) -> Iterator[None]:
    """One process at a time: a folder that is made, but not locked yet, looks like that of a dead one."""
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(parent / _TURNS, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sweep(parent: Path) -> int:
    swept = 0
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue  # its process has just ended
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            swept += 1
        except BlockingIOError:
            pass  # in use
        finally:
            os.close(handle)
    return swept


def _remove(path: Path, handle: int) -> None:
    shutil.rmtree(path, ignore_errors=True)
    os.close(handle)
