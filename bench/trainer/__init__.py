"""Benchmark of the trainer: `make bench-trainer`, or `python -m bench.trainer --only NAME`."""
