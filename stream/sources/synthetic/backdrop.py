"""The still part of the scene: a forecourt, a street, shops and trees, and at night the light on them.

Rendered once per scene by casting each pixel's ray onto the ground or onto the row of houses, at twice the
size, so that edges come out smooth. Knows nothing of time and of what moves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.types import Image
from stream.sources.synthetic.camera import HEIGHT_M, Camera

Plane = NDArray[np.float32]  # [H, W]

# Depths in metres from the camera's foot.
KERB_NEAR_M, ROAD_NEAR_M, ROAD_FAR_M, KERB_FAR_M, WALL_M = 10.2, 10.45, 16.9, 17.15, 20.8
BAYS_M = 14.9  # between the lane and the parked cars
LAMPS_XZ = ((-7.6, 17.4), (6.8, 17.4))
LAMP_HEIGHT_M = 5.0

LIGHT_FULL = 160  # what the light map says where night is as bright as day
_BAND_ROWS = 32  # of the picture: drawn at a time
_FINE = 2  # drawn this much larger, then averaged


@dataclass(frozen=True, slots=True)
class Backdrop:
    """`image` is [H, W, 3] RGB uint8; `light` is what to multiply it by at night (`LIGHT_FULL` is day), or None."""

    image: Image
    light: Image | None


def render_backdrop(camera: Camera, seed: int, *, night: bool, go_on: Callable[[], None] = lambda: None) -> Backdrop:
    """`go_on` is called before each band, and may raise: a large picture takes a second, or many on a busy machine."""
    rays = [axis.astype(np.float32) for axis in camera.rays(_FINE)]
    vignette = _vignette(*rays[0].shape)
    images, lights = [], []
    for top in range(0, camera.height, _BAND_ROWS):
        go_on()
        band = slice(top * _FINE, (top + _BAND_ROWS) * _FINE)
        dx, dy, dz = (axis[band] for axis in rays)
        size = (camera.width, len(dx) // _FINE)
        with np.errstate(divide="ignore"):
            to_ground = np.where(dy < 0, HEIGHT_M / np.maximum(-dy, 1e-6), np.inf)
            to_wall = WALL_M / np.maximum(dz, 1e-3)
        is_ground = to_ground < to_wall
        distance = np.where(is_ground, to_ground, to_wall).astype(np.float32)
        x, z = dx * distance, dz * distance
        y = np.where(is_ground, 0, HEIGHT_M + dy * distance).astype(np.float32)

        rng = np.random.default_rng([seed, 0xBAC])  # the same patterns for each band
        image = np.where(is_ground[..., None], _ground(x, z, rng), _row_of_houses(x, y, rng)).astype(np.float32)
        image *= vignette[band][..., None]
        images.append(cv2.resize(np.clip(image, 0, 255).astype(np.uint8), size, interpolation=cv2.INTER_AREA))
        if night:
            lights.append(cv2.resize(_night_light(x, y, z, is_ground), size, interpolation=cv2.INTER_AREA))
    return Backdrop(_whole(images), _whole(lights) if night else None)


def _whole(bands: Sequence[NDArray[np.generic]]) -> Image:
    return np.concatenate([np.asarray(band, np.uint8) for band in bands])


def _ground(x: Plane, z: Plane, rng: np.random.Generator) -> NDArray[np.float32]:
    grain = _noise(x, z, 9.0, rng)
    patches = _noise(x, z, 0.35, rng)
    pavement = _slabs(x, z, rng, size_m=0.8, grey=142.0)
    far_pavement = _slabs(x, z, rng, size_m=0.6, grey=150.0)
    asphalt = 82 + 10 * patches + 9 * grain
    for track_m in (12.0, 13.4):  # where tyres polish it
        asphalt = asphalt + 7 * np.exp(-(((z - track_m) / 0.22) ** 2))
    dash = (np.abs(z - BAYS_M) < 0.06) & (np.mod(x + 0.7, 1.6) < 0.8)
    edge = (np.abs(z - ROAD_NEAR_M - 0.3) < 0.06) | (np.abs(z - ROAD_FAR_M + 0.3) < 0.06)
    kerb = 172 + 6 * grain - 22 * (np.mod(x, 1.0) < 0.05)
    is_kerb = ((z > KERB_NEAR_M) & (z < ROAD_NEAR_M)) | ((z > ROAD_FAR_M) & (z < KERB_FAR_M))

    grey = np.select([is_kerb, z < KERB_NEAR_M, z < ROAD_FAR_M], [kerb, pavement, asphalt], far_pavement)
    grey = grey * (1 - 0.35 * np.exp(-(((z - ROAD_NEAR_M) / 0.12) ** 2)))  # the gutter
    grey = grey * (1 - 0.4 * np.clip((z - WALL_M + 1.6) / 1.6, 0, 1))  # dim under the shop fronts
    warm = np.where((z < KERB_NEAR_M) & ~is_kerb, 1.0, 0.0)[..., None]
    colour = grey[..., None] * (np.array([1.0, 1.0, 1.01]) * (1 - warm) + np.array([1.04, 1.0, 0.93]) * warm)
    colour = np.where(dash[..., None], (196 + 14 * grain)[..., None], colour)
    colour = np.where(edge[..., None], (170 + 14 * grain)[..., None] * np.array([1.0, 0.9, 0.5]), colour)
    cover = (x - 2.6) ** 2 + (z - 13.9) ** 2 < 0.16  # a manhole
    return _floats(np.where(cover[..., None], 62 + 10 * grain[..., None], colour))


def _slabs(x: Plane, z: Plane, rng: np.random.Generator, *, size_m: float, grey: float) -> Plane:
    """Paving stones: each a little different, with dark joints and stains."""
    row = np.floor(z / size_m)
    shifted = x + 0.5 * size_m * np.mod(row, 2)
    tones = rng.normal(0, 5.0, (64, 64))
    tone = tones[row.astype(int) % 64, np.floor(shifted / size_m).astype(int) % 64]
    joint = np.minimum(np.mod(shifted, size_m), np.mod(z, size_m)) < 0.025
    stains = np.minimum(_noise(x, z, 0.5, rng), 0)
    return _floats(grey + tone + 7 * _noise(x, z, 8.0, rng) + 9 * stains - 30 * joint)


def _row_of_houses(x: Plane, y: Plane, rng: np.random.Generator) -> NDArray[np.float32]:
    grain = _noise(x, y, 7.0, rng)[..., None]
    patches = _noise(x, y, 0.4, rng)[..., None]
    sky = np.array([196.0, 208, 220]) - np.clip(y[..., None] - 6, 0, 6) * 5
    leaves = np.array([68.0, 92, 50]) + 34 * _noise(x, y, 2.2, rng)[..., None] + 26 * grain

    brick = np.array([150.0, 106, 86]) * (1 + 0.10 * grain + 0.06 * patches)
    course = (np.mod(y, 0.3) < 0.045)[..., None]
    brick = np.where(course, brick * 0.86, brick)
    plaster = np.array([186.0, 178, 158]) * (1 + 0.03 * grain + 0.05 * patches)
    garden_wall = np.array([146.0, 138, 124]) * (1 + 0.06 * grain + 0.05 * patches)

    colour = np.where(x[..., None] > 8.2, plaster, brick)
    colour = np.where(_window(x, y, 2.6, 1.2, 4.2, 5.9)[..., None], np.array([212.0, 208, 200]), colour)
    colour = np.where(_window(x, y, 2.6, 1.0, 4.3, 5.8)[..., None], np.array([66.0, 80, 94]) + 14 * patches, colour)

    shop = (y < 3.3)[..., None]
    front = np.array([62.0, 66, 70]) + 3 * grain
    glass = np.array([84.0, 100, 108]) + 18 * _noise(x, y, 1.1, rng)[..., None] + 12 * (y[..., None] - 1)
    front = np.where(_window(x, y, 2.6, 2.2, 0.5, 2.5)[..., None], glass, front)
    door = ((np.abs(x - 2.6) < 0.6) & (y < 2.4))[..., None]
    front = np.where(door, np.array([44.0, 40, 38]) + 3 * grain, front)
    sign = np.select(
        [x[..., None] > 8.2, x[..., None] > 0.6], [np.array([44.0, 84, 110]), np.array([150.0, 52, 44])], [58.0, 96, 66]
    )
    front = np.where(((y > 2.7) & (y < 3.3))[..., None], sign * (1 + 0.05 * grain), front)
    letters = (y > 2.86) & (y < 3.12) & (np.mod(x, 5.2) > 1.0) & (np.mod(x, 5.2) < 4.0) & (np.mod(x * 2.9, 1.0) < 0.62)
    front = np.where(letters[..., None], np.array([232.0, 226, 208]), front)
    colour = np.where(shop, front, colour)

    crown = 3.4 + 2.0 * np.exp(-(((x + 13.6) / 1.9) ** 2)) + 1.6 * np.exp(-(((x + 10.2) / 1.3) ** 2))
    ragged = y + 0.5 * _noise(x, y, 1.4, rng) < crown
    garden = np.where(ragged[..., None], leaves, sky)
    garden = np.where((y < 1.9)[..., None], garden_wall, garden)
    colour = np.where((x < -8.8)[..., None], garden, colour)
    return _floats(np.where((y > 7.4)[..., None] & (x > -8.8)[..., None], sky, colour))


def _window(x: Plane, y: Plane, pitch_m: float, width_m: float, low_m: float, high_m: float) -> NDArray[np.bool_]:
    return (np.abs(np.mod(x, pitch_m) - pitch_m / 2) < width_m / 2) & (y > low_m) & (y < high_m)


def _night_light(x: Plane, y: Plane, z: Plane, is_ground: NDArray[np.bool_]) -> Image:
    """How much of the day's brightness is left, [H, W, 3]: lamps, lit windows and a faint bluish rest."""
    light = np.empty((*x.shape, 3), np.float32)
    light[:] = (0.13, 0.15, 0.19)
    lamps = [(lamp_x, LAMP_HEIGHT_M, lamp_z - 0.5, 22.0) for lamp_x, lamp_z in LAMPS_XZ]
    lamps.append((-1.5, HEIGHT_M, 3.0, 15.0))  # one over the forecourt, behind the camera
    for lamp_x, lamp_y, lamp_z, power in lamps:
        squared = (x - lamp_x) ** 2 + (y - lamp_y) ** 2 + (z - lamp_z) ** 2
        light += (power / (squared + 8.0) * 0.75)[..., None] * np.array([1.0, 0.86, 0.62], np.float32)
    light[~is_ground & ((y > 7.4) | (y > 1.9) & (x < -8.8))] *= 0.4  # sky and trees
    light[~is_ground & _window(x, y, 2.6, 2.2, 0.5, 2.5) & (x > 0.6) & (x < 8.2)] = (1.6, 1.3, 1.05)
    light[~is_ground & _window(x, y, 2.6, 1.0, 4.3, 5.8) & (np.mod(np.floor(x / 2.6), 3) == 1) & (x > -8.8)] = (
        1.6,
        1.0,
        0.5,
    )
    light += (np.exp(-(((x - 4.4) / 3.6) ** 2) - ((z - WALL_M) / 2.4) ** 2) * 0.45 * is_ground)[..., None]
    return np.asarray(np.clip(light * LIGHT_FULL, 0, 255), np.uint8)


def _noise(x: Plane, y: Plane, per_m: float, rng: np.random.Generator) -> Plane:
    """Smooth noise over two world axes with about `per_m` bumps a metre; mean 0, standard deviation near 1."""
    rough = np.pad(rng.normal(0, 1, (256, 256)).astype(np.float32), 4, mode="wrap")  # so that the tile repeats smoothly
    tile = cv2.GaussianBlur(rough, (0, 0), 1.0)[4:-4, 4:-4]
    tile = tile / tile.std()
    scale = 3.0 * per_m
    columns = np.mod(x * scale, 256).astype(np.float32)
    rows = np.mod(y * scale, 256).astype(np.float32)
    return np.asarray(cv2.remap(tile, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.float32)


def _vignette(height: int, width: int) -> Plane:
    v, u = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return _floats(1.04 - 0.065 * (u**2 + v**2) - 0.0125 * (u**2 + v**2) ** 2)


def _floats(values: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)
