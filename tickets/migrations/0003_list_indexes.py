"""Indexes for the orders that lists and columns are read in."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tickets', '0002_rank_collation'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='ticket',
            name='tickets_column',
        ),
        migrations.RemoveIndex(
            model_name='ticket',
            name='tickets_final_column',
        ),
        migrations.RemoveIndex(
            model_name='ticket',
            name='tickets_assigned',
        ),
        migrations.RemoveIndex(
            model_name='ticket',
            name='tickets_statistics',
        ),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(fields=['workflow', 'status', 'rank', 'number'], name='tickets_column'),
        ),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(fields=['workflow', 'status', '-completed_at', '-number'], name='tickets_final_column'),
        ),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(fields=['workflow', 'status', '-created_at', '-number'], name='tickets_by_status'),
        ),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(fields=['workflow', 'assigned_agent', '-created_at', '-number'], name='tickets_assigned'),
        ),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(condition=models.Q(('completed_at', None)), fields=['workflow', '-created_at', '-number'], name='tickets_open'),
        ),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(condition=models.Q(('is_blocked', True)), fields=['workflow', '-created_at', '-number'], name='tickets_blocked'),
        ),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(fields=['workflow', 'status', 'approval_status', 'ticket_type', 'priority', 'assigned_agent', 'is_blocked', 'is_resolved', 'comment_count', 'commit_count'], name='tickets_statistics'),
        ),
    ]
