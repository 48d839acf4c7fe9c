"""Trace formats -> Arrow record batches of the event schema, and the way into the stores.

`read` opens a file without any store, `load` ingests one into a workload, `generate` makes
workloads with planted truth. Nothing here imports numerics beyond NumPy and pyarrow.
"""
