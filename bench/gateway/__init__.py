"""Benchmark of the gateway: `make bench-gateway`, or `python -m bench.gateway --only NAME`."""
