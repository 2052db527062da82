"""The numbers that a job is judged by."""
