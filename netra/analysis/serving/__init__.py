"""How long requests take on GPUs of one's own: step times, a simulator, and its calibration."""
