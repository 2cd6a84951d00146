"""Exports over REST: a file in parts, so that its size costs no memory."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes

from tickets.access import Actor, acting_as
from tickets.api import payload
from tickets.api.reads import REPEATABLE
from tickets.api.schema import OperationSchema
from tickets.api.views import Answer, ApiView
from tickets.exports import MEDIA_TYPES, Export
from tickets.schemas.base import parse
from tickets.schemas.lists import ExportFilters


class ExportSchema(OperationSchema):
    """Describes the export: the list's filters and a file."""

    def get_operation_id(self) -> str:
        return "workflow_export" if "workflows" in self.path else "ticket_export"

    def get_override_parameters(self) -> list[Any]:
        return self._query_parameters(ExportFilters)

    def get_response_serializers(self) -> Any:
        names = [media_type.partition(";")[0] for media_type in MEDIA_TYPES.values()]
        files = {(200, name): OpenApiTypes.OBJECT if name == "application/json" else OpenApiTypes.STR for name in names}
        return {**files, **self._refusals()}


class TicketExport(ApiView):
    """Export tickets as JSON, CSV or Markdown, by the list's filters."""

    schema = ExportSchema()
    methods = ("get",)

    def handle(self, request: HttpRequest, actor: Actor, **path: str) -> Answer:
        data = payload.merge_path(payload.read_query(request, REPEATABLE), path)
        filters = parse(ExportFilters, data)
        export = Export(acting_as(actor, filters.agent_id), filters)
        # The server takes the parts one by one in a thread of their own (hephaestus_site.handler).
        response = StreamingHttpResponse(export.parts(), content_type=export.media_type)
        response["Content-Disposition"] = f'attachment; filename="{export.file_name}"'
        response["X-Content-Type-Options"] = "nosniff"
        return response
