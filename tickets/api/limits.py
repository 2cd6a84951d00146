"""Requests per second and credential: a token bucket in the process, since no answer may wait for a counter."""

from __future__ import annotations

import threading
import time

from django.conf import settings

from tickets.access import Actor
from tickets.errors import RateLimited

MAX_BUCKETS = 10_000


class Buckets:
    """One bucket per credential. It holds a second's worth of requests and fills up steadily."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Credential → (requests that are left, when that was so on the monotonic clock).
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, credential: str, rate: int, now: float) -> float:
        """Take one request out of the bucket. Seconds to wait where it is empty, else 0."""
        with self._lock:
            left, then = self._left.get(credential, (float(rate), now))
            left = min(float(rate), left + (now - then) * rate)
            if left < 1:
                self._left[credential] = (left, now)
                return (1 - left) / rate
            if len(self._left) >= MAX_BUCKETS and credential not in self._left:
                self._forget_full(rate, now)
            self._left[credential] = (left - 1, now)
            return 0.0

    def _forget_full(self, rate: int, now: float) -> None:
        """Drop the buckets that are full again; where none is, all: better too many requests than no memory."""
        kept = {key: (left, then) for key, (left, then) in self._left.items() if left + (now - then) * rate < rate}
        self._left = kept if len(kept) < MAX_BUCKETS else {}


_buckets = Buckets()


def check_rate(actor: Actor) -> None:
    """Raise RateLimited where the credential asks more often than ``RATE_LIMIT`` times a second (0: no limit)."""
    rate: int = settings.RATE_LIMIT
    if rate <= 0:
        return
    wait = _buckets.take(actor.token_id or actor.credential_agent_id, rate, time.monotonic())
    if wait:
        raise RateLimited(f"More than {rate} requests a second. Wait and repeat the request.", retry_after=wait)
