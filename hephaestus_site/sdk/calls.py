"""One description per operation, from which the methods of both clients and their types follow.

    class Tickets(Group[TransportT]):
        create = Call("POST", "tickets/create", CreateTicket, TicketCreated)

``client.tickets.create`` takes the fields of ``CreateTicket`` as keyword arguments and returns a ``TicketCreated``,
that of an ``AsyncClient`` returns one to be awaited.
"""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cached_property
from string import Formatter
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, Self, TypeVar, cast, overload
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from hephaestus_site.sdk.errors import Invalid, UnexpectedAnswer
from tickets.schemas.base import Request, WriteRequest, parse

if TYPE_CHECKING:
    from hephaestus_site.sdk.transport import AsyncTransport, Transport

P = ParamSpec("P")
AnswerT = TypeVar("AnswerT")
ModelT = TypeVar("ModelT", bound=BaseModel)
TransportT = TypeVar("TransportT")
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True)
class Outgoing:
    """A request ready to be sent, once or again. A write bears an idempotency key, so again changes nothing."""

    method: Method
    path: str
    query: dict[str, Any] | None
    body: dict[str, Any] | None


class Group(Generic[TransportT]):
    """Operations that belong together, bound to what sends them."""

    def __init__(self, transport: TransportT) -> None:
        self._transport = transport


class Operation(Generic[P, AnswerT]):
    """An operation: how it is asked for. Subclasses say how its answer is read."""

    def __init__(self, method: Method, path: str, request: Callable[P, Request], answer: type[AnswerT]) -> None:
        self.method = method
        self.path = path
        self.answer = answer
        # The class, whose constructor lends the method its parameters.
        self.request = cast(type[Request], request)
        self.path_fields = [name for _, name, _, _ in Formatter().parse(path) if name]

    @overload
    def __get__(self, group: None, owner: type) -> Self: ...
    @overload
    def __get__(self, group: Group[Transport], owner: type) -> Callable[P, AnswerT]: ...
    @overload
    def __get__(self, group: Group[AsyncTransport], owner: type) -> Callable[P, Coroutine[Any, Any, AnswerT]]: ...
    def __get__(self, group: Any, owner: type) -> Any:
        if group is None:
            return self
        transport = group._transport

        def call(**arguments: Any) -> Any:
            return transport.call(self, arguments)

        call.__doc__ = self.request.__doc__
        call.__signature__ = self._signature  # type: ignore[attr-defined]
        return call

    def outgoing(self, arguments: dict[str, Any]) -> Outgoing:
        """The request with these fields. Raises Invalid, as the server would."""
        request = parse(self.request, arguments)
        data = request.model_dump(mode="json", exclude_unset=True)
        for name in self.path_fields:
            if name not in data:
                raise Invalid(f"{name} is required.", field=name)
        path = self.path.format_map({name: quote(str(data.pop(name)), safe="") for name in self.path_fields})
        if self.method == "GET":
            return Outgoing(self.method, path, data, None)
        if isinstance(request, WriteRequest):
            data.setdefault("idempotency_key", uuid.uuid4().hex)
        return Outgoing(self.method, path, None, data)

    def read(self, content: bytes) -> AnswerT:
        """The answer in the body of a success. Raises UnexpectedAnswer."""
        raise NotImplementedError

    @cached_property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self.request).replace(return_annotation=self.answer)


class Call(Operation[P, ModelT]):
    """An operation that answers with an object."""

    def read(self, content: bytes) -> ModelT:
        try:
            return self.answer.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the body"
            raise UnexpectedAnswer(f"The answer is no {self.answer.__name__}: {where}: {first['msg']}.") from error


class Download(Operation[P, str]):
    """An operation that answers with a file of text."""

    def read(self, content: bytes) -> str:
        return content.decode("utf-8")


class BinaryDownload(Operation[P, bytes]):
    """An operation that answers with a file of any bytes."""

    def read(self, content: bytes) -> bytes:
        return content
