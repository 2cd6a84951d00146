"""The operation: looks for everything, shows the most severe of each kind."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from django.utils import timezone

from boards.insights import agents, dependencies, flow
from boards.insights.advice import Advice
from boards.insights.duplicates import duplicates
from boards.insights.facts import Facts
from boards.insights.found import Found, Order, count
from boards.insights.reading import read_facts
from boards.insights.schemas import KINDS, Finding, GetInsights, InsightsFound, Kind
from tickets.access import Actor, workflow_for

Rule = Callable[[Facts, GetInsights, Advice], Iterable[Found]]
# What suggests whom to give a ticket comes in this order, the most urgent tickets first: an agent that is to get
# one of them is not idle any more.
RULES: Mapping[Kind, Rule] = {
    "unassigned": flow.unassigned,
    "blocker_unattended": dependencies.blocker_unattended,
    "blocked_chain": dependencies.blocked_chain,
    "critical_path": dependencies.critical_path,
    "blocked_too_long": dependencies.blocked_too_long,
    "expired_lease": flow.expired_lease,
    "stuck": flow.stuck,
    "silent_agent": flow.silent_agent,
    "pending_review": flow.pending_review,
    "cross_agent_dependency": dependencies.cross_agent_dependency,
    "reassignment": agents.reassignment,
    "agent_overloaded": agents.agent_overloaded,
    "agent_idle": agents.agent_idle,
    "agent_velocity": agents.agent_velocity,
}


def insights_get(*, actor: Actor, request: GetInsights) -> InsightsFound:
    """What needs attention in a workflow.

    Eight queries, nine where this process does not know the board yet; with duplicates those of search besides.
    Where tickets cannot be changed, nothing is suggested.
    """
    workflow = workflow_for(actor, request.workflow_id)
    now = timezone.now()
    facts = read_facts(workflow, now)
    advice = Advice(facts)
    wanted = set(request.kind or KINDS)
    writable = workflow.is_active and workflow.ticket_tracking_enabled
    counts: Counter[str] = Counter()
    shown: list[tuple[Order, Finding]] = []

    def show(kind: Kind, found: Sequence[Found]) -> None:
        first = heapq.nsmallest(request.limit, found, key=_order)
        # Also what nobody asked for is made: it takes part in sharing out the work.
        findings = [(each.order, each.finding(with_suggestion=writable)) for each in first]
        if kind in wanted:
            counts[kind] = len(found)
            shown.extend(findings)

    for kind, rule in RULES.items():
        show(kind, list(rule(facts, request, advice)))
    pairs = duplicates(actor, workflow, facts, advice) if "duplicates" in wanted else []
    show("duplicates", pairs or [])
    shown.sort(key=lambda each: each[0])
    unavailable = ["duplicates"] if pairs is None else []
    return InsightsFound(
        message=_message(counts, unavailable),
        workflow_id=workflow.id,
        generated_at=now,
        findings=[finding for _, finding in shown],
        counts={kind: counts[kind] for kind in KINDS if counts[kind]},
        truncated=[kind for kind in KINDS if counts[kind] > request.limit],
        unavailable=unavailable,
    )


def _order(found: Found) -> Order:
    return found.order


def _message(counts: Counter[str], unavailable: list[str]) -> str:
    found = f"{count(counts.total(), 'finding')}." if counts.total() else "Nothing needs attention."
    return found + (" Search cannot tell duplicates just now." if unavailable else "")
