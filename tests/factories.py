"""What tests begin with, made as the product makes it: through services."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.test import Client

from boards.services.configuration import workflow_create_with_board
from tickets.access import Actor, actor_for_user, authenticate_token, system_actor
from tickets.models import Ticket, Workflow
from tickets.schemas.tickets import CreateTicket
from tickets.schemas.workflows import CreateAgent, CreateWorkflow, IssueToken, SetMembership
from tickets.services.agents import agent_create, token_issue
from tickets.services.tickets import ticket_create
from tickets.services.workflows import membership_set

_numbers = itertools.count(1)


@dataclass(frozen=True)
class AgentWithToken:
    """An agent as a test uses it; ``actor`` is what its token stands for."""

    id: str
    token: str
    actor: Actor


def make_workflow(workflow_id: str | None = None, *, board: dict[str, Any] | None = None, **fields: Any) -> Workflow:
    """A workflow with a board (default: the design's first example)."""
    workflow_id = workflow_id or f"flow-{next(_numbers)}"
    fields.setdefault("name", workflow_id.replace("-", " ").title())
    request = CreateWorkflow(workflow_id=workflow_id, board=board, **fields)
    workflow_create_with_board(actor=system_actor(), request=request)
    return Workflow.objects.get(pk=workflow_id)


def make_agent(
    *workflows: Workflow,
    role: str = "member",
    kind: str = "ai",
    agent_id: str | None = None,
    gateway: bool = False,
    operator: bool = False,
    **token_fields: Any,
) -> AgentWithToken:
    """An agent with that role in the workflows, and a token."""
    system = system_actor()
    agent_id = agent_id or f"agent-{next(_numbers)}"
    agent_create(actor=system, request=CreateAgent.model_validate({"new_agent_id": agent_id, "kind": kind}))
    for workflow in workflows:
        membership = {"workflow_id": workflow.id, "member_agent_id": agent_id, "role": role}
        membership_set(actor=system, request=SetMembership.model_validate(membership))
    request = IssueToken(for_agent_id=agent_id, is_gateway=gateway, is_operator=operator, **token_fields)
    token = token_issue(actor=system, request=request).token
    return AgentWithToken(agent_id, token, authenticate_token(token))


def make_ticket(agent: AgentWithToken | Actor, workflow: Workflow | None = None, **fields: Any) -> Ticket:
    """A ticket made by the agent; without a workflow, in its only one."""
    number = next(_numbers)
    values = {"title": f"Ticket {number}", "description": "Long enough to be a description.", **fields}
    if workflow is not None:
        values["workflow_id"] = workflow.id
    actor = agent.actor if isinstance(agent, AgentWithToken) else agent
    answer = ticket_create(actor=actor, request=CreateTicket.model_validate(values))
    return Ticket.objects.get(pk=answer.ticket_id)


def make_person(*workflows: Workflow, role: str = "member", superuser: bool = False, **fields: Any) -> Any:
    """A Django user whose agent has that role in the workflows. The password is ``secret``."""
    fields.setdefault("username", f"person-{next(_numbers)}")
    user = get_user_model().objects.create_user(password="secret", is_superuser=superuser, **fields)
    user.is_staff = superuser
    user.save()
    agent_id = actor_for_user(user).agent_id
    for workflow in workflows:
        membership = {"workflow_id": workflow.id, "member_agent_id": agent_id, "role": role}
        membership_set(actor=system_actor(), request=SetMembership.model_validate(membership))
    return user


class ApiClient(Client):
    """Sends JSON with a bearer token. ``answer.json()`` is the parsed body."""

    def __init__(self, token: str | None = None, **defaults: Any) -> None:
        headers = {**(defaults.pop("headers", None) or {})}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        super().__init__(headers=headers, **defaults)

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Any method with a JSON body."""
        if body is not None:
            options = {"data": body, "content_type": "application/json", **options}
        return getattr(self, method.lower())(path, **options)

    def write(self, path: str, body: Any = None, **options: Any) -> Any:
        """POST a JSON body."""
        return self.send("POST", path, {} if body is None else body, **options)


def api_client(agent: AgentWithToken | str | None = None, **defaults: Any) -> ApiClient:
    """A client for REST with the agent's token, or with none."""
    return ApiClient(agent.token if isinstance(agent, AgentWithToken) else agent, **defaults)
