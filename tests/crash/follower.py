"""A WebSocket client that comes back after each break and goes on where it was."""

from __future__ import annotations

import json
import threading
import time
from typing import Any, Self

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

RETRY_SECONDS = 0.05


class Follower:
    """Collects events in a thread of its own. ``breaks`` counts how often the connection was lost."""

    def __init__(self, port: int, workflow_id: str, token: str) -> None:
        self._url = f"ws://127.0.0.1:{port}/ws/workflows/{workflow_id}/"
        self._headers = {"Authorization": f"Bearer {token}"}
        self.events: list[dict[str, Any]] = []
        self.breaks = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def wait_for(self, seq: int, seconds: float) -> None:
        """Until the event with this number has come, or the time is up."""
        deadline = time.monotonic() + seconds
        while self._last() < seq and time.monotonic() < deadline:
            time.sleep(0.05)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._follow()
            except (OSError, WebSocketException):
                self.breaks += 1
                time.sleep(RETRY_SECONDS)

    def _follow(self) -> None:
        url = f"{self._url}?since={self._last()}"
        with connect(url, additional_headers=self._headers, max_size=None, close_timeout=1) as socket:
            hello = json.loads(socket.recv())
            assert hello["type"] == "hello", hello
            while not self._stopped.is_set():
                try:
                    self.events.append(json.loads(socket.recv(timeout=0.2)))
                except TimeoutError:
                    continue

    def _last(self) -> int:
        return self.events[-1]["seq"] if self.events else 0
