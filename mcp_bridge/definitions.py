"""What a tool is: its name, what it takes, whether it only reads, and what answers it.

The arguments are those of an operation's typed request, and some of the tool's own. Of the request's JSON
Schema only what tells an agent something stays: all definitions together may cost 4,000 tokens.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from mcp_bridge.arguments import Own, read_arguments, refuse_unknown
from mcp_bridge.budget import Reply
from tickets.access import Actor, find_ticket, workflow_for
from tickets.errors import DomainError
from tickets.rules import PRIORITIES
from tickets.schemas.base import Request, parse

# Taken by every tool: the credential says both, and agents that were told to name them may.
EVERYWHERE = ("agent_id", "workflow_id")
_KEPT = ("type", "enum", "items")


@dataclass(frozen=True)
class Call:
    """A call that was read: who calls, the operation's arguments, and the tool's own."""

    actor: Actor
    data: dict[str, Any]
    own: Any = None


@dataclass(frozen=True)
class Tool:
    """A tool. ``shown`` names what its schema tells of; it takes the rest of the request as well."""

    name: str
    description: str
    request: type[Request]
    shown: tuple[str, ...]
    run: Callable[[Call], Reply]
    own: type[Own] | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] | None = None
    reads: bool = False
    destructive: bool = False
    idempotent: bool = False

    @functools.cached_property
    def own_names(self) -> tuple[str, ...]:
        return tuple(self.own.model_fields) if self.own is not None else ()

    @functools.cached_property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments. Names and types as the request has them."""
        fields = {**_properties(self.own), **_properties(self.request)}
        properties = {}
        for name in self.shown:
            properties[name] = dict(fields[name])
            if note := self.notes.get(name):
                properties[name]["description"] = note
        for name in EVERYWHERE:
            properties.setdefault(name, {"type": "string"})
        required = self.required
        if required is None:
            required = tuple(n for n in self.shown if n in self.request.model_fields and _is_required(self.request, n))
        schema: dict[str, Any] = {"type": "object", "properties": properties}
        if required:
            schema["required"] = list(required)
        return schema

    @functools.cached_property
    def annotations(self) -> dict[str, bool]:
        """The four hints. Nothing reaches beyond this system, so no tool is open-world."""
        return {
            "readOnlyHint": self.reads,
            "destructiveHint": self.destructive,
            "idempotentHint": self.reads or self.idempotent,
            "openWorldHint": False,
        }

    def call(self, actor: Actor, arguments: Mapping[str, Any], default_workflow: str | None) -> Reply:
        """Check the arguments and run. Raises DomainError."""
        aliases = getattr(self.request, "ALIASES", {})
        known = [*self.request.model_fields, *aliases, *self.own_names, *EVERYWHERE]
        refuse_unknown(arguments, known, self.shown, self._nested)
        data = {name: value for name, value in arguments.items() if name not in self.own_names}
        own = {name: value for name, value in arguments.items() if name in self.own_names}
        self._settle_workflow(actor, data, default_workflow)
        return self.run(Call(actor, data, parse(self.own, own) if self.own is not None else None))

    def _settle_workflow(self, actor: Actor, data: dict[str, Any], default: str | None) -> None:
        """Put in the default; where the request has no such field, hold what was named against the ticket."""
        takes = "workflow_id" in self.request.model_fields
        if takes:
            # A ticket says itself which workflow it is in.
            if default is not None and not data.get("ticket_id"):
                data.setdefault("workflow_id", default)
            return
        named = data.pop("workflow_id", None)
        if named is None:
            return
        reference = data.get("ticket_id")
        if isinstance(named, str) and isinstance(reference, str):
            find_ticket(actor, reference, workflow_id=named)
        else:
            workflow_for(actor, str(named))

    @functools.cached_property
    def _nested(self) -> dict[str, tuple[str, ...]]:
        inner = {"updates": "TicketUpdates", "filters": "TicketCriteria"}
        found: dict[str, tuple[str, ...]] = {}
        for name, model in inner.items():
            annotation = self.request.model_fields[name].annotation if name in self.request.model_fields else None
            if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation.__name__ == model:
                found[name] = tuple(annotation.model_fields)
        return found


def readable(arguments: Any) -> dict[str, Any]:
    """The arguments as far as they can be read, for advice after an error."""
    try:
        return read_arguments(arguments)
    except DomainError:
        return {}


def _is_required(model: type[BaseModel], name: str) -> bool:
    return model.model_fields[name].is_required()


@functools.cache
def _properties(model: type[BaseModel] | None) -> dict[str, dict[str, Any]]:
    """Each field's type, without titles, limits and defaults: what is wrong is said when it is."""
    if model is None:
        return {}
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    return {name: _compact(value, definitions) for name, value in schema["properties"].items()}


def _compact(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        schema = next(option for option in schema["anyOf"] if option.get("type") != "null")
        return _compact(schema, definitions)
    found = {name: schema[name] for name in _KEPT if name in schema}
    # A pattern of alternatives does not outlive a validator before it; its description says them.
    if schema.get("description") == ", ".join(PRIORITIES):
        found["enum"] = list(PRIORITIES)
    if "items" in found:
        found["items"] = {"type": _compact(found["items"], definitions).get("type", "string")}
    return found
