"""The estimate of a run's memory, made before the start: what cannot fit is refused with numbers to change."""
