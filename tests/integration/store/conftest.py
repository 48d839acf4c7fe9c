"""The desk of the ingest tests serves here too."""

from tests.integration.ingest.conftest import clickhouse_client, csv_file, desk

__all__ = ["clickhouse_client", "csv_file", "desk"]
