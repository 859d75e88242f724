"""Writes what an evaluation found for people to read: a page and a short text. Computes no figure of merit."""

from __future__ import annotations

from pathlib import Path

from engine.errors import RuntimeFault
from offline_eval.report.data import Remark, ReportInput, Thumbnail, VideoReport
from offline_eval.report.html import page
from offline_eval.report.markdown import summary

__all__ = ["Remark", "ReportInput", "Thumbnail", "VideoReport", "write_report"]


def write_report(out: Path, report: ReportInput) -> None:
    """Writes `report.html` and `report.md` into the folder `out`. The page needs no other file and no network."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in (("report.html", page(report)), ("report.md", summary(report))):
            # A file's name may hold half a character, which UTF-8 cannot write.
            (out / name).write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise RuntimeFault(
            f"the report cannot be written to {out}: {error.strerror}", advice="check the folder"
        ) from error
