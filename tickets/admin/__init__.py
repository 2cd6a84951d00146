"""The admin: a look into every table, and the operator's actions through the services.

Nothing is added, changed or deleted here directly: each write is a command with its history and event.
"""

from django.contrib import admin

from tickets.admin import agents, audit, tickets, users, workflows
from tickets.models import TicketDependency, TicketHistory, WorkflowHistory

admin.site.site_header = admin.site.site_title = "Hephaestus Tickets"
admin.site.index_title = "Operation"
# Plurals are the admin's concern alone: in the models they would need a migration.
TicketDependency._meta.verbose_name_plural = "ticket dependencies"
TicketHistory._meta.verbose_name_plural = "ticket history"
WorkflowHistory._meta.verbose_name_plural = "workflow history"

__all__ = ["agents", "audit", "tickets", "users", "workflows"]
