"""What a client must know of the data that was loaded."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Fixture:
    """One token per client; ``ticket_ids``: tickets in queue columns that nothing blocks; ``queries``: all distinct."""

    workflow_id: str
    tokens: list[str]
    cookie: str
    ticket_ids: list[str]
    seq: int
    queries: list[str]

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Fixture:
        return cls(**json.loads(text))
