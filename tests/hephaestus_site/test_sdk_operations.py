"""What the SDK describes is what the server has, and none of it needs Django."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from hephaestus_site.sdk import AsyncClient, Client, Ticket, errors
from hephaestus_site.sdk import calls as sdk_calls
from hephaestus_site.sdk.operations import Operations
from tickets.api.views import OperationView
from tickets.errors import DomainError
from tickets.schemas.lists import TicketRow

ROOT = Path(__file__).resolve().parents[2]
NO_DJANGO = """
import sys
class NoDjango:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("django", "rest_framework", "channels"):
            raise ImportError(f"{name} is not installed here")
sys.meta_path.insert(0, NoDjango())
"""
# The same at a further address, or served by a method of the SDK that is no operation.
ELSEWHERE = {
    ("GET", "tickets/"),
    ("GET", "tickets"),
    ("GET", "tickets/board-config/{workflow_id}"),
    ("GET", "workflows/{workflow_id}/board/export"),
    ("POST", "workflows/{workflow_id}/board/validate"),
}


def served(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    """Method, path with the request's names, and operation of everything below /api/."""
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from served(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern) and path.startswith("api/"):
            view = getattr(pattern.callback, "view_class", None)
            if view is None or not issubclass(view, OperationView):
                continue
            for method, operation in view.operations.items():
                yield method.upper(), _named(path.removeprefix("api/"), view.path_fields), operation


def _named(path: str, names: Any) -> str:
    for kind in ("<str:", "<path:"):
        path = path.replace(kind, "{")
    path = path.replace(">", "}")
    for name, field in names.items():
        path = path.replace(f"{{{name}}}", f"{{{field}}}")
    return path


def described() -> Iterator[sdk_calls.Operation[..., Any]]:
    groups = [Operations, *sdk_calls.Group.__subclasses__()]
    for group in groups:
        yield from (value for value in vars(group).values() if isinstance(value, sdk_calls.Operation))


def test_every_operation_of_the_server_is_in_the_sdk_with_its_request_and_answer() -> None:
    in_sdk = {(str(call.method), call.path): (call.request, call.answer) for call in described()}
    on_server = {
        (method, path): (operation.request, operation.answer)
        for method, path, operation in served(get_resolver().url_patterns)
        if (method, path) not in ELSEWHERE
    }

    assert on_server
    missing = [where for where in on_server if in_sdk.get(where) != on_server[where]]
    assert not missing, "describe them in hephaestus_site/sdk/operations.py"


def test_both_clients_have_the_same_operations_with_the_same_parameters() -> None:
    client, twin = Client("http://127.0.0.1:1"), AsyncClient("http://127.0.0.1:1")

    for group, operations in vars(client).items():
        if not isinstance(operations, sdk_calls.Group):
            continue
        for name, value in vars(type(operations)).items():
            if isinstance(value, sdk_calls.Operation):
                sync_method = getattr(operations, name)
                async_method = getattr(getattr(twin, group), name)
                assert inspect.signature(sync_method) == inspect.signature(async_method)
                assert sync_method.__doc__ == async_method.__doc__ == value.request.__doc__
    assert "title" in inspect.signature(client.tickets.create).parameters


def test_the_sdk_is_imported_where_there_is_no_django() -> None:
    script = NO_DJANGO + "import hephaestus_site.sdk, hephaestus_site.sdk as sdk; print(sdk.Client.__name__)"

    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "Client\n"), done.stderr


def test_a_ticket_has_the_fields_of_the_servers_rows() -> None:
    assert set(Ticket.model_fields) == set(TicketRow.__annotations__)


def test_every_code_of_the_contract_is_raised_by_its_name() -> None:
    from tickets.schemas.errors import ErrorCode

    for code in ErrorCode.__args__:  # type: ignore[attr-defined]
        error = errors.error_of(409, b'{"success": false, "error": {"code": "%s", "message": "x"}}' % code.encode())
        assert error.code == code
        assert getattr(errors, type(error).__name__) is type(error)


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (502, b"<html>Bad Gateway</html>", errors.Busy),
        (504, b"", errors.Busy),
        (429, b"slow down", errors.RateLimited),
        (401, b"<html>login</html>", errors.UnexpectedAnswer),
        (404, b"[]", errors.UnexpectedAnswer),
        (404, b'{"error": null}', errors.UnexpectedAnswer),
        (500, b'{"error": {"code": "not_available", "message": "x"}}', errors.ServerFault),
        (400, b'{"error": {"code": "of_tomorrow", "message": "x"}}', errors.UnexpectedAnswer),
    ],
)
def test_what_is_no_answer_of_the_server_is_told_by_its_status(
    status: int, content: bytes, kind: type[DomainError]
) -> None:
    assert type(errors.error_of(status, content)) is kind
