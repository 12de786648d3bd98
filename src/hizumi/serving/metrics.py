"""What the station counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hizumi.station.entry import Entry
from hizumi.station.station import Station

LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
P_VALUES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Metrics:
    """Counters of one station, in a registry of their own."""

    def __init__(self, station: Station) -> None:
        self._registry = CollectorRegistry()
        self._verdicts = Counter(
            "hizumi_verdicts", "Inspected pictures.", ("recipe", "verdict"), registry=self._registry
        )
        self._latency = Histogram(
            "hizumi_latency_seconds",
            "From a picture's arrival to its verdict.",
            ("recipe",),
            buckets=LATENCIES,
            registry=self._registry,
        )
        self._p_values = Histogram(
            "hizumi_p_value", "P-values of judged pictures.", ("recipe",), buckets=P_VALUES, registry=self._registry
        )
        for name, what, value in (
            ("hizumi_pictures_in_flight", "Pictures taken and not yet answered.", lambda: station.in_flight),
            ("hizumi_entries_not_kept", "Inspections that the log could not take.", lambda: station.losses.entries),
            ("hizumi_pictures_not_kept", "Pictures that could not be kept.", lambda: station.losses.pictures),
            ("hizumi_listeners", "Listeners to events.", lambda: len(station.events)),
        ):
            Gauge(name, what, registry=self._registry).set_function(value)

    def count(self, entry: Entry) -> None:
        """Count one inspection."""
        verdict = {True: "anomalous", False: "normal", None: "unjudged"}[entry.anomalous]
        self._verdicts.labels(entry.recipe, verdict).inc()
        self._latency.labels(entry.recipe).observe(entry.latency_ms / 1000)
        if entry.p_value is not None:
            self._p_values.labels(entry.recipe).observe(entry.p_value)

    def text(self) -> bytes:
        """All of them in Prometheus's text format."""
        return generate_latest(self._registry)
