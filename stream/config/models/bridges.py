"""Where alerts are carried to: an MQTT broker and webhooks. Connects to nothing."""

from __future__ import annotations

import contextlib
from typing import Annotated, Literal

from pydantic import Field

from engine.errors import UsageError
from stream.bridges.addresses import may_post
from stream.config.fields import (
    AlertTypes,
    ApiKey,
    BrokerAddress,
    CameraName,
    Duration,
    FilePath,
    Size,
    Topic,
    WebhookAddress,
    WebhookName,
)
from stream.config.section import Section
from stream.feed.messages import AlertMessage
from stream.loopback import is_loopback
from stream.urls import host_of

Begin = Annotated[
    Literal["now", "start"],
    Field(
        alias="from",
        description="Where it begins when it is new: with what is told from then on, or with the oldest alert that is "
        "kept. Afterwards it goes on where it was.",
    ),
]


class MqttConfig(Section):
    """An MQTT broker that gets alerts and the cameras' states, for Home Assistant and others. It needs the `mqtt`
    extra. The topics are in [bridges.md](bridges.md).
    """

    url: BrokerAddress = Field(
        description="`mqtt://USER:${MQTT_PASSWORD}@HOST:1883`, or `mqtts://` for TLS, by default on port 8883."
    )
    ca: FilePath | None = Field(
        default=None, description="The certificates that the broker's has to be signed by, in PEM; else the system's."
    )
    prefix: Topic = Field(default="vigil", description="What topics begin with. Every Vigil of a broker needs its own.")
    discovery: Topic = Field(
        default="homeassistant",
        description="Home Assistant's prefix, for cameras to appear there by themselves; or `off`.",
    )
    largest_snapshot_bytes: Size = Field(
        default=1_000_000,
        le=100_000_000,
        description="Larger snapshots are not sent; `0` sends none. Lower it for a broker that takes none so large.",
    )
    from_: Begin = "now"


class WebhookConfig(Section):
    """A URL that every alert is posted to. It needs the `webhooks` extra. How receivers check the signature is in
    [bridges.md](bridges.md).
    """

    name: WebhookName = Field(description="What logs and metrics call it: letters, digits, `-` or `_`.")
    url: WebhookAddress = Field(description="`https`, or `http` for a receiver in this network. It is never logged.")
    secret: ApiKey | None = Field(
        default=None, description="What posts are signed with, such as `${HOOK_SECRET}`. Not set: they are not signed."
    )
    allow_private: bool = Field(
        default=False, description="Let it go to addresses that are not of the Internet: this machine, a local network."
    )
    types: AlertTypes = Field(default=("new", "update", "end"), min_length=1, description="Which alerts are posted.")
    severity: Literal["detection", "alert"] = Field(
        default="detection", description="Post alerts of this severity and above."
    )
    cameras: tuple[CameraName, ...] = Field(default=(), description="Post alerts of these cameras only.")
    timeout_s: Duration = Field(default=10.0, gt=0, le=120, description="How long the receiver may take to answer.")
    from_: Begin = "now"

    def wants(self, alert: AlertMessage) -> bool:
        return (
            alert.type in self.types
            and (self.severity == "detection" or alert.severity == self.severity)
            and (not self.cameras or alert.camera in self.cameras)
        )

    def check(self) -> None:
        scheme, host = self.url.url.partition("://")[0].lower(), host_of(self.url.url) or ""
        with contextlib.suppress(ValueError):  # a name: it is looked up, and checked, at each post
            if not may_post(scheme, "127.0.0.1" if is_loopback(host) else host, allow_private=self.allow_private):
                raise UsageError(
                    f"this webhook must not go to {host}",
                    advice="use https" if self.allow_private else "set allow_private if it is meant",
                )
        if scheme == "http" and not self.allow_private:
            raise UsageError("http would send alerts in the open", advice="use https, or set allow_private")
