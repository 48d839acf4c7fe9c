#!/usr/bin/env bash
# Backend, frontend, PostgreSQL, Redis, ClickHouse and WebSocket: a line each, exit 0 if all are well.
#
#   DATABASE_URL=… REDIS_URL=… CLICKHOUSE_URL=… NETRA_API_URL=https://api.example.org \
#       FRONTEND_URL=https://app.example.org scripts/health-check.sh
#
# What is not given is taken from the stack that runs here. Without FRONTEND_URL no frontend is asked,
# which a line says; it counts neither way.
set -euo pipefail
exec "${NETRA:-netra}" health all "$@"
