"""The admin: a look into every table, and the operator's actions through the services.

Nothing is added, changed or deleted here directly: each write is a command with its history and event.
"""

from django.contrib import admin

from tickets.admin import agents, audit, tickets, users, workflows

admin.site.site_header = admin.site.site_title = "Hephaestus Tickets"
admin.site.index_title = "Operation"

__all__ = ["agents", "audit", "tickets", "users", "workflows"]
