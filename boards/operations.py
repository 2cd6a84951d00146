"""The operations on boards; see ``tickets.operations``."""

from __future__ import annotations

from boards import schemas
from boards.insights.answer import insights_get
from boards.insights.schemas import GetInsights, InsightsFound
from boards.selectors.agent_prompt import agent_prompt_get
from boards.selectors.statistics import statistics_get
from boards.services import configuration
from tickets.operations import Operation
from tickets.schemas.prompts import AgentPrompt, GetAgentPrompt
from tickets.schemas.workflows import CreateWorkflow, WorkflowAnswer

WORKFLOW_CREATE = Operation("workflow_create", CreateWorkflow, WorkflowAnswer, configuration.workflow_create_with_board)
BOARD_GET = Operation("board_get", schemas.GetBoard, schemas.BoardAnswer, configuration.board_get)
BOARD_UPDATE = Operation("board_update", schemas.UpdateBoard, schemas.BoardAnswer, configuration.board_update)
BOARD_VALIDATE = Operation("board_validate", schemas.ValidateBoard, schemas.BoardChecked, configuration.board_validate)
STATISTICS_GET = Operation("statistics_get", schemas.GetStatistics, schemas.StatisticsAnswer, statistics_get)
INSIGHTS_GET = Operation("insights_get", GetInsights, InsightsFound, insights_get)
AGENT_PROMPT_GET = Operation("agent_prompt_get", GetAgentPrompt, AgentPrompt, agent_prompt_get)
