"""Requests and answers of search. Times in rows are text, ISO 8601 in UTC with ``Z``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidatorFunctionWrapHandler, WrapValidator
from typing_extensions import TypedDict

from tickets.errors import DomainError
from tickets.schemas.base import Answer, Request
from tickets.schemas.lists import TicketCriteria
from tickets.schemas.tickets import SimilarTicket

MAX_QUERY = 10_000
MAX_RESULTS = 50
SearchType = Literal["hybrid", "semantic", "keyword"]


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _named_in_filters(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    """A domain error passes pydantic by, so that its field must be told here where it stands."""
    try:
        return handler(value)
    except DomainError as error:
        error.field = f"filters.{error.field}"
        raise


class SearchTickets(Request):
    """Find tickets by meaning and by words. An empty query lists what the filters leave, newest change first."""

    workflow_id: str | None = Field(default=None, max_length=100, description="Implied with a single membership.")
    query: str = Field(default="", max_length=MAX_QUERY, description="What you look for, in words or identifiers.")
    search_type: Annotated[SearchType, BeforeValidator(_lower)] = Field(
        default="hybrid", description="hybrid (default: meaning 70 %, words 30 %), semantic, keyword"
    )
    filters: Annotated[TicketCriteria, WrapValidator(_named_in_filters)] = Field(default_factory=TicketCriteria)
    limit: int = Field(default=10, ge=1, le=MAX_RESULTS)
    include_comments: bool = Field(default=True, description="Search in comments too.")
    prefix: bool = Field(
        default=False,
        description="The last word may be the beginning of a longer one, from three letters on, unless a space ends "
        "it: for a box where somebody is typing.",
    )


class SearchResult(TypedDict):
    """A ticket that was found, best first. ``relevance_score`` is between 0 and 1 and compares within one answer.

    ``matched_in``: title, description, comments, tags; empty where only the meaning matched. ``preview`` is plain
    text, ``preview_html`` the same escaped, with the matches in ``<mark>``, ``title_html`` the title likewise.
    """

    ticket_id: str
    key: str
    title: str
    description: str
    status: str
    priority: str
    ticket_type: str
    relevance_score: float
    matched_in: list[str]
    preview: str
    preview_html: str
    title_html: str
    created_at: str
    updated_at: str
    assigned_agent_id: str | None
    tags: list[str]
    is_blocked: bool
    is_resolved: bool
    comment_count: int
    commit_count: int


class TicketsFound(Answer):
    """``total_found`` counts what was found among the best 100 of each half of the search.

    ``degraded``: a half could not answer, ``degraded_reason`` says why and ``search_type`` what was searched
    instead. ``cached``: the answer is that of an equal search before; ``stale`` where tickets may have changed
    since.
    """

    query: str
    search_type: SearchType
    results: list[SearchResult]
    total_found: int
    search_time_ms: float
    search_id: str
    degraded: bool = False
    degraded_reason: str | None = None
    cached: bool = False
    stale: bool = False


class FindSimilar(Request):
    """Say what is similar to a ticket that you are about to create."""

    workflow_id: str | None = Field(default=None, max_length=100, description="Implied with a single membership.")
    title: str = Field(min_length=1, max_length=500)
    description: str = Field(default="", max_length=250_000)
    tags: list[str] | None = Field(default=None, max_length=20)


class SimilarFound(Answer):
    """Best first, at most five. ``duplicate_of`` is the one that ``on_duplicate: reject`` would name."""

    similar_tickets: list[SimilarTicket]
    duplicate_of: str | None


class ListDuplicates(Request):
    """Report tickets of a workflow that say the same, a part of the workflow at a time.

    Ticket by ticket its nearest neighbours are compared; ``after_number`` goes on where the last answer ended.
    """

    workflow_id: str | None = Field(default=None, max_length=100, description="Implied with a single membership.")
    threshold: float | None = Field(
        default=None, ge=0, le=1, description="Least similarity; default: the model's for possible duplicates."
    )
    include_completed: bool = Field(default=True, description="false: without tickets in final columns.")
    after_number: int = Field(default=0, ge=0, le=2**31 - 1)
    limit: int = Field(default=500, ge=1, le=1000, description="How many tickets to look at.")


class DuplicateSide(TypedDict):
    """A ticket of a pair."""

    ticket_id: str
    key: str
    title: str
    status: str
    is_resolved: bool


class DuplicatePair(TypedDict):
    """Two tickets that say the same; ``ticket`` is the newer. ``similarity_score`` is between 0 and 1."""

    ticket: DuplicateSide
    duplicate_of: DuplicateSide
    similarity_score: float


class DuplicatesFound(Answer):
    """Pairs, best first. ``next_after_number`` is null when the whole workflow was looked at.

    ``not_indexed`` counts tickets of the part that have no embedding yet.
    """

    pairs: list[DuplicatePair]
    looked_at: int
    not_indexed: int
    next_after_number: int | None


class GetSearchIndex(Request):
    """Say how complete the index of a workflow is."""

    workflow_id: str = Field(max_length=100)


class SearchIndex(Answer):
    """``tickets`` with an ``embedded`` vector of the ``model`` in use, jobs that wait and that failed."""

    workflow_id: str
    provider: str
    model: str
    dimensions: int
    tickets: int
    embedded: int
    waiting: int
    failing: int
    last_error: str | None
