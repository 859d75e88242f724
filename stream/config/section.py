"""What every section of the configuration has in common: strict keys, emptiness, rules, and how two merge.

Keys are the attributes' names without the unit: `stall_s` is read from `stall`. Sections are frozen and only
made by validating a mapping. Knows no particular key but `kind`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from engine.errors import UsageError


def key_of(attribute: str) -> str:
    """The key in the file that an attribute is read from."""
    return attribute.removesuffix("_s").removesuffix("_bytes")


class Section(BaseModel):
    """A mapping with known keys. One that is left empty in a file has its defaults."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=key_of, allow_inf_nan=False, hide_input_in_errors=True
    )

    @model_validator(mode="before")
    @classmethod
    def _may_be_empty(cls, raw: object) -> object:
        return {} if raw is None else raw

    @model_validator(mode="after")
    def _holds(self) -> Self:
        try:
            self.check()
        except UsageError as error:
            raise ValueError(str(error)) from error
        return self

    def check(self) -> None:
        """The rules that take in more than one key. Raises UsageError."""


def sections_of(annotation: object) -> list[type[Section]]:
    """The sections that a field of this type holds: several when they come in kinds, none for plain values."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for argument in get_args(annotation) for section in sections_of(argument)]


def default_kind(kind: str) -> BeforeValidator:
    """For sections that come in kinds: which one is meant when `kind` is not given."""
    return BeforeValidator(lambda raw: {"kind": kind, **(raw or {})} if isinstance(raw, dict | None) else raw)


def merged(base: object, over: object) -> object:
    """`over`, and what only `base` has, key by key. A section of another `kind` is taken whole."""
    if not isinstance(base, Mapping) or not isinstance(over, Mapping | None):
        return over
    over = over or {}
    if "kind" in over and over["kind"] != base.get("kind"):
        return over
    return {**base, **{key: merged(base[key], value) if key in base else value for key, value in over.items()}}
