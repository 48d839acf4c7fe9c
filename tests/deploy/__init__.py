"""Proofs of what is deployed: `make test-deploy`. They need Debian's packages and root."""
