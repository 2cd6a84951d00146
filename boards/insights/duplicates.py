"""Pairs of open tickets that say the same, as search knows them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from boards.insights.advice import Advice
from boards.insights.facts import Facts
from boards.insights.found import Found, said
from search.errors import SearchPartDown
from search.schemas import ListDuplicates
from tickets.access import Actor
from tickets.errors import NotAvailable
from tickets.models import Ticket, Workflow

# Search compares ticket by ticket; its own report goes through all of them.
NEWEST = 50


def duplicates(actor: Actor, workflow: Workflow, facts: Facts, advice: Advice) -> Sequence[Found] | None:
    """Pairs whose newer ticket is among the newest open ones and that nobody has tied together.

    At most three queries for each of those, and four. None where search cannot tell: its index has none of them yet,
    or a part of it is down.
    """
    # Search loads numpy and a vector store, which nothing else here needs.
    from search.selectors.duplicates import duplicates_list

    newest = facts.open[-NEWEST:]
    if len(facts.open) < 2:
        return []
    # All of an interval of numbers is looked at, the completed tickets in it left out.
    after = newest[0].number - 1
    request = ListDuplicates(
        workflow_id=workflow.id, include_completed=False, after_number=after, limit=max(NEWEST, len(newest))
    )
    try:
        answer = duplicates_list(actor=actor, request=request)
    except (NotAvailable, SearchPartDown):
        return None
    if answer.looked_at and answer.not_indexed == answer.looked_at:
        return None
    pairs = [(pair["ticket"]["ticket_id"], pair["duplicate_of"]["ticket_id"], pair) for pair in answer.pairs]
    tied = _tied({ticket_id for one, other, _ in pairs for ticket_id in (one, other)})
    found = []
    for newer_id, older_id, pair in pairs:
        newer, older = facts.tickets.get(newer_id), facts.tickets.get(older_id)
        if newer is None or older is None or older_id in tied[newer_id] or newer_id in tied[older_id]:
            continue
        score = pair["similarity_score"]
        found.append(
            Found(
                "duplicates",
                "medium" if newer.assignee and older.assignee else "low",
                [newer, older],
                list(dict.fromkeys(agent for agent in (newer.assignee, older.assignee) if agent)),
                said(
                    f"{newer.key} says about the same as {older.key} (similarity {score:.2f}).",
                    similarity_score=score,
                    statuses={newer.key: newer.status, older.key: older.status},
                    looked_at=answer.looked_at,
                ),
                partial(advice.relate, newer, older),
            )
        )
    return found


def _tied(ticket_ids: set[str]) -> dict[str, set[str]]:
    """Ticket → those that it names as related. One query."""
    rows = Ticket.objects.filter(pk__in=sorted(ticket_ids)).values_list("id", "related_ticket_ids")
    return {ticket_id: set(related) for ticket_id, related in rows}
