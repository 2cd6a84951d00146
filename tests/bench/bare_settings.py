"""The product's settings with one address: an asynchronous view that asks nobody anything."""

from hephaestus_site.settings import *  # noqa: F403 - settings are changed by building on them

ROOT_URLCONF = "tests.bench.bare_urls"
