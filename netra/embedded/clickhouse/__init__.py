"""A chDB folder served over ClickHouse's HTTP interface: `python -m netra.embedded.clickhouse`.

chDB is the ClickHouse engine in a Python extension. A folder belongs to one process, so this
process owns it, and everybody else talks to it with `clickhouse-connect` as to any server.

Left out, against a server: response compression (everything is on the loopback; request bodies
may be compressed), `decompress`/`compress` of ClickHouse's own block format, external tables, and
sessions: `session_id` is accepted, but every request is a session of its own, so a temporary
table or a `SET` ends with its request. Settings that the engine does not know are ignored.
"""
