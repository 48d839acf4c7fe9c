"""What the agents demand and commitment share: reading a workload as demand, and their chapters."""
