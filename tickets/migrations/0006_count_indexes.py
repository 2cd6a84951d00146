"""Indexes that counts by day and by assignee need nothing beside."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tickets', '0005_ready_index'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='ticket',
            name='tickets_created',
        ),
        migrations.RemoveIndex(
            model_name='ticket',
            name='tickets_assigned',
        ),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(fields=['workflow', '-created_at', '-number', 'approval_status'], name='tickets_created'),
        ),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(fields=['workflow', 'assigned_agent', '-created_at', '-number', 'approval_status'], name='tickets_assigned'),
        ),
    ]
