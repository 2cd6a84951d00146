"""The demo that an empty data folder starts with: content in YAML, laid out through the services."""
