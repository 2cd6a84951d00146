"""What waits for what, as a graph without cycles: the services refuse them.

``waits`` maps each node to the nodes it waits for, all of them keys of it. Where answers are equally good, the node
that stands first in ``waits`` decides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from graphlib import TopologicalSorter

Waits = Mapping[str, Sequence[str]]


def dependants_of(waits: Waits) -> dict[str, list[str]]:
    """Node → the nodes that wait for it, in the order of ``waits``."""
    found: dict[str, list[str]] = {node: [] for node in waits}
    for node, blockers in waits.items():
        for blocker in blockers:
            found[blocker].append(node)
    return found


@dataclass(frozen=True, slots=True)
class Chains:
    """From each node, the heaviest chain of nodes of which each waits for the one before."""

    weight: dict[str, float]
    follower: dict[str, str | None]

    def from_(self, head: str, most: int | None = None) -> list[str]:
        """The heaviest chain that begins with this node, or its first ``most`` nodes."""
        chain: list[str] = []
        node: str | None = head
        while node is not None and len(chain) != most:
            chain.append(node)
            node = self.follower[node]
        return chain

    def heaviest(self) -> list[str]:
        """The heaviest chain of all; empty where there are no nodes."""
        if not self.weight:
            return []
        return self.from_(max(self.weight, key=self.weight.__getitem__))


def chains(waits: Waits, weight_of: Callable[[str], float]) -> Chains:
    """The heaviest chains, in one pass; weights are above zero. Raises graphlib.CycleError."""
    dependants = dependants_of(waits)
    weight: dict[str, float] = {}
    follower: dict[str, str | None] = {}
    # What waits comes before what it waits for.
    for node in TopologicalSorter(dependants).static_order():
        best = max(dependants[node], key=weight.__getitem__, default=None)
        follower[node] = best
        weight[node] = weight_of(node) + (weight[best] if best is not None else 0)
    return Chains({node: weight[node] for node in waits}, follower)


def freed_by(head: str, waits: Waits, dependants: Mapping[str, Sequence[str]], held: Collection[str]) -> list[str]:
    """The nodes that go free once ``head`` is done and then, in turn, whatever that freed; in that order.

    A node goes free when all that it waits for is done. What is ``held`` by something else does not.
    """
    freed: list[str] = []
    done: dict[str, int] = {}
    queue = [head]
    for node in queue:
        for dependant in dependants[node]:
            done[dependant] = done.get(dependant, 0) + 1
            if done[dependant] == len(waits[dependant]) and dependant not in held:
                freed.append(dependant)
                queue.append(dependant)
    return freed


def head_of(node: str, waits: Waits) -> str:
    """What must be done first of all before the node can go on: its first blocker's first blocker, and so on.

    A node that waits for nothing, or is not in ``waits`` at all, is its own.
    """
    while waits.get(node):
        node = waits[node][0]
    return node


def releases(waits: Waits, held: Collection[str]) -> dict[str, str | None]:
    """Node → the nearest node that sets it free alone, as ``freed_by`` means it; None where no single one does.

    That is the node's immediate dominator: every way from the beginnings of the graph to it leads through that one
    (Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm, 2001; without cycles one pass is enough). What a
    node frees are its descendants in this tree. Raises graphlib.CycleError.
    """
    above: dict[str, str | None] = {}
    level: dict[str | None, int] = {None: 0}

    def meet(one: str | None, other: str | None) -> str | None:
        while one != other:
            if level[one] < level[other]:
                one, other = other, one
            one = above[one] if one is not None else None
        return one

    for node in TopologicalSorter(waits).static_order():
        nearest: list[str | None] = [] if node in held else list(waits[node])
        above[node] = reduce(meet, nearest) if nearest else None
        level[node] = level[above[node]] + 1
    return {node: above[node] for node in waits}
