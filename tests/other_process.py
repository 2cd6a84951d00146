"""A second process on a test's installation, which writes when the test tells it to.

``python -m tests.other_process`` reads calls from standard input and answers, one JSON line each.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from tests.server import Installation

ROOT = Path(__file__).resolve().parent.parent


class OtherProcess:
    """The test's end of it. Methods are answered after the commit."""

    def __init__(self, to: IO[str], back: IO[str]) -> None:
        self._to = to
        self._back = back

    def workflow(self, workflow_id: str) -> None:
        """Create a workflow."""
        self._call("workflow", workflow_id)

    def agent(self, agent_id: str, *workflow_ids: str, seconds: float | None = None) -> str:
        """Create an agent that is a member; its token, which expires after ``seconds``."""
        return cast(str, self._call("agent", agent_id, workflow_ids, seconds))

    def emit(self, workflow_id: str, count: int = 1, size: int = 0) -> int:
        """Write events, each in a transaction of its own and with ``size`` characters of text; the last number."""
        return cast(int, self._call("emit", workflow_id, count, size))

    def revoke(self, agent_id: str) -> None:
        """Revoke the agent's tokens."""
        self._call("revoke", agent_id)

    def leave(self, agent_id: str) -> None:
        """End the agent's memberships."""
        self._call("leave", agent_id)

    def sign_in(self, username: str) -> str:
        """A superuser's session: its key."""
        return cast(str, self._call("sign_in", username))

    def sign_out(self, session_key: str) -> None:
        self._call("sign_out", session_key)

    def prune(self, workflow_id: str, through: int) -> None:
        """Delete events as retention does."""
        self._call("prune", workflow_id, through)

    def _call(self, name: str, *arguments: Any) -> Any:
        self._to.write(json.dumps([name, arguments]) + "\n")
        self._to.flush()
        answer = self._back.readline()
        if not answer:
            raise RuntimeError(f"the other process ended in {name}")
        return json.loads(answer)


@contextmanager
def other_process(site: Installation) -> Iterator[OtherProcess]:
    """Start one, end it with the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.other_process"],
        cwd=ROOT,
        env={**site.env, "DJANGO_SETTINGS_MODULE": "hephaestus_site.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        yield OtherProcess(process.stdin, process.stdout)
        process.stdin.close()


def main() -> None:
    import django

    django.setup()
    calls = {name: function for name, function in _calls().items() if callable(function) and not name.startswith("_")}
    for line in sys.stdin:
        name, arguments = json.loads(line)
        sys.stdout.write(json.dumps(calls[name](*arguments)) + "\n")
        sys.stdout.flush()


def _calls() -> dict[str, Any]:
    from datetime import timedelta

    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
    from django.contrib.sessions.backends.db import SessionStore
    from django.utils import timezone

    from tests.factories import make_agent, make_workflow
    from tickets.access import actor_for_user, system_actor
    from tickets.models import AgentToken, Event, Membership, Workflow
    from tickets.unit import open_unit, write_transaction

    def workflow(workflow_id: str) -> None:
        make_workflow(workflow_id)

    def agent(agent_id: str, workflow_ids: list[str], seconds: float | None) -> str:
        made = make_agent(*Workflow.objects.filter(pk__in=workflow_ids), agent_id=agent_id)
        if seconds is not None:
            expires_at = timezone.now() + timedelta(seconds=seconds)
            AgentToken.objects.filter(agent_id=agent_id).update(expires_at=expires_at)
        return made.token

    def emit(workflow_id: str, count: int, size: int) -> int:
        seq = 0
        for number in range(count):
            with open_unit(system_actor(), workflow_id) as unit:
                unit.emit("board_updated", number=number, text="x" * size)
            seq = unit.workflow.event_seq
        return seq

    def revoke(agent_id: str) -> None:
        AgentToken.objects.filter(agent_id=agent_id).update(revoked_at=timezone.now())

    def leave(agent_id: str) -> None:
        Membership.objects.filter(agent_id=agent_id).delete()

    def sign_in(username: str) -> str:
        user = get_user_model().objects.create_superuser(username, password=username)
        actor_for_user(user)
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        return cast(str, session.session_key)

    def sign_out(session_key: str) -> None:
        SessionStore(session_key).flush()

    def prune(workflow_id: str, through: int) -> None:
        with write_transaction():
            Workflow.objects.filter(pk=workflow_id).update(events_pruned_through=through)
            Event.objects.filter(workflow_id=workflow_id, seq__lte=through).delete()

    return locals()


if __name__ == "__main__":
    main()
