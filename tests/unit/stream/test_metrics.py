from prometheus_client.parser import text_string_to_metric_families

from stream.metrics import Metrics


def series(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def used() -> Metrics:
    metrics = Metrics("1.2.3")
    for camera in ("front", "back"):
        metrics.frames_captured.labels(camera).inc(3)
        metrics.frames_dropped.labels(camera, "late").inc()
        metrics.frames_dropped.labels(camera, "corrupt").inc()
        metrics.windows_scored.labels(camera).inc()
        metrics.windows_dropped.labels(camera, "late").inc()
        metrics.source_up.labels(camera).set(1)
        metrics.source_reconnects.labels(camera).inc()
        metrics.source_stalls.labels(camera).inc()
        metrics.camera_fault.labels(camera, "moved").set(1)
        metrics.frame_age.labels(camera).set(0.5)
        metrics.score.labels(camera, "default").set(0.25)
        metrics.alerts.labels(camera, "alert").inc()
    metrics.scorer_duration.observe(0.2)
    metrics.end_to_end.observe(0.4)
    metrics.outbox_pending.set(2)
    metrics.bridge_delivered.labels("mqtt").inc()
    metrics.bridge_failed.labels("mqtt").inc()
    metrics.bridge_dead_letters.labels("mqtt").inc()
    metrics.bridge_lost.labels("mqtt").inc()
    metrics.bridge_lag.labels("mqtt").set(1)
    return metrics


def test_names_and_labels_are_the_documented_ones() -> None:
    found = {(name, tuple(key for key, _ in labels)) for name, labels in series(used()) if name.startswith("vigil_")}
    histograms = {
        (f"{name}_{part}", ("le",) if part == "bucket" else ())
        for name in ("vigil_scorer_duration_seconds", "vigil_end_to_end_seconds")
        for part in ("bucket", "sum", "count")
    }
    assert found == histograms | {
        ("vigil_frames_captured_total", ("camera",)),
        ("vigil_frames_dropped_total", ("camera", "reason")),
        ("vigil_windows_scored_total", ("camera",)),
        ("vigil_windows_dropped_total", ("camera", "reason")),
        ("vigil_source_up", ("camera",)),
        ("vigil_source_reconnects_total", ("camera",)),
        ("vigil_source_stalls_total", ("camera",)),
        ("vigil_camera_fault", ("camera", "fault")),
        ("vigil_frame_age_seconds", ("camera",)),
        ("vigil_score", ("camera", "definition")),
        ("vigil_alerts_total", ("camera", "severity")),
        ("vigil_outbox_pending", ()),
        ("vigil_outbox_lost_total", ()),
        ("vigil_bridge_delivered_total", ("bridge",)),
        ("vigil_bridge_failed_total", ("bridge",)),
        ("vigil_bridge_dead_letters_total", ("bridge",)),
        ("vigil_bridge_lost_total", ("bridge",)),
        ("vigil_bridge_lag", ("bridge",)),
        ("vigil_build_info", ("version",)),
    }


def test_values_come_out_as_counted() -> None:
    found = series(used())
    assert found["vigil_frames_captured_total", (("camera", "front"),)] == 3
    assert found["vigil_frames_dropped_total", (("camera", "back"), ("reason", "late"))] == 1
    assert found["vigil_build_info", (("version", "1.2.3"),)] == 1
    assert found["vigil_end_to_end_seconds_count", ()] == 1


def test_a_removed_camera_leaves_no_series_and_the_others_stay() -> None:
    metrics = used()
    before = series(metrics)
    metrics.remove_camera("front")
    metrics.remove_camera("front")
    metrics.remove_camera("never seen")
    expected = {key for key in before if ("camera", "front") not in key[1]}
    assert set(series(metrics)) == expected
    assert any(("camera", "back") in labels for _, labels in expected)


def test_two_of_them_share_nothing() -> None:
    used()
    assert not any("camera" in dict(labels) for _, labels in series(Metrics("x")))


def test_a_followed_counter_shows_the_total_and_never_falls() -> None:
    metrics = Metrics("x")
    captured = ("vigil_frames_captured_total", (("camera", "front"),))
    for total in (5, 5, 9):
        metrics.follow(metrics.frames_captured, total, "front")
    assert series(metrics)[captured] == 9
    metrics.follow(metrics.frames_captured, 2, "front")  # whoever counts began again
    assert series(metrics)[captured] == 9
    metrics.follow(metrics.frames_captured, 4, "front")
    assert series(metrics)[captured] == 11


def test_a_camera_that_was_removed_and_comes_back_counts_from_nothing() -> None:
    metrics = Metrics("x")
    metrics.follow(metrics.frames_dropped, 5, "front", "late")
    metrics.follow(metrics.frames_dropped, 7, "back", "late")
    metrics.remove_camera("front")
    metrics.follow(metrics.frames_dropped, 3, "front", "late")
    metrics.follow(metrics.frames_dropped, 8, "back", "late")
    found = series(metrics)
    assert found["vigil_frames_dropped_total", (("camera", "front"), ("reason", "late"))] == 3
    assert found["vigil_frames_dropped_total", (("camera", "back"), ("reason", "late"))] == 8
