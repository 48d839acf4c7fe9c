#!/usr/bin/env bash
# Points kubectl at a cluster, with the short-lived identity that the pipeline already has.
#
#   CLOUD=aws CLUSTER=netra-production REGION=us-east-1 scripts/ci/cluster.sh
#   CLOUD=gcp CLUSTER=netra-production REGION=us-central1-a PROJECT=… scripts/ci/cluster.sh
#   CLOUD=azure CLUSTER=netra-production RESOURCE_GROUP=netra-production scripts/ci/cluster.sh
#
# On GitLab a token of the job's own (ID_TOKEN) is exchanged here; GitHub's actions did it before.
# With --dry-run it says what it would run.
set -euo pipefail

dry_run=false
[[ "${1:-}" != --dry-run ]] || dry_run=true
cluster="${CLUSTER:?CLUSTER: terraform output cluster_name}"

run() {
    printf '+ %s\n' "$*" >&2
    "$dry_run" || "$@"
}

case "${CLOUD:?CLOUD: aws, gcp or azure}" in
    aws)
        if [[ -n "${ID_TOKEN:-}" ]]; then
            # The command line trades the file for credentials of an hour by itself.
            AWS_WEB_IDENTITY_TOKEN_FILE="$(mktemp)"
            printf '%s' "$ID_TOKEN" >"$AWS_WEB_IDENTITY_TOKEN_FILE"
            export AWS_WEB_IDENTITY_TOKEN_FILE
            export AWS_ROLE_ARN="${AWS_ROLE_ARN:?AWS_ROLE_ARN: terraform output deploy_role_arns}"
        fi
        run aws eks update-kubeconfig --region "${REGION:?REGION}" --name "$cluster"
        ;;
    gcp)
        # Debian: apt-get install google-cloud-cli-gke-gcloud-auth-plugin
        run gke-gcloud-auth-plugin --version
        run gcloud container clusters get-credentials "$cluster" \
            --location "${REGION:?REGION}" --project "${PROJECT:?PROJECT}"
        ;;
    azure)
        run az aks get-credentials --overwrite-existing \
            --resource-group "${RESOURCE_GROUP:?RESOURCE_GROUP}" --name "$cluster"
        run az aks install-cli
        run kubelogin convert-kubeconfig --login azurecli
        ;;
    *)
        echo "CLOUD=$CLOUD: there are aws, gcp and azure" >&2
        exit 2
        ;;
esac
