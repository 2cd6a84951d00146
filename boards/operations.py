"""The operations on boards; see ``tickets.operations``."""

from __future__ import annotations

from boards import schemas
from boards.selectors.statistics import statistics_get
from boards.services import configuration
from tickets.operations import Operation
from tickets.schemas.workflows import CreateWorkflow, WorkflowAnswer

WORKFLOW_CREATE = Operation("workflow_create", CreateWorkflow, WorkflowAnswer, configuration.workflow_create_with_board)
BOARD_GET = Operation("board_get", schemas.GetBoard, schemas.BoardAnswer, configuration.board_get)
BOARD_UPDATE = Operation("board_update", schemas.UpdateBoard, schemas.BoardAnswer, configuration.board_update)
BOARD_VALIDATE = Operation("board_validate", schemas.ValidateBoard, schemas.BoardChecked, configuration.board_validate)
STATISTICS_GET = Operation("statistics_get", schemas.GetStatistics, schemas.StatisticsAnswer, statistics_get)
