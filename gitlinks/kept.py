"""What was read and may be asked for again, such as what a commit changed: it never changes itself."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    @property
    def size(self) -> int:
        """About how many bytes it takes in memory."""


SizedT = TypeVar("SizedT", bound=Sized)


class Kept(Generic[SizedT]):
    """The values asked for last, in this process, up to a size in bytes. For any thread."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._found: OrderedDict[Hashable, SizedT] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, read: Callable[[], SizedT]) -> SizedT:
        """The value kept under ``key``, else what ``read`` reads; nobody may change it."""
        with self._lock:
            known = self._found.get(key)
            if known is not None:
                self._found.move_to_end(key)
                return known
        found = read()
        with self._lock:
            if key not in self._found and found.size <= self._max_bytes:
                self._found[key] = found
                self._bytes += found.size
                while self._bytes > self._max_bytes:
                    self._bytes -= self._found.popitem(last=False)[1].size
        return found
