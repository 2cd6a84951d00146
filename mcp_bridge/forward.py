"""The thin bridge: standard input and output here, ``/mcp`` of a server elsewhere. It opens no database.

Each message is one POST. What the server cannot say because it was not reached, or refused the request before
any tool saw it, becomes a tool's error of the usual form, so that an agent can act on it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx

from mcp_bridge.budget import reply
from mcp_bridge.errors import refusal
from mcp_bridge.text import refused
from mcp_bridge.wire import TOO_LONG, Wire
from tickets.errors import Busy, DomainError, Forbidden, Invalid, RateLimited, Unauthenticated

PATH = "/mcp"
# A tool's call waits for its turn to write at most 20 s; far above that nobody answers any more.
TIMEOUT = httpx.Timeout(60.0, connect=10.0)
MAX_AT_ONCE = 16
_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
_INVALID_REQUEST, _PARSE_ERROR, _UNREACHABLE = -32600, -32700, -32000


def forward(wire: Wire, url: str, token: str, agent_id: str | None, workflow_id: str | None) -> None:
    """Forward one client's messages until its input ends and everything is answered."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    if agent_id:
        headers["X-Agent-ID"] = agent_id
    if workflow_id:
        headers["X-Workflow-ID"] = workflow_id
    asyncio.run(_Forwarder(wire, _address(url), headers).run())


class _Forwarder:
    def __init__(self, wire: Wire, url: str, headers: Mapping[str, str]) -> None:
        self._wire = wire
        self._url = url
        self._headers = headers
        # What initialize agreed on; every later request over HTTP says it again.
        self._version: str | None = None

    async def run(self) -> None:
        limits = httpx.Limits(max_connections=MAX_AT_ONCE)
        room = asyncio.Semaphore(MAX_AT_ONCE)
        async with (
            httpx.AsyncClient(headers=self._headers, timeout=TIMEOUT, limits=limits) as client,
            asyncio.TaskGroup() as tasks,
        ):
            while (line := await asyncio.to_thread(self._wire.line)) != b"":
                if line is None:
                    await self._say(None, error={"code": _INVALID_REQUEST, "message": TOO_LONG})
                elif line.strip():
                    await self._take(line, client, room, tasks)

    async def _take(
        self, line: bytes, client: httpx.AsyncClient, room: asyncio.Semaphore, tasks: asyncio.TaskGroup
    ) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            await self._say(None, error={"code": _PARSE_ERROR, "message": "The line is no JSON in UTF-8."})
            return
        if not isinstance(message, dict) or not isinstance(message.get("method"), str):
            usable = message.get("id") if isinstance(message, dict) else None
            if not isinstance(message, dict) or not {"result", "error"} & set(message):
                error = {"code": _INVALID_REQUEST, "message": "The line is no JSON-RPC 2.0 request or notification."}
                await self._say(usable if isinstance(usable, (int, str)) else None, error=error)
            return
        if message["method"] == "initialize":
            # What follows depends on the version that it agrees on.
            await self._forward(line, message, client)
            return
        await room.acquire()
        tasks.create_task(self._forward(line, message, client)).add_done_callback(lambda _task: room.release())

    async def _forward(self, line: bytes, message: dict[str, Any], client: httpx.AsyncClient) -> None:
        try:
            answer = await client.post(self._url, content=line, headers=self._of(message))
            content = _content(answer)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            await self._fail(message, Busy(f"The server at {self._url} cannot be reached: {reason}.", retry_after=1))
            return
        if "id" not in message:
            return
        if content is None or "jsonrpc" not in content:
            await self._fail(message, _refusal_of(answer, content))
            return
        if message["method"] == "initialize":
            self._version = content.get("result", {}).get("protocolVersion", self._version)
        await asyncio.to_thread(self._wire.send, json.dumps({**content, "id": message["id"]}, ensure_ascii=False))

    def _of(self, message: dict[str, Any]) -> dict[str, str]:
        """The headers that the protocol wants of a message."""
        params = message.get("params")
        meta = params.get("_meta") if isinstance(params, dict) else None
        named = meta.get(_VERSION_KEY) if isinstance(meta, dict) else None
        headers = {"Content-Type": "application/json"}
        if isinstance(named, str):
            headers["Mcp-Method"] = message["method"]
            for name in ("name", "uri"):
                if isinstance(params, dict) and isinstance(params.get(name), str):
                    headers["Mcp-Name"] = params[name]
        version = named if isinstance(named, str) else self._version
        if version and message["method"] != "initialize":
            headers["MCP-Protocol-Version"] = version
        return {name: value.encode("ascii", "replace").decode() for name, value in headers.items()}

    async def _fail(self, message: dict[str, Any], error: DomainError) -> None:
        if "id" not in message:
            return
        params = message.get("params")
        if message["method"] != "tools/call" or not isinstance(params, dict):
            problem = {"code": _UNREACHABLE, "message": error.message, "data": error.as_dict()["error"]}
            await self._say(message["id"], error=problem)
            return
        arguments = params.get("arguments")
        data = refusal(error, str(params.get("name")), arguments if isinstance(arguments, dict) else {})
        shown = reply(data, refused)
        result = {
            "content": [{"type": "text", "text": shown.text}],
            "structuredContent": shown.data,
            "isError": True,
            "resultType": "complete",
        }
        await self._say(message["id"], result=result)

    async def _say(self, request_id: Any, **content: Any) -> None:
        answer = {"jsonrpc": "2.0", "id": request_id, **content}
        await asyncio.to_thread(self._wire.send, json.dumps(answer, ensure_ascii=False))


def _address(url: str) -> str:
    """The address of ``/mcp``, whether or not it was given with the path."""
    bare = url.rstrip("/")
    return bare if bare.endswith(PATH) else bare + PATH


def _content(answer: httpx.Response) -> dict[str, Any] | None:
    """The message in an answer, sent as JSON or as the last event of a stream; None where there is none."""
    text = answer.text
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        events = [line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:")]
        text = events[-1] if events else ""
    try:
        content = json.loads(text) if text else None
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _refusal_of(answer: httpx.Response, content: Mapping[str, Any] | None) -> DomainError:
    """What the server said before any tool heard of the request."""
    error = content.get("error") if content else None
    said = error.get("message") if isinstance(error, dict) else None
    message = said if isinstance(said, str) else f"The server answered {answer.status_code}."
    wait = answer.headers.get("retry-after", "")
    after = float(wait) if wait.isdecimal() else None
    kinds: dict[int, type[DomainError]] = {401: Unauthenticated, 403: Forbidden, 429: RateLimited}
    kind = kinds.get(answer.status_code, Busy if answer.status_code >= 500 else Invalid)
    return kind(message, retry_after=after)
