"""The one view behind every operation.

What asks for JSON, as every agent does, takes a short way past DRF's machinery; what asks for HTML gets
DRF's browsable API around the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from pydantic import BaseModel
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request as BrowsedRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from tickets.access import Actor
from tickets.api import payload
from tickets.api.authentication import BearerAuthentication, HumanSessionAuthentication, authenticate
from tickets.api.errors import MethodNotAllowed, as_domain_error, error_headers, error_response
from tickets.api.negotiation import prefers_html
from tickets.api.renderers import JSONRenderer, json_response
from tickets.api.schema import OperationSchema
from tickets.operations import Operation, execute
from tickets.schemas.base import check_text

METHODS = ("get", "post", "put", "patch", "delete")
# What DRF's pages need beyond the site's policy; their scripts are files of their own.
BROWSER_POLICY = {"style-src": ["'self'", "'unsafe-inline'"]}
Answer = BaseModel | HttpResponseBase
ViewFunction = Callable[..., HttpResponseBase]


class ApiView(APIView):
    """A view that answers an authenticated request. Subclasses say how in ``handle``."""

    schema = OperationSchema()
    authentication_classes = (BearerAuthentication, HumanSessionAuthentication)
    permission_classes = (IsAuthenticated,)
    renderer_classes = (JSONRenderer, BrowsableAPIRenderer)
    methods: ClassVar[tuple[str, ...]] = ()

    def handle(self, request: HttpRequest, actor: Actor, **path: str) -> Answer:
        """The answer to the request. Raises DomainError."""
        raise NotImplementedError

    def dispatch(self, request: HttpRequest, *args: Any, **path: Any) -> HttpResponseBase:
        # Not as the Content-Type says: it may name a codec that is none for text.
        request.encoding = "utf-8"
        if prefers_html(request):
            response = super().dispatch(request, *args, **path)
            response._csp_update = BROWSER_POLICY  # type: ignore[attr-defined]
            return response
        try:
            return self._respond(request, path)
        except Exception as error:
            domain = as_domain_error(error)
            if domain is None:
                raise
            response = error_response(domain)
            if isinstance(domain, MethodNotAllowed):
                response["Allow"] = self._allow
            return response

    def _respond(self, request: HttpRequest, path: dict[str, str]) -> HttpResponseBase:
        method = (request.method or "").lower()
        if method == "options":
            return HttpResponse(headers={"Allow": self._allow})
        if ("get" if method == "head" else method) not in self.methods:
            raise MethodNotAllowed(f"{request.method} is not possible here. Possible: {self._allow}.")
        check_text(path)
        answer = self.handle(request, authenticate(request), **path)
        if isinstance(answer, HttpResponseBase):
            return answer
        return json_response(answer, headers=entity_tag(answer))

    def browse(self, request: BrowsedRequest, **path: str) -> HttpResponseBase:
        """The handler of every method in the browsable API."""
        check_text(path)
        answer = self.handle(request._request, cast(Actor, request.user), **path)
        if isinstance(answer, HttpResponseBase):
            return answer
        return Response(answer, headers=entity_tag(answer))

    def handle_exception(self, exc: Exception) -> Response:
        """Only in the browsable API."""
        domain = as_domain_error(exc)
        if domain is None:
            return super().handle_exception(exc)
        if not hasattr(self.request, "_user"):
            # The page asks again who it is for, and a second refusal would not be handled.
            self.request._not_authenticated()  # type: ignore[attr-defined]
        response = Response(domain.as_dict(), status=domain.status, headers=error_headers(domain))
        response.exception = True
        return response

    def get_view_name(self) -> str:
        return self.__class__.__name__

    @property
    def _allow(self) -> str:
        return ", ".join([method.upper() for method in self.methods] + ["OPTIONS"])

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for method in cls.methods:
            setattr(cls, method, ApiView.browse)


class OperationView(ApiView):
    """Runs the operation that belongs to the method."""

    operations: ClassVar[Mapping[str, Operation[Any, Any]]] = {}
    # Name in the address → field of the request, where they differ.
    path_fields: ClassVar[Mapping[str, str]] = {}
    operation_id: ClassVar[str | None] = None

    def handle(self, request: HttpRequest, actor: Actor, **path: str) -> Answer:
        method = request.method or ""
        operation = self.operations["get" if method == "HEAD" else method.lower()]
        return cast(BaseModel, execute(operation, actor, self.read(request, operation, path)))

    def read(self, request: HttpRequest, operation: Operation[Any, Any], path: Mapping[str, str]) -> dict[str, Any]:
        """The operation's request as query or body, headers and address say it. Raises Invalid, TooLarge."""
        path = {self.path_fields.get(name, name): value for name, value in path.items()}
        if request.method in ("GET", "HEAD"):
            return payload.merge_path(payload.read_query(request), path)
        data = self.shape(payload.read_body(request))
        data = payload.merge_claim(data, payload.read_query(request))
        return payload.merge_headers(payload.merge_path(data, path), request, operation.request.model_fields)

    def shape(self, data: dict[str, Any]) -> dict[str, Any]:
        """The body as the operation's request has it; subclasses take further forms."""
        return data


def operation_view(
    *,
    path_fields: Mapping[str, str] | None = None,
    base: type[OperationView] = OperationView,
    name: str | None = None,
    **operations: Operation[Any, Any],
) -> ViewFunction:
    """A view of operations by method: ``operation_view(get=…, post=…)``.

    ``name`` is its name in the schema where the operation's own stands for another address.
    """
    first = next(iter(operations.values()))
    namespace = {
        "operations": operations,
        "methods": tuple(operations),
        "path_fields": path_fields or {},
        "operation_id": name,
        "__doc__": first.request.__doc__,
    }
    view = type(first.name.replace("_", " ").capitalize(), (base,), namespace)
    return cast(type[OperationView], view).as_view()


def entity_tag(answer: BaseModel) -> dict[str, str]:
    """The ``ETag`` header with the version of what the answer is about, where it has one."""
    version = getattr(answer, "version", None)
    if version is None:
        version = getattr(getattr(answer, "board_config", None), "version", None)
    return {} if version is None else {"ETag": f'"{version}"'}
