"""The contract of banktuner: both kinds, what the pods read and write, names and exit codes.

Every other package imports this one; this one imports pydantic and the standard library only.
"""
