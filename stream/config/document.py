"""Writes docs/configuration.md from the models: `python -m stream.config.document > docs/configuration.md`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, MaxLen
from pydantic.fields import FieldInfo

from stream.config.fields import Kind
from stream.config.models import CameraConfig, CameraDefaults, WatchConfig
from stream.config.section import Section, sections_of

EXAMPLE = """\
cameras:
  front:
    source: rtsp://vigil:${FRONT_PASSWORD}@192.0.2.10:554/stream1
    masks:
      - [[0, 0], [0.3, 0], [0.3, 0.08], [0, 0.08]]   # the camera's own clock
  yard:
    source: rtsp://vigil:${YARD_PASSWORD}@192.0.2.11:554/stream1
    alerts: {open: 0.7, close: 0.42}                 # this camera only
defaults:
  alerts: {cooldown: 30s}                            # both cameras
data:
  dir: /var/lib/vigil
  retention: {age: 14d, size: 20GB}
"""

INTRODUCTION = f"""\
<!-- Made by `python -m stream.config.document`: change the descriptions in stream/config/models instead. -->

# Configuration

`vigil watch -c FILE` reads one YAML file, and follows it: when it says something else, within 2 s, and at SIGHUP, it is
read and checked again. Cameras come, go and change then, and those that did not change go on undisturbed. A change of a
section other than `cameras` and `defaults` takes effect after a restart only, which the log tells. A file that does not
hold changes nothing, and nothing in it runs a command.

```yaml
{EXAMPLE}```

`configs/` has files to copy and edit.

## Check a file

```
vigil config check FILE
```

lists everything that is wrong with it, one line each, with the line, the key and what is accepted there; then what is
wrong with the folder of keys, if it names one. It needs the secrets, because a missing one is a problem as well, but
opens no camera. `vigil watch` refuses a file that does not pass.

## How values are written

- **Durations** are a number with `ms`, `s`, `m`, `h` or `d`: `500ms`, `10s`, `1.5h`. A plain number is seconds.
- **Sizes** are a number with `kB`, `MB`, `GB` or `TB` (powers of 1000) or `KiB`, `MiB`, `GiB` or `TiB` (powers of
  1024): `512MB`. A plain number is bytes.
- **Zones and masks** are lists of polygons; a polygon is a list of 3 or more points `[x, y]`. Both are fractions of
  the picture, from `[0, 0]` in the upper left corner to `[1, 1]` in the lower right.
- **Paths** that are relative start from the folder in which Vigil is started; `~` is the home directory.
- An unknown key, or a key given twice, is an error. A section may be left empty or out. YAML's anchors, aliases and
  tags are not used.

## Defaults and cameras

What a camera does not set comes from `defaults`, key by key, and what `defaults` does not set from the tables below.
Lists are taken whole, and so is a section of another `kind`. `defaults` must hold by itself.

## Secrets

`${{NAME}}` in a value stands for the secret NAME: letters, digits and `_`. It is looked up when the file is read, in
this order; an empty one counts as missing.

1. the environment variable `NAME`;
2. the file `NAME`, else the file `name` in lower case, in `$CREDENTIALS_DIRECTORY` (systemd's `LoadCredential=`);
3. the same two files in `/run/secrets` (Docker's and Podman's secrets).

The line end of such a file is not part of the secret. In the user and password of a URL a secret is percent-encoded,
so give it as it is, whatever characters it has. `$${{` stands for a plain `${{`. A missing secret is an error.
Passwords are never shown: not in errors, not in logs.

# Keys
"""


def document() -> str:
    """The whole file."""
    return INTRODUCTION + "".join(_table(heading, section) for heading, section in _sections("", WatchConfig))


def _sections(heading: str, section: type[Section]) -> Iterator[tuple[str, type[Section]]]:
    """Every section under its heading, parents first. A camera's are told once, and `defaults` points there."""
    yield heading, section
    for field in section.model_fields.values():
        inner = sections_of(field.annotation)
        for each in inner:
            if each is not CameraDefaults:
                yield from _sections(_heading(heading, field, each), each)


def _heading(above: str, field: FieldInfo, section: type[Section]) -> str:
    if section is CameraConfig:
        return "cameras.NAME"
    name = f"{above}.{field.alias}" if above else str(field.alias)
    return f"{name}, kind: {section.model_fields['kind'].default}" if "kind" in section.model_fields else name


def _table(heading: str, section: type[Section]) -> str:
    rows = "".join(
        f"| `{field.alias}` | {_accepted(heading, field)} | {_default(field)} | {field.description} |\n"
        for field in sorted(section.model_fields.values(), key=lambda field: not field.is_required())
    )
    intro = " ".join((section.__doc__ or "").split())
    head = "| key | type | default | meaning |\n|---|---|---|---|\n"
    return f"\n## {heading or 'The whole file'}\n\n{intro}\n\n{head}{rows}"


def _accepted(heading: str, field: FieldInfo) -> str:
    inner = sections_of(field.annotation)
    if CameraDefaults in inner:
        return "keys of a [camera](#camerasname)"
    if inner == [CameraConfig]:
        return "mapping of names to [cameras](#camerasname)"
    if get_origin(field.annotation) is tuple and inner:
        return f"list of [sections](#{_slug(_heading(heading, field, inner[0]))})"
    if inner:
        kinds = [_heading(heading, field, each) for each in inner]
        return " or ".join(
            f"[{kind.rpartition(': ')[2] if len(kinds) > 1 else 'section'}](#{_slug(kind)})" for kind in kinds
        )
    return _type(field.annotation, field.metadata)


def _type(annotation: object, metadata: list[object]) -> str:
    """What a kind of value is called, with its bounds."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    kind = _kind(metadata)
    if kind is not None:
        return kind.name + _bounds(metadata, kind.write)
    if origin is Annotated:
        return _type(arguments[0], [*arguments[1:], *metadata])
    if origin in (Union, UnionType):
        return _type(next(each for each in arguments if each is not type(None)), metadata)
    if origin is tuple:
        return f"list of {_type(arguments[0], [])}s"
    if origin is Literal:
        return " or ".join(f"`{each}`" for each in arguments)
    names: dict[object, str] = {bool: "`true` or `false`", int: "whole number", float: "number", str: "text"}
    return names[annotation] + _bounds(metadata, "{:g}".format)


def _bounds(metadata: list[object], write: Callable[[float], str]) -> str:
    words = {
        Gt: ("gt", "above"),
        Ge: ("ge", "at least"),
        Le: ("le", "at most"),
        MaxLen: ("max_length", "length at most"),
    }
    return "".join(
        f", {word} {write(getattr(each, name))}"
        for bound, (name, word) in words.items()
        for each in metadata
        if isinstance(each, bound)
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, Section) or field.default_factory is not None:
        return ""
    kind = _kind(field.metadata)
    if kind is not None:
        text = kind.write(field.default)
    elif field.default is None:
        return "not set"
    elif isinstance(field.default, bool):
        text = str(field.default).lower()
    elif isinstance(field.default, float):
        text = f"{field.default:g}"
    else:
        text = str(field.default) if field.default != () else "[]"
    return f"`{text}`"


def _kind(metadata: list[object]) -> Kind | None:
    return next((each for each in metadata if isinstance(each, Kind)), None)


def _slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


if __name__ == "__main__":
    sys.stdout.write(document())
