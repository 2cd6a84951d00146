"""A commit as a file for ``git apply``."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse, HttpRequest
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes

from gitlinks.schemas import GetCommitPatch
from gitlinks.selectors.diffs import commit_patch_get
from tickets.access import Actor, acting_as
from tickets.api import payload
from tickets.api.schema import OperationSchema
from tickets.api.views import Answer, ApiView
from tickets.schemas.base import parse

MEDIA_TYPE = "text/x-patch"


class PatchSchema(OperationSchema):
    """Describes the download: which commit, and a file."""

    def get_operation_id(self) -> str:
        return "commit_patch_get"

    def get_override_parameters(self) -> list[Any]:
        return self._query_parameters(GetCommitPatch)

    def get_response_serializers(self) -> Any:
        return {(200, MEDIA_TYPE): OpenApiTypes.BINARY, **self._refusals()}


class CommitPatch(ApiView):
    """Download what a commit changed as a patch that git apply takes."""

    schema = PatchSchema()
    methods = ("get",)

    def handle(self, request: HttpRequest, actor: Actor, **path: str) -> Answer:
        wanted = parse(GetCommitPatch, payload.merge_path(payload.read_query(request), path))
        patch = commit_patch_get(acting_as(actor, wanted.agent_id), wanted)
        response = FileResponse(patch.content, content_type=MEDIA_TYPE)
        response["Content-Length"] = str(patch.size)
        response["Content-Disposition"] = content_disposition_header(True, patch.file_name) or "attachment"
        response["X-Content-Type-Options"] = "nosniff"
        return response
