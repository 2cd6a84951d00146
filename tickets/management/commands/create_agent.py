"""Create an agent and issue its token."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from tickets.access import Actor, system_actor
from tickets.management.refusals import refusals
from tickets.models import Agent, AgentKind, Membership, Role
from tickets.schemas.base import parse
from tickets.schemas.workflows import CreateAgent, IssueToken, SetMembership, TokenIssued
from tickets.services.agents import agent_create, token_issue
from tickets.services.workflows import membership_set
from tickets.unit import write_transaction


class Command(BaseCommand):
    help = (
        "Create an agent and print its token, alone on the last line of standard output. "
        "An agent that exists gets the membership and a further token."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("agent_id", metavar="ID")
        parser.add_argument("--workflow", metavar="ID", help="required but for an operator")
        parser.add_argument("--role", choices=[role.value for role in Role], help="default: member")
        parser.add_argument("--kind", choices=["ai", "human"], help="default: ai")
        parser.add_argument("--name", help="default: the id")
        parser.add_argument("--gateway", action="store_true", help="the token may act for other agents")
        parser.add_argument("--operator", action="store_true", help="the token may create workflows and agents")
        parser.add_argument("--expires", metavar="WHEN", help="a time in ISO 8601, or a number of days")

    def handle(self, *, agent_id: str, workflow: str | None, expires: str | None, **options: Any) -> None:
        if not workflow and not options["operator"]:
            raise CommandError("Name a workflow by --workflow.")
        actor = system_actor()
        with refusals(), write_transaction():
            what = _agent(actor, agent_id, workflow, options)
            issued = _token(actor, agent_id, expires, options)
        self.stderr.write(f"{what} The token is not shown again:", self.style.NOTICE)
        self.stdout.write(issued.token)


def _agent(actor: Actor, agent_id: str, workflow: str | None, options: dict[str, Any]) -> str:
    """Create the agent, or give the existing one its membership. Returns what was done."""
    agent = Agent.objects.filter(pk=agent_id).first()
    member = f" Its role in {workflow} is {options['role'] or 'member'}." if workflow else ""
    if agent is None:
        given = {
            "new_agent_id": agent_id,
            "name": options["name"],
            "kind": options["kind"],
            "workflow_id": workflow,
            "role": options["role"],
        }
        agent_create(actor=actor, request=parse(CreateAgent, given))
        return f"Agent {agent_id} created.{member}"
    if agent.kind == AgentKind.SYSTEM:
        raise CommandError(f"{agent_id!r} is the system itself, which needs no token. Choose another id.")
    if options["kind"] not in (None, agent.kind):
        raise CommandError(f"{agent_id!r} exists already and is {agent.kind}, not {options['kind']}.")
    if workflow:
        current = Membership.objects.filter(agent=agent, workflow_id=workflow).first()
        # Without --role an existing membership stays as it is: a further token takes nothing away.
        role = options["role"] or (current.role if current else Role.MEMBER)
        request = parse(SetMembership, {"workflow_id": workflow, "member_agent_id": agent_id, "role": role})
        membership_set(actor=actor, request=request)
        member = f" Its role in {workflow} is {role}."
    return f"Agent {agent_id} exists already.{member}"


def _token(actor: Actor, agent_id: str, expires: str | None, options: dict[str, Any]) -> TokenIssued:
    request = IssueToken(
        for_agent_id=agent_id,
        label="create_agent",
        is_gateway=options["gateway"],
        is_operator=options["operator"],
        expires_at=_moment(expires) if expires else None,
    )
    return token_issue(actor=actor, request=request)


def _moment(text: str) -> datetime:
    """A time in ISO 8601 (UTC where it names no zone) or so many days from now."""
    try:
        if text.isdigit():
            return timezone.now() + timedelta(days=int(text))
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise CommandError(
            f"--expires {text!r} is neither a number of days nor a time such as 2030-01-31T12:00Z."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
