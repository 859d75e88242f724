"""Changes one list in a configuration's text as a person would: everything else stays as it is, to the byte.

Finds its way by YAML's marks. Knows nothing of Vigil's keys, and writes no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from engine.errors import UsageError

LONGEST_LINE = 110
_ONE_LINE = 1 << 30  # wider than any value: PyYAML folds what is wider

Value = str | dict[str, Any]
Item = tuple[Value, int | None]
"""A value, and its place in the list before, if it had one: then it stays as it is written, with the comments above."""


def with_list(text: str, path: Sequence[str], items: Sequence[Item]) -> str:
    """`text` with another list at `path`, which is added to its mapping when it is not there.

    Raises UsageError when the mapping is not in the text.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise UsageError("the file is no YAML any more", advice="mend it by hand") from error
    *parents, key = path
    for name in parents:
        node = _entry(node, name)[1]
    if not isinstance(node, yaml.MappingNode):
        raise UsageError(f"{'.'.join(parents)} is not in the file", advice="it comes from the command line")
    key_node, value = _entry(node, key)
    if key_node is None or value is None:
        return _added(text, node, key, [value for value, _ in items])
    if isinstance(value, yaml.SequenceNode) and not value.flow_style:
        return _block_changed(text, key_node, value, items)
    kept = value.value if isinstance(value, yaml.SequenceNode) else []
    written = [_flow(each) if place is None else _span(text, kept[place]) for each, place in items]
    start, end = value.start_mark.index, value.end_mark.index
    return text[:start] + ("" if text[start - 1].isspace() else " ") + f"[{', '.join(written)}]" + text[end:]


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
    at = _line_end(text, _end(mapping))
    indent = " " * mapping.value[0][0].start_mark.column
    line_end = _line_break(text)
    lines = [f"{indent}{key}:", *(line for item in new for line in _block(item, indent + "  "))]
    if not new:
        lines = [f"{indent}{key}: []"]
    before = text[:at] if text[:at].endswith("\n") else text[:at] + line_end
    return before + "".join(line + line_end for line in lines) + text[at:]


def _block_changed(text: str, key: yaml.Node, value: yaml.SequenceNode, items: Sequence[Item]) -> str:
    """Each item goes from the end of the line of what is before it to the end of its own last line."""
    ends = [_line_end(text, end) for end in (key.end_mark.index, *map(_end, value.value))]
    line_end, indent = _line_break(text), " " * value.start_mark.column
    if not items:
        colon = text.index(":", key.end_mark.index) + 1
        return text[:colon] + " []" + text[colon : ends[0]] + text[ends[-1] :]
    written = ""
    for each, place in items:
        if place is None:
            written += "".join(line + line_end for line in _block(each, indent))
        else:
            chunk = text[ends[place] : ends[place + 1]]
            written += chunk if chunk.endswith("\n") else chunk + line_end
    return text[: ends[0]] + written + text[ends[-1] :]


def _end(node: yaml.Node) -> int:
    """Where a node's own text ends: PyYAML counts what follows a block as its own."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        return _end(node.value[-1][1]) if node.value else node.start_mark.index
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        return _end(node.value[-1]) if node.value else node.start_mark.index
    return int(node.end_mark.index)


def _line_end(text: str, index: int) -> int:
    """After the line break of the line whose text ends before `index`."""
    while index > 0 and text[index - 1] in " \t\r\n":
        index -= 1
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def _line_break(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _span(text: str, node: yaml.Node) -> str:
    return text[node.start_mark.index : node.end_mark.index]


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
