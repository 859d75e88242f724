"""Makes the bridges that a configuration names."""

from __future__ import annotations

import contextlib
import functools
import random
import ssl
from pathlib import Path

from engine.errors import UsageError
from stream.bridges.board import Board
from stream.bridges.bridge import Bridge, Bridges, Wants, everything
from stream.bridges.ledger import Ledger
from stream.bridges.sink import Sink
from stream.config.models import (
    Begin,
    MqttConfig,
    WatchConfig,
    WebhookConfig,
)
from stream.metrics import Metrics
from stream.outbox import Outbox, OutboxHistory


def make_bridges(config: WatchConfig, outbox: Outbox, board: Board, metrics: Metrics) -> Bridges:
    """They run from now on. Raises UsageError or RuntimeFault, and none is left behind then."""
    sinks: list[tuple[str, Sink, Begin, Wants]] = []
    if config.mqtt is not None:
        sinks.append(("mqtt", _make_mqtt_sink(config.mqtt, board, config.data.dir), config.mqtt.from_, everything))
    sinks += [
        (f"webhook-{webhook.name}", _make_webhook_sink(webhook), webhook.from_, webhook.wants)
        for webhook in config.webhooks
    ]
    bridges: list[Bridge] = []
    with contextlib.ExitStack() as undo:
        for name, sink, begin, wants in sinks:
            ledger = Ledger(config.data.dir)
            undo.callback(ledger.close)
            history = OutboxHistory(outbox)
            undo.callback(history.close)
            bridge = Bridge(
                name,
                sink,
                history,
                ledger,
                begin=begin,
                metrics=metrics,
                rng=random.Random(),
                wants=wants,
            )
            undo.callback(Bridges([bridge]).close)
            bridges.append(bridge)
            metrics.bridge_lag.labels(name).set_function(functools.partial(_lag, outbox, bridge))
        undo.pop_all()
    return Bridges(bridges)


def _lag(outbox: Outbox, bridge: Bridge) -> int:
    return outbox.last_seq - bridge.seq


def _make_mqtt_sink(config: MqttConfig, board: Board, data: Path) -> Sink:
    try:
        from stream.bridges.mqtt import MqttSettings, MqttSink
    except ModuleNotFoundError as error:
        raise UsageError(
            f"MQTT needs {error.name}, which is not installed", advice="pip install -e '.[mqtt]' in Vigil's folder"
        ) from error
    broker = config.url
    settings = MqttSettings(
        broker.host,
        broker.port,
        broker.user,
        broker.password,
        tls=_tls_context(config.ca) if broker.tls else None,
        prefix=config.prefix,
        discovery=None if config.discovery == "off" else config.discovery,
        largest_snapshot_bytes=config.largest_snapshot_bytes,
    )
    return MqttSink(settings, board, data)


def _make_webhook_sink(config: WebhookConfig) -> Sink:
    try:
        from stream.bridges.webhook import WebhookSettings, WebhookSink
    except ModuleNotFoundError as error:
        raise UsageError(
            f"webhooks need {error.name}, which is not installed",
            advice="pip install -e '.[webhooks]' in Vigil's folder",
        ) from error
    secret = config.secret.get_secret_value() if config.secret else None
    return WebhookSink(
        WebhookSettings(config.url.url, secret, allow_private=config.allow_private, timeout_s=config.timeout_s)
    )


def _tls_context(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise UsageError(
            f"{ca} holds no certificates ({error.strerror or error})", advice="mqtt.ca is a file in PEM"
        ) from error
