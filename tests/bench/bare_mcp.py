"""What the bridge is held against: a server of the ``mcp`` package whose one tool does nothing.

``python -m tests.bench.bare_mcp`` over stdio; with a port, over HTTP without sessions.
"""

from __future__ import annotations

import sys

from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

server = MCPServer("bare", log_level="ERROR")


@server.tool()
async def nothing() -> str:
    """Do nothing."""
    return "done"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        # The client that measures names no port in Host.
        anywhere = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        server.run(
            "streamable-http",
            port=int(sys.argv[1]),
            json_response=True,
            stateless_http=True,
            transport_security=anywhere,
        )
    else:
        server.run("stdio")
