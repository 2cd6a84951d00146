"""The protocol: the low-level server of the ``mcp`` package over this app's tools, resources and prompts.

Not its high-level server: that ignores unknown arguments, answers wrong ones with pydantic's own text, and
hides every other error. Here a tool's refusal is always a result with ``isError`` and the contract's error.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import mcp_types as types
import structlog
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcp_bridge import asking, prompts, resources, text
from mcp_bridge.arguments import read_arguments
from mcp_bridge.budget import CEILING, Reply, reply
from mcp_bridge.catalogue import BY_NAME, definitions, find_tool
from mcp_bridge.credentials import Credential
from mcp_bridge.definitions import Tool, readable
from mcp_bridge.errors import ServerFault, refusal
from mcp_bridge.identity import INSTRUCTIONS, NAME, TITLE, VERSION
from mcp_bridge.threads import Threads
from mcp_bridge.watching import Watching
from tickets.errors import DomainError, NotFound, unknown_field
from tickets.schemas.base import check_text

RESOURCE_NOT_FOUND = -32002  # of the protocol before 2026-07-28

Context = ServerRequestContext[Any, Any]
CredentialOf = Callable[[Context], Credential]
log = structlog.get_logger(__name__)


def build_server(credential_of: CredentialOf, threads: Threads, watching: Watching | None = None) -> Server[Any]:
    """The server. With ``watching`` it tells of changed resources, which takes a transport with a way back.

    Streamable HTTP without sessions has none: there subscriptions are not declared, and agents poll
    ``get_inbox``.
    """
    faces = _Faces(credential_of, threads)
    server: Server[Any] = Server(
        NAME,
        version=VERSION,
        title=TITLE,
        instructions=INSTRUCTIONS,
        on_list_tools=faces.list_tools,
        on_call_tool=faces.call_tool,
        on_list_resources=faces.list_resources,
        on_list_resource_templates=faces.list_templates,
        on_read_resource=faces.read_resource,
        on_list_prompts=faces.list_prompts,
        on_get_prompt=faces.get_prompt,
        **(watching.handlers(faces.read) if watching is not None else {}),
    )
    server.middleware.append(take_any_arguments)
    return server


async def take_any_arguments(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Let malformed arguments of a tool come as far as the tool, which says what is wrong with them."""
    params = ctx.params
    if ctx.method == "tools/call" and params is not None:
        name, arguments = params.get("name"), params.get("arguments")
        if not isinstance(arguments, (dict, type(None))) or not isinstance(name, str):
            wrapped = {**params, "name": str(name), "arguments": {_MALFORMED: arguments}}
            return await call_next(replace(ctx, params=wrapped))
    return await call_next(ctx)


# No argument of a tool: a client that sends it means what it says.
_MALFORMED = "\x00malformed"


class _Faces:
    """The request handlers. Everything that reads the database runs on a thread."""

    def __init__(self, credential_of: CredentialOf, threads: Threads) -> None:
        self._credential_of = credential_of
        self._threads = threads

    async def list_tools(self, ctx: Context, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[types.Tool.model_validate(tool) for tool in definitions()])

    async def call_tool(
        self, ctx: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        arguments: Any = params.arguments
        if arguments is not None and _MALFORMED in arguments:
            arguments = arguments[_MALFORMED]
        credential, tool = self._credential_of(ctx), find_tool(params.name)
        if tool is not None and tool.name in asking.DECISIONS and asking.can_ask(ctx):
            message = await self._threads.run(asking.question, credential, tool.name, arguments)
            try:
                if message is not None and (asked := await asking.ask(ctx, params, message)) is not None:
                    return asked
            except DomainError as error:
                return _refused(error, tool.name, arguments)
        return await self._threads.run(call_tool, credential, params.name, arguments)

    async def list_resources(self, ctx: Context, params: Any) -> types.ListResourcesResult:
        found = await self.read(ctx, lambda credential: resources.boards_of(credential.actor()))
        return types.ListResourcesResult(resources=[types.Resource.model_validate(row) for row in found])

    async def list_templates(self, ctx: Context, params: Any) -> types.ListResourceTemplatesResult:
        templates = [types.ResourceTemplate.model_validate(template) for template in resources.TEMPLATES]
        return types.ListResourceTemplatesResult(resource_templates=templates)

    async def read_resource(self, ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        uri = str(params.uri)
        content = await self.read(ctx, lambda credential: resources.read_resource(credential.actor(), uri))
        contents: list[Any] = [types.TextResourceContents(uri=uri, mime_type="text/plain", text=content)]
        return types.ReadResourceResult(contents=contents)

    async def list_prompts(self, ctx: Context, params: Any) -> types.ListPromptsResult:
        argument = types.PromptArgument(name="ticket_id", description="Id or key of the ticket.", required=True)
        found = [types.Prompt(name=p.name, description=p.description, arguments=[argument]) for p in prompts.PROMPTS]
        return types.ListPromptsResult(prompts=found)

    async def get_prompt(self, ctx: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        arguments = params.arguments or {}
        description, content = await self.read(
            ctx, lambda credential: prompts.get_prompt(credential.actor(), params.name, arguments)
        )
        message = types.PromptMessage(role="user", content=types.TextContent(type="text", text=content))
        return types.GetPromptResult(description=description, messages=[message])

    async def read(self, ctx: Context, work: Callable[[Credential], Any]) -> Any:
        """Run on a thread; what the core refuses becomes the protocol's error with the contract's in its data."""
        try:
            return await self._threads.run(work, self._credential_of(ctx))
        except DomainError as error:
            old = ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS
            missing = old and isinstance(error, NotFound) and ctx.method.startswith("resources/")
            code = RESOURCE_NOT_FOUND if missing else types.INVALID_PARAMS
            raise MCPError(code=code, message=error.message, data=error.as_dict()["error"]) from error


def call_tool(credential: Credential, name: str, arguments: Any) -> types.CallToolResult:
    """Run a tool for a caller. Never raises: whatever goes wrong is a result that says so."""
    tool, start = find_tool(name), time.perf_counter()
    shown = tool.name if tool is not None else "get_tickets"
    result = _run(credential, tool, shown, name, arguments)
    # What agents say to each other is not for the log.
    milliseconds = round((time.perf_counter() - start) * 1000, 1)
    log.info("tool_called", tool=shown, is_error=bool(result.is_error), milliseconds=milliseconds)
    return result


def _run(credential: Credential, tool: Tool | None, shown: str, name: str, arguments: Any) -> types.CallToolResult:
    try:
        if tool is None:
            raise unknown_field(name[:100], BY_NAME, what="tool", field="name")
        check_text(arguments)
        return _result(tool.call(credential.actor(), read_arguments(arguments), credential.workflow_id))
    except DomainError as error:
        return _refused(error, shown, arguments)
    except Exception:
        log.exception("tool_failed", tool=shown)
        return _refused(ServerFault("This is a fault of the server; its log says more."), shown, arguments)


def _refused(error: DomainError, tool: str, arguments: Any) -> types.CallToolResult:
    data = refusal(error, tool, readable(arguments))
    return _result(reply(data, text.refused, tokens=CEILING), is_error=True)


def _result(answer: Reply, *, is_error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=answer.text)],
        structured_content=answer.data,
        is_error=is_error,
    )
