"""Live events: who commits calls ``notify``; who listens subscribes to the process's ``Hub``.

The event log in the database is the only truth. Everything else here is a hint that it grew, and a
lost hint costs time, never an event.
"""

from __future__ import annotations

from tickets.live import broadcast, hub


def notify(workflow_id: str, seq: int) -> None:
    """Say that the workflow's log has reached ``seq``. Call it after the commit, from any thread.

    Never waits for a subscriber, and never raises.
    """
    hub.hint(workflow_id, seq)
    broadcast.publish(workflow_id, seq)
