"""Saves, finds and loads what a stopped run goes on from."""
