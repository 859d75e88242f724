"""What Prometheus may ask: every metric, in a registry of its own. Knows nothing of who counts or who serves."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

SCORER_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
END_TO_END_BUCKETS_S = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Count with the attributes, as in `metrics.frames_dropped.labels("front", "late").inc()`. Any thread may."""

    def __init__(self, version: str) -> None:
        self._registry = registry = CollectorRegistry()
        self._followed: dict[tuple[Counter, tuple[str, ...]], float] = {}
        of_camera = ("camera",)
        self.frames_captured = Counter(
            "vigil_frames_captured_total", "Frames on the camera's sampling grid.", of_camera, registry=registry
        )
        self.frames_dropped = Counter(
            "vigil_frames_dropped_total",
            "Pictures lost on their way to a window.",
            ("camera", "reason"),
            registry=registry,
        )
        self.windows_scored = Counter(
            "vigil_windows_scored_total", "Windows that a scorer judged.", of_camera, registry=registry
        )
        self.windows_dropped = Counter(
            "vigil_windows_dropped_total", "Windows that no scorer judged.", ("camera", "reason"), registry=registry
        )
        self.source_up = Gauge("vigil_source_up", "1 while the camera gives frames.", of_camera, registry=registry)
        self.source_reconnects = Counter(
            "vigil_source_reconnects_total", "Times the camera was reopened.", of_camera, registry=registry
        )
        self.source_stalls = Counter(
            "vigil_source_stalls_total", "Times the camera was open and went silent.", of_camera, registry=registry
        )
        self.camera_fault = Gauge(
            "vigil_camera_fault",
            "1 while the camera has this fault, 0 when it had; a fault it never had is missing.",
            ("camera", "fault"),
            registry=registry,
        )
        self.frame_age = Gauge("vigil_frame_age_seconds", "Age of the newest frame.", of_camera, registry=registry)
        self.score = Gauge(
            "vigil_score",
            "The newest smoothed score by each definition, 0 to 1; NaN while unknown.",
            ("camera", "definition"),
            registry=registry,
        )
        self.scorer_duration = Histogram(
            "vigil_scorer_duration_seconds",
            "Time of one call to the scorer.",
            buckets=SCORER_BUCKETS_S,
            registry=registry,
        )
        self.end_to_end = Histogram(
            "vigil_end_to_end_seconds",
            "From a window's last frame to its score point.",
            buckets=END_TO_END_BUCKETS_S,
            registry=registry,
        )
        self.alerts = Counter("vigil_alerts_total", "Events that began.", ("camera", "severity"), registry=registry)
        self.outbox_pending = Gauge(
            "vigil_outbox_pending", "Alerts that were told and are only in memory.", registry=registry
        )
        self.outbox_lost = Counter(
            "vigil_outbox_lost", "Alerts that were told and are not in the outbox.", registry=registry
        )
        of_bridge = ("bridge",)
        self.bridge_delivered = Counter(
            "vigil_bridge_delivered_total", "Alerts that the receiver has.", of_bridge, registry=registry
        )
        self.bridge_failed = Counter(
            "vigil_bridge_failed_total", "Attempts to connect or deliver that failed.", of_bridge, registry=registry
        )
        self.bridge_dead_letters = Counter(
            "vigil_bridge_dead_letters_total",
            "Alerts that were set aside because the receiver would not take them.",
            of_bridge,
            registry=registry,
        )
        self.bridge_lost = Counter(
            "vigil_bridge_lost_total",
            "Alerts that were gone from the outbox, or from the dead letters, before they could be delivered.",
            of_bridge,
            registry=registry,
        )
        self.bridge_lag = Gauge(
            "vigil_bridge_lag", "Alerts that it has yet to deal with.", of_bridge, registry=registry
        )
        self._of_cameras = (
            self.frames_captured,
            self.frames_dropped,
            self.windows_scored,
            self.windows_dropped,
            self.source_up,
            self.source_reconnects,
            self.source_stalls,
            self.camera_fault,
            self.frame_age,
            self.score,
            self.alerts,
        )
        Info("vigil_build", "The running version.", registry=registry).info({"version": version})
        ProcessCollector(registry=registry)  # memory, CPU time and open files of this process

    def follow(self, counter: Counter, total: float, *labels: str) -> None:
        """Bring a counter up to a total that is counted elsewhere. One thread."""
        key = (counter, labels)
        series = counter.labels(*labels) if labels else counter
        series.inc(max(0.0, total - self._followed.get(key, 0.0)))
        self._followed[key] = total

    def remove_camera(self, camera: str) -> None:
        """The camera is gone: so are its series."""
        for metric in self._of_cameras:
            samples = [sample for family in metric.collect() for sample in family.samples]
            for labels in {tuple(sample.labels.values()) for sample in samples if sample.labels["camera"] == camera}:
                metric.remove(*labels)
        for key in [key for key in self._followed if key[1][:1] == (camera,)]:
            del self._followed[key]

    def exposition(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(_WithoutCreated(self._registry))


class _WithoutCreated(Collector):
    """Leaves out the `_created` series that the client adds to every counter: half the output, and nobody reads it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric
