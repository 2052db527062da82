"""Attacks on the assistant: found in what goes to the model, made harmless there, and looked for in what comes back."""
