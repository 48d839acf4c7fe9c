"""Network policies: evaluated, and enforced between network namespaces."""
