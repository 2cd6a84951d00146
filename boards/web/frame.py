"""What stands around a page of one workflow: who looks, at which workflow, and where else to go."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render

from boards.web.pages import View, page
from tickets.access import Actor, has_role, workflow_for, workflows_by_name
from tickets.board_source import board_of
from tickets.errors import NotFound
from tickets.models import Role, Workflow
from tickets.rules import Board

LAST_WORKFLOW = f"hephaestus_workflow_{settings.PORT}"
A_YEAR = 365 * 86_400


class Section(NamedTuple):
    """A page in the main navigation: its address, glyph and name."""

    id: str
    icon: str
    name: str
    # In the bar itself (under the thumb on a phone); the others are in the menu behind it.
    is_main: bool = False

    @property
    def address(self) -> str:
        return "/tickets" if self.id == "board" else f"/{self.id}"


SECTIONS = (
    Section("board", "board", "Board", is_main=True),
    Section("attention", "bell", "Attention", is_main=True),
    Section("graph", "graph", "Graph", is_main=True),
    Section("guardian", "eye", "Guardian"),
    Section("statistics", "stats", "Stats", is_main=True),
    Section("audit", "history", "Audit", is_main=True),
    Section("search", "search", "Search"),
    Section("board-settings", "sliders", "Board settings"),
    Section("approvals", "approve", "Approvals"),
    Section("agents", "user", "Agents"),
    Section("connect", "terminal", "Connect"),
)


@dataclass(frozen=True)
class Frame:
    """Who looks at which workflow, and which others there are to choose."""

    actor: Actor
    workflow: Workflow
    workflows: list[Workflow]

    @cached_property
    def board(self) -> Board:
        return board_of(self.workflow)

    @cached_property
    def may_maintain(self) -> bool:
        return has_role(self.actor, self.workflow.id, Role.MAINTAINER)

    @cached_property
    def may_write(self) -> bool:
        return has_role(self.actor, self.workflow.id, Role.MEMBER)

    def render(
        self, request: HttpRequest, template: str, section: str, context: dict[str, object] | None = None
    ) -> HttpResponse:
        """The page from its template, which extends ``boards/page.html``."""
        around = {"frame": self, "workflow": self.workflow, "workflows": self.workflows, "section": section}
        return render(request, template, {**around, **(context or {})})


def workflow_page(view: Callable[..., HttpResponseBase]) -> View:
    """A page of the workflow of ``?workflow=``, else of the one seen last: ``view(request, frame, **path)``."""

    @page
    @functools.wraps(view)
    def wrapped(request: HttpRequest, actor: Actor, **path: str) -> HttpResponseBase:
        frame = frame_of(request, actor)
        if frame is None:
            return HttpResponseRedirect("/connect")
        return remembered(request, view(request, frame, **path), frame.workflow)

    return wrapped


def frame_of(request: HttpRequest, actor: Actor) -> Frame | None:
    """None where there is no workflow to see. Raises NotFound for one that is asked for by name."""
    workflows = workflows_by_name(actor)
    workflow = _chosen(request, actor, workflows)
    return Frame(actor, workflow, workflows) if workflow is not None else None


def remembered(request: HttpRequest, response: HttpResponseBase, workflow: Workflow) -> HttpResponseBase:
    """The answer, with the workflow kept as the one seen last."""
    if request.COOKIES.get(LAST_WORKFLOW) != workflow.id:
        response.set_cookie(LAST_WORKFLOW, workflow.id, max_age=A_YEAR, httponly=True, samesite="Lax")
    return response


def _chosen(request: HttpRequest, actor: Actor, workflows: list[Workflow]) -> Workflow | None:
    if asked := request.GET.get("workflow"):
        return workflow_for(actor, asked)
    if not workflows:
        return None
    for workflow_id in (request.COOKIES.get(LAST_WORKFLOW), workflows[0].id):
        try:
            if workflow_id:
                return workflow_for(actor, workflow_id)
        except NotFound:
            continue  # the last one may be gone, or no longer theirs
    return None
