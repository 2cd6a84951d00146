"""Addresses of the pages. ``/tickets`` and ``/tickets/{id}`` are shared with the API: see hephaestus_site.urls."""

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from boards.web.accounts import choose_theme, sign_in, sign_out
from boards.web.views import changed_cards, connect_page, more_cards

web_urls = [
    path("", RedirectView.as_view(url="/tickets"), name="home"),
    path("login", sign_in, name="login"),
    path("logout", sign_out, name="logout"),
    path("theme", choose_theme, name="theme"),
    path("connect", connect_page, name="connect"),
    path("tickets/cards", changed_cards, name="changed-cards"),
    path("tickets/column", more_cards, name="more-cards"),
]
