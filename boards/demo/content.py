"""What the demo holds, as its YAML files say it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from boards.demo.calendar import PATTERN
from tickets.schemas.workflows import CreateWorkflow

FOLDER = Path(__file__).parent
# In the order in which their keys are given: the first workflow's is TKT.
BOARDS = ("hephaestus.yaml", "triage.yaml")


# As ``Calendar`` reads it.
At = Annotated[str, StringConstraints(pattern=f"^{PATTERN}$")]


class _Then(NamedTuple):
    """A moment, and what it brings: a column, or an agent."""

    at: At
    what: str


Then = Annotated[_Then, BeforeValidator(lambda text: tuple(text.rsplit(" ", 1)))]


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DemoReply(_Content):
    at: At
    by: str
    text: str
    reactions: dict[str, list[str]] = Field(default_factory=dict, description="Emoji → agents.")


class DemoComment(DemoReply):
    replies: list[DemoReply] = []


class CommitRule(_Content):
    """Which commits belong to a ticket: they touch one of the paths, or their subject holds one of the words."""

    paths: list[str] = []
    words: list[str] = []


class DemoBlock(_Content):
    """A block by hand; without an end it lasts."""

    at: At
    until: At | None = None
    reason: str


class DemoDecision(_Content):
    at: At
    status: Literal["approved", "rejected"]
    reason: str = "Worth a look."


class DemoTicket(_Content):
    """``moves`` names the columns that the ticket enters; with a ``resolution`` the last one by being resolved.

    Its commits are linked at its last move.
    """

    name: str
    created: At
    by: str
    title: str
    description: str
    type: str | None = None
    priority: str = "medium"
    tags: list[str] = []
    points: int | None = None
    estimate: int | None = None
    parent: str | None = None
    blocked_by: list[str] = []
    decision: DemoDecision | None = None
    assigned: str | None = None
    claims: list[Then] = []
    moves: list[Then] = []
    blocks: list[DemoBlock] = []
    comments: list[DemoComment] = []
    resolution: str | None = None
    commits: CommitRule | None = None


class DemoBoard(_Content):
    begun: At
    workflow: dict[str, Any]
    board: dict[str, Any]
    members: dict[str, Literal["viewer", "member", "maintainer"]]
    tickets: list[DemoTicket]

    def create_request(self, repositories: list[str]) -> CreateWorkflow:
        given = {**self.workflow, "board": self.board, "repositories": repositories}
        return CreateWorkflow(workflow_id=given.pop("id"), ticket_tracking_enabled=True, **given)


def read_boards() -> list[DemoBoard]:
    return [DemoBoard.model_validate(_read(FOLDER / name)) for name in BOARDS]


def _read(file: Path) -> Any:
    # In C, where it is there: a fifth of the time.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(file.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - both are safe
