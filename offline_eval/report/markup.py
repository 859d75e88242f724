"""Builds HTML and SVG in which every text is escaped unless it is markup already. Knows no page."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

_VOID = frozenset({"img", "input", "meta"})


class Markup(str):
    """HTML: made by `element` or written in this package, never taken from data."""

    __slots__ = ()


Content: TypeAlias = "str | Iterable[Content] | None"
Attribute = str | float | bool | None


def element(name: str, /, *children: Content, **attributes: Attribute) -> Markup:
    """`<name ...>children</name>`. `class_` is class and `aria_label` aria-label; None and False leave one out."""
    opening = "".join([f"<{name}", *map(_attribute, attributes, attributes.values()), ">"])
    if name in _VOID:
        return Markup(opening)
    return Markup(opening + fragment(*children) + f"</{name}>")


def fragment(*children: Content) -> Markup:
    """The children one after the other."""
    return Markup("".join(_content(child) for child in children))


def number(value: float, digits: int = 1) -> str:
    """In as few characters as may be: coordinates fill most of a page."""
    return f"{round(value, digits) + 0:.10g}"  # + 0, as there is a -0


def _content(child: Content) -> str:
    if child is None:
        return ""
    if isinstance(child, str):
        return child if isinstance(child, Markup) else escape(child)
    return "".join(map(_content, child))


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    return f' {name}="{escape(value if isinstance(value, str) else number(value, 2))}"'
