"""The search for a fleet: which one holds the limits on a trace at the least cost, and why."""
