"""The record of every decision: an HMAC chain that can be verified, and that an answer waits for.

Texts never enter it. `AuditLog` writes, `python -m banktuner_gateway.audit` verifies.
"""
