#!/usr/bin/env bash
# Builds every image of compose/Dockerfile and pushes it, tagged with the commit and `latest`.
#
#   scripts/ci/images.sh ghcr.io/netra 1f0c2ab…
#
# FRONTEND_ENABLED=true builds the console's image as well (frontend/Dockerfile). With --dry-run it
# says what it would run. Docker with buildx must be signed in to the registry.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

dry_run=false
[[ "${1:-}" != --dry-run ]] || { dry_run=true; shift; }
registry="${1:?the registry, e.g. ghcr.io/netra}" tag="${2:?the tag: the commit}"

build() { # name, Dockerfile, target, context
    local image="$registry/netra-$1"
    local command=(docker buildx build --file "$2" --target "$3" --push
        --tag "$image:$tag" --tag "$image:latest"
        --label "org.opencontainers.image.revision=$tag"
        --provenance mode=max --sbom true
        --cache-from "type=registry,ref=$image:cache"
        --cache-to "type=registry,ref=$image:cache,mode=max" "$4")
    printf '+ %s\n' "${command[*]}" >&2
    "$dry_run" || "${command[@]}"
}

for target in backend worker-cpu worker-gpu backup; do
    build "$target" compose/Dockerfile "$target" .
done
if [[ "${FRONTEND_ENABLED:-false}" == true ]]; then
    build frontend frontend/Dockerfile frontend frontend
fi
