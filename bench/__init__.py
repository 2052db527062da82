"""Benchmarks of the project: what is promised in numbers, measured by one command each."""
