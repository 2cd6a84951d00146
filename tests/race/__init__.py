"""Many agents at once, each a real MCP client in a process of its own: ``python -m tests.race``, or ``make race``."""
