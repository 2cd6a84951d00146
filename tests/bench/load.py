"""Fills an empty database with tickets as the services would have written them, only in bulk.

``python -m tests.bench.load N`` in the environment of the server to come; prints what a client needs as JSON.
Every row that a command leaves behind is there (history that replays, events without a gap, tags, time in
status), so that ``check_integrity`` finds nothing and the indexes are as full as after real use.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import uuid
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import django
import numpy as np
from fractional_indexing import generate_n_keys_between

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hephaestus_site.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402 - needs the app registry, as do the others
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from boards.services.configuration import workflow_create_with_board  # noqa: E402
from search.embedding import as_bytes  # noqa: E402
from search.models import IndexState, TicketEmbedding  # noqa: E402
from search.providers import provider  # noqa: E402
from search.providers.base import fingerprint  # noqa: E402
from search.services.indexing import contents_of  # noqa: E402
from tests.bench.fixture import Fixture  # noqa: E402
from tests.bench.texts import Texts  # noqa: E402
from tickets import rows  # noqa: E402
from tickets.access import Actor, system_actor  # noqa: E402
from tickets.models import (  # noqa: E402
    Event,
    StatusPeriod,
    Ticket,
    TicketComment,
    TicketDependency,
    TicketHistory,
    TicketTag,
    Workflow,
)
from tickets.rules import PRIORITY_RANK, default_board  # noqa: E402
from tickets.schemas.workflows import CreateAgent, CreateWorkflow, IssueToken  # noqa: E402
from tickets.selectors.replay import snapshot  # noqa: E402
from tickets.services.agents import agent_create, token_issue  # noqa: E402
from tickets.tally import count_anew  # noqa: E402
from tickets.unit import encode_value  # noqa: E402

WORKFLOW_ID = "bench"
AGENTS = 9
CHUNK = 1000
SAMPLE = 500
YEAR = timedelta(days=365)
SHARES = {"backlog": 35, "todo": 15, "in_progress": 12, "review": 8, "done": 30}
PRIORITY_SHARES = {"critical": 5, "high": 20, "medium": 50, "low": 25}
TAGS = ["api", "backend", "frontend", "database", "docs", "security", "performance", "regression", "ci", "design"]
BOARD = default_board("Bench")


# Real embeddings that generated ones are scattered around, and the length of the scatter: cosines of about 0.8.
CENTRES, SCATTER = 300, 0.75
QUERIES = 4000


class Loader:
    """Collects the rows of a chunk of tickets, in the order of time, and writes them."""

    def __init__(self, workflow: Workflow, agents: list[str], count: int, texts: Texts) -> None:
        self.workflow, self.agents, self.count, self.texts = workflow, agents, count, texts
        self.random = random.Random(count)
        self.start = timezone.now() - YEAR
        self.step = YEAR / (count + 1)
        statuses = self.random.choices(list(SHARES), list(SHARES.values()), k=count)
        ranks = {status: iter(generate_n_keys_between(None, None, n)) for status, n in Counter(statuses).items()}
        self.places = [(status, next(ranks[status])) for status in statuses]
        # Open tickets that wait for nothing: what a client reads and changes, and the blockers of later ones.
        self.waiting: list[str] = []
        self.rows: dict[type[Any], list[Any]] = {}

    def run(self) -> None:
        for first in range(0, self.count, CHUNK):
            kinds = (Ticket, TicketTag, StatusPeriod, TicketDependency, TicketComment, TicketHistory, Event)
            self.rows = {kind: [] for kind in kinds}
            for place in range(first, min(first + CHUNK, self.count)):
                self._ticket(place)
            with transaction.atomic():
                for collected in self.rows.values():
                    rows.insert(collected)
        Workflow.objects.filter(pk=self.workflow.pk).update(
            next_number=self.count + 1,
            event_seq=self.workflow.event_seq,
            ticket_counts=count_anew(self.workflow.pk),
            updated_at=timezone.now(),
        )

    def _ticket(self, place: int) -> None:
        at = self.start + self.step * place
        status, rank = self.places[place]
        category = BOARD.category(status)
        title, description = self.texts.pick()
        priority = self.random.choices(list(PRIORITY_SHARES), list(PRIORITY_SHARES.values()))[0]
        has_assignee = category == "active" or (category == "final" and self.random.random() < 0.7)
        ticket = Ticket(
            id=self._id("ticket"),
            workflow_id=self.workflow.id,
            number=place + 1,
            key=f"{self.workflow.key_prefix}-{place + 1}",
            created_by_agent_id=self.random.choice(self.agents),
            assigned_agent_id=self.random.choice(self.agents) if has_assignee else None,
            title=title,
            description=description,
            ticket_type=self.random.choice(list(BOARD.types)),
            priority=priority,
            priority_rank=PRIORITY_RANK[priority],
            status=status,
            rank=rank,
            tags=self.random.sample(TAGS, self.random.randint(0, 4)),
            created_at=at,
            updated_at=at,
            started_at=at if category == "active" else None,
            completed_at=at if category == "final" else None,
        )
        self.rows[Ticket].append(ticket)
        self.rows[TicketTag] += [
            TicketTag(ticket_id=ticket.id, workflow_id=self.workflow.id, name=tag, folded=tag) for tag in ticket.tags
        ]
        self.rows[StatusPeriod].append(
            StatusPeriod(ticket_id=ticket.id, status=status, category=category, entered_at=at)
        )
        self._history(ticket, at, "created", new=snapshot(ticket))
        self._event(ticket, at, "ticket_created", ticket_type=ticket.ticket_type, priority=priority)
        if category == "final":
            self._resolve(ticket, at)
        elif category == "queue" and self.waiting and self.random.random() < 0.08:
            self._block(ticket, self.random.choice(self.waiting[-200:]), at)
        elif category == "queue":
            self.waiting.append(ticket.id)
        for number in range(self.random.choice([0, 0, 1, 1, 2, 4])):
            self._comment(ticket, at + self.step * (number + 1) / 6)

    def _resolve(self, ticket: Ticket, at: datetime) -> None:
        ticket.is_resolved, ticket.resolved_at = True, at
        self._history(ticket, at, "resolved", field="is_resolved", old=False, new=True)
        self._event(ticket, at, "ticket_resolved")

    def _block(self, ticket: Ticket, blocker_id: str, at: datetime) -> None:
        ticket.open_blocker_count, ticket.is_blocked = 1, True
        self.rows[TicketDependency].append(
            TicketDependency(
                ticket_id=ticket.id,
                blocker_id=blocker_id,
                created_by_agent_id=ticket.created_by_agent_id,
                created_at=at,
            )
        )
        self._history(ticket, at, "blocked", field="blocked_by_ticket_ids", old=[], new=[blocker_id])
        self._event(ticket, at, "ticket_blocked", blocked_by_ticket_ids=[blocker_id])

    def _comment(self, ticket: Ticket, at: datetime) -> None:
        text = ". ".join(self.texts.sentence(self.random.randint(8, 20)) for _ in range(self.random.randint(1, 5)))
        comment = TicketComment(
            id=self._id("comment"),
            ticket_id=ticket.id,
            agent_id=self.random.choice(self.agents),
            comment_text=text,
            created_at=at,
        )
        self.rows[TicketComment].append(comment)
        ticket.comment_count += 1
        ticket.version += 1
        ticket.updated_at = at
        self._history(ticket, at, "commented", new=comment.id)
        self._event(ticket, at, "comment_added", comment_id=comment.id, comment_type="general", preview=text[:200])

    def _history(
        self, ticket: Ticket, at: datetime, change: str, *, field: str | None = None, old: Any = None, new: Any = None
    ) -> None:
        self.rows[TicketHistory].append(
            TicketHistory(
                ticket_id=ticket.id,
                workflow_id=self.workflow.id,
                agent_id=ticket.created_by_agent_id,
                change_type=change,
                field_name=field,
                old_value=encode_value(old),
                new_value=encode_value(new),
                changed_at=at,
            )
        )

    def _event(self, ticket: Ticket, at: datetime, kind: str, **data: Any) -> None:
        self.workflow.event_seq += 1
        self.rows[Event].append(
            Event(
                workflow_id=self.workflow.id,
                seq=self.workflow.event_seq,
                type=kind,
                ticket_id=ticket.id,
                agent_id=ticket.created_by_agent_id,
                data={"key": ticket.key, "title": ticket.title, "status": ticket.status, **data},
                timestamp=at,
            )
        )

    def _id(self, kind: str) -> str:
        return f"{kind}-{uuid.UUID(int=self.random.getrandbits(128), version=4)}"


def load(count: int, texts: Texts) -> Fixture:
    """Migrate, create workflow, agents and ``count`` tickets; returns what a client needs."""
    call_command("migrate", verbosity=0)
    operator = system_actor()
    workflow_create_with_board(actor=operator, request=CreateWorkflow(workflow_id=WORKFLOW_ID, name="Bench"))
    agents = [f"agent-{number}" for number in range(AGENTS)]
    tokens = [_agent(operator, agent_id) for agent_id in agents]
    loader = Loader(Workflow.objects.get(pk=WORKFLOW_ID), agents, count, texts)
    loader.run()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    if settings.EMBEDDING.provider != "none":
        embed(count, texts)
    return Fixture(
        workflow_id=WORKFLOW_ID,
        tokens=tokens,
        cookie=f"{settings.SESSION_COOKIE_NAME}={_session()}",
        ticket_ids=random.Random(0).sample(loader.waiting, min(SAMPLE, len(loader.waiting))),
        seq=loader.workflow.event_seq,
        queries=queries(texts),
    )


def embed(count: int, texts: Texts) -> None:
    """Give each ticket a vector near that of some title: to embed 100,000 would take hours."""
    current = provider()
    centres = current.embed_documents([texts.pick()[0] for _ in range(CENTRES)])
    generator = np.random.default_rng(count)
    ids = Ticket.objects.order_by("number").values_list("pk", flat=True)
    for first in range(0, count, CHUNK):
        chunk = list(ids[first : first + CHUNK])
        noise = generator.normal(size=(len(chunk), current.dimensions))
        noise *= SCATTER / np.linalg.norm(noise, axis=1, keepdims=True)
        vectors = centres[generator.integers(0, CENTRES, len(chunk))] + noise
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        contents = contents_of(chunk)
        made = [
            TicketEmbedding(
                ticket_id=ticket_id,
                workflow_id=WORKFLOW_ID,
                model=fingerprint(current),
                vector=as_bytes(vector),
                text_vector=as_bytes(vector),
                content_hash=contents[ticket_id].content_hash,
                text_hash=contents[ticket_id].text_hash,
                seq=first + place + 1,
                embedded_at=timezone.now(),
            )
            for place, (ticket_id, vector) in enumerate(zip(chunk, vectors, strict=True))
        ]
        with transaction.atomic():
            rows.insert(made)
    events = Workflow.objects.get(pk=WORKFLOW_ID).event_seq
    IndexState.objects.update_or_create(workflow_id=WORKFLOW_ID, defaults={"vector_seq": count, "events_seen": events})


def queries(texts: Texts) -> list[str]:
    """Two or three words of a title, each query once."""
    found: dict[str, None] = {}
    pick = random.Random(7)
    for _ in range(QUERIES * 20):
        words = re.findall(r"[A-Za-z]{4,}", texts.pick()[0])
        if len(words) >= 2:
            found[" ".join(pick.sample(words, min(len(words), pick.choice((2, 3)))))] = None
        if len(found) == QUERIES:
            break
    return list(found)


def _agent(operator: Actor, agent_id: str) -> str:
    agent_create(actor=operator, request=CreateAgent(new_agent_id=agent_id, workflow_id=WORKFLOW_ID, role="maintainer"))
    return token_issue(actor=operator, request=IssueToken(for_agent_id=agent_id)).token


def _session() -> str:
    """A signed-in superuser's session, without the form."""
    user = get_user_model().objects.create_superuser(username="bench", password=uuid.uuid4().hex)
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    assert session.session_key
    return session.session_key


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tickets", type=int)
    parser.add_argument("--texts", type=Path)
    arguments = parser.parse_args()
    fixture = load(arguments.tickets, Texts(arguments.tickets, arguments.texts))
    sys.stdout.write(fixture.as_json() + "\n")


if __name__ == "__main__":
    main()
