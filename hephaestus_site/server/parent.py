"""Several web processes on one socket: the parent accepts, and hands connections out in turn.

A socket that the children share would let whichever wakes first take a burst of connections, and
clients keep their connections. In turn, the load spreads evenly.
"""

from __future__ import annotations

import logging
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

STOP_SECONDS = 4.75  # a child's own watchdog is faster
LONGEST_PAUSE = 10.0  # seconds between restarts of a child that dies at once

log = logging.getLogger(__name__)


@dataclass
class Child:
    """A web process, or the place of one that is to be started at ``start_at``."""

    process: subprocess.Popen[bytes] | None = None
    channel: socket.socket | None = None
    is_ready: bool = False
    failures: int = 0
    start_at: float = field(default_factory=time.monotonic)


class Parent:
    """Keeps ``count`` children running until a signal says stop.

    ``command`` makes a child's command line from the number of the file descriptor of its channel.
    ``ready`` is called once, when all of them serve for the first time.
    """

    def __init__(
        self,
        listener: socket.socket,
        count: int,
        command: Callable[[int], Sequence[str]],
        ready: Callable[[], None],
    ) -> None:
        self._listener = listener
        self._command = command
        self._ready: Callable[[], None] | None = ready
        self._children = [Child() for _ in range(count)]
        self._turn = 0
        self._stopping = False
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT. Returns the exit code: 1 where no child ever came up."""
        wake, woken = socket.socketpair()
        for end in (self._listener, wake, woken):
            end.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._selector.register(woken, selectors.EVENT_READ, lambda: woken.recv(64))
        try:
            while not self._stopping:
                self._start_due()
                self._listen_if_served()
                for key, _ in self._selector.select(self._pause()):
                    key.data()
                if self._ready is not None and any(child.failures > 3 for child in self._children):
                    log.error("the web processes do not start")
                    return 1
            return 0
        finally:
            self._end_children()

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _start_due(self) -> None:
        for child in self._children:
            if child.process is None and child.start_at <= time.monotonic():
                self._start(child)

    def _start(self, child: Child) -> None:
        channel, theirs = socket.socketpair()
        with theirs:
            child.process = subprocess.Popen(self._command(theirs.fileno()), pass_fds=[theirs.fileno()])
        channel.setblocking(False)
        child.channel = channel
        self._selector.register(channel, selectors.EVENT_READ, lambda: self._heard(child))

    def _heard(self, child: Child) -> None:
        """A child says that it is ready; silence at the end of its channel says that it died."""
        assert child.channel is not None
        try:
            said = child.channel.recv(64)
        except OSError:
            said = b""
        if not said:
            self._bury(child)
            return
        child.is_ready = True
        if self._ready is not None and all(child.is_ready for child in self._children):
            self._ready()
            self._ready = None

    def _bury(self, child: Child) -> None:
        assert child.channel is not None
        assert child.process is not None
        self._selector.unregister(child.channel)
        child.channel.close()
        # Its channel ended, so it is dead or useless.
        child.process.kill()
        code = child.process.wait()
        child.failures = 0 if child.is_ready else child.failures + 1
        pause = min(0.5 * 2**child.failures, LONGEST_PAUSE)
        if not self._stopping:
            log.error("web process %s ended with code %s; a new one starts", child.process.pid, code)
        child.process, child.channel, child.is_ready = None, None, False
        child.start_at = time.monotonic() + pause

    def _pause(self) -> float | None:
        """Seconds until a child is to be started; None where all run."""
        waiting = [child.start_at for child in self._children if child.process is None]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _listen_if_served(self) -> None:
        """Take connections only while there is a child for them; else they wait in the socket's queue."""
        served = any(child.is_ready for child in self._children)
        if served != (self._listener in self._selector.get_map()):
            if served:
                self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
            else:
                self._selector.unregister(self._listener)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # The client gave up while it waited, or there are too many open files.
        with connection:
            for _ in self._children:
                child = self._children[self._turn % len(self._children)]
                self._turn += 1
                if self._hand_over(connection, child):
                    return

    @staticmethod
    def _hand_over(connection: socket.socket, child: Child) -> bool:
        if child.channel is None or not child.is_ready:
            return False
        try:
            socket.send_fds(child.channel, [b"c"], [connection.fileno()])
        except OSError:
            return False  # It has just died, or does not keep up.
        return True

    def _end_children(self) -> None:
        self._listener.close()
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
