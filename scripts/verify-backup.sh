#!/usr/bin/env bash
# Compares the hash of everything kept, and restores the newest into a scratch folder.
#
#   NETRA_BACKUP_URL=s3://bucket/netra scripts/verify-backup.sh [--hashes-only]
set -euo pipefail
exec "${NETRA:-netra}" backup verify "$@"
