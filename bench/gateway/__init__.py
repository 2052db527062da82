"""Measures the gateway."""
