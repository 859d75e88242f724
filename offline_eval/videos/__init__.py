"""Replays the videos of a benchmark through the live path, into a store of responses that survives any crash."""

from __future__ import annotations
