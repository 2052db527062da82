"""What was said before: conversations of each caller, kept for a while and forgotten on demand."""
