"""A workflow's dependencies as a graph: its critical path, its depths, and what each resolve would free."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from boards.insights.graph import Chains, Waits, chains, dependants_of, releases
from boards.selectors.graph import Dependencies, Part


@dataclass(frozen=True)
class Network:
    """Open work: ``waits`` holds every ticket that waits or is waited for, in the order of their numbers.

    ``ended`` are dependencies that a resolve has ended: (ticket, what it waited for). ``assumed`` is the weight of a
    ticket without an estimate on the critical path: the median of the estimates, in minutes; None where there are
    none, and each ticket counts 1.
    """

    parts: Mapping[str, Part]
    waits: Waits
    ended: Sequence[tuple[str, str]]
    assumed: float | None

    @cached_property
    def dependants(self) -> dict[str, list[str]]:
        return dependants_of(self.waits)

    @cached_property
    def critical_path(self) -> list[str]:
        """The heaviest chain of open work, of at least two tickets; the first is to be done first."""
        path = chains(self.waits, self._weight).heaviest()
        return path if len(path) > 1 else []

    @property
    def critical_minutes(self) -> float | None:
        """How long the critical path takes, where anything is estimated."""
        return sum(map(self._weight, self.critical_path)) if self.assumed is not None else None

    @cached_property
    def behind(self) -> dict[str, int]:
        """Ticket → tickets in the longest chain that waits for it."""
        return {node: int(weight) - 1 for node, weight in self._longest(self.waits).weight.items()}

    @cached_property
    def before(self) -> dict[str, int]:
        """Ticket → tickets in the longest chain that it waits for."""
        return {node: int(weight) - 1 for node, weight in self._longest(self.dependants).weight.items()}

    @cached_property
    def freed(self) -> dict[str, list[str]]:
        """Ticket → tickets that its resolve sets free by itself or through those it frees, the next ones only.

        The whole of what goes free is what can be reached along these.
        """
        found: dict[str, list[str]] = {node: [] for node in self.waits}
        for node, by in releases(self.waits, self._held).items():
            if by is not None:
                found[by].append(node)
        return found

    @cached_property
    def freed_count(self) -> dict[str, int]:
        """Ticket → how many tickets go free once it and then, in turn, those it freed are resolved."""
        counts: dict[str, int] = {}
        # What lies behind more is counted after what lies behind it.
        for node in sorted(self.waits, key=self.behind.__getitem__):
            counts[node] = sum(counts[other] + 1 for other in self.freed[node])
        return counts

    def freed_at_once(self, node: str) -> list[str]:
        """Those that wait for nothing else."""
        return [
            other for other in self.dependants[node] if len(self.waits[other]) == 1 and not self.parts[other].is_held
        ]

    def freed_in_turn(self, node: str, most: int) -> list[str]:
        """The first ``most`` of all that goes free, the nearest first."""
        found: list[str] = []
        queue = [node]
        for one in queue:
            if len(found) >= most:
                break
            found += self.freed[one]
            queue += self.freed[one]
        return found[:most]

    def around(self, center: str, depth: int) -> set[str]:
        """The tickets at most so many dependencies away, in either direction; live and ended ones."""
        beside: dict[str, set[str]] = {}
        for ticket, blocker in [*self.edges, *self.ended]:
            beside.setdefault(ticket, set()).add(blocker)
            beside.setdefault(blocker, set()).add(ticket)
        found = level = {center}
        for _ in range(depth):
            level = {other for node in level for other in beside.get(node, ())} - found
            if not level:
                break
            found = found | level
        return found

    @property
    def edges(self) -> Iterable[tuple[str, str]]:
        """(Ticket, what it waits for)."""
        return ((node, blocker) for node, blockers in self.waits.items() for blocker in blockers)

    @cached_property
    def _held(self) -> Collection[str]:
        return {node for node in self.waits if self.parts[node].is_held}

    def _weight(self, node: str) -> float:
        part = self.parts[node]
        if self.assumed is None:
            return 1
        return part.estimate if part.estimate and not part.is_completed else self.assumed

    @staticmethod
    def _longest(waits: Waits) -> Chains:
        return chains(waits, lambda _: 1)


def network(found: Dependencies, estimates: Sequence[int]) -> Network:
    """The graph of what was read. ``estimates``: of the workflow's open tickets, in minutes."""
    waits: dict[str, list[str]] = {}
    for ticket_id, blocker_id in found.live:
        if ticket_id in found.parts and blocker_id in found.parts:
            waits.setdefault(ticket_id, []).append(blocker_id)
            waits.setdefault(blocker_id, [])
    return Network(
        parts=found.parts,
        waits={node: waits[node] for node in found.parts if node in waits},
        ended=[edge for edge in found.past if edge[0] in found.parts and edge[1] in found.parts],
        assumed=median(estimates) if estimates else None,
    )
