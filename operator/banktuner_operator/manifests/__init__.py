"""Pure builders of child objects as plain dicts: one file a kind, no decisions about when they exist."""
