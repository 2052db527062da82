"""The process: watches, leader election, probes, start and end. The only place that knows kopf."""
