"""Where the tickets of a dependency graph are drawn: in layers, what blocks stands left of what waits.

Sugiyama's method in its plain form: layers by longest chain, order by barycenters, places by least squares that keep
the order. Pieces that hang together are placed one by one and packed. 500 tickets take about 0.1 s; dagre, which
weighs every layering, took 0.5 to 2 s for the same in the browser.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from graphlib import TopologicalSorter
from itertools import pairwise
from math import ceil, sqrt

Point = tuple[float, float]
Edge = tuple[int, int]

SWEEPS = 8
# Rows that a line takes where it passes between cards; a card takes 1.
LINE = 0.3
# How strongly a long line wants to be straight, beside a card's 1.
STIFF = 4.0
# Width of a column in heights of a row, and the shape of screen that the pieces are packed for.
COLUMN = 3.0
SCREEN = 1.2
GAP = 1.0
# So many places where lines pass a layer are looked for; the longest lines are drawn straight once they are used up.
MAX_PASSING = 6000


@dataclass(frozen=True)
class Layout:
    """``places``: (column, row) of each node. ``bends``: where the line of an edge passes between the two, if far.

    Where a graph is so dense that nobody could follow its lines, the longest have no bends.
    """

    places: tuple[Point, ...]
    bends: Mapping[Edge, tuple[Point, ...]]


@lru_cache(maxsize=32)
def layout(count: int, edges: tuple[Edge, ...]) -> Layout:
    """Places for the nodes 0 … count - 1. An edge leads from what blocks to what waits; there is no cycle."""
    pieces = [_Piece(nodes, edges_of) for nodes, edges_of in _pieces(count, edges)]
    places: list[Point] = [(0.0, 0.0)] * count
    bends: dict[Edge, tuple[Point, ...]] = {}
    for piece, (column, row) in _packed(pieces):
        for node, (x, y) in piece.places.items():
            places[node] = (column + x, round(row + y, 2))
        for edge, passing in piece.bends.items():
            bends[edge] = tuple((column + x, round(row + y, 2)) for x, y in passing)
    return Layout(tuple(places), bends)


def _pieces(count: int, edges: Sequence[Edge]) -> list[tuple[list[int], list[Edge]]]:
    """The parts that hang together, the largest first; what hangs on nothing comes together at the end."""
    root = list(range(count))

    def find(node: int) -> int:
        while root[node] != node:
            root[node] = node = root[root[node]]
        return node

    for one, other in edges:
        root[find(one)] = find(other)
    nodes: dict[int, list[int]] = {}
    for node in range(count):
        nodes.setdefault(find(node), []).append(node)
    inside: dict[int, list[Edge]] = {}
    for edge in edges:
        inside.setdefault(find(edge[0]), []).append(edge)
    return [(nodes[key], inside.get(key, [])) for key in sorted(nodes, key=lambda key: -len(nodes[key]))]


@dataclass
class _Piece:
    """A part that hangs together, with its own places from (0, 0) on."""

    nodes: list[int]
    edges: list[Edge]
    places: dict[int, Point] = field(default_factory=dict)
    bends: dict[Edge, tuple[Point, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rank = _ranks(self.nodes, self.edges)
        # Points of the drawing: nodes by number, and below zero where a line passes a layer.
        after: dict[int, list[int]] = {node: [] for node in self.nodes}
        routes: dict[Edge, list[int]] = {}
        passing = 0
        for start, end in sorted(self.edges, key=lambda edge: rank[edge[1]] - rank[edge[0]]):
            if rank[end] - rank[start] - 1 > MAX_PASSING + passing:
                break
            route = [start]
            for layer in range(rank[start] + 1, rank[end]):
                passing -= 1
                rank[passing] = layer
                after[passing] = []
                route.append(passing)
            route.append(end)
            for one, other in pairwise(route):
                after[one].append(other)
            routes[start, end] = route[1:-1]
        before: dict[int, list[int]] = {point: [] for point in after}
        for point, others in after.items():
            for other in others:
                before[other].append(point)
        layers: list[list[int]] = [[] for _ in range(max(rank.values()) + 1)]
        for point in _walk(self.nodes, after, before):
            layers[rank[point]].append(point)
        _order(layers, before, after)
        row = _rows(layers, before, after)
        self.places = {node: (float(rank[node]), row[node]) for node in self.nodes}
        self.bends = {edge: tuple((float(rank[p]), row[p]) for p in route) for edge, route in routes.items() if route}
        self.columns = len(layers)
        self.rows = max(row.values()) + 1


def _ranks(nodes: Sequence[int], edges: Sequence[Edge]) -> dict[int, int]:
    """Node → its layer: after all that blocks it, and as near as can be to where most of its lines lead."""
    before: dict[int, list[int]] = {node: [] for node in nodes}
    after: dict[int, list[int]] = {node: [] for node in nodes}
    for start, end in edges:
        before[end].append(start)
        after[start].append(end)
    order = list(TopologicalSorter(before).static_order())
    rank: dict[int, int] = {}
    for node in order:
        rank[node] = max((rank[other] + 1 for other in before[node]), default=0)
    for node in reversed(order):
        if len(after[node]) > len(before[node]):
            rank[node] = min(rank[other] for other in after[node]) - 1
    return rank


def _walk(nodes: Sequence[int], after: Mapping[int, list[int]], before: Mapping[int, list[int]]) -> list[int]:
    """All points, neighbours near each other: a first order that crosses little."""
    found: dict[int, None] = {}
    for start in sorted(nodes, key=lambda node: len(before[node])):
        stack = [start]
        while stack:
            point = stack.pop()
            if point not in found:
                found[point] = None
                stack += [*reversed(after[point]), *before[point]]
    return list(found)


def _order(layers: list[list[int]], before: Mapping[int, list[int]], after: Mapping[int, list[int]]) -> None:
    """Put each layer in the order of what it is tied to, forth and back; the order with the fewest crossings stays."""
    best, fewest = [list(layer) for layer in layers], _crossings(layers, after)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        beside, step = (before, 1) if sweep % 2 == 0 else (after, -1)
        for one, other in pairwise(range(len(layers))[::step]):
            place = {point: at for at, point in enumerate(layers[one])}
            now = {point: float(at) for at, point in enumerate(layers[other])}
            by = {point: _mean([place[o] for o in beside[point]], now[point]) for point in now}
            layers[other].sort(key=by.__getitem__)
        crossings = _crossings(layers, after)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    layers[:] = best


def _crossings(layers: Sequence[Sequence[int]], after: Mapping[int, list[int]]) -> int:
    """How many pairs of lines cross."""
    total = 0
    for one, other in pairwise(layers):
        place = {point: at for at, point in enumerate(other)}
        ends: list[int] = []
        for point in one:
            for end in sorted(place[o] for o in after[point]):
                at = bisect_right(ends, end)
                total += len(ends) - at
                ends.insert(at, end)
    return total


def _rows(
    layers: Sequence[Sequence[int]], before: Mapping[int, list[int]], after: Mapping[int, list[int]]
) -> dict[int, float]:
    """Point → its row: as near to what it is tied to as the order of its layer lets it be."""
    row: dict[int, float] = {}
    for layer in layers:
        row |= zip(layer, _spaced(layer, [0.0] * len(layer)), strict=True)
    for sweep in range(SWEEPS):
        both = sweep >= SWEEPS - 2
        beside = before if sweep % 2 == 0 else after
        for layer in layers[:: 1 if sweep % 2 == 0 else -1]:
            near = [before[point] + after[point] if both else beside[point] for point in layer]
            wanted = [_mean([row[o] for o in found], row[p]) for p, found in zip(layer, near, strict=True)]
            row |= zip(layer, _spaced(layer, wanted), strict=True)
    top = min(row.values())
    return {point: at - top for point, at in row.items()}


def _spaced(layer: Sequence[int], wanted: Sequence[float]) -> list[float]:
    """The rows nearest to those wanted (least squares) that keep the order and leave everyone room.

    Pool adjacent violators, on what is left of each row when the room before it is taken off.
    """
    room = [0.0]
    for one, other in pairwise(layer):
        room.append(room[-1] + (_height(one) + _height(other)) / 2)
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for point, row, taken in zip(layer, wanted, room, strict=True):
        mean, weight, many = row - taken, 1.0 if point >= 0 else STIFF, 1
        while pools and pools[-1][0] >= mean:
            last, heavy, others = pools.pop()
            mean = (last * heavy + mean * weight) / (heavy + weight)
            weight, many = heavy + weight, many + others
        pools.append((mean, weight, many))
    means = [mean for mean, _, many in pools for _ in range(many)]
    return [mean + taken for mean, taken in zip(means, room, strict=True)]


def _height(point: int) -> float:
    return 1.0 if point >= 0 else LINE


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _packed(pieces: Sequence[_Piece]) -> Iterator[tuple[_Piece, Point]]:
    """The pieces with the corner of each: on shelves, the drawing about as wide as a screen is."""
    area = sum((piece.columns * COLUMN + GAP) * (piece.rows + GAP) for piece in pieces)
    width = max([ceil(sqrt(area * SCREEN) / COLUMN), *(piece.columns for piece in pieces)], default=0)
    column, top, deepest = 0, 0.0, 0.0
    for piece in sorted(pieces, key=lambda piece: (-piece.rows if len(piece.nodes) > 1 else 0, -piece.columns)):
        if column + piece.columns > width:
            column, top, deepest = 0, top + deepest, 0.0
        yield piece, (float(column), top)
        column += piece.columns
        gap = GAP if len(piece.nodes) > 1 else 0
        deepest = max(deepest, piece.rows + gap)
