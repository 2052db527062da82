"""Pure decisions: what was seen goes in, what to do comes out. No clock, no I/O."""
