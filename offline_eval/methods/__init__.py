"""Published methods by name, as published, for parity. Live scoring is in `engine` and imports none of this."""

from __future__ import annotations

from collections.abc import Mapping

from offline_eval.methods import corevad
from offline_eval.methods.base import Method, Recorded, Vectors

__all__ = ["METHODS", "Method", "Recorded", "Vectors"]

METHODS: Mapping[str, Method] = {
    "corevad-raw": corevad.raw_labels,
    "corevad-gaussian": corevad.gaussian,
    "corevad": corevad.gaussian_and_prior,
    "corevad-ewma": corevad.ewma,
    "corevad-refined": corevad.refined,
    "corevad-full": corevad.cleaned_and_refined,
}
