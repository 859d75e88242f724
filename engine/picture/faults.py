"""What can be wrong with the picture of a camera that sends pictures, in words for the people who have to go there."""

from __future__ import annotations

from enum import StrEnum


class PictureFault(StrEnum):
    """The value is the code in status messages, metrics and the configuration."""

    COVERED = "covered"  # shows next to nothing
    FROZEN = "frozen"  # the same picture again and again
    BLURRED = "blurred"  # far less sharp than usual
    MOVED = "moved"  # shows another view than the one that was learnt

    @property
    def message(self) -> str:
        return _MESSAGE[self]

    @property
    def advice(self) -> str:
        return _ADVICE[self]


_MESSAGE = {
    PictureFault.COVERED: "the picture shows next to nothing: it is black, covered or without light",
    PictureFault.FROZEN: "pictures keep coming, but it is the same one again and again",
    PictureFault.BLURRED: "the picture is far less sharp than usual: out of focus, dirty or in fog",
    PictureFault.MOVED: "the view is not the usual one: the camera was moved or turned, or something blocks it",
}
_ADVICE = {
    PictureFault.COVERED: "look at the lens and at the light of the scene",
    PictureFault.FROZEN: "restart the camera; for a scene that truly never changes, set health.frozen to false",
    PictureFault.BLURRED: "clean the lens and check its focus",
    PictureFault.MOVED: "check where the camera points, and its zones and masks; a lasting view becomes the usual one",
}
