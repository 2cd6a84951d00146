"""``/graph``: what waits for what in a workflow, drawn and as a list; and what the page's script asks for again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponseBase, JsonResponse, QueryDict
from django.templatetags.static import static

from boards.insights.network import Network, network
from boards.selectors.fleet import open_leases
from boards.selectors.graph import (
    Node,
    dependencies_of,
    estimates_of,
    loose_tickets,
    nodes_of,
    visible_tickets,
)
from boards.web import look
from boards.web.board.bar import Bar
from boards.web.board.filters import Chip, kept_query, read_arrangement
from boards.web.frame import Frame, workflow_page
from boards.web.pages import fragment
from boards.web.steering.graph_layout import layout
from tickets.access import Actor, find_ticket, workflow_for
from tickets.board_source import board_of
from tickets.errors import Invalid
from tickets.models import AgentKind, ApprovalStatus, Workflow
from tickets.rules import Board, TicketType

# More than these are no picture any more; the page then says how to narrow it.
MAX_NODES = 500
MAX_NAMED = 60  # of what a ticket waits for, blocks or frees
MAX_DEPTH = 20
DEFAULT_DEPTH = 2
# What the page's script imports, asked for at once instead of one after another.
MODULES = ("draw", "view", "connect", "list", "panel", "parts", "words")
OWN_WORDS = {"around": "Around", "done": "Also done", "loose": "Also untied"}
YES = ("1", "true", "yes", "on")


@dataclass(frozen=True)
class Wanted:
    """What the address asks for beside the board's own filters."""

    done: bool
    loose: bool
    around: str
    depth: int

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The same as parameters of an address."""
        said = [("around", self.around), ("depth", str(self.depth))] if self.around else []
        return said + [(name, "1") for name in ("done", "loose") if getattr(self, name)]


def read_wanted(query: QueryDict) -> Wanted:
    """Raises Invalid for a depth that is none."""
    text = query.get("depth") or str(DEFAULT_DEPTH)
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MAX_DEPTH):
        raise Invalid(f"depth is a number from 1 to {MAX_DEPTH}.", field="depth")
    around = query.get("around", "").strip()
    if len(around) > 100:
        raise Invalid("around is the key or id of a ticket.", field="around")
    return Wanted(query.get("done", "") in YES, query.get("loose", "") in YES, around, int(text))


class Graph:
    """The tickets that are shown, placed, with what the page says of each.

    Queries: leases, dependencies, tied tickets, estimates, the shown tickets; one for filters, one for the ticket
    around which it is drawn, one for tickets that are tied to nothing.
    """

    def __init__(self, actor: Actor, workflow: Workflow, board: Board, query: QueryDict) -> None:
        self._actor = actor
        self._workflow = workflow
        self._board = board
        self._leases = open_leases(workflow)
        self.wanted = read_wanted(query)
        arrangement = read_arrangement(query, actor, workflow, self._leases)
        self._rows = arrangement.rows if arrangement is not None and arrangement.is_filtered else None
        found = dependencies_of(workflow, with_past=self.wanted.done)
        self._net: Network = network(found, estimates_of(workflow))
        self._choose()

    def _choose(self) -> None:
        net = self._net
        ids = set(net.waits) | {ticket_id for edge in net.ended for ticket_id in edge}
        if self._rows is not None:
            ids &= set(self._rows.values_list("id", flat=True))
        center = None
        if self.wanted.around:
            center = find_ticket(self._actor, self.wanted.around, workflow_id=self._workflow.id, field="around").id
            ids = (ids & net.around(center, self.wanted.depth)) | {center}
        chosen = self._best_first(ids, center)
        loose: list[str] = []
        if self.wanted.loose and center is None:
            rows = self._rows if self._rows is not None else visible_tickets(self._workflow)
            loose = loose_tickets(rows, net.parts, with_past=self.wanted.done, limit=MAX_NODES)
        self.total = len(chosen) + len(loose)
        nodes = nodes_of(self._workflow, [*chosen, *loose][:MAX_NODES])
        # In the order of their numbers, so that the same tickets always have the same places.
        self._shown = sorted(nodes, key=lambda node: node.number)

    def _best_first(self, ids: Iterable[str], center: str | None) -> list[str]:
        """The critical path, then the longest chains: what matters most where not all can be shown."""
        net, path = self._net, frozenset(self._net.critical_path)

        def rank(node: str) -> tuple[bool, bool, int, int]:
            length = net.behind[node] + net.before[node] if node in net.waits else 0
            return node != center, node not in path, -length, net.parts[node].number if node in net.parts else 0

        return sorted(ids, key=rank)

    @cached_property
    def data(self) -> dict[str, Any]:
        """What the script draws. Edges are [from, to, bends, 1 if it is past]: places in ``nodes``."""
        net, at = self._net, {node.id: place for place, node in enumerate(self._shown)}
        live = [(at[b], at[t]) for t, b in net.edges if t in at and b in at]
        past = [(at[b], at[t]) for t, b in net.ended if t in at and b in at]
        try:
            drawn = layout(len(at), tuple(sorted({*live, *past})))
        except CycleError:
            # Tied both ways round within one batch, which resolved both: of that no drawing can be made.
            drawn, past = layout(len(at), tuple(sorted(live))), []
        columns = {column.id: place for place, column in enumerate(self._board.columns)}
        path = {node: place for place, node in enumerate(net.critical_path)}
        nodes = [
            {**self._ticket(node, columns), **self._ties(node.id), "at": drawn.places[place], "path": path.get(node.id)}
            for place, node in enumerate(self._shown)
        ]
        edges = [
            (*edge, drawn.bends.get(edge, ()), int(past_one))
            for some, past_one in ((live, False), (past, True))
            for edge in some
        ]
        return {
            "seq": self._workflow.event_seq,
            "total": self.total,
            "most": MAX_NODES,
            "minutes": net.critical_minutes,
            "path": [net.parts[node].key for node in net.critical_path],
            "columns": [[c.name, look.column_glyph(self._board, c), c.color] for c in self._board.columns],
            "types": {kind: self._type(kind) for kind in {node.ticket_type for node in self._shown}},
            "nodes": nodes,
            "edges": edges,
        }  # fmt: skip

    def _type(self, name: str) -> list[str]:
        """Name, glyph, class or colour, emoji."""
        kind = self._board.types.get(name) or TicketType(id="gone", name=name)
        if not look.is_drawn(kind):
            return [kind.name, "", "", kind.icon]
        known = kind.id in look.DRAWN_TYPES
        return [kind.name, look.type_glyph(kind), f"type-{kind.id}" if known else kind.color, ""]

    def _ticket(self, node: Node, columns: Mapping[str, int]) -> dict[str, Any]:
        lease = self._leases.get(node.id)
        said: dict[str, Any] = {
            "id": node.id,
            "key": node.key,
            "title": node.title,
            "column": columns.get(node.status, node.status),
            "type": node.ticket_type,
            "priority": node.priority,
            "blocked": node.is_blocked,
        }
        if node.is_manually_blocked:
            said["by_hand"] = True
        if node.approval_status == ApprovalStatus.PENDING:
            said["pending"] = True
        if node.is_resolved:
            said["done"] = True
        if node.estimate:
            said["estimate"] = look.duration(node.estimate)
        if node.agent_name is not None:
            said["agent"] = _who(node.agent_name, node.agent_kind)
        if lease is not None:
            said["lease"] = [lease.state, lease.agent_name, lease.heartbeat_at.isoformat()]
        return said

    def _ties(self, ticket_id: str) -> dict[str, Any]:
        net = self._net
        if ticket_id not in net.waits:
            return {"waits": [], "blocks": [], "before": 0, "behind": 0, "frees": [0, 0, []]}
        once = net.freed_at_once(ticket_id)
        # What goes free at once is named first.
        names = list(dict.fromkeys([*once, *net.freed_in_turn(ticket_id, MAX_NAMED)]))
        return {
            "waits": self._keys(net.waits[ticket_id]),
            "blocks": self._keys(net.dependants[ticket_id]),
            "more": max(len(net.dependants[ticket_id]) - MAX_NAMED, 0),
            "before": net.before[ticket_id],
            "behind": net.behind[ticket_id],
            "frees": [net.freed_count[ticket_id], len(once), self._keys(names)],
        }

    def _keys(self, ticket_ids: Iterable[str]) -> list[str]:
        return [self._net.parts[ticket_id].key for ticket_id in list(ticket_ids)[:MAX_NAMED]]


@workflow_page
def graph_page(request: HttpRequest, frame: Frame) -> HttpResponseBase:
    """The page: filters, the graph as data for its script, and the rules of the board."""
    graph = Graph(frame.actor, frame.workflow, frame.board, request.GET)
    bar = Bar(frame.actor, frame.workflow, frame.board, request.GET)
    context = {
        "bar": bar,
        "graph": graph,
        "chips": _chips(bar, graph.wanted, request.GET),
        "depths": range(1, 7) if graph.wanted.depth < 7 else [*range(1, 7), graph.wanted.depth],
        "modules": [static(f"js/graph{name}.js") for name in MODULES],
        "is_list": request.GET.get("view") == "list",
        "seq": frame.workflow.event_seq,
        "is_live": True,
    }
    return frame.render(request, "boards/graph.html", "graph", context)


@fragment
def graph_data(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The same graph as it is now."""
    workflow = workflow_for(actor, request.GET.get("workflow"))
    return JsonResponse(Graph(actor, workflow, board_of(workflow), request.GET).data)


def _chips(bar: Bar, wanted: Wanted, query: QueryDict) -> list[Chip]:
    """The filters in force, each with the address of the graph without it."""
    own = wanted.pairs
    chips = [
        Chip(chip.word, chip.value, _address(chip.without.partition("?")[2], urlencode(own))) for chip in bar.chips
    ]
    base, kept = urlencode({"workflow": bar.workflow.id}), kept_query(query)
    for name, word in OWN_WORDS.items():
        if value := getattr(wanted, name):
            taken = ("around", "depth") if name == "around" else (name,)
            rest = urlencode([(other, text) for other, text in own if other not in taken])
            said = f"{value}, {wanted.depth} away" if name == "around" else "yes"
            chips.append(Chip(word, said, _address(base, kept, rest)))
    return chips


def _address(*parts: str) -> str:
    return "/graph?" + "&".join(part for part in parts if part)


def _who(name: str, kind: str | None) -> list[Any]:
    """Name, letters, hue (0 for the system), whether a person."""
    hue = 0 if kind == AgentKind.SYSTEM else look.hue(name)
    return [name, look.initials(name), hue, kind == AgentKind.HUMAN]
