"""How much capacity to commit to: the newsvendor rule on the distribution of demand."""
