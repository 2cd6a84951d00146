"""What becomes of objects with locks, threads, connections and files when the process forks."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forked(Protocol):
    """Holds what a child process must not share."""

    def after_fork(self) -> None:
        """Start afresh, in the child: its copy of a lock may be held by a thread that it lacks."""


_objects: WeakSet[Forked] = WeakSet()


def start_afresh_in_children(forked: Forked) -> None:
    """Have ``after_fork`` called in every child process, for as long as the object lives."""
    _objects.add(forked)


def _after_fork() -> None:
    for forked in list(_objects):
        forked.after_fork()


os.register_at_fork(after_in_child=_after_fork)
