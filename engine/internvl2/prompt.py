"""InternVL2's prompt strings, to the character. Knows no token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import CheckpointError, ScorerError

IMAGE = "<image>"  # where a question wants a picture
IMAGE_START = "<img>"
IMAGE_TOKEN = "<IMG_CONTEXT>"  # stands for one feature of a picture
IMAGE_END = "</img>"

_USER = "<|im_start|>user\n"
_ASSISTANT = "<|im_start|>assistant\n"


@dataclass(frozen=True, slots=True)
class Template:
    """How a conversation becomes one string. `separator` ends every turn but the one to be answered."""

    system_message: str
    separator: str = "<|im_end|>"

    @property
    def stop(self) -> str:
        """The token that ends an answer."""
        return self.separator.strip()

    def render(self, question: str, history: Sequence[tuple[str, str]] = ()) -> str:
        """The prompt up to where the answer begins. `history` holds (question, answer) pairs, oldest first."""
        turns = [f"<|im_start|>system\n{self.system_message}{self.separator}"]
        said = [text for turn in history for text in turn] + [question]
        for index, text in enumerate(said):
            turns.append(_USER if index % 2 == 0 else _ASSISTANT)
            turns.append(text + self.separator if text else "")
        return "".join([*turns, _ASSISTANT])


_SYSTEM_2_0 = (
    "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。"
)
_SYSTEM_2_5 = (
    "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"
)
_TEMPLATES = {
    "Hermes-2": Template(_SYSTEM_2_0),
    "internlm2-chat": Template(_SYSTEM_2_0),
    "internvl2_5": Template(_SYSTEM_2_5, separator="<|im_end|>\n"),
}


def template(name: str, system_message: str | None = None) -> Template:
    """The template that config.json names, with its system message when it has one. Raises CheckpointError."""
    if name not in _TEMPLATES:
        raise CheckpointError(
            f"the checkpoint's prompt template {name!r} is not known (known: {', '.join(_TEMPLATES)})",
            advice="use a checkpoint of InternVL2, InternVL2.5 or InternVL3",
        )
    found = _TEMPLATES[name]
    return found if system_message is None else Template(system_message, found.separator)


def video_question(frames: int, question: str) -> str:
    """`question` about so many frames of a video, each with its number and a place for its picture."""
    return "".join(f"Frame{number}: {IMAGE}\n" for number in range(1, frames + 1)) + question


def insert_images(prompt: str, tiles: Sequence[int], tokens_per_tile: int) -> str:
    """`prompt` with each `<image>` become the tokens of one picture, which has `tiles[i]` tiles."""
    parts = prompt.split(IMAGE)
    if len(parts) != len(tiles) + 1:
        raise ScorerError(f"a prompt has {len(parts) - 1} places for pictures, and {len(tiles)} were given")
    pictures = [IMAGE_START + IMAGE_TOKEN * (tokens_per_tile * count) + IMAGE_END for count in tiles]
    return "".join(text + picture for text, picture in zip(parts, [*pictures, ""], strict=True))
