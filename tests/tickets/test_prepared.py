"""What compiled queries make of times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tests.factories import make_workflow
from tickets.models import Workflow
from tickets.prepared import Microseconds

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TestMicroseconds(TestCase):
    @given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - with a zone
    def test_a_time_is_counted_to_the_microsecond(self, moment: datetime) -> None:
        workflow = make_workflow()
        Workflow.objects.filter(pk=workflow.pk).update(created_at=moment)
        [found] = Workflow.objects.filter(pk=workflow.pk).values_list(Microseconds("created_at"), flat=True)
        assert EPOCH + timedelta(microseconds=found) == moment


@pytest.mark.django_db
@pytest.mark.parametrize("micro", [0, 1, 499, 500, 999_499, 999_500, 999_999])
def test_no_fraction_becomes_the_next_second(micro: int) -> None:
    workflow = make_workflow()
    moment = datetime(2026, 11, 23, 23, 59, 59, micro, tzinfo=UTC)
    Workflow.objects.filter(pk=workflow.pk).update(created_at=moment)
    [found] = Workflow.objects.filter(pk=workflow.pk).values_list(Microseconds("created_at"), flat=True)
    assert EPOCH + timedelta(microseconds=found) == moment
