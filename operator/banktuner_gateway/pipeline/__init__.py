"""One question's way through all parts to its answer and its record; the only package that knows them all."""
