"""Tables for people, one JSON file for machines, and the targets with what was reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.bench.measure import Series, percentile
from tests.bench.operations import EMPTY, OPERATIONS

WRITES = [operation.name for operation in OPERATIONS if operation.writes]


@dataclass(frozen=True)
class Row:
    """One operation's figures: milliseconds, requests per second, kilobytes.

    Both ratios are to the empty endpoint; that of CPU time holds on a busy machine, too.
    """

    p50_ms: float
    p95_ms: float
    p99_ms: float
    per_second: float
    ratio: float
    cpu_ms: float
    cpu_ratio: float
    kilobytes: float
    requests: int
    errors: int


@dataclass
class Result:
    """Everything measured with one number of tickets."""

    tickets: int
    rows: dict[int, dict[str, Row]] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    writes_p99_ms: float | None = None
    two_processes: dict[str, float] = field(default_factory=dict)
    delivery_ms: dict[str, dict[str, float]] = field(default_factory=dict)
    peak_memory_mb: float = 0.0
    load_seconds: float = 0.0


@dataclass(frozen=True)
class Target:
    name: str
    limit: str
    reached: str
    ok: bool


def rows(series: Mapping[str, Series]) -> dict[str, Row]:
    base = series[EMPTY]
    return {
        name: Row(
            p50_ms=one.p50() * 1000,
            p95_ms=one.percentile(0.95) * 1000,
            p99_ms=one.percentile(0.99) * 1000,
            per_second=one.per_second(),
            ratio=one.ratio(base),
            cpu_ms=one.cpu() * 1000,
            cpu_ratio=one.cpu() / base.cpu(),
            kilobytes=one.size() / 1024,
            requests=len(one.samples()),
            errors=one.errors(),
        )
        for name, one in series.items()
    }


def writes_p99_ms(series: Mapping[str, Series]) -> float:
    """Over all writes of all kinds."""
    return percentile([s.seconds for name in WRITES if name in series for s in series[name].samples()], 0.99) * 1000


def spread_ms(delays: Sequence[float]) -> dict[str, float]:
    return {"p50": percentile(delays, 0.5) * 1000, "p95": percentile(delays, 0.95) * 1000}


def show_rows(title: str, table: Mapping[str, Row]) -> None:
    print(f"\n{title}")
    print(
        f"  {'':40}{'p50 ms':>9}{'p95 ms':>9}{'req/s':>9}{'x empty':>9}{'CPU ms':>9}{'x CPU':>9}{'KB':>8}{'errors':>8}"
    )
    for name, row in table.items():
        print(
            f"  {name:40}{row.p50_ms:9.2f}{row.p95_ms:9.2f}{row.per_second:9.0f}{row.ratio:9.2f}{row.cpu_ms:9.2f}"
            f"{row.cpu_ratio:9.2f}{row.kilobytes:8.1f}{row.errors:8d}"
        )


def show_rest(result: Result) -> None:
    for name, ratio in result.ratios.items():
        print(f"  empty endpoint to {name}: {ratio:.2f}")
    if result.two_processes:
        two = result.two_processes
        print(
            f"  two processes to one, 8 clients, mixed reads: {two['ratio']:.2f} "
            f"({two['two']:.0f} and {two['one']:.0f} req/s; CPU ms a request {two['two_cpu_ms']:.2f} and "
            f"{two['one_cpu_ms']:.2f})"
        )
    for name, delay in result.delivery_ms.items():
        print(f"  event to WebSocket, {name}: p50 {delay['p50']:.0f} ms, p95 {delay['p95']:.0f} ms")
    if result.writes_p99_ms is not None:
        print(f"  p99 of all writes, 8 clients: {result.writes_p99_ms:.0f} ms")
    print(f"  peak memory of the server: {result.peak_memory_mb:.0f} MB; loaded in {result.load_seconds:.0f} s")


def at_most(name: str, value: float, limit: float, unit: str) -> Target:
    return Target(name, f"≤ {limit:g}{unit}", f"{value:.2f}{unit}", value <= limit)


class Judge:
    """Holds the results against the targets; what was not measured has no line."""

    def __init__(self, results: Sequence[Result], database: str, growth: Mapping[str, float]) -> None:
        self.results = {result.tickets: result for result in results}
        self.growth = growth
        self.postgres = database == "postgres"
        self.targets: list[Target] = []

    def judge(self) -> list[Target]:
        if 10_000 in self.results:
            self._at_ten_thousand(self.results[10_000])
        if 100_000 in self.results:
            self._at_most("list at 100,000", self._ratio(100_000, "list of 50"), 5, "x")
        for name, growth in self.growth.items():
            self._at_most(f"{name}, 10,000 to 1,000 tickets", growth, 1.5, "x")
        for result in self.results.values():
            self._at_most(f"peak memory at {result.tickets:,}", result.peak_memory_mb, 300, " MB")
        return self.targets

    def _at_ten_thousand(self, result: Result) -> None:
        limits = {
            "list of 50": 3.0 if self.postgres else 2.5,
            "detail": 3.0 if self.postgres else 2.5,
            "statistics, cached": 1.5,
            "statistics after a write": 4.0,
            "comment": 3.0 if self.postgres else 2.5,
            "status change": 3.5 if self.postgres else 3.0,
            "create": 3.0,
            "board page": 10.0,
        }
        one = result.rows.get(1, {})
        for name, limit in limits.items():
            if name in one:
                self._at_most(name, one[name].ratio, limit, "x")
        for name, kilobytes in {"list of 50": 64, "board page": 300}.items():
            if name in one:
                self._at_most(f"{name}, size", one[name].kilobytes, kilobytes, " KB")
        for name, ratio in result.ratios.items():
            if name.startswith("an asynchronous view"):
                self._at_most(f"empty to {name}", ratio, 2, "x")
        if result.writes_p99_ms is not None:
            self._at_most("p99 of a write, 8 clients", result.writes_p99_ms, 400, " ms")
        if result.two_processes:
            self._at_least("two processes to one", result.two_processes["ratio"], 1.7, "x")
        if result.delivery_ms:
            self._at_most("event, same process, p95", result.delivery_ms["same process"]["p95"], 300, " ms")
            self._at_most("event, other process, p95", result.delivery_ms["other process"]["p95"], 1000, " ms")
        errors = sum(row.errors for table in result.rows.values() for row in table.values())
        self._at_most("errors", errors, 0, "")

    def _ratio(self, tickets: int, name: str) -> float | None:
        row = self.results[tickets].rows.get(1, {}).get(name)
        return row.ratio if row else None

    def _at_most(self, name: str, value: float | None, limit: float, unit: str) -> None:
        if value is not None:
            self.targets.append(at_most(name, value, limit, unit))

    def _at_least(self, name: str, value: float, limit: float, unit: str) -> None:
        self.targets.append(Target(name, f"≥ {limit:g}{unit}", f"{value:.2f}{unit}", value >= limit))


def show_targets(targets: Sequence[Target]) -> None:
    print(f"\n{'target':56}{'limit':>12}{'reached':>14}")
    for target in targets:
        print(f"{target.name:56}{target.limit:>12}{target.reached:>14}  {'ok' if target.ok else 'MISSED'}")


def show_growth(growth: Mapping[str, float]) -> None:
    print("\np50 with 10,000 tickets to p50 with 1,000")
    for name, ratio in growth.items():
        print(f"  {name:40}{ratio:9.2f}")


def as_json(
    results: Sequence[Result], targets: Sequence[Target], database: str, growth: Mapping[str, float]
) -> dict[str, Any]:
    return {
        "database": database,
        "growth": dict(growth),
        "results": [asdict(result) for result in results],
        "targets": [asdict(target) for target in targets],
    }
