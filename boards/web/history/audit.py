"""The audit of a workflow: all that happened in it, newest first, filtered, live, as a file."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.template.loader import render_to_string

from boards.selectors.audit import Position, changes
from boards.web.frame import Frame, workflow_page
from boards.web.history.entries import AuditEntry, Words
from boards.web.history.export import FORMATS, AuditExport
from boards.web.history.filters import AuditFilters
from boards.web.pages import fragment
from boards.web.ticket.steps import Line, compared
from tickets.access import Actor, workflow_for
from tickets.board_source import board_of
from tickets.errors import NotFound, not_one_of

PAGE = 50
MAX_NEW = 100


@workflow_page
def audit_page(request: HttpRequest, frame: Frame) -> HttpResponse:
    """``/audit``: a page of 50, older than ``?before=``. A fault in a filter is told in its field, with status 400."""
    filters = AuditFilters(frame.actor, frame.workflow, request.GET)
    before = _position(request, "before")
    rows = changes(frame.workflow, filters.wanted, before=before, limit=PAGE + 1) if not filters.errors else []
    words = Words(frame.workflow, frame.board)
    entries = words.entries(rows[:PAGE])
    context = {
        "filters": filters,
        "entries": entries,
        "board": words.board,
        "newest": str(entries[0].position) if entries else "",
        "next": str(entries[-1].position) if len(rows) > PAGE else None,
        "is_continued": before is not None,
        "is_live": before is None and not filters.errors,
        "seq": frame.workflow.event_seq,
        "compared": _compared(request, entries),
    }
    response = frame.render(request, "boards/audit.html", "audit", context)
    response.status_code = 400 if filters.errors else 200
    return response


@fragment
def audit_new(request: HttpRequest, actor: Actor) -> HttpResponse:
    """What is newer than ``?after=``, by the page's filters: ``{count, more}``; with ``rows``, also ``{newest, html}``.

    100 at most: with ``more``, a page does not hold it all.
    """
    workflow = workflow_for(actor, request.GET.get("workflow"))
    filters = AuditFilters(actor, workflow, request.GET)
    rows = changes(workflow, filters.require(), after=_position(request, "after"), limit=MAX_NEW + 1)
    answer: dict[str, object] = {"count": len(rows[:MAX_NEW]), "more": len(rows) > MAX_NEW}
    if request.GET.get("rows"):
        words = Words(workflow, board_of(workflow))
        entries = words.entries(rows[:MAX_NEW])
        context = {"entries": entries, "workflow": workflow, "board": words.board, "filters": filters}
        answer["newest"] = str(entries[0].position) if entries else request.GET.get("after", "")
        answer["html"] = render_to_string("boards/audit_rows.html", context, request)
    return JsonResponse(answer)


@workflow_page
def audit_export(request: HttpRequest, frame: Frame) -> HttpResponseBase:
    """``/audit/export?format=``: all that the filters leave, as CSV or JSON, newest first."""
    form = request.GET.get("format", "csv")
    if form not in FORMATS:
        raise not_one_of("format", form, FORMATS)
    export = AuditExport(frame.workflow, AuditFilters(frame.actor, frame.workflow, request.GET).require(), form)
    response = StreamingHttpResponse(export.parts(), content_type=export.media_type)
    response["Content-Disposition"] = f'attachment; filename="{export.file_name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _position(request: HttpRequest, name: str) -> Position | None:
    text = request.GET.get(name)
    return Position.parse(text, name) if text else None


def _compared(request: HttpRequest, entries: list[AuditEntry]) -> tuple[str, list[Line]] | None:
    """Without script: the change of ``?compare=`` before and after, in its place."""
    asked = request.GET.get("compare", "")
    entry = next((entry for entry in entries if entry.id == asked and entry.can_compare), None)
    if entry is None or entry.ticket is None or entry.step.history_id is None:
        return None
    try:
        return entry.id, compared(entry.ticket, entry.step.history_id)
    except NotFound:
        return None
