"""Settings of all suites."""

import os
from importlib.util import find_spec

from hypothesis import settings

# Suites with an environment of their own: `make test-trainer` and `make test-ui` run them.
collect_ignore = [suite for suite, library in (("trainer", "torch"), ("ui", "gradio")) if find_spec(library) is None]

# How long an example takes says how busy the machine is, and nothing of the code. A run that fails fails again: whoever
# looks for new examples says HYPOTHESIS_PROFILE=random.
settings.register_profile("patient", deadline=None, derandomize=True)
settings.register_profile("random", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "patient"))
