"""Lays out the demo through the services, so that its history and its events are true."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User

from boards.demo.checkout import checkout, checkout_commits, commits_of
from boards.demo.content import DemoBoard, DemoComment, DemoReply, DemoTicket, read_boards
from boards.services.configuration import workflow_create_with_board
from gitlinks.models import LinkMethod
from gitlinks.repository import Commit
from gitlinks.services import commit_link
from tickets.access import Actor, actor_for_user, system_actor
from tickets.board_source import board_of
from tickets.models import Agent, AgentKind, Workflow
from tickets.rules import Board
from tickets.schemas.comments import AddComment, ReactToComment
from tickets.schemas.tickets import (
    AssignTicket,
    BlockTicket,
    ChangeTicketStatus,
    ClaimTicket,
    CreateTicket,
    DecideTicket,
    ResolveTicket,
)
from tickets.schemas.workflows import CreateAgent, IssueToken, SetMembership
from tickets.services.agents import agent_create, token_issue
from tickets.services.approvals import ticket_approve, ticket_reject
from tickets.services.assignment import ticket_assign
from tickets.services.blocking import ticket_block
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
    boards, commits = read_boards(), checkout_commits()
    system = system_actor()
    with write_transaction():
        if Workflow.objects.exists():
            return None
        administrator, password = _administrator()
        _agents(boards)
        for content in boards:
            _Layout(content, actor_for_user(administrator), commits).lay_out()
        issued = token_issue(actor=system, request=IssueToken(for_agent_id=AGENT, label="make run"))
    return Demo(username=administrator.get_username(), password=password, agent_id=AGENT, token=issued.token)


def _administrator() -> tuple[User, str | None]:
    users = get_user_model().objects
    present = users.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if present is not None:
        return present, None
    password = secrets.token_urlsafe(12)
    return users.create_superuser(ADMINISTRATOR, password=password), password


def _agents(boards: list[DemoBoard]) -> None:
    for agent_id in dict.fromkeys(agent_id for content in boards for agent_id in content.members):
        if not Agent.objects.filter(pk=agent_id).exists():
            agent_create(actor=system_actor(), request=CreateAgent(new_agent_id=agent_id))


class _Layout:
    """One board of the demo in the making."""

    def __init__(self, content: DemoBoard, administrator: Actor, commits: list[Commit]) -> None:
        self._content = content
        self._administrator = administrator
        self._commits = commits
        # The tickets' ids and keys by their names in the content.
        self._ids: dict[str, str] = {}
        self._keys: dict[str, str] = {}

    def lay_out(self) -> None:
        folder = checkout()
        rules = [ticket.commits for ticket in self._content.tickets if ticket.commits]
        request = self._content.create_request([str(folder)] if folder and rules else [])
        workflow_id = workflow_create_with_board(actor=system_actor(), request=request).workflow.workflow_id
        for agent_id, role in self._content.members.items():
            membership_set(
                actor=system_actor(),
                request=SetMembership(workflow_id=workflow_id, member_agent_id=agent_id, role=role),
            )
        board = board_of(Workflow.objects.get(pk=workflow_id))
        for ticket in self._content.tickets:
            self._create(ticket, workflow_id, board)
        for ticket in self._content.tickets:
            self._play(ticket, board)

    def _create(self, ticket: DemoTicket, workflow_id: str, board: Board) -> None:
        waits_in_queue = ticket.status in board.statuses("queue")
        created = ticket_create(
            actor=_agent(ticket.by),
            request=CreateTicket(
                workflow_id=workflow_id,
                title=ticket.title,
                description=ticket.description,
                ticket_type=ticket.type,
                priority=ticket.priority,
                tags=ticket.tags,
                story_points=ticket.points,
                estimate_minutes=ticket.estimate,
                parent_ticket_id=self._ids[ticket.parent] if ticket.parent else None,
                blocked_by_ticket_ids=[self._ids[name] for name in ticket.blocked_by],
                initial_status=ticket.status if waits_in_queue else None,
            ),
        )
        self._ids[ticket.name], self._keys[ticket.name] = created.ticket_id, created.key

    def _play(self, ticket: DemoTicket, board: Board) -> None:
        """Let happen to the ticket what the content says, as the agents would have done it."""
        ticket_id = self._ids[ticket.name]
        if ticket.review in ("approved", "rejected"):
            decide = ticket_approve if ticket.review == "approved" else ticket_reject
            decide(actor=self._administrator, request=DecideTicket(ticket_id=ticket_id, reason=ticket.reason))
        worker = _agent(ticket.assigned or ticket.by)
        if ticket.assigned:
            assign = AssignTicket(ticket_id=ticket_id, assigned_agent_id=ticket.assigned)
            ticket_assign(actor=_agent(ticket.by), request=assign)
        if ticket.lease:
            ticket_claim(actor=worker, request=ClaimTicket(ticket_id=ticket_id, lease_seconds=LEASE_SECONDS))
        for comment in ticket.comments:
            self._comment(ticket_id, comment)
        self._move(ticket, ticket_id, worker, board)
        self._link_commits(ticket, ticket_id)
        if ticket.resolution:
            request = ResolveTicket(ticket_id=ticket_id, resolution_comment=ticket.resolution)
            ticket_resolve(actor=worker, request=request)
        if ticket.blocked_reason:
            ticket_block(actor=worker, request=BlockTicket(ticket_id=ticket_id, reason=ticket.blocked_reason))

    def _move(self, ticket: DemoTicket, ticket_id: str, worker: Actor, board: Board) -> None:
        for status in ticket.path if ticket.path is not None else _steps(ticket, board):
            comment = None
            if board.settings.require_comments_on_status_change:
                comment = f"Looked at; goes on to {board.by_id[status].name}."
            request = ChangeTicketStatus(ticket_id=ticket_id, new_status=status, comment=comment)
            ticket_change_status(actor=worker, request=request)

    def _comment(self, ticket_id: str, comment: DemoComment) -> None:
        parent_id = self._say(ticket_id, comment, None)
        for reply in comment.replies:
            self._say(ticket_id, reply, parent_id)

    def _say(self, ticket_id: str, said: DemoReply, parent_id: str | None) -> str:
        text = _MENTION.sub(lambda match: f"#{self._keys[match[1]]}", said.text)
        request = AddComment(ticket_id=ticket_id, comment_text=text, parent_comment_id=parent_id)
        comment_id = comment_add(actor=_agent(said.by), request=request).comment_id
        for emoji, agents in said.reactions.items():
            for agent_id in agents:
                comment_react(actor=_agent(agent_id), request=ReactToComment(comment_id=comment_id, emoji=emoji))
        return comment_id

    def _link_commits(self, ticket: DemoTicket, ticket_id: str) -> None:
        found = commits_of(ticket.commits, self._commits) if ticket.commits else []
        if found:
            with open_ticket(system_actor(), ticket_id) as (unit, row):
                for commit in found:
                    commit_link(unit, row, commit, method=LinkMethod.AUTO_DETECTED)


def _steps(ticket: DemoTicket, board: Board) -> list[str]:
    """The columns from the second on up to where the ticket stands; resolving enters the last by itself."""
    if ticket.status is None or board.category(ticket.status) == "queue":
        return []
    upto = [column.id for column in board.columns[1 : board.position[ticket.status] + 1]]
    return upto[:-1] if ticket.resolution else upto


def _agent(agent_id: str) -> Actor:
    return Actor(agent_id=agent_id, kind=AgentKind.AI)
