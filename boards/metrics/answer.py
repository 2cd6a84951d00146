"""Answers a question about a workflow's figures, and keeps the answer until something happens."""

from __future__ import annotations

import functools
import time
from datetime import UTC, date, datetime, timedelta

from django.utils import timezone

from boards.metrics import figures, reading
from boards.metrics.facts import SECOND, Facts, Span
from boards.metrics.schemas import MAX_DAYS, BlockedTicket, GetMetrics, Headline, MetricsAnswer
from boards.metrics.study import EPOCH, NOBODY, Study, date_of, day_of, moment_of, spread, study_of
from boards.metrics.success import VALIDATION_TAG, Outside, success
from search.selectors.usage import duplicates_told, searches_by_day
from tickets.access import Actor, member_agent, workflow_for
from tickets.board_source import board_of
from tickets.errors import Invalid, not_one_of
from tickets.models import Ticket, TicketTag, Workflow
from tickets.prepared import Mark, Reading, marks, numbered
from tickets.rules import Board
from tickets.selectors.counts import UntilNextEvent

KEPT_SECONDS = 300
# An answer takes tens of kilobytes, and its readers ask for few.
MAX_ANSWERS = 32

_kept: UntilNextEvent[MetricsAnswer] = UntilNextEvent(MAX_ANSWERS)


def metrics_get(*, actor: Actor, request: GetMetrics) -> MetricsAnswer:
    """Figures for the days, the agent and the type asked for, as of the workflow's last event.

    Kept five minutes and not beyond the UTC day: one query then, else at most eight.
    Raises Invalid for days, agents and types that cannot be.
    """
    workflow = workflow_for(actor, request.workflow_id)
    now = timezone.now().astimezone(UTC)
    first, last = _days(request, day_of(now.date()))
    asked = (first, last, request.assigned_agent_id, request.ticket_type)
    question = (*asked, now.date(), int(time.monotonic() // KEPT_SECONDS))
    return _kept.get(workflow, question, lambda: _compute(workflow, request, first, last))


def _days(request: GetMetrics, today: int) -> tuple[int, int]:
    last = min(today, day_of(request.last_day)) if request.last_day is not None else today
    if request.first_day is None:
        first = last - request.days + 1
        if first < day_of(date.min):
            raise Invalid(f"There are no {request.days} days up to {date_of(last).isoformat()}.", field="last_day")
        return first, last
    first = day_of(request.first_day)
    if first > last:
        raise Invalid(f"first_day must not be after {date_of(last).isoformat()}.", field="first_day")
    if last - first >= MAX_DAYS:
        raise Invalid(f"At most {MAX_DAYS} days at a time.", field="first_day")
    return first, last


def _compute(workflow: Workflow, request: GetMetrics, first: int, last: int) -> MetricsAnswer:
    board, facts = board_of(workflow), reading.facts_of(workflow)
    _check(workflow, board, facts, request)
    # After the facts were read, so that nothing of them lies ahead.
    as_of = timezone.now()
    span = Span(first, last, _microseconds(as_of))
    study = study_of(
        facts,
        workflow_id=workflow.id,
        board=board,
        span=span,
        agent=request.assigned_agent_id,
        kind=request.ticket_type,
    )
    outside = _outside(workflow.id, study)
    described = _described(study)
    return MetricsAnswer.model_construct(
        workflow_id=workflow.id,
        as_of=as_of,
        first_day=date_of(first),
        last_day=date_of(last),
        headline=_headline(study, described),
        bottleneck=figures.bottleneck(study),
        figures=[
            *(figure(study) for figure in figures.FIGURES),
            figures.blocked(study, described),
            figures.activity(study, {day.day: day.searches for day in outside.searches}),
            success(study, outside),
        ],
    )


def _check(workflow: Workflow, board: Board, facts: Facts, request: GetMetrics) -> None:
    kind, agent = request.ticket_type, request.assigned_agent_id
    if kind is not None and kind not in board.types and kind not in facts.kinds:
        raise not_one_of("ticket_type", kind, board.types)
    if agent is not None and agent != NOBODY and agent not in facts.agents:
        member_agent(workflow.id, agent, field="assigned_agent_id")


def _headline(study: Study, described: dict[str, tuple[str, str]]) -> Headline:
    cycle = spread(study.cycle[study.completed])
    earlier = study.span.before.holds(study.completed_at)
    in_progress = int(study.kinds.active[study.present[1]].sum())
    limits = [column.wip_limit for column in study.board.columns if column.category == "active"]
    finished, again = (int(mask.sum()) for mask in study.reopened)
    numbers, since = study.blocked
    longest = None
    if len(numbers):
        ticket_id = study.facts.ids[int(numbers[0])]
        key, title = described[ticket_id]
        seconds = (study.moment - int(since[0])) // SECOND
        longest = BlockedTicket(ticket_id=ticket_id, key=key, title=title, seconds=seconds)
    return Headline.model_construct(
        completed=cycle.number,
        completed_before=int(earlier.sum()),
        cycle_median=cycle.median,
        cycle_median_before=spread(study.cycle[earlier]).median,
        cycle_p85=cycle.p85,
        in_progress=in_progress,
        wip_limit=sum(limit or 0 for limit in limits) if limits and all(limits) else None,
        blocked=len(numbers),
        longest_blocked=longest,
        reopened=again,
        completed_ever=finished,
        open=study.open_count,
        likely_done=study.likely_done(85),
        even_odds=study.likely_done(50),
    )


def _outside(workflow_id: str, study: Study) -> Outside:
    """What history does not tell. Three queries; nobody searches as nobody."""
    start, end = moment_of(study.span.start), moment_of(study.span.end)
    return Outside(
        searches=searches_by_day(workflow_id, start, end, agent_id=study.agent),
        duplicates=duplicates_told(workflow_id, start, end, agent_id=study.agent),
        validations=[ticket_id for (ticket_id,) in _validations().rows(workflow_id=workflow_id)],
    )


def _described(study: Study) -> dict[str, tuple[str, str]]:
    """Key and title of the tickets that are blocked longest. One query; none where none is."""
    ids = [study.facts.ids[number] for number in study.blocked[0][: figures.MAX_BLOCKED].tolist()]
    if not ids:
        return {}
    padded = ids + ids[:1] * (figures.MAX_BLOCKED - len(ids))
    return {id_: (key, title) for id_, key, title in _names().rows(**numbered("id", padded))}


@functools.cache
def _validations() -> Reading:
    tagged = TicketTag.objects.filter(workflow_id=Mark("workflow_id"), folded=VALIDATION_TAG).order_by()
    return Reading(tagged.values_list("ticket_id"), convert=False)


@functools.cache
def _names() -> Reading:
    tickets = Ticket.objects.filter(pk__in=marks("id", figures.MAX_BLOCKED)).order_by()
    return Reading(tickets.values_list("pk", "key", "title"), convert=False)


def _microseconds(moment: datetime) -> int:
    return (moment - datetime.combine(EPOCH, datetime.min.time(), tzinfo=UTC)) // timedelta(microseconds=1)
