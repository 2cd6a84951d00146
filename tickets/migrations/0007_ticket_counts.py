"""Counts of a workflow's tickets in its row, with those of the tickets that are there."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from tickets.tally import count_anew


def count_tickets(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for workflow in apps.get_model("tickets", "Workflow").objects.only("id"):
        workflow.ticket_counts = count_anew(workflow.id)
        workflow.save(update_fields=["ticket_counts"])


class Migration(migrations.Migration):
    dependencies = [("tickets", "0006_count_indexes")]

    operations = [
        migrations.AddField("workflow", "ticket_counts", models.JSONField(default=dict, editable=False)),
        migrations.RunPython(count_tickets, migrations.RunPython.noop),
    ]
