"""What all requests and answers share.

The typed requests are the one source of the REST schema, the MCP tools' schemas and the SDK's arguments.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from tickets.errors import DomainError, Invalid, unknown_field
from tickets.ids import PATTERN_WORDS
from tickets.rules import PRIORITIES

MAX_DEPTH = 40


def utc_text(value: datetime) -> str:
    """ISO 8601 in UTC with ``Z``."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _folded(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _within_calendar(value: datetime) -> datetime:
    """In UTC, whose calendar may end a day before the given zone's. Raises ValueError."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is out of range") from None


# A point in time as callers write it: ISO 8601 with a zone.
Moment = Annotated[AwareDatetime, AfterValidator(_within_calendar)]
Timestamp = Annotated[datetime, PlainSerializer(utc_text, return_type=str)]
Priority = Annotated[
    str, BeforeValidator(_folded), Field(pattern=f"^({'|'.join(PRIORITIES)})$", description=", ".join(PRIORITIES))
]
ListOfIds = Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=100)]


class Request(BaseModel):
    """A request of any face. Unknown fields are errors; null for an optional field means absent."""

    model_config = ConfigDict(extra="forbid", str_max_length=250_000)

    agent_id: str | None = Field(default=None, max_length=100, description="Optional: it comes from the credential.")

    @model_validator(mode="before")
    @classmethod
    def _absent_nulls(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            return {name: value for name, value in data.items() if value is not None}
        return data


class WriteRequest(Request):
    """A request that changes something."""

    idempotency_key: str | None = Field(
        default=None, min_length=1, max_length=200, description="The same key and body within 24 h change nothing."
    )


class TicketWriteRequest(WriteRequest):
    """A request that changes one ticket that exists."""

    ticket_id: str = Field(min_length=1, max_length=100, description="Id, key such as TKT-12, or prefix of the id.")
    expected_version: int | None = Field(default=None, ge=0, le=2**31 - 1)
    fencing_token: int | None = Field(default=None, ge=0, le=2**63 - 1, description="From your claim.")


class Answer(BaseModel):
    """The answer to a request that succeeded. ``SECRETS`` names fields that are shown once and kept nowhere."""

    SECRETS: ClassVar[frozenset[str]] = frozenset()

    success: bool = True
    message: str = ""


class TicketAnswer(Answer):
    """The answer to a change of one ticket: what it is called and at which version it is now."""

    ticket_id: str
    key: str
    version: int
    warnings: list[str] = Field(default_factory=list)


RequestT = TypeVar("RequestT", bound=BaseModel)


def parse(model: type[RequestT], data: Any) -> RequestT:
    """Read a request. Raises Invalid, which names the field and what is allowed there."""
    if not isinstance(data, Mapping):
        raise Invalid("The body must be a JSON object.")
    check_text(data)
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        raise explain(error, model) from None


def check_text(value: Any, path: str = "", depth: int = 0) -> None:
    """Refuse what no database column takes: NUL, lone surrogates, NaN, absurd nesting. Raises Invalid."""
    if depth > MAX_DEPTH:
        raise Invalid(f"Nested more than {MAX_DEPTH} deep.", field=path or None)
    if isinstance(value, str):
        if "\x00" in value:
            raise Invalid("NUL characters are not allowed.", field=path or None)
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise Invalid("The text holds half a character (a lone surrogate).", field=path or None) from None
    elif isinstance(value, float) and not math.isfinite(value):
        raise Invalid("Numbers must be finite.", field=path or None)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            check_text(name, path, depth + 1)
            check_text(item, f"{path}.{name}" if path else str(name), depth + 1)
    elif isinstance(value, (list, tuple)):
        for place, item in enumerate(value):
            check_text(item, f"{path}.{place}", depth + 1)


def explain(error: ValidationError, model: type[BaseModel]) -> DomainError:
    """The first fault of a validation as a domain error, all of them in ``details`` where there are more."""
    faults = error.errors(include_url=False, include_context=True, include_input=False)
    # A misspelt name is why the right one is missing, so it comes first.
    faults.sort(key=lambda fault: fault["type"] != "extra_forbidden")
    first = _explain_one(faults[0], model)
    if len(faults) > 1:
        first.extra["details"] = [
            {"field": _path(fault["loc"]), "message": _explain_one(fault, model).message} for fault in faults[:20]
        ]
    return first


def _explain_one(fault: Any, model: type[BaseModel]) -> DomainError:
    location = fault["loc"]
    field = _path(location)
    context = fault.get("ctx") or {}
    if fault["type"] == "extra_forbidden":
        return unknown_field(str(location[-1])[:100], _fields_at(model, location[:-1]), field=field[:200])
    if fault["type"] == "missing":
        return Invalid(f"{field} is required.", field=field)
    original = context.get("error")
    if isinstance(original, DomainError):
        original.field = original.field or field
        return original
    if words := PATTERN_WORDS.get(context.get("pattern", "")):
        return Invalid(f"{field} must be {words}.", field=field)
    if fault["type"] == "string_pattern_mismatch" and context.get("pattern", "").startswith("^("):
        allowed = context["pattern"][2:-2].split("|")
        return Invalid(f"{field} must be one of: {', '.join(allowed)}.", field=field, allowed=allowed)
    if fault["type"] == "literal_error":
        allowed = [part.strip(" '") for part in context["expected"].replace(" or ", ",").split(",")]
        return Invalid(f"{field} must be one of: {', '.join(allowed)}.", field=field, allowed=allowed)
    message = fault["msg"].removeprefix("Value error, ")
    return Invalid(f"{field}: {message}" if field else message, field=field or None)


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Names of the fields of the model that stands at this place inside ``model``."""
    current = model
    for part in location:
        if isinstance(part, int):
            continue
        field = current.model_fields.get(part)
        inner = _model_in(field.annotation) if field is not None else None
        if inner is None:
            return []
        current = inner
    return list(current.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
