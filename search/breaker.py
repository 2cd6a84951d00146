"""Keeps a service that is down from being asked by every request."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from search.errors import SearchPartDown

log = structlog.get_logger(__name__)

Clock = Callable[[], float]


class Breaker:
    """A circuit breaker: after some failures in a row nobody is let through until a pause is over, then one.

    That one's success closes it again; without it the next pause is twice as long. (M. Nygard, Release It!,
    "Circuit Breaker".) It has no lock, which a fork could leave held: where threads meet, at worst one more
    is let through.
    """

    def __init__(
        self,
        service: str,
        error: type[SearchPartDown],
        *,
        failures: int = 3,
        first_pause: float = 2.0,
        longest_pause: float = 60.0,
        clock: Clock = time.monotonic,
    ) -> None:
        """``service`` is its name in the log, ``error`` what ``admit`` raises; pauses are in seconds of ``clock``."""
        self._service, self._error = service, error
        self._allowed, self._first_pause, self._longest_pause = failures, first_pause, longest_pause
        self._clock = clock
        self._failures = 0
        self._pause = first_pause
        self._open_until = 0.0
        self._reason = ""

    @property
    def reason(self) -> str | None:
        """Why it is open; None while it is closed."""
        return self._reason if self._failures >= self._allowed else None

    def admit(self) -> None:
        """Let a call through, or raise ``error`` at once."""
        if self._failures < self._allowed:
            return
        left = self._open_until - self._clock()
        if left > 0:
            raise self._error(f"{self._reason.removesuffix('.')}. It is asked again in {max(1, round(left))} s.")
        # As if it had failed already: a call that never ends must not be waited for.
        self._wait(min(2 * self._pause, self._longest_pause))

    def succeeded(self) -> None:
        if self._failures >= self._allowed:
            log.info("back again", service=self._service)
        self._failures = 0

    def failed(self, reason: str) -> None:
        self._reason = reason
        self._failures += 1
        if self._failures == self._allowed:
            self._wait(self._first_pause)
            log.warning("left alone for now", service=self._service, reason=reason)

    def _wait(self, pause: float) -> None:
        self._pause = pause
        self._open_until = self._clock() + pause
