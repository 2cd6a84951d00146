"""Saved views of boards and saved searches."""

from __future__ import annotations

import functools
from typing import cast

from django.db.models import Q

from boards.models import SavedView
from boards.schemas import ListViews, ViewDetail, ViewKind, ViewList
from tickets.access import Actor, workflow_for
from tickets.prepared import Mark, Reading

MAX_LISTED = 200


def view_list(*, actor: Actor, request: ListViews) -> ViewList:
    """The views that one may use. Two queries."""
    workflow = workflow_for(actor, request.workflow_id)
    return ViewList(views=views_of(actor, workflow.id, request.kind))


def views_of(actor: Actor, workflow_id: str, kind: ViewKind = "board") -> list[ViewDetail]:
    """Own and shared views of a workflow that the actor may read, by name. One query."""
    rows = _views().rows(workflow_id=workflow_id, kind=kind, agent_id=actor.agent_id)
    return [ViewDetail.model_construct(**dict(zip(ViewDetail.model_fields, row, strict=True))) for row in rows]


@functools.cache
def _views() -> Reading:
    usable = Q(owner_agent_id=Mark("agent_id")) | Q(is_shared=True)
    rows = SavedView.objects.filter(usable, workflow_id=Mark("workflow_id"), kind=Mark("kind")).order_by("name", "id")
    return Reading(
        rows.values_list("id", "name", "query", "is_shared", "owner_agent_id", "owner_agent__name", "kind")[:MAX_LISTED]
    )


def view_detail(view: SavedView) -> ViewDetail:
    return ViewDetail(
        view_id=view.id,
        name=view.name,
        query=view.query,
        is_shared=view.is_shared,
        owner_agent_id=view.owner_agent_id,
        owner_name=view.owner_agent.name,
        kind=cast(ViewKind, view.kind),
    )
