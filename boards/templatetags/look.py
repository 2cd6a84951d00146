"""Tags for what stands on every page: icons, avatars, ages."""

from __future__ import annotations

from datetime import datetime
from functools import cache, lru_cache
from urllib.parse import urlencode

from django import template
from django.conf import settings
from django.http import QueryDict
from django.template import Context
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from boards.web import look, zones
from boards.web.board import filters
from boards.web.frame import SECTIONS
from tickets.access import actor_for_user, has_role
from tickets.models import AgentKind, Role, Workflow
from tickets.rules import Board, Column, TicketType

register = template.Library()


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """A glyph of the icon set, silent for ears: words beside it say what it says."""
    return _use(name, "")


@register.simple_tag
def avatar(name: str, kind: str) -> SafeString:
    """A square with two letters for an agent, a round one for a person."""
    form = " avatar-human" if kind == AgentKind.HUMAN else ""
    tone = 0 if kind == AgentKind.SYSTEM else look.hue(name)
    return format_html('<span class="avatar hue-{}{}" aria-hidden="true">{}</span>', tone, form, look.initials(name))


@register.simple_tag
def type_icon(kind: TicketType) -> SafeString:
    """The glyph of a ticket's type and, for ears, its name."""
    if not look.is_drawn(kind):
        return format_html('<span class="type-emoji" role="img" aria-label="{}">{}</span>', kind.name, kind.icon)
    known = kind.id in look.DRAWN_TYPES
    glyph = _use(look.type_glyph(kind), f" type-{kind.id}" if known else "", "" if known else kind.color)
    return format_html('{}<span class="vh">{}</span>', glyph, kind.name)


@register.simple_tag
def column_icon(board: Board, column: Column) -> SafeString:
    """The glyph of a column in the colour that its board gives it."""
    return _use(look.column_glyph(board, column), "", column.color)


@register.simple_tag
def column_name(board: Board, status: str) -> str:
    """The name of a ticket's column, also of one that the board no longer has."""
    column = board.by_id.get(status)
    return column.name if column is not None else status


@register.simple_tag
def ago(moment: datetime) -> SafeString:
    """How long ago, as a time element that the page keeps current."""
    return format_html(
        '<time datetime="{0}" title="{1}" data-age>{2}</time>',
        moment.isoformat(),
        clock(moment),
        look.age(moment, timezone.now()),
    )


@register.filter
def clock(moment: datetime) -> str:
    """Date and time in the reader's zone, which it names: ``2026-03-01 14:05 CET``."""
    return zones.clock(moment)


@register.simple_tag
def duration(minutes: int) -> str:
    """An estimate as people say it."""
    return look.duration(minutes)


@register.simple_tag
def board_address(workflow: Workflow, query: str, **changes: str) -> str:
    """The board's address with another arrangement; an empty value takes a part of it away."""
    arranged = QueryDict(query, mutable=True)
    for name, value in changes.items():
        arranged[name] = value
    return filters.address(workflow.id, filters.kept_query(arranged))


@register.simple_tag
def navigation(section: str, workflow: Workflow | None, is_staff: bool) -> SafeString:
    """The main navigation, where ``section`` is the page that is shown."""
    return _navigation(section, workflow.id if workflow else "", is_staff)


@lru_cache(maxsize=512)
def _navigation(section: str, workflow_id: str, is_staff: bool) -> SafeString:
    sections = {
        "main": [one for one in SECTIONS if one.is_main],
        "more": [one for one in SECTIONS if not one.is_main],
    }
    query = "?" + urlencode({"workflow": workflow_id}) if workflow_id else ""
    return render_to_string("boards/_nav.html", {**sections, "section": section, "query": query, "is_staff": is_staff})


@register.simple_tag(takes_context=True)
def may_create(context: Context) -> bool:
    """Whether who looks may create tickets in the page's workflow. One query, where no part of the page knows."""
    workflow: Workflow | None = context.get("workflow")
    if workflow is None or not (workflow.is_active and workflow.ticket_tracking_enabled):
        return False
    for part in ("bar", "view", "frame"):
        known: bool | None = getattr(context.get(part), "may_write", None)
        if known is not None:
            return known
    actor = actor_for_user(context["request"].user)
    return has_role(actor, workflow.id, Role.MEMBER)


@register.simple_tag
def csrf_cookie() -> str:
    """The name of the cookie from which scripts take the CSRF token."""
    return settings.CSRF_COOKIE_NAME


def _use(name: str, classes: str, color: str = "") -> SafeString:
    paint = format_html(' color="{}"', color) if color else ""
    return format_html(
        '<svg class="icon{}"{} aria-hidden="true"><use href="{}#i-{}"/></svg>',
        classes,
        paint,
        static("icons.svg"),
        name,
    )
