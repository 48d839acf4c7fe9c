#!/usr/bin/env bash
# Makes a Secret of the cluster from one JSON object on standard input, where External Secrets does
# not do it. The values pass through a pipe: they stand in no file, no argument and no log.
#
#   eval "$(terraform output -raw secret_command)" | scripts/ci/secret.sh netra-production
#
# Prints the manifest with --manifest instead of sending it.
set -euo pipefail

if [[ "${1:-}" == --manifest ]]; then
    shift
    send=(cat)
else
    send=(kubectl apply --server-side --filename -)
fi
namespace="${1:?the namespace}" name="${2:-netra-secrets}"

python3 -c '
import json, sys

namespace, name = sys.argv[1:]
try:
    values = json.load(sys.stdin)
except ValueError:
    sys.exit("standard input is no JSON; was the secret read?")
if name == "netra-secrets":
    wanted = {"database-url", "redis-url", "clickhouse-url", "jwt-secret"}
    if missing := wanted - set(values):
        sys.exit("the secret lacks " + ", ".join(sorted(missing)))
json.dump({
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": name, "namespace": namespace},
    "type": "Opaque",
    "stringData": values,
}, sys.stdout)
' "$namespace" "$name" | "${send[@]}"
