"""CLIP models of open_clip: pictures and sentences in one space. Needs the `vlm` extra."""
