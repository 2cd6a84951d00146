"""Standard input and output as a wire that carries nothing but the protocol. Imports next to nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

# More than a body over HTTP may have: an agent hears of the limit of arguments, not of its pipe's.
MAX_LINE = 4 * 1024 * 1024
TOO_LONG = f"The line is over {MAX_LINE} bytes. Send less at a time."
_CHUNK = 64 * 1024


class Wire:
    """A pair of file descriptors; ``send`` may be called from any thread."""

    def __init__(self, incoming: int | None, outgoing: int | None) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._lock = threading.Lock()
        self._rest = bytearray()
        self._put_back: list[bytes | None] = []
        self._ended = incoming is None

    def lines(self) -> Iterator[bytes | None]:
        """Line after line; None for one that is over ``MAX_LINE``, which is skipped. Ends with the input."""
        while True:
            line = self.line()
            if line == b"":
                return
            yield line

    def line(self) -> bytes | None:
        """The next line with its end, ``b""`` after the last, None for one that is too long."""
        if self._put_back:
            return self._put_back.pop()
        searched = 0
        while (end := self._rest.find(b"\n", searched)) < 0:
            searched = len(self._rest)
            if searched > MAX_LINE:
                self._skip()
                return None
            if not self._fill():
                last, self._rest = bytes(self._rest), bytearray()
                return last
        line = bytes(self._rest[: end + 1])
        del self._rest[: end + 1]
        return line

    def put_back(self, line: bytes | None) -> None:
        """Let ``line`` return this once more."""
        self._put_back.append(line)

    def send(self, text: str) -> None:
        """Write a line. Where nobody reads any more, nothing: the input will end too."""
        data = memoryview(text.encode("utf-8", "replace") + b"\n")
        with self._lock:
            try:
                while data and self._outgoing is not None:
                    data = data[os.write(self._outgoing, data) :]
            except OSError:
                self._outgoing = None

    def _fill(self) -> bool:
        if self._ended or self._incoming is None:
            return False
        try:
            chunk = os.read(self._incoming, _CHUNK)
        except OSError:
            chunk = b""
        self._ended = not chunk
        self._rest += chunk
        return bool(chunk)

    def _skip(self) -> None:
        """Forget everything up to the next line."""
        while (end := self._rest.find(b"\n")) < 0:
            self._rest.clear()
            if not self._fill():
                return
        del self._rest[: end + 1]


def claim_wire() -> Wire:
    """Take standard input and output for the protocol.

    From then on whatever else prints goes to standard error, and whatever else reads finds nothing: also C
    libraries and child processes, since the descriptors themselves are moved.
    """
    incoming, outgoing = _moved(0), _moved(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    try:
        os.dup2(2, 1)
    except OSError:
        os.dup2(nothing, 1)
    if nothing > 2:
        os.close(nothing)
    return Wire(incoming, outgoing)


def _moved(descriptor: int) -> int | None:
    """A copy above the standard ones; None where it is closed."""
    try:
        import fcntl

        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    except OSError:
        return None
