"""The entries of the catalog, by field; each module has its own `ENTRIES`."""
