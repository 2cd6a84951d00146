"""When a request that failed is sent again, and how soon."""

from __future__ import annotations

import logging
import random
import time

from hephaestus_site.sdk.errors import Busy, HephaestusError, RateLimited, Unreachable

log = logging.getLogger(__name__)

FIRST_DELAY = 0.1  # seconds
LONGEST_DELAY = 5.0
DOUBLINGS = 10  # more would only make the number large


class Retries:
    """Exponential backoff with full jitter, for one outage of at most ``seconds``.

    Source of the formula: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._tries = 0
        self._give_up_at = 0.0

    def delay_after(self, error: HephaestusError) -> float:
        """Seconds to wait. Raises the error where another try is not worth it, or the time is over."""
        if not isinstance(error, (Busy, RateLimited, Unreachable)):
            raise error
        now = time.monotonic()
        if self._tries == 0:
            self._give_up_at = now + self._seconds
        delay = random.uniform(0, min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(self._tries, DOUBLINGS)))  # noqa: S311 - no secret
        delay += error.retry_after or 0
        self._tries += 1
        if now + delay > self._give_up_at:
            raise error
        log.info("%s Again in %.1f s.", error.message, delay)
        return delay

    def reset(self) -> None:
        """The outage is over."""
        self._tries = 0
