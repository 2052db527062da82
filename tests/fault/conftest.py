"""Fixtures of this suite."""

from tests.support.fixtures import cluster_is_there, namespace  # noqa: F401
