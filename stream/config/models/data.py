"""What is written to disk, and for how long."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from stream.config.fields import Duration, FilePath, Size
from stream.config.section import Section


class RetentionConfig(Section):
    """How long snapshots and clips are kept: whichever bound is reached first, the oldest go."""

    age_s: Duration = Field(default=7 * 86400.0, gt=0, description="Evidence older than this is deleted.")
    size_bytes: Size = Field(
        default=5 * 10**9, gt=0, description="When all cameras together take more, the oldest is deleted."
    )


class DataConfig(Section):
    """What is written to disk. Use a local disk: the outbox is a database, and network shares break it."""

    dir: FilePath = Field(default=Path("vigil-data"), description="The folder for the outbox, snapshots and clips.")
    retention: RetentionConfig = Field(default=RetentionConfig(), description="When evidence is deleted.")
