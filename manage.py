#!/usr/bin/env python
"""Entry point of every management command."""

import os
import sys


def main() -> None:
    sys.dont_write_bytecode = True  # the source tree stays as it is; the libraries are compiled already
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hephaestus_site.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
