"""compose's nginx, run for real on free ports of the loopback."""
