#!/usr/bin/env bash
# Backs up what is named: postgres, clickhouse, redis or all; with --incremental only what is new.
#
#   NETRA_BACKUP_URL=s3://bucket/netra DATABASE_URL=… CLICKHOUSE_URL=… REDIS_URL=… \
#       scripts/backup.sh all
#
# Without URLs it backs the stack up that runs here. Whatever fails makes it fail, and leaves no
# manifest: what it left is then no backup. When to run which: config/backup/schedule.toml.
set -euo pipefail
[[ $# -gt 0 ]] || set -- all
exec "${NETRA:-netra}" backup take "$@"
