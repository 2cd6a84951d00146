"""One workflow from a program's side: its phases, its board, its tickets.

with HephaestusSDK("My Workflow", "./phases", ticket_tracking_enabled=True, ticket_board_config=board) as sdk:
    sdk.run()
    sdk.client.tickets.create(title="Parse dates", description="ISO 8601 in UTC.")
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from pydantic import BaseModel

from boards.schemas import TicketStats
from hephaestus_site.sdk.boards import TicketBoardConfig
from hephaestus_site.sdk.client import Client
from hephaestus_site.sdk.connection import token_from_environment, url_from_environment
from hephaestus_site.sdk.errors import Conflict, HephaestusError, Invalid, NotFound, Unreachable
from hephaestus_site.sdk.local import LocalServer
from hephaestus_site.sdk.phases import Phase, read_phases
from hephaestus_site.sdk.tickets import Ticket
from tickets.schemas.lists import MAX_PAGE, ExportFormat
from tickets.schemas.workflows import WorkflowDetail, WorkflowUpdates

# What only a list takes: which part of the tickets, and in which order.
LIST_ONLY = frozenset({"limit", "offset", "sort_by", "sort_order", "description"})


class HephaestusSDK:
    """Creates or updates a workflow, and reads its tickets.

    ``base_url`` and ``token`` default to HEPHAESTUS_URL and HEPHAESTUS_TOKEN; creating a workflow takes an operator's
    token (``manage.py create_agent ID --operator``), updating one a maintainer's. Without an address, ``run`` starts
    a server of its own on ``data_dir`` and gives itself an operator's token; ``close``, the end of a ``with`` block
    and the end of the program stop it.

    ``ticket_tracking_enabled`` None leaves it to the server, and an existing workflow as it is; so does a board or
    a phases folder that is not given. ``workflow_id`` is made from the name unless it is given.
    """

    def __init__(
        self,
        workflow_name: str,
        phases_folder: str | Path | None = None,
        ticket_tracking_enabled: bool | None = None,
        ticket_board_config: TicketBoardConfig | None = None,
        *,
        base_url: str | None = None,
        token: str | None = None,
        workflow_id: str | None = None,
        key_prefix: str | None = None,
        data_dir: str | Path | None = None,
    ) -> None:
        self.workflow_name = workflow_name
        self.workflow_id = workflow_id or id_from_name(workflow_name)
        self.phases_folder = phases_folder
        self.ticket_tracking_enabled = ticket_tracking_enabled
        self.ticket_board_config = ticket_board_config
        self._id_is_given = workflow_id is not None
        self._key_prefix = key_prefix
        self._given_url = base_url or url_from_environment()
        self._given_token = token or token_from_environment()
        self._data_dir = data_dir
        self._client: Client | None = None
        self._server: LocalServer | None = None
        self._own_token: str | None = None
        self._has_run = False

    @property
    def base_url(self) -> str | None:
        """Where the server is; None before ``run`` starts one."""
        return self._server.base_url if self._server is not None else self._given_url

    @property
    def client(self) -> Client:
        """Every operation, by this SDK's credential. Raises Unreachable while there is no server."""
        if self._client is None:
            if self.base_url is None:
                raise Unreachable("There is no server yet: run() starts one. Or give base_url, or set HEPHAESTUS_URL.")
            self._client = Client(self.base_url, self._own_token or self._given_token)
        return self._client

    def run(self) -> WorkflowDetail:
        """Create the workflow with its phases and board, or bring it up to date. Again changes nothing.

        Raises PhaseError, LocalServerError and what the server refuses.
        """
        phases = read_phases(self.phases_folder) if self.phases_folder is not None else None
        if self.base_url is not None:
            return self._lay_out(phases)
        try:
            self._start_server()
            return self._lay_out(phases)
        except BaseException:
            self.close()
            raise

    def enable_ticket_tracking(self, board_config: TicketBoardConfig | None = None) -> None:
        """Enable ticket tracking for this workflow, and set its board. Before ``run`` it says what that will do."""
        self.ticket_tracking_enabled = True
        self.ticket_board_config = board_config or self.ticket_board_config
        self._apply()

    def disable_ticket_tracking(self) -> None:
        """Disable ticket tracking for this workflow: its tickets can be read, and not written."""
        self.ticket_tracking_enabled = False
        self._apply()

    def get_tickets(self, filters: Mapping[str, Any] | None = None) -> list[Ticket]:
        """The workflow's tickets that match, all of them, by number.

        ``filters`` are those of ``GET /api/tickets``: status, ticket_type, priority, assigned_agent_id, tags,
        is_blocked, include_completed, created_after and so on. With ``sort_by``, ``sort_order``, ``offset`` or
        ``limit`` (which here may be any number) they are read page by page in that order, so that a ticket that
        changes meanwhile may be missed. Raises Invalid for what is no filter.
        """
        given: dict[str, Any] = {"workflow_id": self.workflow_id, **(filters or {})}
        if given.keys() & LIST_ONLY:
            return self._listed(**given)
        return _Exported.model_validate_json(self.client.tickets.export(**given, format="json")).tickets

    def get_ticket_stats(self) -> TicketStats:
        """Aggregate statistics of the workflow's tickets."""
        return self.client.workflows.statistics(workflow_id=self.workflow_id).stats

    def export_tickets(self, format: str = "json") -> str:  # noqa: A002 - the design's name
        """All tickets in full as ``json``, ``csv`` or ``markdown``."""
        return self.client.tickets.export(workflow_id=self.workflow_id, format=cast(ExportFormat, format.lower()))

    def close(self) -> None:
        """Close the connections, and stop the server that ``run`` started. ``run`` may follow again."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
        server, self._server = self._server, None
        if server is not None:
            atexit.unregister(self.close)
            self._revoke(server.base_url)
            server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _start_server(self) -> None:
        self._server = LocalServer(self._data_dir)
        atexit.register(self.close)
        if self._given_token is None:
            self._own_token = self._server.operator_token()

    def _revoke(self, base_url: str) -> None:
        """The token served this one session."""
        token, self._own_token = self._own_token, None
        if token is None:
            return
        # Without patience: where the server is gone already, there is nothing to wait for.
        with contextlib.suppress(HephaestusError), Client(base_url, token, timeout=5, retry_seconds=0) as client:
            client.agents.revoke_token(token_id=client.me().token_id or "")

    def _lay_out(self, phases: list[Phase] | None) -> WorkflowDetail:
        workflow = self._existing()
        if workflow is None:
            try:
                workflow = self._create(phases)
            except Conflict:
                # Another did so at the same time, or it is one that this credential may not see.
                workflow = self._existing()
                if workflow is None:
                    raise
        self._check_name(workflow)
        self._has_run = True
        return self._update(phases)

    def _existing(self) -> WorkflowDetail | None:
        try:
            return self.client.workflows.get(workflow_id=self.workflow_id).workflow
        except NotFound:
            return None

    def _create(self, phases: list[Phase] | None) -> WorkflowDetail:
        board = self.ticket_board_config
        return self.client.workflows.create(
            workflow_id=self.workflow_id,
            name=self.workflow_name,
            key_prefix=self._key_prefix,
            board=board.as_json() if board is not None else None,
            ticket_tracking_enabled=self.ticket_tracking_enabled,
            phases=_as_json(phases) or [],
        ).workflow

    def _check_name(self, workflow: WorkflowDetail) -> None:
        if not self._id_is_given and workflow.name != self.workflow_name.strip():
            raise Conflict(
                f"The workflow {workflow.workflow_id!r} is called {workflow.name!r}, not {self.workflow_name!r}. "
                "Give workflow_id: the same one to rename it, or another for a workflow of its own.",
                field="workflow_id",
            )

    def _update(self, phases: list[Phase] | None = None) -> WorkflowDetail:
        if self.ticket_board_config is not None:
            self.client.boards.update(workflow_id=self.workflow_id, board=self.ticket_board_config.as_json())
        updates = WorkflowUpdates(
            name=self.workflow_name, ticket_tracking_enabled=self.ticket_tracking_enabled, phases=_as_json(phases)
        )
        return self.client.workflows.update(workflow_id=self.workflow_id, updates=updates).workflow

    def _apply(self) -> None:
        """Carry out now what ``run`` would do, where there is a workflow already."""
        if self.base_url is None:
            return
        try:
            self._update()
        except NotFound:
            if self._has_run:
                raise

    def _listed(self, *, limit: int | None = None, offset: int = 0, **given: Any) -> list[Ticket]:
        if limit is not None and limit < 1:
            raise Invalid("limit must be at least 1.", field="limit")
        # By id: a ticket that moves to a later page while these are read stands there once more.
        found: dict[str, Ticket] = {}
        while True:
            missing = MAX_PAGE if limit is None else limit - len(found)
            page = self.client.tickets.list(
                **{"description": "full", **given, "limit": min(MAX_PAGE, missing), "offset": offset}
            )
            for row in page.tickets:
                ticket = Ticket.model_validate(row)
                found.setdefault(ticket.ticket_id, ticket)
            offset += len(page.tickets)
            if not page.has_more or len(found) == limit:
                return list(found.values())


class _Exported(BaseModel):
    tickets: list[Ticket]


def id_from_name(name: str) -> str:
    """An id such as my-workflow. A name in another script has a digest, so that no two are alike."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:80]
    if slug and name.isascii():
        return slug
    return f"{slug or 'workflow'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _as_json(phases: list[Phase] | None) -> list[dict[str, Any]] | None:
    return None if phases is None else [phase.model_dump(mode="json") for phase in phases]
