"""Answers ``initialize`` before anything is loaded.

Loading the protocol's library and the operations takes a second or two on a busy machine, and clients wait
for no server that long before they say that it failed. What is answered here is what the library would
answer; a test holds the two together.
"""

from __future__ import annotations

import json
from typing import Any

from mcp_bridge.identity import INSTRUCTIONS, NAME, TITLE, VERSION
from mcp_bridge.wire import Wire

# The versions with a handshake, oldest first.
VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
CAPABILITIES: dict[str, dict[str, bool]] = {
    "prompts": {"listChanged": False},
    "resources": {"listChanged": False, "subscribe": True},
    "tools": {"listChanged": False},
}


def greet(wire: Wire) -> Any:
    """Read the first line and answer it, if it is an ``initialize`` as it should be. Its id, or None.

    The line stays on the wire: the server has to see it too. Its own answer to it must then not be sent.
    """
    line = wire.line()
    wire.put_back(line)
    request = _initialize(line)
    if request is None:
        return None
    result = greeting(request["params"]["protocolVersion"])
    wire.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}, ensure_ascii=False))
    return request["id"]


def greeting(version: str) -> dict[str, Any]:
    """The result of ``initialize`` for the version that a client asks for."""
    return {
        "protocolVersion": version if version in VERSIONS else VERSIONS[-1],
        "capabilities": CAPABILITIES,
        "serverInfo": {"name": NAME, "title": TITLE, "version": VERSION},
        "instructions": INSTRUCTIONS,
    }


def _initialize(line: bytes | None) -> dict[str, Any] | None:
    """The request, where the line is one that the library would accept too."""
    try:
        request = json.loads(line or b"")
        params = request["params"]
        client = params["clientInfo"]
        plain = (request["jsonrpc"], request["method"]) == ("2.0", "initialize") and len(request) == 4
        texts = (params["protocolVersion"], client["name"], client["version"])
        whole = plain and all(isinstance(text, str) for text in texts) and isinstance(params["capabilities"], dict)
        # Capabilities have a form of their own; what has none is left to the library.
        whole = whole and all(isinstance(value, dict) for value in params["capabilities"].values())
        return request if whole and type(request["id"]) in (int, str) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
