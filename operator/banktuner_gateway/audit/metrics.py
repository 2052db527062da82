"""What Prometheus is told of the record. A gauge that it keeps is a head too: it shows how far the chain went."""

import time
from collections.abc import Iterable

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from banktuner_gateway.audit.log import AuditLog


class AuditCollector(Collector):
    """Reads the log's state when it is scraped: `registry.register(AuditCollector(log))`."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    def collect(self) -> Iterable[Metric]:
        """Five metrics; `banktuner_audit_sequence` is absent until the first record is kept."""
        state = self._log.state
        sequence = GaugeMetricFamily("banktuner_audit_sequence", "Last record that is kept.", labels=["chain"])
        if state.head is not None:
            sequence.add_metric([state.head.chain], state.head.sequence)
        yield sequence
        yield GaugeMetricFamily("banktuner_audit_available", "1 while decisions can be recorded.", self._log.healthy)
        yield CounterMetricFamily("banktuner_audit_refused", "Requests that could not be recorded.", state.refused)
        age = time.time() - state.published if state.published else float("nan")
        yield GaugeMetricFamily("banktuner_audit_head_age_seconds", "Since a head was published.", age)
        yield SummaryMetricFamily(
            "banktuner_audit_write_seconds",
            "Writes to the sink.",
            count_value=int(state.write_seconds[0]),
            sum_value=state.write_seconds[1],
        )
