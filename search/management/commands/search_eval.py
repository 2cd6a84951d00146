"""``manage.py search_eval``: how good the search is on a set of documents and queries."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from search.embedding import Content, embed_contents
from search.evaluation import EvaluationSet, SetError, identifiers_of, load_set, scores, titles_of
from search.filters import Filters, Payload
from search.keyword import scratch_index
from search.providers import provider
from search.selectors.retrieval import retrieve
from search.stores import local_store
from search.stores.base import Hit, Point, VectorStore

MODES = ("keyword", "semantic", "hybrid")
WORKFLOW = "search-eval"
BATCH = 32


class Command(BaseCommand):
    help = (
        "Run a set through the real search, on a scratch index without tickets, and print nDCG@10, recall@10 and "
        "MRR@10 of each mode. FILE is JSONL: documents {id, title?, text} and queries {query, relevant: [id, …]}."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument(
            "--derive",
            choices=("titles", "identifiers"),
            help="FILE holds issues {id, title, body}: make the set of them, bodies as documents and as queries "
            "their titles, or code-like tokens that occur in one of them",
        )

    def handle(self, *, file: Path, derive: str | None, **options: Any) -> None:
        try:
            found = {"titles": titles_of, "identifiers": identifiers_of, None: load_set}[derive](file)
        except (OSError, SetError) as error:
            raise CommandError(str(error)) from error
        store = local_store(provider().dimensions)
        try:
            self._embed(found, store)
            with scratch_index() as scratch:
                scratch.add(((d.id, d.title, d.text) for d in found.documents), WORKFLOW)
                self._measure(found, store)
        finally:
            store.close()

    def _embed(self, found: EvaluationSet, store: VectorStore) -> None:
        batches = [found.documents[first : first + BATCH] for first in range(0, len(found.documents), BATCH)]
        for batch in self._progress(batches, "Embedding"):
            contents = [Content(document.title, document.text) for document in batch]
            made = embed_contents(provider().embed_documents, contents)
            points = zip(batch, made, strict=True)
            store.upsert([Point(embedded.vector, _payload(document.id)) for document, embedded in points])

    def _measure(self, found: EvaluationSet, store: VectorStore) -> None:
        filters = Filters(workflow_id=WORKFLOW)
        floor = provider().thresholds.floor

        def nearest(query: str, filters: Filters, limit: int) -> Callable[[], list[Hit]]:
            return lambda: store.query(provider().embed_query(query)[0], filters, limit)

        self.stdout.write(f"{len(found.documents)} documents, {len(found.queries)} queries")
        self.stdout.write(f"{'':10}{'nDCG@10':>9}{'recall@10':>11}{'MRR@10':>9}")
        relevant = [query.relevant for query in found.queries]
        for mode in MODES:
            rankings = [
                [ticket_id for ticket_id, _ in retrieve(query.text, mode, filters, nearest=nearest, floor=floor).ranked]
                for query in self._progress(found.queries, mode)
            ]
            result = scores(rankings, relevant)
            self.stdout.write(f"{mode:10}{result.ndcg * 100:9.1f}{result.recall * 100:11.1f}{result.mrr * 100:9.1f}")

    def _progress(self, items: Any, title: str) -> Iterable[Any]:
        # disable=None: no bar where standard error is no terminal.
        return tqdm(items, desc=title, file=sys.stderr, disable=None, leave=False)


def _payload(document_id: str) -> Payload:
    return Payload(
        ticket_id=document_id,
        workflow_id=WORKFLOW,
        title="",
        description="",
        ticket_type="task",
        priority="medium",
        status="backlog",
        tags=[],
        created_at="2025-01-01T00:00:00Z",
        updated_at="2025-01-01T00:00:00Z",
        created_by_agent_id="system",
        assigned_agent_id=None,
        comment_texts=[],
        is_blocked=False,
        tags_folded=[],
        approval_status="none",
        model="",
    )
