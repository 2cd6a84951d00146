"""The OpenAPI schema against the server: no 5xx, and no answer that the schema does not know.

Every operation gets generated requests, valid and not, through the whole stack of middleware and views.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.factories import AgentWithToken, make_agent, make_ticket, make_workflow

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 10  # for each of about seventy operations

schema = schemathesis.openapi.from_wsgi("/api/schema/", get_wsgi_application())
# Names that exist, so that generated requests get past the look-up.
KNOWN = {
    "workflow_id": ["alpha", "beta"],
    "ticket_id": ["TKT-1", "TKT-2", "TKT-3"],
    "agent_id": ["ada"],
}
# What stands where an id may stand: a ticket that is called so is out of the address's reach.
TAKEN = {path.removeprefix("/api/tickets/").split("/")[0] for path in schema.raw_schema["paths"]}


@pytest.fixture
def agent(db: None, settings: Any) -> AgentWithToken:
    settings.RATE_LIMIT = 0
    workflow, _ = make_workflow("alpha"), make_workflow("beta")
    found = make_agent(workflow, role="maintainer", agent_id="ada")
    for _ in range(3):
        make_ticket(found)
    return found


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """Keep the test's connection, and with it its transaction, when a request ends; Django's own client does so too."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@schema.hook
def map_path_parameters(_context: Any, path_parameters: Any) -> Any:
    return _with_known(path_parameters)


@schema.hook
def map_query(_context: Any, query: Any) -> Any:
    return _with_known(query)


@schema.hook
def map_body(_context: Any, body: Any) -> Any:
    return _with_known(body)


def _with_known(values: Any) -> Any:
    """Half of the made-up names become known ones, chosen by the made-up value, so that failures repeat."""
    if not isinstance(values, dict):
        return values
    found = dict(values)
    for name, known in KNOWN.items():
        made_up = found.get(name)
        if isinstance(made_up, str) and (len(made_up) % 2 == 0 or made_up in TAKEN):
            found[name] = known[len(made_up) // 2 % len(known)]
    return found


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_what_the_schema_says(case: schemathesis.Case[Any], agent: AgentWithToken) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {agent.token}"}, checks=CHECKS)
