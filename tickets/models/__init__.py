"""What is stored: fields, constraints, pure properties. Only services write."""

from tickets.models.agents import Agent, AgentKind, AgentState, AgentToken, Membership, Role, ensure_system_agent
from tickets.models.claims import Approval, ApprovalDecision, Claim, ClaimEnd
from tickets.models.comments import CommentReaction, TicketComment
from tickets.models.history import Event, TicketHistory, WorkflowHistory
from tickets.models.idempotency import IdempotencyRecord
from tickets.models.inbox import InboxEntry, InboxPosition
from tickets.models.tasks import Task, TaskStatus
from tickets.models.tickets import ApprovalStatus, StatusPeriod, Ticket, TicketDependency, TicketTag
from tickets.models.workflows import Workflow

__all__ = [
    "Agent",
    "AgentKind",
    "AgentState",
    "AgentToken",
    "Approval",
    "ApprovalDecision",
    "ApprovalStatus",
    "Claim",
    "ClaimEnd",
    "CommentReaction",
    "Event",
    "IdempotencyRecord",
    "InboxEntry",
    "InboxPosition",
    "Membership",
    "Role",
    "StatusPeriod",
    "Task",
    "TaskStatus",
    "Ticket",
    "TicketComment",
    "TicketDependency",
    "TicketHistory",
    "TicketTag",
    "Workflow",
    "WorkflowHistory",
    "ensure_system_agent",
]
