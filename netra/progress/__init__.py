"""Progress: publish facts and ticks, replay what was missed, follow what comes."""
