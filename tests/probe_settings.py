"""The product's settings with a few more addresses, for tests of the server itself."""

from hephaestus_site.settings import *  # noqa: F403

ROOT_URLCONF = "tests.probe_urls"
