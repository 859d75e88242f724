"""Guiding questions that VERA (arXiv 2412.01095) found for two benchmarks, said in other words. Knows no model.

VERA has a model write questions, and keeps those with which the same model tells abnormal videos best. What follows
asks for the same things in the same order. The last question of the first set asks for sounds, which a model that is
shown frames cannot hear: VERA's does too. The questions carry over badly to other models and cameras.
"""

from __future__ import annotations

VERA_UCF_CRIME: tuple[str, ...] = (
    "Is anybody somewhere people seldom are, or doing what people there usually do not do?",
    "Does a vehicle stand or drive where vehicles do not belong, or is one used for what it is not made for?",
    "Does an object lie where it does not belong, or is one put to a use it is not made for?",
    "Is something visibly damaged, or does something move in a way that means trouble?",
    "Are there sounds or noises out of the ordinary, as if something were wrong?",
)

VERA_XD_VIOLENCE: tuple[str, ...] = (
    "In some frames, does a person or an object do something odd that breaks the pattern of the rest of the video?",
    "In some frames, does a person or an object act as nobody would expect, or plainly not as is normal?",
    "Do some frames make it clear that a behaviour is abnormal: an object that moves as it should not, or a person "
    "whose action is out of the ordinary?",
    "In some frames, is somebody who takes part, or an object, out of place or at odds with the rest of the video?",
    "In some frames, is the flow of the video broken, as by a jump of the camera's view or a picture that gets worse?",
)
