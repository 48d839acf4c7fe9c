#!/usr/bin/env bash
# Restores a one-machine stack that does not run, to a time or to all that is kept.
#
#   NETRA_BACKUP_URL=/mnt/backups scripts/restore.sh --until 2026-11-25T21:50:00Z
#
# Overwrites nothing; --replace moves what is in the way aside. A cluster: docs/disaster-recovery.md.
set -euo pipefail
exec "${NETRA:-netra}" backup restore "$@"
