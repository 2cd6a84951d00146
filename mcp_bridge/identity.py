"""What the server calls itself. Client configurations name it the same: the tools become mcp__hephaestus__…"""

from __future__ import annotations

NAME = "hephaestus"
TITLE = "Hephaestus Tickets"
VERSION = "1.0.0"
