"""Completion times of completed tickets alone."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tickets', '0003_list_indexes'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='ticket',
            name='tickets_completed',
        ),
        migrations.RemoveIndex(
            model_name='ticket',
            name='tickets_final_column',
        ),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(condition=models.Q(('completed_at__isnull', False)), fields=['workflow', 'status', '-completed_at', '-number'], name='tickets_final_column'),
        ),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(condition=models.Q(('completed_at__isnull', False)), fields=['workflow', 'completed_at', 'approval_status'], name='tickets_completed'),
        ),
    ]
