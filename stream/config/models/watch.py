"""The whole file, and the rules that take in more than one section."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pydantic import Field, model_validator

from engine.errors import UsageError
from stream.config.fields import CameraName, Duration
from stream.config.models.bridges import MqttConfig, WebhookConfig
from stream.config.models.cameras import CameraConfig, CameraDefaults
from stream.config.models.data import DataConfig
from stream.config.models.doors import ConsoleConfig, FeedConfig, HttpConfig
from stream.config.models.scorers import ClipConfig, MotionScorerConfig, ScorerConfig
from stream.config.section import Section, merged
from stream.urls import publishers_name


class EngineConfig(Section):
    """What all cameras share."""

    staleness_s: Duration = Field(
        default=2.0, gt=0, description="A window that waits longer for the scorer is dropped. Raise for slow scorers."
    )
    max_batch: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Most windows scored at once; else as many as the scorer takes. Lower it to use less GPU memory.",
    )


class WatchConfig(Section):
    """Every section may be left out, and every key that is not required."""

    cameras: Mapping[CameraName, CameraConfig] = Field(
        default_factory=dict, description="The cameras, each under its name: 1 to 64 letters, digits, `-` or `_`."
    )
    defaults: CameraDefaults = Field(
        default=CameraDefaults(), description="Any key of a camera but `source`, for all cameras that lack it."
    )
    scorer: ScorerConfig = Field(default=MotionScorerConfig(), description="What judges the pictures.")
    clip: ClipConfig = Field(default=ClipConfig(), description="What compares pictures with sentences.")
    feed: FeedConfig = Field(default=FeedConfig(), description="Where alerts are published.")
    mqtt: MqttConfig | None = Field(default=None, description="Alerts and states on an MQTT broker.")
    webhooks: tuple[WebhookConfig, ...] = Field(
        default=(), max_length=32, description="URLs that alerts are posted to."
    )
    http: HttpConfig = Field(default=HttpConfig(), description="Health and metrics.")
    console: ConsoleConfig = Field(default=ConsoleConfig(), description="The page in the browser.")
    data: DataConfig = Field(default=DataConfig(), description="What is written to disk.")
    engine: EngineConfig = Field(default=EngineConfig(), description="What all cameras share.")

    def check(self) -> None:
        if self.scorer.kind == "motion" and any(camera.definitions for camera in self.cameras.values()):
            raise UsageError(
                "the motion scorer does not understand definitions", advice="use the scorer internvl2 or openai"
            )
        enabled = {name: camera for name, camera in self.cameras.items() if camera.enabled}
        published = {name: publishers_name(camera.source.url) for name, camera in enabled.items()}
        waiting = [name for name, publisher in published.items() if publisher]
        if waiting and self.console.bind is None:
            raise UsageError(
                f"the camera {waiting[0]} waits for a publisher, but the console, where they come in, is off",
                advice="add --console, or console.bind to the file",
            )
        if len({published[name] for name in waiting}) < len(waiting):
            raise UsageError("two cameras wait for the same publisher", advice="give each webrtc:// a name of its own")
        names = Counter(webhook.name for webhook in self.webhooks)
        if twice := [name for name, count in names.items() if count > 1]:
            raise UsageError(f"two webhooks are called {twice[0]!r}", advice="give each a name of its own")
        for webhook in self.webhooks:
            if unknown := [camera for camera in webhook.cameras if camera not in self.cameras]:
                raise UsageError(f"the webhook {webhook.name} names a camera {unknown[0]!r} that there is not")

    @model_validator(mode="before")
    @classmethod
    def _apply_defaults(cls, raw: object) -> object:
        if not isinstance(raw, dict):
            return raw
        cameras = raw.get("cameras")
        if isinstance(cameras, dict | None):
            cameras = {name: merged(raw.get("defaults"), camera) for name, camera in (cameras or {}).items()}
        return raw | {"cameras": cameras}
