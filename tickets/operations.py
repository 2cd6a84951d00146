"""Operations: what a caller can do, each written once, with four faces (REST, MCP, web, SDK).

An operation is a function of ``(actor, request)``. ``execute`` reads the request, settles who acts and
gives one answer per idempotency key; the rest is the function's.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from django.db import InterfaceError, OperationalError

from tickets.access import Actor, acting_as
from tickets.errors import Busy
from tickets.schemas.base import Answer, Request, WriteRequest, parse
from tickets.services.idempotency import once

RequestT = TypeVar("RequestT", bound=Request, contravariant=True)
AnswerT = TypeVar("AnswerT", bound=Answer, covariant=True)


class Run(Protocol[RequestT, AnswerT]):
    def __call__(self, *, actor: Actor, request: RequestT) -> AnswerT: ...


@dataclass(frozen=True)
class Operation(Generic[RequestT, AnswerT]):
    """A named operation with the types of its request and answer."""

    name: str
    request: type[RequestT]
    answer: type[AnswerT]
    run: Run[RequestT, AnswerT]

    @property
    def writes(self) -> bool:
        return issubclass(self.request, WriteRequest)

    @property
    def summary(self) -> str:
        return (self.request.__doc__ or "").strip().split("\n")[0]


def execute(operation: Operation[Any, AnswerT], actor: Actor, data: Mapping[str, Any]) -> AnswerT:
    """Read the request and run the operation as the agent it names. Raises DomainError."""
    request = parse(operation.request, data)
    actor = acting_as(actor, request.agent_id)
    run = functools.partial(operation.run, actor=actor, request=request)
    key = request.idempotency_key if isinstance(request, WriteRequest) else None
    try:
        if key is None:
            return run()
        return once(actor=actor, key=key, operation=operation.name, request=request, answer=operation.answer, run=run)
    except (OperationalError, InterfaceError) as error:
        # The last resort behind the write lock: a lock or a connection that did not come in time.
        raise Busy("The database is busy. Repeat the request.", retry_after=1) from error
