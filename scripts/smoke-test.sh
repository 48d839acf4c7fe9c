#!/usr/bin/env bash
# Runs one small job through the whole installation and compares its report with the truth.
#
#   NETRA_API_URL=https://api.example.org NETRA_API_KEY=… scripts/smoke-test.sh
#
# Without them it uses the stack that runs here. Exit 0 only if every figure was right.
set -euo pipefail
exec "${NETRA:-netra}" smoke-test "$@"
