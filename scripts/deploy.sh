#!/usr/bin/env bash
# Brings a version into a cluster: backup → migrate → roll out and wait → smoke test.
#
#   NETRA_API_URL=https://api.… NETRA_API_KEY=… scripts/deploy.sh \
#       --environment production --tag 1f0c2ab… --values cloud-values.yaml
#
#   --values FILE      what the cloud decides: domain, networks, which stores it runs
#                      (`terraform output -raw helm_values`); in CI the variable DEPLOY_VALUES
#   --registry NAME    where the images lie, if not where the chart says
#   --without-backup   where there is nothing to back up yet: the first deployment
#   --dry-run          say what would be run, and run nothing
#
# kubectl must point at the cluster (scripts/ci/cluster.sh). Each step must succeed before the next;
# if the new version fails its rollout or its smoke test, the one before is brought back. Migrations
# only add (expand and contract), so that the version before runs on the migrated schema. The first
# deployment has none before it: if it fails it is left as it is, to be looked at.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

chart=deploy/helm/netra
environment="" tag="" backup=true dry_run=false files=() values=()
while [[ $# -gt 0 ]]; do
    case "$1" in
        --environment) environment="${2:?--environment needs a name}"; shift 2 ;;
        --tag) tag="${2:?--tag needs the tag of the images}"; shift 2 ;;
        --registry) values+=(--set "image.registry=${2:?--registry needs a name}"); shift 2 ;;
        --values) files+=("${2:?--values needs a file}"); shift 2 ;;
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
for file in "${files[@]}"; do
    [[ -s "$file" ]] || { echo "--values $file: no such file, or nothing is in it" >&2; exit 2; }
    values+=(--values "$file")
done

# The last file that names a domain wins, as Helm has it.
domain="$(sed -nE 's/^"?domain"?: *"?([^"# ]+)"?.*$/\1/p' \
    "$chart/values.yaml" "$chart/values-$environment.yaml" "${files[@]}" | tail -n 1)"
if [[ "$domain" =~ (^|\.)example\.(com|net|org)$ ]]; then
    echo "the domain would be $domain, which is an example: with it the addresses of the cloud's" \
        "stores and networks are missing as well. Give --values FILE, of terraform output -raw" \
        "helm_values; in CI the environment's variable DEPLOY_VALUES (docs/environments.md)" >&2
    exit 2
fi

namespace="netra-$environment"
timeout="${NETRA_ROLLOUT_TIMEOUT:-900s}"

if ! "$dry_run"; then
    for program in kubectl helm python3; do
        command -v "$program" >/dev/null || { echo "$program is not installed" >&2; exit 2; }
    done
    # Without them the smoke test would try a stack of this machine.
    for variable in NETRA_API_URL NETRA_API_KEY; do
        [[ -n "${!variable:-}" ]] || { echo "$variable is missing: for the smoke test" >&2; exit 2; }
    done
fi

run() {
    printf '+ %s\n' "$*" >&2
    "$dry_run" || "$@"
}

# The newest revision that was in service; nothing, if none ever was.
in_service() {
    "$dry_run" || helm history netra --namespace "$namespace" --output json 2>/dev/null \
        | python3 -c '
import json, sys

served = {"deployed", "superseded"}
text = sys.stdin.read().strip() or "[]"
print(max([r["revision"] for r in json.loads(text) if r["status"] in served], default=""))'
}
before="$(in_service || true)"

failed() {
    if [[ -z "$before" ]]; then
        echo "the first deployment failed, and there is none before it to bring back: the release is" \
            "left for you to look at (kubectl --namespace $namespace get pods; get events; logs" \
            "job/netra-migrate). Mend the cause and run this again, or begin anew: helm uninstall" \
            "netra --namespace $namespace --wait, which leaves the stores' volumes" >&2
        exit 1
    fi
    echo "the new version failed; bringing the one before back (revision $before)" >&2
    run helm rollback netra "$before" --namespace "$namespace" --wait --timeout "$timeout" \
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
    --wait --wait-for-jobs --timeout "$timeout" || failed
run kubectl --namespace "$namespace" rollout status deployment \
    --selector app.kubernetes.io/instance=netra --timeout "$timeout" || failed

echo "smoke test" >&2
run scripts/smoke-test.sh || failed
"$dry_run" || echo "$environment runs $tag" >&2
