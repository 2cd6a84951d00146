"""The operations of search; see ``tickets.operations``."""

from __future__ import annotations

from search import schemas
from search.selectors.duplicates import duplicates_list
from search.selectors.state import search_index_get
from search.services.searching import ticket_search
from search.services.similar import similar_find
from tickets.operations import Operation

TICKET_SEARCH = Operation("ticket_search", schemas.SearchTickets, schemas.TicketsFound, ticket_search)
SIMILAR_FIND = Operation("similar_find", schemas.FindSimilar, schemas.SimilarFound, similar_find)
DUPLICATES_LIST = Operation("duplicates_list", schemas.ListDuplicates, schemas.DuplicatesFound, duplicates_list)
SEARCH_INDEX_GET = Operation("search_index_get", schemas.GetSearchIndex, schemas.SearchIndex, search_index_get)
