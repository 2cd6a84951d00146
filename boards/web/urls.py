"""Addresses of the pages. ``/tickets`` and ``/tickets/{id}`` are shared with the API: see hephaestus_site.urls."""

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from boards.web.account.connect import connect_page
from boards.web.account.profile import change_password, profile_page
from boards.web.account.signing import choose_theme, choose_zone, sign_in, sign_out
from boards.web.board.pages import changed_cards, more_cards
from boards.web.commit.page import commit_dialog, commit_file, commit_files, commit_lines, commit_page
from boards.web.finding.page import (
    search_export,
    search_page,
    search_preview,
    search_results,
    search_rows,
    search_saved,
)
from boards.web.history.audit import audit_export, audit_new, audit_page
from boards.web.history.past import past_column, past_page
from boards.web.shell import manifest, offline_page, service_worker
from boards.web.steering.agents import agents_list, agents_page
from boards.web.steering.approvals import approval_alike, approvals_list, approvals_page
from boards.web.steering.attention import attention_count, attention_list, attention_page
from boards.web.steering.editor import editor_page, editor_preview
from boards.web.steering.graph import graph_data, graph_page
from boards.web.steering.guardian import guardian_findings, guardian_page
from boards.web.steering.statistics import statistics_csv, statistics_page
from boards.web.ticket.creation import alike, choices, new_ticket_page
from boards.web.ticket.page import names, preview, ticket_activity, ticket_change, ticket_sheet, tickets_alike

web_urls = [
    path("", RedirectView.as_view(url="/tickets"), name="home"),
    path("login", sign_in, name="login"),
    path("logout", sign_out, name="logout"),
    path("theme", choose_theme, name="theme"),
    path("timezone", choose_zone, name="timezone"),
    path("profile", profile_page, name="profile"),
    path("profile/password", change_password, name="change-password"),
    path("manifest.webmanifest", manifest, name="manifest"),
    path("sw.js", service_worker, name="service-worker"),
    path("offline", offline_page, name="offline"),
    path("agents", agents_page, name="agents"),
    path("agents/list", agents_list, name="agents-list"),
    path("approvals", approvals_page, name="approvals"),
    path("approvals/list", approvals_list, name="approvals-list"),
    path("approvals/alike", approval_alike, name="approval-alike"),
    path("attention", attention_page, name="attention"),
    path("attention/list", attention_list, name="attention-list"),
    path("attention/count", attention_count, name="attention-count"),
    path("connect", connect_page, name="connect"),
    path("statistics", statistics_page, name="statistics"),
    path("statistics/<str:figure_id>.csv", statistics_csv, name="statistics-csv"),
    path("board-settings", editor_page, name="board-settings"),
    path("board-settings/preview", editor_preview, name="board-preview"),
    path("search", search_page, name="search"),
    path("search/results", search_results, name="search-results"),
    path("search/rows", search_rows, name="search-rows"),
    path("search/saved", search_saved, name="search-saved"),
    path("search/export", search_export, name="search-export"),
    path("search/preview/<str:ticket_id>", search_preview, name="search-preview"),
    path("graph", graph_page, name="graph"),
    path("graph/data", graph_data, name="graph-data"),
    path("guardian", guardian_page, name="guardian"),
    path("guardian/findings", guardian_findings, name="guardian-findings"),
    path("audit", audit_page, name="audit"),
    path("audit/new", audit_new, name="audit-new"),
    path("audit/export", audit_export, name="audit-export"),
    path("board-at", past_page, name="board-at"),
    path("board-at/column", past_column, name="board-at-column"),
    path("commits/<str:commit_sha>", commit_page, name="commit"),
    path("commits/<str:commit_sha>/window", commit_dialog, name="commit-dialog"),
    path("commits/<str:commit_sha>/files", commit_files, name="commit-files"),
    path("commits/<str:commit_sha>/files/<int:index>", commit_file, name="commit-file"),
    path("commits/<str:commit_sha>/files/<int:index>/lines", commit_lines, name="commit-lines"),
    path("tickets/cards", changed_cards, name="changed-cards"),
    path("tickets/column", more_cards, name="more-cards"),
    path("tickets/choices", choices, name="choices"),
    path("tickets/names", names, name="names"),
    path("tickets/new", new_ticket_page, name="new-ticket"),
    path("tickets/new/alike", alike, name="new-ticket-alike"),
    path("tickets/preview", preview, name="preview"),
    path("tickets/<str:ticket_id>/sheet", ticket_sheet, name="ticket-sheet"),
    path("tickets/<str:ticket_id>/activity", ticket_activity, name="ticket-activity"),
    path("tickets/<str:ticket_id>/alike", tickets_alike, name="tickets-alike"),
    path("tickets/<str:ticket_id>/changes/<int:history_id>", ticket_change, name="ticket-change"),
]
