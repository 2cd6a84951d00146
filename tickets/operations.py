"""Operations: what a caller can do, each written once, with four faces (REST, MCP, web, SDK).

An operation is a function of ``(actor, request)``. ``execute`` reads the request, settles who acts and
gives one answer per idempotency key; the rest is the function's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import structlog
from django.db import DataError, IntegrityError, InterfaceError, OperationalError

from tickets.access import Actor, acting_as
from tickets.errors import Busy, Conflict, Invalid
from tickets.schemas import comments as comment_schemas
from tickets.schemas import details as detail_schemas
from tickets.schemas import directory as directory_schemas
from tickets.schemas import inbox as inbox_schemas
from tickets.schemas import lists as list_schemas
from tickets.schemas import tasks as task_schemas
from tickets.schemas import tickets as ticket_schemas
from tickets.schemas import workflows as workflow_schemas
from tickets.schemas.base import Answer, Request, TicketAnswer, WriteRequest, parse
from tickets.selectors import context, detail, directory, timeline
from tickets.selectors import inbox as inbox_selectors
from tickets.selectors import tasks as task_selectors
from tickets.selectors import tickets as lists
from tickets.services import (
    agents,
    approvals,
    assignment,
    blocking,
    bulk,
    claims,
    comments,
    inbox,
    reviews,
    status,
    tasks,
    tickets,
    workflows,
)
from tickets.services.idempotency import once

log = structlog.get_logger(__name__)

RequestT = TypeVar("RequestT", bound=Request, contravariant=True)
AnswerT = TypeVar("AnswerT", bound=Answer, covariant=True)


class Run(Protocol[RequestT, AnswerT]):
    def __call__(self, *, actor: Actor, request: RequestT) -> AnswerT: ...


class Prepare(Protocol[RequestT, AnswerT]):
    def __call__(self, *, actor: Actor, request: RequestT) -> Callable[[], AnswerT]: ...


@dataclass(frozen=True)
class Operation(Generic[RequestT, AnswerT]):
    """A named operation with the types of its request and answer.

    ``prepare`` is for one that has something slow to do first, outside any transaction: an embedding, a
    call of git. What it returns then runs in ``run``'s place.
    """

    name: str
    request: type[RequestT]
    answer: type[AnswerT]
    run: Run[RequestT, AnswerT]
    prepare: Prepare[RequestT, AnswerT] | None = None

    @property
    def writes(self) -> bool:
        return issubclass(self.request, WriteRequest)

    @property
    def summary(self) -> str:
        return (self.request.__doc__ or "").strip().split("\n")[0]


def execute(operation: Operation[Any, AnswerT], actor: Actor, data: Mapping[str, Any]) -> AnswerT:
    """Read the request and run the operation as the agent it names. Raises DomainError."""
    request = parse(operation.request, data)
    actor = acting_as(actor, request.agent_id)

    def prepare() -> Callable[[], AnswerT]:
        if operation.prepare is not None:
            return operation.prepare(actor=actor, request=request)
        return functools.partial(operation.run, actor=actor, request=request)

    key = request.idempotency_key if isinstance(request, WriteRequest) else None
    try:
        if key is None:
            return prepare()()
        return once(
            actor=actor, key=key, operation=operation.name, request=request, answer=operation.answer, prepare=prepare
        )
    except (OperationalError, InterfaceError) as error:
        # The last resort behind the write lock: a lock or a connection that did not come in time.
        raise Busy("The database is busy. Repeat the request.", retry_after=1) from error
    except IntegrityError as error:
        # Two requests at once that made the same thing with no lock in common. Logged, since a rule that a
        # service forgot would look the same.
        log.warning("constraint_violated", operation=operation.name, error=str(error))
        raise Conflict("Another request changed the same thing at the same time. Read it, then repeat.") from error
    except DataError as error:
        raise Invalid("A value is too large for the database.") from error


def _named(
    run: Run[RequestT, AnswerT],
    request: type[RequestT],
    answer: type[AnswerT],
    prepare: Prepare[RequestT, AnswerT] | None = None,
) -> Operation[RequestT, AnswerT]:
    """The operation that one service or selector is; it bears that function's name."""
    return Operation(getattr(run, "__name__"), request, answer, run, prepare)  # noqa: B009 - protocols have none


_t, _c, _w, _d = ticket_schemas, comment_schemas, workflow_schemas, directory_schemas

TICKET_CREATE = _named(tickets.ticket_create, _t.CreateTicket, _t.TicketCreated, tickets.ticket_create_prepare)
TICKET_UPDATE = _named(tickets.ticket_update, _t.UpdateTicket, _t.TicketUpdated)
TICKET_CHANGE_STATUS = _named(
    status.ticket_change_status, _t.ChangeTicketStatus, _t.TicketStatusChanged, status.ticket_change_status_prepare
)
TICKET_MOVE = _named(status.ticket_move, _t.MoveTicket, TicketAnswer)
TICKET_RESOLVE = _named(status.ticket_resolve, _t.ResolveTicket, _t.TicketResolved, status.ticket_resolve_prepare)
TICKET_REOPEN = _named(status.ticket_reopen, _t.ReopenTicket, _t.TicketStatusChanged)
TICKET_ASSIGN = _named(assignment.ticket_assign, _t.AssignTicket, TicketAnswer)
TICKET_BLOCK = _named(blocking.ticket_block, _t.BlockTicket, _t.TicketBlockingChanged)
TICKET_UNBLOCK = _named(blocking.ticket_unblock, _t.UnblockTicket, _t.TicketBlockingChanged)
TICKET_CLAIM = _named(claims.ticket_claim, _t.ClaimTicket, _t.TicketClaimed)
TICKET_HEARTBEAT = _named(claims.ticket_heartbeat, _t.HeartbeatTicket, _t.TicketClaimed)
TICKET_RELEASE = _named(claims.ticket_release, _t.ReleaseTicket, _t.TicketReleased)
TICKET_NEXT = _named(claims.ticket_next, _t.NextTicket, _t.NextTicketAnswer)
TICKET_APPROVE = _named(approvals.ticket_approve, _t.DecideTicket, _t.TicketDecided)
TICKET_REJECT = _named(approvals.ticket_reject, _t.DecideTicket, _t.TicketDecided)
TICKETS_CREATE = _named(bulk.tickets_create, _t.CreateTickets, _t.TicketsCreated, bulk.tickets_create_prepare)
TICKETS_UPDATE = _named(bulk.tickets_update, _t.BulkUpdateTickets, _t.TicketsUpdated)

TICKET_LIST = _named(lists.ticket_list, list_schemas.ListTickets, list_schemas.TicketList)
TICKET_GET = _named(detail.ticket_get, detail_schemas.GetTicket, detail_schemas.TicketFullDetail)
RELATED_LIST = _named(detail.related_list, detail_schemas.ListRelated, detail_schemas.RelatedPage)
TICKET_CONTEXT = _named(context.ticket_context, inbox_schemas.GetTicketContext, inbox_schemas.TicketContext)
COMMENT_LIST = _named(timeline.comment_list, detail_schemas.ListComments, detail_schemas.CommentPage)
HISTORY_LIST = _named(timeline.history_list, detail_schemas.ListHistory, detail_schemas.HistoryPage)
COMMIT_LIST = _named(timeline.commit_list, detail_schemas.ListCommits, detail_schemas.CommitPage)
TIMELINE = _named(timeline.timeline, detail_schemas.ListTimeline, detail_schemas.TimelinePage)

COMMENT_ADD = _named(comments.comment_add, _c.AddComment, _c.CommentAnswer)
COMMENT_EDIT = _named(comments.comment_edit, _c.EditComment, _c.CommentAnswer)
COMMENT_DELETE = _named(comments.comment_delete, _c.DeleteComment, _c.CommentAnswer)
COMMENT_REACT = _named(comments.comment_react, _c.ReactToComment, _c.ReactionAnswer)

TASK_CREATE = _named(tasks.task_create, task_schemas.CreateTask, task_schemas.TaskAnswer)
TASK_UPDATE_STATUS = _named(
    tasks.task_update_status,
    task_schemas.UpdateTaskStatus,
    task_schemas.TaskStatusUpdated,
    tasks.task_update_status_prepare,
)
TASK_GET = _named(task_selectors.task_get, task_schemas.GetTask, task_schemas.TaskAnswer)
TASK_LIST = _named(task_selectors.task_list, task_schemas.ListTasks, task_schemas.TaskList)
VALIDATION_REVIEW_GIVE = _named(
    reviews.validation_review_give, task_schemas.GiveValidationReview, task_schemas.ValidationReviewed
)

WORKFLOW_LIST = _named(directory.workflow_list, _d.ListWorkflows, _d.WorkflowList)
WORKFLOW_GET = _named(directory.workflow_get, _d.GetWorkflow, _w.WorkflowAnswer)
WORKFLOW_UPDATE = _named(workflows.workflow_update, _w.UpdateWorkflow, _w.WorkflowAnswer)
MEMBERSHIP_LIST = _named(directory.membership_list, _d.ListMembers, _d.MemberList)
MEMBERSHIP_SET = _named(workflows.membership_set, _w.SetMembership, _w.MembershipAnswer)
EVENT_LIST = _named(directory.event_list, _d.ListEvents, _d.EventPage)
APPROVAL_LIST = _named(directory.approval_list, _d.ListApprovals, _d.ApprovalList)
CLAIM_LIST = _named(directory.claim_list, _d.ListClaims, _d.ClaimList)

INBOX_GET = _named(inbox_selectors.inbox_get, inbox_schemas.GetInbox, inbox_schemas.Inbox)
INBOX_ACKNOWLEDGE = _named(inbox.inbox_acknowledge, inbox_schemas.AcknowledgeInbox, inbox_schemas.InboxAcknowledged)

AGENT_LIST = _named(directory.agent_list, _d.ListAgents, _d.AgentList)
AGENT_GET = _named(directory.agent_get, _d.GetAgent, _w.AgentAnswer)
AGENT_CREATE = _named(agents.agent_create, _w.CreateAgent, _w.AgentAnswer)
AGENT_UPDATE = _named(agents.agent_update, _w.UpdateAgent, _w.AgentAnswer)
TOKEN_LIST = _named(agents.token_list, _d.ListTokens, _d.TokenList)
TOKEN_ISSUE = _named(agents.token_issue, _w.IssueToken, _w.TokenIssued)
TOKEN_REVOKE = _named(agents.token_revoke, _w.RevokeToken, _w.TokenRevoked)
WHO_AM_I = _named(directory.who_am_i, _d.GetMe, _d.MeAnswer)
