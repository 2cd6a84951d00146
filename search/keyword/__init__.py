"""Keyword search: the index, what it finds, and what of it is shown.

The database keeps the index (``schema``, ``upkeep``): FTS5 on SQLite, full text on PostgreSQL. ``words`` makes of
any query what can be looked for; ``sqlite`` and ``postgres`` look for it, and ``previews`` shows the place.
"""

from search.keyword.hits import KeywordHit
from search.keyword.previews import Preview, previews
from search.keyword.scratch import Scratch, scratch_index
from search.keyword.searching import exact_search, keyword_page, keyword_search
from search.keyword.upkeep import faults as keyword_index_faults
from search.keyword.upkeep import merge as merge_keyword_index
from search.keyword.upkeep import rebuild
from search.keyword.words import is_identifier_like

__all__ = [
    "KeywordHit",
    "Preview",
    "Scratch",
    "exact_search",
    "is_identifier_like",
    "keyword_index_faults",
    "keyword_page",
    "keyword_search",
    "merge_keyword_index",
    "previews",
    "rebuild",
    "scratch_index",
]
