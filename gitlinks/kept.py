"""What was read of commits and may be asked for again: a commit never changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from gitlinks.diffs import MIB, Comparison

MAX_BYTES = 32 * MIB


class KeptComparisons:
    """The comparisons asked for last, in this process, up to a size. Of any thread."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._found: OrderedDict[Hashable, Comparison] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, read: Callable[[], Comparison]) -> Comparison:
        """The one kept under ``key``, else what ``read`` reads; nobody may change it."""
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


kept = KeptComparisons()
