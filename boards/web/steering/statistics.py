"""The statistics: a workflow's figures as charts, each with its table, over days, an agent and a type."""

from __future__ import annotations

import csv
import functools
import io
import json
from functools import cached_property
from typing import NamedTuple
from urllib.parse import quote_plus, urlencode

from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from boards.metrics.schemas import Figure, MetricsAnswer
from boards.metrics.study import NOBODY
from boards.operations import METRICS_GET
from boards.web.board.bar import Bar, Member
from boards.web.frame import Frame, workflow_page
from boards.web.pages import fragment
from tickets.access import Actor, workflow_for
from tickets.errors import NotFound
from tickets.exports import as_cell
from tickets.operations import execute

# Name in the address → field of the request.
FIELDS = {
    "days": "days",
    "from": "first_day",
    "to": "last_day",
    "agent": "assigned_agent_id",
    "type": "ticket_type",
}
RANGES = (7, 30, 90)
DEFAULT_DAYS = 30
# Stands in the kept part of the page for workflow and filters.
QUERY = "workflow-and-filters"
# What ends a script element, or begins another.
_IN_HTML = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


class Chart(NamedTuple):
    """A figure's frame on the page. ``size``: a class that says how wide it is; half the page without.

    ``is_open``: its table is in sight from the start.
    """

    id: str
    title: str
    sub: str
    size: str = ""
    is_open: bool = False


class Choice(NamedTuple):
    """A way to ask otherwise: its name, its address, and whether it is the one in force."""

    name: str
    address: str
    is_current: bool


CHARTS = (
    Chart("cumulative_flow", "Cumulative flow", "tickets per column, at the end of each day", "wide"),
    Chart("workload", "Workload", "open tickets by assignee", "narrow"),
    Chart("time_in_status", "Time in status", "median and 85th percentile, stays that ended", is_open=True),
    Chart("velocity", "Velocity", "completed over time"),
    Chart("burndown", "Burndown", "open tickets, and where they are heading"),
    Chart("forecast", "Forecast", "when what is open is done, 1,000 runs over these days"),
    Chart("status", "Tickets by status", "at the end of these days", "narrow"),
    Chart("type", "Tickets by type", "at the end of these days", "narrow"),
    Chart("priority", "Tickets by priority", "by column", "narrow"),
    Chart("cycle_time", "Cycle time", "median and 85th percentile, completed tickets", is_open=True),
    Chart("waiting", "Bottleneck", "how much longer tickets wait than when the days began", is_open=True),
    Chart("agents", "Agents", "completed tickets, cycle time, reopened, lost claims", "full"),
    Chart("blocked", "Blocked", "open tickets, the longest first"),
    Chart("wip", "WIP limits", "time within the present limits, all tickets"),
    Chart("activity", "Activity", "what happened each day"),
    Chart("success", "Success metrics", "usage, flow, quality and the system"),
)
TITLES = {chart.id: chart.title for chart in CHARTS}


class Filters:
    """What the page's address asks for, and how to ask otherwise. One query: the members."""

    def __init__(self, frame: Frame, query: QueryDict, answer: MetricsAnswer) -> None:
        self._frame, self._answer = frame, answer
        self._given = {name: str(query[name]) for name in FIELDS if query.get(name)}
        self._bar = Bar(frame.actor, frame.workflow, frame.board, query)

    @cached_property
    def members(self) -> list[Member]:
        return self._bar.members

    @property
    def query(self) -> str:
        """The filters alone, as the operation takes them."""
        return urlencode({FIELDS[name]: value for name, value in self._given.items()})

    @property
    def address_query(self) -> str:
        """Workflow and filters, as this page takes them."""
        return urlencode({"workflow": self._frame.workflow.id, **self._given})

    @property
    def ranges(self) -> list[Choice]:
        own = self._given.get("from") or self._given.get("to")
        days = None if own else self._given.get("days", str(DEFAULT_DAYS))
        return [
            Choice(f"{number} days", self._with(days=str(number), **{"from": "", "to": ""}), days == str(number))
            for number in RANGES
        ]

    @property
    def other_range(self) -> str:
        """The days in force, where they are none of ``ranges``."""
        if any(choice.is_current for choice in self.ranges):
            return ""
        return f"{self._answer.first_day.isoformat()} to {self._answer.last_day.isoformat()}"

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What a form for other days sends along."""
        rest = [(name, self._given[name]) for name in ("agent", "type") if name in self._given]
        return [("workflow", self._frame.workflow.id), *rest]

    @property
    def agent_menu(self) -> SafeString:
        people = [(member.id, member.name) for member in self.members]
        return self._menu("agent", "Agents", [("", "All agents"), *people, (NOBODY, "Nobody")])

    @property
    def type_menu(self) -> SafeString:
        types = [(kind.id, kind.name) for kind in self._frame.board.ticket_types]
        return self._menu("type", "Types", [("", "All types"), *types])

    def _menu(self, name: str, label: str, values: list[tuple[str, str]]) -> SafeString:
        """``values``: value in the address, and its name."""
        return _menu_html(label, name, self._given.get(name, ""), tuple(values), self._with(**{name: ""}))

    def _with(self, **changes: str) -> str:
        asked = {name: value for name, value in {**self._given, **changes}.items() if value}
        if asked.get("days") == str(DEFAULT_DAYS):
            del asked["days"]
        return "/statistics?" + urlencode({"workflow": self._frame.workflow.id, **asked})


@workflow_page
def statistics_page(request: HttpRequest, frame: Frame) -> HttpResponse:
    """``/statistics``; ``?days=``, or ``?from=`` and ``?to=``, ``?agent=`` and ``?type=`` choose."""
    answer = _answer(frame.actor, frame.workflow.id, request.GET)
    filters = Filters(frame, request.GET, answer)
    people = {member.id: [member.name, member.kind] for member in filters.members}
    context = {
        "answer": answer,
        "charts": mark_safe(_charts_html().replace(QUERY, escape(filters.address_query))),  # noqa: S308 - escaped here
        "filters": filters,
        "metrics": _as_script(answer.as_json),
        "people": _as_script(json.dumps(people)),
        "final": _as_script(json.dumps(frame.board.statuses("final"))),
        "seq": frame.workflow.event_seq,
        "is_live": True,
        "is_empty": not sum(frame.workflow.ticket_counts.get("status", {}).values()),
    }
    return frame.render(request, "boards/statistics.html", "statistics", context)


@fragment
def statistics_csv(request: HttpRequest, actor: Actor, figure_id: str) -> HttpResponse:
    """A figure as a file, of what the page's address asks for."""
    workflow = workflow_for(actor, request.GET.get("workflow"))
    answer = _answer(actor, workflow.id, request.GET)
    figure = next((figure for figure in answer.figures if figure.id == figure_id), None)
    if figure is None:
        raise NotFound(f"There is no figure {figure_id!r}. There are: {', '.join(TITLES)}.", field="figure_id")
    days = f"{answer.first_day.isoformat()}-{answer.last_day.isoformat()}"
    name = f"{workflow.key_prefix.lower()}-{figure.id.replace('_', '-')}-{days}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(_csv(figure), content_type="text/csv; charset=utf-8", headers=headers)


@functools.cache
def _charts_html() -> str:
    """The frames of the charts, the same on every page but for ``QUERY``."""
    return render_to_string("boards/statistics_charts.html", {"charts": CHARTS, "query": QUERY})


@functools.lru_cache(maxsize=256)
def _menu_html(label: str, name: str, chosen: str, values: tuple[tuple[str, str], ...], others: str) -> SafeString:
    """``others``: the address without this filter."""
    choices = [
        Choice(word, f"{others}&{name}={quote_plus(value)}" if value else others, value == chosen)
        for value, word in values
    ]
    word = dict(values).get(chosen, chosen)
    return render_to_string("boards/statistics_menu.html", {"label": label, "word": word, "choices": choices})


def _answer(actor: Actor, workflow_id: str, query: QueryDict) -> MetricsAnswer:
    given = {field: query[name] for name, field in FIELDS.items() if query.get(name)}
    return execute(METRICS_GET, actor, {"workflow_id": workflow_id, **given})


def _csv(figure: Figure) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    units = {"seconds": " (seconds)", "percent": " (%)"}
    writer.writerow([as_cell(column.name + units.get(column.unit, "")) for column in figure.columns])
    writer.writerows([as_cell(cell) for cell in row] for row in figure.rows)
    return buffer.getvalue()


def _as_script(content: str) -> SafeString:
    """JSON for the inside of a script element."""
    return mark_safe(content.translate(_IN_HTML))  # noqa: S308 - escaped here
