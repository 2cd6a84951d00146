"""The OpenAPI schema out of the typed requests and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from pydantic import BaseModel
from pydantic.json_schema import model_json_schema

from tickets.operations import Operation
from tickets.schemas.errors import ErrorAnswer

REF = "#/components/schemas/{model}"
REFUSALS = {
    400: "The request cannot be read, or a value cannot be accepted.",
    401: "No credential, or one that is unknown, expired or revoked.",
    403: "The credential may not do this, or names another agent.",
    404: "Absent, or in a workflow of which you are no member.",
    409: "The stored state does not allow it.",
    413: "The body is over 1 MiB.",
    415: "The body is no JSON.",
    429: "Too many requests a second.",
    503: "Busy, or not available on this server.",
}
READ_REFUSALS = (400, 401, 403, 404, 429, 503)


def only_canonical(endpoints: list[tuple[str, ...]], **_: Any) -> list[tuple[str, ...]]:
    """Keep /api: what is served without it is the same again."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith("/api/")]


class PydanticModels(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """A pydantic model as a component: for requests as what is read, for answers as what is written."""

    target_class = "pydantic.BaseModel"
    match_subclasses = True
    priority = 1

    def get_name(self, auto_schema: AutoSchema, direction: str) -> str:
        return str(self.target.__name__)

    def get_identity(self, auto_schema: AutoSchema, direction: str) -> str:
        return self.get_name(auto_schema, direction)

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        return component_schema(auto_schema, self.target, direction)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tickets.api.authentication.BearerAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "An agent's token."}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tickets.api.authentication.HumanSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        from django.conf import settings

        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "A signed-in person; changes need the header X-CSRFToken.",
        }


class OperationSchema(AutoSchema):
    """Describes a view by the operation behind each of its methods."""

    view: Any

    @property
    def operation(self) -> Operation[Any, Any] | None:
        operations: Mapping[str, Operation[Any, Any]] = getattr(self.view, "operations", {})
        return operations.get(self.method.lower())

    def get_operation_id(self) -> str:
        if self.operation is None:
            return str(super().get_operation_id())
        return getattr(self.view, "operation_id", None) or self.operation.name

    def get_summary(self) -> str | None:
        if self.operation is None:
            return str(self.view.__doc__ or "").strip().split("\n")[0] or None
        return self.operation.summary

    def get_description(self) -> str:  # type: ignore[override]  # as in drf-spectacular
        if self.operation is None:
            return ""
        return " ".join((self.operation.request.__doc__ or "").split())

    def get_tags(self) -> list[str]:
        parts = [part for part in self.path.split("/") if part and part != "api"]
        return parts[:1] or ["service"]

    def get_override_parameters(self) -> list[Any]:
        if self.operation is None:
            return []
        if self.method == "GET":
            return self._query_parameters(self.operation.request)
        return self._header_parameters(self.operation.request)

    def get_request_serializer(self) -> Any:
        if self.operation is None:
            return None
        request = self.operation.request
        in_path = self._path_fields()
        if not in_path:
            return request
        # What the address says need not be said again.
        schema = component_schema(self, request, "request")
        schema["properties"] = {name: of for name, of in schema["properties"].items() if name not in in_path}
        schema["required"] = [name for name in schema.get("required", []) if name not in in_path]
        if not schema["required"]:
            del schema["required"]
        schema["title"] = f"{request.__name__}Body"
        return {"application/json": _register(self, schema["title"], schema).ref}

    def get_response_serializers(self) -> Any:
        if self.operation is None:
            return {200: {"type": "object"}, **self._refusals()}
        return {200: self.operation.answer, **self._refusals()}

    def _refusals(self) -> dict[int, Any]:
        codes = READ_REFUSALS if self.method == "GET" else tuple(REFUSALS)
        return {code: OpenApiResponse(ErrorAnswer, description=REFUSALS[code]) for code in codes}

    def map_parsers(self) -> list[Any]:
        return ["application/json"]

    def map_renderers(self, attribute: str) -> list[Any]:
        return ["application/json"] if attribute == "media_type" else ["json"]

    def _path_fields(self) -> set[str]:
        names: Mapping[str, str] = getattr(self.view, "path_fields", {})
        return {names.get(name, name) for name in getattr(self.view, "kwargs", {}) or _names_in(self.path)}

    def _query_parameters(self, request: type[BaseModel]) -> list[OpenApiParameter]:
        schema = component_schema(self, request, "request")
        in_path, required = self._path_fields(), schema.get("required", [])
        return [
            OpenApiParameter(
                name,
                _plain(of),
                OpenApiParameter.QUERY,
                required=name in required,
                description=of.get("description", ""),
            )
            for name, of in schema.get("properties", {}).items()
            if name not in in_path
        ]

    def _header_parameters(self, request: type[BaseModel]) -> list[OpenApiParameter]:
        parameters = []
        if "idempotency_key" in request.model_fields:
            said = "The same key and body within 24 hours return the first answer."
            schema = {"type": "string", "minLength": 1, "maxLength": 200}
            parameters.append(OpenApiParameter("Idempotency-Key", schema, OpenApiParameter.HEADER, description=said))
        if "expected_version" in request.model_fields:
            said = "The version that the change is meant for, as in ETag."
            schema = {"type": "string", "pattern": '^(W/)?("[0-9]{1,10}"|[0-9]{1,10})$'}
            parameters.append(OpenApiParameter("If-Match", schema, OpenApiParameter.HEADER, description=said))
        return parameters


def component_schema(auto_schema: AutoSchema, model: type[BaseModel], direction: str) -> dict[str, Any]:
    """The JSON schema of a model; what it refers to becomes components of their own."""
    mode: Any = "validation" if direction == "request" else "serialization"
    schema = model_json_schema(model, ref_template=REF, mode=mode)
    for name, part in schema.pop("$defs", {}).items():
        _register(auto_schema, name, part)
    return schema


def _register(auto_schema: AutoSchema, name: str, schema: dict[str, Any]) -> ResolvedComponent:
    component = ResolvedComponent(  # type: ignore[no-untyped-call]
        name=name, type=ResolvedComponent.SCHEMA, object=name, schema=schema
    )
    auto_schema.registry.register_on_missing(component)
    return component


def _names_in(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A query parameter cannot be null: the type that it may have besides."""
    choices = [choice for choice in schema.get("anyOf", []) if choice.get("type") != "null"]
    found = {**choices[0]} if len(choices) == 1 else dict(schema)
    if schema.get("default") is not None:
        found["default"] = schema["default"]
    return {name: value for name, value in found.items() if name not in ("title", "description")}
