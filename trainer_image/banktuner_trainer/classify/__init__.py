"""The classifier: its model, its loss, and the score that says what is out of scope."""
