"""The artifact's files: what every engine can read, and nothing else."""
