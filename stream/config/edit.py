"""Changes one list in a configuration's text as a person would: everything else stays as it is, to the byte.

Finds its way by YAML's marks. Knows nothing of Vigil's keys, and writes no file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import yaml

from engine.errors import UsageError

LONGEST_LINE = 110
_ONE_LINE = 1 << 30  # wider than any value: PyYAML folds what is wider

Value = str | dict[str, Any]


@dataclass(frozen=True, slots=True)
class Revised:
    """An item that stays but for these of its keys; None is one that goes. A plain text is the key `text`."""

    value: Value  # the whole of it, for where it was not written yet
    changes: Mapping[str, object]


Item = tuple[Value | Revised, int | None]
"""A value, and its place in the list before, if it had one: then it stays as it is written, with the comments above."""


Edit = tuple[int, int, str]  # from where to where in a text, and what comes there


def with_list(text: str, path: Sequence[str], items: Sequence[Item]) -> str:
    """`text` with another list at `path`, which is added to its mapping when it is not there.

    Raises UsageError when the mapping is not in the text.
    """
    *parents, key = path
    node = _mapping(text, parents)
    key_node, value = _entry(node, key)
    if key_node is None or value is None:
        return _added(text, node, key, [_new(value) for value, _ in items])
    kept = value.value if isinstance(value, yaml.SequenceNode) else []
    if items and [place for _, place in items] == list(range(len(kept))):
        return _spliced(text, [edit for each, place in items for edit in _revisions(text, kept[place or 0], each)])
    if isinstance(value, yaml.SequenceNode) and not value.flow_style:
        return _block_changed(text, key_node, value, items)
    written = [_flow(_new(each)) if place is None else _revised(text, kept[place], each) for each, place in items]
    start, end = value.start_mark.index, value.end_mark.index
    return text[:start] + ("" if text[start - 1].isspace() else " ") + f"[{', '.join(written)}]" + text[end:]


def span_of(text: str, path: Sequence[str]) -> tuple[int, int]:
    """From where to where the mapping at `path` goes, with the line it ends in. Raises UsageError as `with_list`."""
    node = _mapping(text, path)
    return node.start_mark.index, _line_end(text, _end(text, node))


def _mapping(text: str, path: Sequence[str]) -> yaml.MappingNode:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise UsageError("the file is no YAML any more", advice="mend it by hand") from error
    for name in path:
        node = _entry(node, name)[1]
    if not isinstance(node, yaml.MappingNode):
        raise UsageError(f"{'.'.join(path)} is not in the file", advice="it comes from the command line")
    return node


def _entry(node: yaml.Node | None, key: str) -> tuple[yaml.Node | None, yaml.Node | None]:
    if isinstance(node, yaml.MappingNode):
        for key_node, value in node.value:
            if key_node.value == key:
                return key_node, value
    return None, None


def _added(text: str, mapping: yaml.MappingNode, key: str, new: Sequence[Value]) -> str:
    if mapping.flow_style:
        end = mapping.end_mark.index - 1
        before = text[:end].rstrip()
        comma = "" if before[-1] in "{," else ","
        return f"{before}{comma} {key}: [{', '.join(map(_flow, new))}]" + text[end:]
    at = _line_end(text, _end(text, mapping))
    indent = " " * mapping.value[0][0].start_mark.column
    line_end = _line_break(text)
    lines = [f"{indent}{key}:", *(line for item in new for line in _block(item, indent + "  "))]
    if not new:
        lines = [f"{indent}{key}: []"]
    before = text[:at] if text[:at].endswith("\n") else text[:at] + line_end
    return before + "".join(line + line_end for line in lines) + text[at:]


def _block_changed(text: str, key: yaml.Node, value: yaml.SequenceNode, items: Sequence[Item]) -> str:
    """Each item goes from the end of the line of what is before it to the end of its own last line."""
    ends = [_line_end(text, end) for end in (key.end_mark.index, *(_end(text, each) for each in value.value))]
    line_end, indent = _line_break(text), " " * value.start_mark.column
    if not items:
        colon = text.index(":", key.end_mark.index) + 1
        return text[:colon] + " []" + text[colon : ends[0]] + text[ends[-1] :]
    written = ""
    for each, place in items:
        if place is None:
            written += "".join(line + line_end for line in _block(_new(each), indent))
        else:
            chunk = _revised(text, value.value[place], each, ends[place], ends[place + 1])
            written += chunk if chunk.endswith("\n") else chunk + line_end
    return text[: ends[0]] + written + text[ends[-1] :]


def _new(each: Value | Revised) -> Value:
    return each.value if isinstance(each, Revised) else each


def _revised(text: str, node: yaml.Node, each: Value | Revised, start: int = -1, end: int = -1) -> str:
    """The text from start to end, which is the node's own if they are not given, with the item's revisions."""
    start = node.start_mark.index if start < 0 else start
    end = node.end_mark.index if end < 0 else end
    moved = [(one - start, other - start, new) for one, other, new in _revisions(text, node, each)]
    return _spliced(text[start:end], moved)


def _revisions(text: str, node: yaml.Node, each: Value | Revised) -> list[Edit]:
    """What has to be replaced for an item to be revised, and only that."""
    if not isinstance(each, Revised):
        return []
    if not isinstance(node, yaml.MappingNode) or not node.value:
        given = {"text": node.value} if isinstance(node, yaml.ScalarNode) and node.value else {}
        values = {key: value for key, value in (given | dict(each.changes)).items() if value is not None}
        whole: Value = values["text"] if values.keys() == {"text"} else values
        return [(node.start_mark.index, _end(text, node), _flow(whole))]
    added = {key: value for key, value in each.changes.items() if value is not None}
    goes = [each.changes.get(key.value, "") is None for key, _ in node.value]
    if all(goes):
        return [(node.start_mark.index, _end(text, node), _flow(added))]
    edits = []
    for key, value in node.value:
        if key.value in added:
            start = value.start_mark.index
            written = _scalar(added.pop(key.value), flow=bool(node.flow_style))
            edits.append((start, _end(text, value), written if text[start - 1].isspace() else f" {written}"))
    for gone, run in groupby(range(len(goes)), goes.__getitem__):
        if gone:
            edits.append((*_without(text, node, list(run)), ""))
    end, line_end = _end(text, node.value[-1][1]), _line_break(text)
    if node.flow_style:
        edits.append((end, end, "".join(f", {key}: {_scalar(value, flow=True)}" for key, value in added.items())))
    elif added:
        at, indent = _line_end(text, end), " " * node.start_mark.column
        lines = "".join(f"{indent}{key}: {_scalar(value, flow=False)}{line_end}" for key, value in added.items())
        edits.append((at, at, lines if text[:at].endswith("\n") else line_end + lines))
    return edits


def _without(text: str, mapping: yaml.MappingNode, run: Sequence[int]) -> tuple[int, int]:
    """From where to where neighbouring entries go; not all of them, so that the others still are a mapping."""
    first, last = run[0], run[-1]
    start = mapping.value[first][0].start_mark
    if last + 1 < len(mapping.value) and (mapping.flow_style or first == 0):  # what comes next takes their place
        return start.index, mapping.value[last + 1][0].start_mark.index
    end = _end(text, mapping.value[last][1])
    if mapping.flow_style:  # with the comma before
        return _end(text, mapping.value[first - 1][1]), end
    return start.index - start.column, _line_end(text, end)


def _spliced(text: str, edits: Sequence[Edit]) -> str:
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _end(text: str, node: yaml.Node) -> int:
    """Where a node's own text ends: PyYAML counts what follows a block as its own."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        return _end(text, node.value[-1][1]) if node.value else node.start_mark.index
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        return _end(text, node.value[-1]) if node.value else node.start_mark.index
    start, end = node.start_mark.index, int(node.end_mark.index)
    return start + len(text[start:end].rstrip())


def _line_end(text: str, index: int) -> int:
    """After the line break of the line whose text ends before `index`."""
    while index > 0 and text[index - 1] in " \t\r\n":
        index -= 1
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def _line_break(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _block(item: Value, indent: str) -> list[str]:
    """An item of a block, on one line if it is short."""
    if isinstance(item, str):
        return [f"{indent}- {_scalar(item, flow=False)}"]
    line = f"{indent}- {_flow(item)}"
    if len(line) <= LONGEST_LINE:
        return [line]
    lines = [f"{key}: {_scalar(value, flow=False)}" for key, value in item.items()]
    return [f"{indent}- {lines[0]}", *(f"{indent}  {line}" for line in lines[1:])]


def _flow(item: Value) -> str:
    """An item of a list on one line."""
    if isinstance(item, str):
        return _scalar(item, flow=True)
    return "{" + ", ".join(f"{key}: {_scalar(value, flow=True)}" for key, value in item.items()) + "}"


def _scalar(value: object, *, flow: bool) -> str:
    """On one line, and in quotes only where it needs them."""
    style = '"' if isinstance(value, str) and not value.isprintable() else None
    written: str = yaml.safe_dump(
        [value], default_flow_style=flow, default_style=style, width=_ONE_LINE, allow_unicode=True
    )
    return written.strip()[1:-1] if flow else written.strip()[2:]
