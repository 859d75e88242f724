"""Bridges carry the outbox's alerts to other systems: MQTT brokers and webhooks. See docs/bridges.md.

A `Bridge` pulls alerts from the outbox and keeps its place in a `Ledger`; a `Sink` delivers one alert. Nothing here
needs an extra but the sinks themselves (`mqtt`, `webhook`).
"""
