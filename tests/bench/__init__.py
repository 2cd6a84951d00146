"""Measures the running server: ``python -m tests.bench``, or ``make bench``. No part of the tests."""
