"""Whether a camera's picture is one to watch: faults that pictures alone show. Knows no stream, source or clock."""

from engine.picture.faults import PictureFault
from engine.picture.health import HealthSettings, PictureHealth

__all__ = ["HealthSettings", "PictureFault", "PictureHealth"]
