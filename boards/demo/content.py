"""What the demo holds, as its YAML files say it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from tickets.schemas.workflows import CreateWorkflow

FOLDER = Path(__file__).parent
# In the order in which their keys are given: the first workflow's is TKT.
BOARDS = ("hephaestus.yaml", "triage.yaml")


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DemoReply(_Content):
    by: str
    text: str
    reactions: dict[str, list[str]] = Field(default_factory=dict, description="Emoji → agents.")


class DemoComment(DemoReply):
    replies: list[DemoReply] = []


class CommitRule(_Content):
    """Which commits belong to a ticket: they touch one of the paths, or their subject holds one of the words."""

    paths: list[str] = []
    words: list[str] = []


class DemoTicket(_Content):
    """``path`` names the columns that the ticket passes; default: all up to ``status``, in order."""

    name: str
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
    blocked_reason: str | None = None
    assigned: str | None = None
    lease: bool = False
    status: str | None = None
    path: list[str] | None = None
    review: Literal["pending", "approved", "rejected"] | None = None
    reason: str = "Worth a look."
    comments: list[DemoComment] = []
    resolution: str | None = None
    commits: CommitRule | None = None


class DemoBoard(_Content):
    workflow: dict[str, Any]
    board: dict[str, Any]
    members: dict[str, Literal["viewer", "member", "maintainer"]]
    tickets: list[DemoTicket]

    def create_request(self, repositories: list[str]) -> CreateWorkflow:
        given = {**self.workflow, "board": self.board, "repositories": repositories}
        return CreateWorkflow(workflow_id=given.pop("id"), ticket_tracking_enabled=True, **given)


def read_boards() -> list[DemoBoard]:
    return [DemoBoard.model_validate(yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))) for name in BOARDS]
