"""The configuration of `vigil watch`: what a file may say, and how it is read, checked and documented."""

from stream.config.loader import check, from_mapping, load
from stream.config.models import CameraConfig, CameraDefaults, WatchConfig

__all__ = ["CameraConfig", "CameraDefaults", "WatchConfig", "check", "from_mapping", "load"]
