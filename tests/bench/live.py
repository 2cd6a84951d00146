"""How long an event takes from its transaction to the frame that a WebSocket client receives."""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime

from websockets.sync.client import connect

from tests.bench.fixture import Fixture
from tests.bench.measure import Player
from tests.bench.operations import BY_NAME, World
from tests.bench.server import Server

PAUSE = 0.02  # seconds between writes, out of step with the tail's own


def delivery(followed: Server, writing: Server, fixture: Fixture, writes: int) -> list[float]:
    """Seconds from an event's own timestamp, which is taken before its commit, to its arrival."""
    arrived: list[float] = []
    url = f"ws://127.0.0.1:{followed.port}/ws/workflows/{fixture.workflow_id}/"
    headers = {"Authorization": f"Bearer {fixture.tokens[0]}"}
    with connect(url, additional_headers=headers, max_size=None) as socket:
        hello = json.loads(socket.recv(timeout=10))
        assert hello["type"] == "hello", hello

        def read() -> None:
            while len(arrived) < writes:
                frame = json.loads(socket.recv(timeout=30))
                now = time.time()
                arrived.append(now - datetime.fromisoformat(frame["timestamp"]).timestamp())

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        player = Player(writing.port, World(fixture, 0, 1))
        for number in range(writes):
            # A write that is answered well before the next one: delay is measured, not a queue.
            reply = player.play(BY_NAME["comment"])()[1]
            assert reply.status == 200, reply.body[:300]
            time.sleep(PAUSE * (1 + number % 7))
        reader.join(timeout=30)
        player.close()
    return arrived
