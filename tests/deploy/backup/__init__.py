"""What the proofs of backups and of the disaster drill share."""
