"""Staging and publishing of models, data and artifacts, and the adapter sync beside the engine."""
