#!/usr/bin/env bash
# Brings a version into a cluster: backup → migrate → roll out and wait → smoke test.
#
#   NETRA_API_KEY=… scripts/deploy.sh --environment production --tag 1f0c2ab…
#
#   --registry NAME    where the images lie, if not where the chart says
#   --values FILE      more values for the chart, e.g. `terraform output -raw helm_values`
#   --without-backup   where there is nothing to back up yet: the first deployment
#   --dry-run          say what would be run, and run nothing
#
# kubectl must point at the cluster (scripts/ci/cluster.sh). Each step must succeed before the next;
# if the new version fails its rollout or its smoke test, the one before is brought back. Migrations
# only add (expand and contract), so that the version before runs on the migrated schema.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

chart=deploy/helm/netra
environment="" tag="" backup=true dry_run=false values=()
while [[ $# -gt 0 ]]; do
    case "$1" in
        --environment) environment="${2:?--environment needs a name}"; shift 2 ;;
        --tag) tag="${2:?--tag needs the tag of the images}"; shift 2 ;;
        --registry) values+=(--set "image.registry=${2:?--registry needs a name}"); shift 2 ;;
        --values) values+=(--values "${2:?--values needs a file}"); shift 2 ;;
        --without-backup) backup=false; shift ;;
        --dry-run) dry_run=true; shift ;;
        *) echo "deploy.sh does not know $1; see the top of the file" >&2; exit 2 ;;
    esac
done
if [[ ! -f "$chart/values-$environment.yaml" ]]; then
    echo "--environment ${environment:-(none given)}: there is no $chart/values-$environment.yaml" >&2
    exit 2
fi
[[ -n "$tag" ]] || { echo "--tag is missing: which images?" >&2; exit 2; }
namespace="netra-$environment"
timeout="${NETRA_ROLLOUT_TIMEOUT:-900s}"

for program in kubectl helm; do
    "$dry_run" || command -v "$program" >/dev/null || { echo "$program is not installed" >&2; exit 2; }
done

run() {
    printf '+ %s\n' "$*" >&2
    "$dry_run" || "$@"
}

before() {
    echo "the new version failed; bringing the one before back" >&2
    run helm rollback netra --namespace "$namespace" --wait --timeout "$timeout" \
        || echo "the rollback failed as well: docs/runbooks/rollback.md" >&2
    exit 1
}

if "$backup"; then
    echo "backup" >&2
    run scripts/ci/backup.sh "$namespace" "$tag"
fi

# The chart's hook migrates before anything else changes; --wait ends when all pods are ready.
echo "migrate and roll out" >&2
run helm upgrade netra "$chart" --install --namespace "$namespace" \
    --values "$chart/values-$environment.yaml" "${values[@]}" --set "image.tag=$tag" \
    --wait --wait-for-jobs --timeout "$timeout" || before
run kubectl --namespace "$namespace" rollout status deployment \
    --selector app.kubernetes.io/instance=netra --timeout "$timeout" || before

echo "smoke test" >&2
run scripts/smoke-test.sh || before
"$dry_run" || echo "$environment runs $tag" >&2
