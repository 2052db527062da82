"""Settings of all suites."""

from importlib.util import find_spec

from hypothesis import settings

# Suites with an environment of their own: `make test-trainer` and `make test-ui` run them.
collect_ignore = [suite for suite, library in (("trainer", "torch"), ("ui", "gradio")) if find_spec(library) is None]

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
