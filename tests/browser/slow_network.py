"""A network on which a request takes as long as a test wants it to."""

from __future__ import annotations

from playwright.sync_api import Page, Route

LOOK = 10  # ms


class Held:
    """Requests of a page that are on their way to the server until they are let go."""

    def __init__(self, page: Page, pattern: str) -> None:
        self.page = page
        self.routes: list[Route] = []
        page.route(pattern, self._hold)

    def _hold(self, route: Route) -> None:
        self.routes.append(route)

    def let_go(self) -> None:
        """Wait for the first of them, and let it reach the server."""
        while not self.routes:
            self.page.wait_for_timeout(LOOK)
        self.routes.pop(0).continue_()
