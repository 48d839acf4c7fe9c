#!/usr/bin/env bash
# A backup of PostgreSQL before a deployment changes anything; ends when the backup is complete.
#
#   scripts/ci/backup.sh netra-production 1f0c2ab…
#
# A cloud's own PostgreSQL lets nobody read its log: with POSTGRES_INSTANCE (and CLOUD) its own
# snapshot is taken; so for staging and production of deploy/terraform. Otherwise the chart's CronJob
# runs once (netra backup take postgres), where `backup.enabled` is set.
# With --dry-run it says what it would run.
set -euo pipefail

dry_run=false
[[ "${1:-}" != --dry-run ]] || { dry_run=true; shift; }
namespace="${1:?the namespace}" tag="${2:?the version that comes}"
name="before-${tag:0:12}-$(date -u +%Y%m%d%H%M%S)"

run() {
    printf '+ %s\n' "$*" >&2
    "$dry_run" || "$@"
}

if [[ -z "${POSTGRES_INSTANCE:-}" ]]; then
    if ! run kubectl --namespace "$namespace" get cronjob/netra-backup-postgres-full >/dev/null; then
        echo "nothing here backs PostgreSQL up: set POSTGRES_INSTANCE, terraform output" \
            "postgres_instance, where a cloud runs it; where the chart does, set backup.enabled" >&2
        exit 1
    fi
    run kubectl --namespace "$namespace" create job "backup-$name" \
        --from cronjob/netra-backup-postgres-full
    run kubectl --namespace "$namespace" wait --for condition=complete "job/backup-$name" \
        --timeout "${NETRA_BACKUP_TIMEOUT:-3600s}"
    exit
fi
case "${CLOUD:?CLOUD: aws, gcp or azure}" in
    aws)
        run aws rds create-db-snapshot --db-instance-identifier "$POSTGRES_INSTANCE" \
            --db-snapshot-identifier "$name"
        run aws rds wait db-snapshot-available --db-snapshot-identifier "$name"
        ;;
    gcp)
        run gcloud sql backups create --instance "$POSTGRES_INSTANCE" --description "$name"
        ;;
    azure)
        run az postgres flexible-server backup create --backup-name "$name" \
            --resource-group "${RESOURCE_GROUP:?RESOURCE_GROUP}" --name "$POSTGRES_INSTANCE"
        ;;
    *)
        echo "CLOUD=$CLOUD: there are aws, gcp and azure" >&2
        exit 2
        ;;
esac
