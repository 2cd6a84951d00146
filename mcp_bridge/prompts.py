"""The prompts: what an agent is told when it begins, hands over, or works under a ticket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from boards.operations import AGENT_PROMPT_GET
from mcp_bridge.arguments import TicketOptions
from mcp_bridge.definitions import Call
from mcp_bridge.reading import get_ticket
from tickets.access import Actor
from tickets.errors import Invalid, unknown_field
from tickets.operations import execute

_START = """\
You are to work on the ticket below.
1. Lease it: claim_ticket with ticket_id {key}. If another agent holds it, stop and call next_ticket.
2. If it is 🔒 blocked, do not start; look at its blockers.
3. Move it on with change_ticket_status as you work; comment on what you find; prolong your lease (action heartbeat).
4. When it is done: resolve_ticket with what you did and your commit.

{ticket}
"""

_HANDOFF = """\
You are to hand over the ticket below to another agent.
1. Write one comment with add_ticket_comment: what is done, what is left, where the work lies (branch, commits), \
what you tried that did not work.
2. If somebody is to take it, assign it: update_ticket with updates {{"assigned_agent_id": "…"}}, and mention them.
3. Give your lease back: claim_ticket with action release.

{ticket}
"""


@dataclass(frozen=True)
class Prompt:
    """A prompt about one ticket."""

    name: str
    description: str
    fill: Callable[[Actor, str], str]


def get_prompt(actor: Actor, name: str, arguments: Mapping[str, str]) -> tuple[str, str]:
    """Description and text of a prompt. Raises DomainError."""
    prompt = BY_NAME.get(name)
    if prompt is None:
        raise unknown_field(name[:100], BY_NAME, what="prompt", field="name")
    for argument in arguments:
        if argument != "ticket_id":
            raise unknown_field(argument[:100], ["ticket_id"], what="argument")
    ticket_id = arguments.get("ticket_id")
    if not ticket_id:
        raise Invalid("ticket_id is required.", field="ticket_id")
    return prompt.description, prompt.fill(actor, ticket_id)


def _with_ticket(template: str) -> Callable[[Actor, str], str]:
    def fill(actor: Actor, ticket_id: str) -> str:
        options = TicketOptions(context=True, max_tokens=4000)
        shown = get_ticket(Call(actor, {"ticket_id": ticket_id}, options))
        return template.format(key=shown.data["key"], ticket=shown.text)

    return fill


def _tracking(actor: Actor, ticket_id: str) -> str:
    return execute(AGENT_PROMPT_GET, actor, {"ticket_id": ticket_id}).prompt


PROMPTS = (
    Prompt("start_work", "Begin with a ticket: lease it, read what surrounds it, go.", _with_ticket(_START)),
    Prompt("handoff", "Hand a ticket over to another agent.", _with_ticket(_HANDOFF)),
    Prompt("ticket_tracking", "The rules of work under a ticket, for an agent's system prompt.", _tracking),
)
BY_NAME = {prompt.name: prompt for prompt in PROMPTS}
