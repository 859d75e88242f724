"""Walking, running and fighting figures. A person knows its pose at one moment, nothing of time or events."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.types import Box, Image
from stream.sources.synthetic.camera import Camera, Points
from stream.sources.synthetic.paint import Colour, disc, ground_shadow, shade, stroke


@dataclass(frozen=True, slots=True)
class Look:
    """What makes one person different from another."""

    height_m: float
    girth: float
    top: Colour
    trousers: Colour
    skin: Colour
    hair: Colour


@dataclass(frozen=True, slots=True)
class Pose:
    """Joint angles in radians: forward is positive, a hanging limb is 0; knees and elbows bend. (left, right)"""

    legs: tuple[float, float]
    knees: tuple[float, float]
    arms: tuple[float, float]
    elbows: tuple[float, float]
    lean: float = 0.03


def gait(phase: float, *, run: bool) -> Pose:
    """A step cycle's pose; `phase` grows by 2 pi in two steps."""
    reach, bend, swing, elbow, lean = (0.75, 1.35, 0.95, 1.5, 0.24) if run else (0.44, 0.75, 0.42, 0.25, 0.04)
    left, right = math.sin(phase), math.sin(phase + math.pi)
    lift_left, lift_right = math.cos(phase), math.cos(phase + math.pi)  # a leg bends while it swings forward
    return Pose(
        legs=(reach * left, reach * right),
        knees=(0.1 + bend * max(lift_left, 0.0), 0.1 + bend * max(lift_right, 0.0)),
        arms=(swing * right, swing * left),
        elbows=(elbow, elbow),
        lean=lean,
    )


STRIDE_M = {False: 1.45, True: 2.6}  # two steps, walking and running


@dataclass(frozen=True, slots=True)
class Person:
    """A figure of limbs at (x, z), facing `heading` radians from the x axis towards the depth."""

    look: Look
    x: float
    z: float
    heading: float
    pose: Pose

    @property
    def depth_m(self) -> float:
        return self.z

    def box(self, camera: Camera) -> Box | None:
        joints = self._joints()
        pad = 0.11 * self.look.height_m / 1.75
        low, high = joints.min(axis=0) - pad, joints.max(axis=0) + pad
        corners = np.array([(x, y, self.z) for x in (low[0], high[0]) for y in (max(low[1], 0.0), high[1])])
        return camera.box(corners)

    def _joints(self) -> Points:
        """[13, 3]: head, neck, hips, then shoulder-hand and hip-foot chains' free joints, left before right."""
        size = self.look.height_m / 1.75
        forward = np.array([math.cos(self.heading), 0.0, math.sin(self.heading)])
        side = np.array([-math.sin(self.heading), 0.0, math.cos(self.heading)])
        up = np.array([0.0, 1.0, 0.0])

        def limb(angle: float, length: float) -> Points:
            return np.asarray((math.sin(angle) * forward - math.cos(angle) * up) * length * size)

        pose = self.pose
        thighs = [limb(angle, 0.44) for angle in pose.legs]
        shins = [limb(angle - knee, 0.45) for angle, knee in zip(pose.legs, pose.knees, strict=True)]
        # The lower foot stands on the ground, which makes the hips go up and down as they should.
        reach = max(-(thigh + shin)[1] for thigh, shin in zip(thighs, shins, strict=True))
        hips = np.array([self.x, reach + 0.05 * size, self.z])
        neck = hips + limb(math.pi - pose.lean, 0.56)
        head = neck + limb(math.pi - pose.lean * 1.2, 0.17)
        joints = [head, neck, hips]
        for index, sign in ((0, -1.0), (1, 1.0)):
            shoulder = neck - 0.05 * up + side * sign * 0.19 * size * self.look.girth
            elbow = shoulder + limb(pose.arms[index], 0.29)
            joints += [shoulder, elbow, elbow + limb(pose.arms[index] + pose.elbows[index], 0.27)]
        for index, sign in ((0, -1.0), (1, 1.0)):
            knee = hips + side * sign * 0.09 * size + thighs[index]
            joints += [knee, knee + shins[index]]
        return np.array(joints)

    def draw(self, canvas: Image, camera: Camera) -> None:
        look, size = self.look, self.look.height_m / 1.75
        joints = self._joints()
        uv, scales = camera.project(joints)
        px = float(scales[2]) * size
        head, neck, hips = uv[:3]
        left_arm, right_arm = uv[3:6], uv[6:9]
        left_leg, right_leg = np.vstack((hips, uv[9:11])), np.vstack((hips, uv[11:13]))
        ground_shadow(canvas, camera, self.x, self.z, 0.34 * size)
        left_is_far = math.cos(self.heading) < 0
        far_leg, near_leg = (left_leg, right_leg) if left_is_far else (right_leg, left_leg)
        far_arm, near_arm = (left_arm, right_arm) if left_is_far else (right_arm, left_arm)
        _limb(canvas, far_arm, 0.10 * px, shade(look.top, 0.72), look.skin)
        _limb(canvas, far_leg, 0.145 * px * look.girth, shade(look.trousers, 0.75), (38, 34, 32))
        _limb(canvas, near_leg, 0.15 * px * look.girth, look.trousers, (44, 40, 38))
        shoulders = 0.5 * (left_arm[0] + right_arm[0])
        width = 0.5 * abs(left_arm[0][0] - right_arm[0][0])
        for part, breadth, tone in ((0.0, 0.30, 1.0), (0.06, 0.16, 1.12)):  # the coat, and light on its shoulder
            stroke(
                canvas,
                shoulders + (hips - shoulders) * 0.08,
                hips,
                (breadth * px + width) * look.girth * (1 - part),
                shade(look.top, tone),
            )
        stroke(canvas, neck, head, 0.10 * px, look.skin)
        disc(canvas, head, 0.115 * px, look.skin)
        disc(canvas, head + np.array([-0.025 * math.cos(self.heading), -0.045]) * px, 0.105 * px, look.hair)
        _limb(canvas, near_arm, 0.105 * px, shade(look.top, 0.9), look.skin)


def _limb(canvas: Image, chain: Points, width_px: float, colour: Colour, end_colour: Colour) -> None:
    """Root, joint, tip; the tip wears its own colour."""
    stroke(canvas, chain[0], chain[1], width_px, colour)
    stroke(canvas, chain[1], chain[2], width_px * 0.85, colour)
    disc(canvas, chain[2], width_px * 0.5, end_colour)
