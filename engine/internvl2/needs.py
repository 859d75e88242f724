"""What a window takes beside the weights, estimated from a model's sizes: enough to refuse one that could judge none.

Knows no dtype and no device.
"""

from __future__ import annotations

from typing import Any

from transformers import InternVLConfig

FRAMES = 8  # of a usual window
TOKENS = 512  # of the prompt beside the frames, and of what follows it


def window_numbers(config: InternVLConfig) -> int:
    """How many numbers a window's features, its keys and values and one layer's activations are, at least."""
    text: Any = config.text_config
    vision: Any = config.vision_config
    features = FRAMES * config.image_seq_length  # each of them a token
    tokens = features + TOKENS
    heads_size = text.hidden_size // text.num_attention_heads * text.num_key_value_heads
    kept = 2 * text.num_hidden_layers * heads_size * tokens
    reading = tokens * (4 * text.hidden_size + 3 * text.intermediate_size)
    patches = features / config.downsample_ratio**2
    looking = patches * (4 * vision.hidden_size + 2 * vision.intermediate_size)
    return int(features * text.hidden_size + kept + max(reading, looking))  # it never looks and reads at once
