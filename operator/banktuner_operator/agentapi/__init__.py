"""The TLS endpoint that pods talk to: progress in, desired adapters out."""
