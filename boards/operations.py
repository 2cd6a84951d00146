"""The operations on boards; see ``tickets.operations``."""

from __future__ import annotations

from boards import schemas
from boards.insights.answer import insights_get
from boards.insights.schemas import GetInsights, InsightsFound
from boards.metrics.answer import metrics_get
from boards.metrics.schemas import GetMetrics, MetricsAnswer
from boards.selectors.agent_prompt import agent_prompt_get
from boards.selectors.statistics import statistics_get
from boards.selectors.views import view_list
from boards.services import configuration, views
from tickets.operations import Operation
from tickets.schemas.prompts import AgentPrompt, GetAgentPrompt
from tickets.schemas.workflows import CreateWorkflow, WorkflowAnswer

WORKFLOW_CREATE = Operation("workflow_create", CreateWorkflow, WorkflowAnswer, configuration.workflow_create_with_board)
BOARD_GET = Operation("board_get", schemas.GetBoard, schemas.BoardAnswer, configuration.board_get)
BOARD_UPDATE = Operation("board_update", schemas.UpdateBoard, schemas.BoardAnswer, configuration.board_update)
BOARD_VALIDATE = Operation("board_validate", schemas.ValidateBoard, schemas.BoardChecked, configuration.board_validate)
STATISTICS_GET = Operation("statistics_get", schemas.GetStatistics, schemas.StatisticsAnswer, statistics_get)
METRICS_GET = Operation("metrics_get", GetMetrics, MetricsAnswer, metrics_get)
INSIGHTS_GET = Operation("insights_get", GetInsights, InsightsFound, insights_get)
AGENT_PROMPT_GET = Operation("agent_prompt_get", GetAgentPrompt, AgentPrompt, agent_prompt_get)
VIEW_LIST = Operation("view_list", schemas.ListViews, schemas.ViewList, view_list)
VIEW_SAVE = Operation("view_save", schemas.SaveView, schemas.ViewAnswer, views.view_save)
VIEW_DELETE = Operation("view_delete", schemas.DeleteView, schemas.ViewDeleted, views.view_delete)
