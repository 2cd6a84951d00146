"""The boards app registers the source of the rules with the core."""

from __future__ import annotations

from django.apps import AppConfig


class BoardsConfig(AppConfig):
    name = "boards"

    def ready(self) -> None:
        from boards.source import StoredBoards
        from tickets.board_source import register

        register(StoredBoards())
