"""What a model is asked: the texts that lie beside this file, with their places filled. Knows no model.

`$name` in a text is a place. What is put there is taken as it is: a `$` in it is only a `$`.
"""

from __future__ import annotations

from importlib import resources
from string import Template


def prompt_text(name: str, **values: str) -> str:
    """The text `name`, its places filled with `values`, which are just these."""
    text = resources.files(__package__).joinpath(f"{name}.txt").read_text(encoding="utf-8")
    return Template(text.strip()).substitute(values)
