"""What boards need beyond one operation per method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse

from boards.operations import BOARD_GET, BOARD_VALIDATE
from boards.schemas import UpdateBoard
from tickets.access import Actor, workflow_for
from tickets.api import payload
from tickets.api.renderers import dump
from tickets.api.schema import OperationSchema
from tickets.api.views import Answer, OperationView
from tickets.board_source import board_of
from tickets.operations import Operation, execute
from tickets.rules import Board


class BoardFile(OperationView):
    """Reads a board wrapped in ``board``, or bare as a file holds it."""

    def shape(self, data: dict[str, Any]) -> dict[str, Any]:
        if "board" in data or "columns" not in data:
            return data
        beside = {name: value for name, value in data.items() if name in UpdateBoard.model_fields}
        return {**beside, "board": {name: value for name, value in data.items() if name not in beside}}


class BoardCheck(BoardFile):
    """Checks a board for those who may read the workflow; the check itself does not depend on it."""

    operations: ClassVar = {"post": BOARD_VALIDATE}
    methods = ("post",)
    operation_id = "board_validate"

    def handle(self, request: HttpRequest, actor: Actor, **path: str) -> Answer:
        workflow_for(actor, path["workflow_id"])
        return super().handle(request, actor)


class InsightsView(OperationView):
    """Takes several kinds, repeated or separated by commas."""

    def read(self, request: HttpRequest, operation: Operation[Any, Any], path: Mapping[str, str]) -> dict[str, Any]:
        return payload.merge_path(payload.read_query(request, {"kind"}), path)


class BoardFileSchema(OperationSchema):
    """Describes the file that an export is."""

    def get_response_serializers(self) -> Any:
        return {200: Board, **self._refusals()}


class BoardExport(OperationView):
    """The board as a file, which PUT and ``create_workflow --board`` take back."""

    operations: ClassVar = {"get": BOARD_GET}
    methods = ("get",)
    operation_id = "board_export"
    schema = BoardFileSchema()

    def handle(self, request: HttpRequest, actor: Actor, **path: str) -> Answer:
        answer = execute(BOARD_GET, actor, self.read(request, BOARD_GET, path))
        workflow = workflow_for(actor, answer.board_config.workflow_id)
        content = dump(board_of(workflow).as_json(), indent=2)
        headers = {"Content-Disposition": f'attachment; filename="board-{workflow.key_prefix.lower()}.json"'}
        return HttpResponse(content, content_type="application/json", headers=headers)
