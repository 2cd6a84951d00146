"""Save and forget views of boards and searches."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from django.utils import timezone

from boards.models import SavedView
from boards.schemas import DeleteView, SaveView, ViewAnswer, ViewDeleted, ViewKind
from boards.selectors.arranged import ADDRESS
from boards.selectors.searched import SEARCH_ADDRESS
from boards.selectors.views import view_detail
from tickets.access import Actor, workflow_for
from tickets.errors import Invalid, unknown_field
from tickets.ids import new_id
from tickets.unit import write_transaction

MAX_VIEWS = 100
MAX_QUERY = 2000
ADDRESSES: dict[ViewKind, tuple[str, ...]] = {"board": ADDRESS, "search": SEARCH_ADDRESS}


def view_save(*, actor: Actor, request: SaveView) -> ViewAnswer:
    """Keep a view. Raises Invalid for a query that is none of the page's, and beyond 100 views of a kind."""
    workflow = workflow_for(actor, request.workflow_id)
    query = _checked(request.query, ADDRESSES[request.kind])
    with write_transaction():
        own = SavedView.objects.filter(workflow=workflow, owner_agent_id=actor.agent_id, kind=request.kind)
        view = own.filter(name=request.name).first()
        if view is None:
            if own.count() >= MAX_VIEWS:
                raise Invalid(f"You keep {MAX_VIEWS} views here already; forget one first.", field="name")
            view = SavedView(
                id=new_id("view"),
                workflow=workflow,
                owner_agent_id=actor.agent_id,
                kind=request.kind,
                name=request.name,
            )
        view.query, view.is_shared, view.updated_at = query, request.is_shared, timezone.now()
        view.save()
    return ViewAnswer(message=f"The view {view.name!r} is kept.", view=view_detail(view))


def view_delete(*, actor: Actor, request: DeleteView) -> ViewDeleted:
    """Forget a view; only one's own."""
    with write_transaction():
        gone, _ = SavedView.objects.filter(pk=request.view_id, owner_agent_id=actor.agent_id).delete()
    return ViewDeleted(message="The view is forgotten." if gone else "You have no such view.")


def _checked(query: str, address: tuple[str, ...]) -> str:
    try:
        pairs = parse_qsl(query.lstrip("?"), keep_blank_values=False, max_num_fields=100)
    except ValueError:
        raise Invalid("query holds more than 100 values.", field="query") from None
    for name, _ in pairs:
        if name not in address:
            raise unknown_field(name[:60], address, what="part of the page's address", field="query")
    kept = urlencode(pairs)
    if len(kept) > MAX_QUERY:
        raise Invalid(f"query holds more than {MAX_QUERY} characters once encoded.", field="query")
    return kept
