"""PostgreSQL entities and ClickHouse table definitions, one noun a file."""
