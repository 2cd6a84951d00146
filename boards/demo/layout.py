"""Lays out the demo through the services, one command after another, each at its moment of the past weeks."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.utils import timezone

from boards.demo.calendar import Calendar
from boards.demo.checkout import checkout, checkout_commits, commits_of
from boards.demo.content import DemoBlock, DemoBoard, DemoComment, DemoReply, DemoTicket, read_boards
from boards.services.configuration import workflow_create_with_board
from gitlinks.models import LinkMethod
from gitlinks.repository import Commit
from gitlinks.services import commits_link
from tickets.access import Actor, actor_for_user, system_actor
from tickets.models import Agent, AgentKind, Workflow
from tickets.past import at
from tickets.schemas.comments import AddComment, ReactToComment
from tickets.schemas.tickets import (
    AssignTicket,
    BlockTicket,
    ChangeTicketStatus,
    ClaimTicket,
    CreateTicket,
    DecideTicket,
    ResolveTicket,
    UnblockTicket,
)
from tickets.schemas.workflows import CreateAgent, IssueToken, SetMembership
from tickets.services.agents import agent_create, token_issue
from tickets.services.approvals import ticket_approve, ticket_reject
from tickets.services.assignment import ticket_assign
from tickets.services.blocking import ticket_block, ticket_unblock
from tickets.services.claims import ticket_claim
from tickets.services.comments import comment_add, comment_react
from tickets.services.status import ticket_change_status, ticket_resolve
from tickets.services.tickets import ticket_create
from tickets.services.workflows import membership_set
from tickets.unit import open_ticket, write_transaction

ADMINISTRATOR = "admin"
AGENT = "demo-agent"
LEASE_SECONDS = 86_400
_MENTION = re.compile(r"\[\[([a-z]+)]]")


@dataclass(frozen=True)
class Demo:
    """What is shown once. ``password`` is None where an administrator was there before."""

    username: str
    password: str | None
    agent_id: str
    token: str


def demo_lay_out() -> Demo | None:
    """Create the demo, an administrator and an agent with a token: all of it or, on a crash, nothing.

    None, and nothing created, where a workflow exists.
    """
    boards, commits, calendar = read_boards(), checkout_commits(), Calendar(timezone.now())
    with write_transaction():
        if Workflow.objects.exists():
            return None
        administrator, password = _administrator()
        for content in boards:
            _Layout(content, calendar, actor_for_user(administrator), commits).lay_out()
        issued = token_issue(actor=system_actor(), request=IssueToken(for_agent_id=AGENT, label="make run"))
    return Demo(username=administrator.get_username(), password=password, agent_id=AGENT, token=issued.token)


def _administrator() -> tuple[User, str | None]:
    users = get_user_model().objects
    present = users.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if present is not None:
        return present, None
    password = secrets.token_urlsafe(12)
    return users.create_superuser(ADMINISTRATOR, password=password), password


# A moment as the content writes it, and what happens then.
_Step = tuple[str, Callable[[], object]]


class _Layout:
    """One board of the demo in the making."""

    def __init__(self, content: DemoBoard, calendar: Calendar, administrator: Actor, commits: list[Commit]) -> None:
        self._content = content
        self._calendar = calendar
        self._administrator = administrator
        self._commits = commits
        # The tickets' ids and keys by their names in the content.
        self._ids: dict[str, str] = {}
        self._keys: dict[str, str] = {}

    def lay_out(self) -> None:
        steps: list[_Step] = [(self._content.begun, self._begin)]
        steps += [(ticket.created, partial(self._create, ticket)) for ticket in self._content.tickets]
        for ticket in self._content.tickets:
            steps += self._story(ticket)
        dated = [(self._calendar.moment(text), step) for text, step in steps]
        for moment, step in sorted(dated, key=_when):
            with at(moment):
                step()

    def _begin(self) -> None:
        folder = checkout()
        rules = [ticket.commits for ticket in self._content.tickets if ticket.commits]
        request = self._content.create_request([str(folder)] if folder and rules else [])
        workflow_id = workflow_create_with_board(actor=system_actor(), request=request).workflow.workflow_id
        for agent_id, role in self._content.members.items():
            if not Agent.objects.filter(pk=agent_id).exists():
                agent_create(actor=system_actor(), request=CreateAgent(new_agent_id=agent_id))
            membership = SetMembership(workflow_id=workflow_id, member_agent_id=agent_id, role=role)
            membership_set(actor=system_actor(), request=membership)

    def _create(self, ticket: DemoTicket) -> None:
        created = ticket_create(
            actor=_agent(ticket.by),
            request=CreateTicket(
                workflow_id=self._content.workflow["id"],
                title=ticket.title,
                description=ticket.description,
                ticket_type=ticket.type,
                priority=ticket.priority,
                tags=ticket.tags,
                story_points=ticket.points,
                estimate_minutes=ticket.estimate,
                parent_ticket_id=self._ids[ticket.parent] if ticket.parent else None,
                blocked_by_ticket_ids=[self._ids[name] for name in ticket.blocked_by],
            ),
        )
        self._ids[ticket.name], self._keys[ticket.name] = created.ticket_id, created.key

    def _story(self, ticket: DemoTicket) -> Iterator[_Step]:
        """What happens to the ticket after it was created, as the agents would have done it."""
        moves = ticket.moves
        if ticket.decision:
            yield ticket.decision.at, partial(self._decide, ticket)
        if ticket.assigned:
            yield moves[0].at if moves else ticket.created, partial(self._assign, ticket)
        for claim in ticket.claims:
            yield claim.at, partial(self._claim, ticket, claim.what)
        for comment in ticket.comments:
            yield from self._conversation(ticket, comment)
        for block in ticket.blocks:
            yield block.at, partial(self._block, ticket, block)
            if block.until:
                yield block.until, partial(self._unblock, ticket)
        if ticket.commits:
            yield moves[-1].at, partial(self._link_commits, ticket)
        for move in moves:
            is_resolved = ticket.resolution and move is moves[-1]
            yield move.at, partial(self._resolve, ticket) if is_resolved else partial(self._move, ticket, move.what)

    def _decide(self, ticket: DemoTicket) -> None:
        assert ticket.decision is not None
        decide = ticket_approve if ticket.decision.status == "approved" else ticket_reject
        request = DecideTicket(ticket_id=self._ids[ticket.name], reason=ticket.decision.reason)
        decide(actor=self._administrator, request=request)

    def _assign(self, ticket: DemoTicket) -> None:
        request = AssignTicket(ticket_id=self._ids[ticket.name], assigned_agent_id=ticket.assigned)
        ticket_assign(actor=_agent(ticket.by), request=request)

    def _claim(self, ticket: DemoTicket, agent_id: str) -> None:
        request = ClaimTicket(ticket_id=self._ids[ticket.name], lease_seconds=LEASE_SECONDS)
        ticket_claim(actor=_agent(agent_id), request=request)

    def _move(self, ticket: DemoTicket, status: str) -> None:
        comment = None
        if self._content.board["settings"].get("require_comments_on_status_change"):
            comment = f"Looked at; goes on to {status}."
        request = ChangeTicketStatus(ticket_id=self._ids[ticket.name], new_status=status, comment=comment)
        ticket_change_status(actor=_worker(ticket), request=request)

    def _resolve(self, ticket: DemoTicket) -> None:
        assert ticket.resolution is not None
        request = ResolveTicket(ticket_id=self._ids[ticket.name], resolution_comment=ticket.resolution)
        ticket_resolve(actor=_worker(ticket), request=request)

    def _block(self, ticket: DemoTicket, block: DemoBlock) -> None:
        request = BlockTicket(ticket_id=self._ids[ticket.name], reason=block.reason)
        ticket_block(actor=_worker(ticket), request=request)

    def _unblock(self, ticket: DemoTicket) -> None:
        ticket_unblock(actor=_worker(ticket), request=UnblockTicket(ticket_id=self._ids[ticket.name]))

    def _conversation(self, ticket: DemoTicket, comment: DemoComment) -> Iterator[_Step]:
        said: list[str] = []
        yield comment.at, lambda: said.append(self._say(ticket, comment))
        for reply in comment.replies:
            yield reply.at, partial(self._answer, ticket, reply, said)

    def _answer(self, ticket: DemoTicket, reply: DemoReply, said: list[str]) -> None:
        """``said`` holds the comment by now."""
        self._say(ticket, reply, said[0])

    def _say(self, ticket: DemoTicket, said: DemoReply, parent_id: str | None = None) -> str:
        text = _MENTION.sub(lambda match: f"#{self._keys[match[1]]}", said.text)
        request = AddComment(ticket_id=self._ids[ticket.name], comment_text=text, parent_comment_id=parent_id)
        comment_id = comment_add(actor=_agent(said.by), request=request).comment_id
        for emoji, agents in said.reactions.items():
            for agent_id in agents:
                comment_react(actor=_agent(agent_id), request=ReactToComment(comment_id=comment_id, emoji=emoji))
        return comment_id

    def _link_commits(self, ticket: DemoTicket) -> None:
        found = commits_of(ticket.commits, self._commits) if ticket.commits else []
        if found:
            with open_ticket(system_actor(), self._ids[ticket.name]) as (unit, row):
                commits_link(unit, [(row, commit) for commit in found], method=LinkMethod.AUTO_DETECTED)


def _when(dated: tuple[datetime, object]) -> datetime:
    return dated[0]


def _worker(ticket: DemoTicket) -> Actor:
    return _agent(ticket.assigned or (ticket.claims[-1].what if ticket.claims else ticket.by))


def _agent(agent_id: str) -> Actor:
    return Actor(agent_id=agent_id, kind=AgentKind.AI)
