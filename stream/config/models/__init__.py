"""Every key of a configuration file: its kind, its default and what it is for. Knows no YAML and opens nothing.

A file for each group of sections; other packages import from here. A section that the engine has a value for makes it
(`plan`, `policy`, ...), and is held to that value's own rules when it is validated.
"""

from stream.config.models.alerts import AlertsConfig, DefinitionConfig, EvidenceConfig
from stream.config.models.bridges import Begin, MqttConfig, WebhookConfig
from stream.config.models.cameras import (
    CameraConfig,
    CameraDefaults,
    HealthConfig,
    IdleConfig,
    MotionConfig,
    WindowConfig,
)
from stream.config.models.data import DataConfig, RetentionConfig
from stream.config.models.doors import ConsoleConfig, FeedConfig, HttpConfig, IceConfig, TokenConfig
from stream.config.models.scorers import (
    ClipConfig,
    InternVL2ScorerConfig,
    MotionScorerConfig,
    OpenAIScorerConfig,
    RecordedScorerConfig,
)
from stream.config.models.timeline import CleaningConfig, EwmaConfig, GaussianConfig, NoSmoothingConfig
from stream.config.models.watch import EngineConfig, WatchConfig

__all__ = [
    "AlertsConfig",
    "Begin",
    "CameraConfig",
    "CameraDefaults",
    "CleaningConfig",
    "ClipConfig",
    "ConsoleConfig",
    "DataConfig",
    "DefinitionConfig",
    "EngineConfig",
    "EvidenceConfig",
    "EwmaConfig",
    "FeedConfig",
    "GaussianConfig",
    "HealthConfig",
    "HttpConfig",
    "IceConfig",
    "IdleConfig",
    "InternVL2ScorerConfig",
    "MotionConfig",
    "MotionScorerConfig",
    "MqttConfig",
    "NoSmoothingConfig",
    "OpenAIScorerConfig",
    "RecordedScorerConfig",
    "RetentionConfig",
    "TokenConfig",
    "WatchConfig",
    "WebhookConfig",
    "WindowConfig",
]
