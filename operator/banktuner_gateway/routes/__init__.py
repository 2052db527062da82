"""HTTP routes of the gateway, one module a topic."""
