"""Photos to training pictures: placed, scaled, cropped, turned, mirrored, recoloured, occluded, blurred, recompressed.

Everything works on uint8 with OpenCV: about 0.3 ms a picture of 128 px, so that it does not bound training.
"""
from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from .classes import PADDING
from .soft_labels import ROW_LENGTH

# A box is a full animal from this visible share on, nothing below the lower one, and in between the more likely the more.
VISIBLE_NONE, VISIBLE_FULL = 0.15, 0.45


@dataclass(frozen=True)
class Photos:
    """The prepared pack; images are mapped, not read."""

    images: np.ndarray
    sizes: np.ndarray
    rows: np.ndarray
    starts: np.ndarray
    meta: list[dict]

    @staticmethod
    def load(workdir: Path) -> "Photos":
        packed = np.load(workdir / "boxes.npz")
        meta = json.loads((workdir / "meta.json").read_text())["photos"]
        images = np.load(workdir / "images.npy", mmap_mode="r")
        return Photos(images, packed["sizes"], packed["rows"], packed["starts"], meta)

    def boxes(self, i: int) -> np.ndarray:
        return self.rows[self.starts[i] : self.starts[i + 1]]

    def picture(self, i: int) -> np.ndarray:
        height, width = self.sizes[i]
        return self.images[i, :height, :width]

    def indices(self, split: str) -> np.ndarray:
        return np.array([i for i, m in enumerate(self.meta) if m["split"] == split])


@dataclass(frozen=True)
class Strength:
    mosaic: float
    paste: float
    zoom: tuple[float, float]
    turn: float = 0.25
    occlude: float = 0.12


# On the smallest pictures a small animal is a smudge; it comes once they are larger.
FULL = Strength(mosaic=0.1, paste=0.08, zoom=(0.6, 1.6))
SMALL_ANIMALS = Strength(mosaic=0.2, paste=0.2, zoom=(0.4, 1.6))
# Once the network knows animals: more of them that fill the picture, and fewer mosaics.
WIDE = Strength(mosaic=0.1, paste=0.1, zoom=(0.5, 2.2))
# For the last part: what the product sees, a whole photo in its letterbox, still varied.
GENTLE = Strength(mosaic=0.0, paste=0.15, zoom=(0.6, 1.25), turn=0.15, occlude=0.1)
PASTED_SIDE_PX_MIN, PASTED_SIDE_SHARES = 18.0, (0.09, 0.32)
SCENE_ZOOM, PASTE_TRIES = (0.9, 1.5), 8


def training_picture(
    photos: Photos, i: int, others: np.ndarray, size: int, strength: Strength, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One picture [size, size, 3] and its rows of soft targets in its pixels."""
    kind = rng.random()
    if kind < strength.mosaic:
        picture, rows = _mosaic(photos, [i, *rng.choice(others, 3)], size, strength, rng)
    elif kind < strength.mosaic + strength.paste:
        picture, rows = _paste(photos, i, others, size, strength, rng)
    else:
        picture, rows = _place(photos, i, size, size, strength, rng)
    if rng.random() < strength.occlude:
        rows = _occlude(picture, rows, rng)
    return _recolour(picture, rng), rows


def _mosaic(photos: Photos, ids: list, size: int, strength: Strength, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    cut_x, cut_y = (int(v) for v in rng.uniform(0.35, 0.65, 2) * size)
    picture, parts = np.empty((size, size, 3), np.uint8), []
    cells = [(0, 0, cut_x, cut_y), (cut_x, 0, size - cut_x, cut_y), (0, cut_y, cut_x, size - cut_y), (cut_x, cut_y, size - cut_x, size - cut_y)]
    for i, (x, y, width, height) in zip(rng.permutation(ids), cells):
        picture[y : y + height, x : x + width], rows = _place(photos, int(i), width, height, strength, rng)
        rows[:, :4] += (x, y, x, y)
        parts.append(rows)
    return picture, np.concatenate(parts)


def _paste(photos: Photos, i: int, others: np.ndarray, size: int, strength: Strength, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The photo's animal, small, in a scene without one. A photo without an animal gives any part of itself, so that a
    pasted patch's edge says nothing."""
    scene = next((int(j) for j in rng.choice(others, PASTE_TRIES) if not photos.meta[j]["pet"]), None)
    boxes, source = photos.boxes(i), photos.picture(i)
    pet = bool(photos.meta[i]["pet"]) and len(boxes) > 0
    if scene is None:
        return _place(photos, i, size, size, strength, rng)
    picture, rows = _place(photos, scene, size, size, replace(strength, zoom=SCENE_ZOOM), rng)
    source_height, source_width = source.shape[:2]
    if pet:
        x1, y1, x2, y2 = boxes[0, :4]
    else:
        width, height = rng.uniform(0.3, 0.9, 2) * (source_width, source_height)
        x1, y1 = rng.random(2) * (source_width - width, source_height - height)
        x2, y2 = x1 + width, y1 + height
    margin_x, margin_y = rng.uniform(0.05, 0.2) * (x2 - x1), rng.uniform(0.05, 0.2) * (y2 - y1)
    left, top = max(0, int(x1 - margin_x)), max(0, int(y1 - margin_y))
    right, bottom = min(source_width, math.ceil(x2 + margin_x)), min(source_height, math.ceil(y2 + margin_y))
    patch = source[top:bottom, left:right]
    wanted = max(PASTED_SIDE_PX_MIN, math.exp(rng.uniform(*np.log(PASTED_SIDE_SHARES))) * size)
    scale = min(wanted / max(1.0, math.sqrt((x2 - x1) * (y2 - y1))), 0.9 * size / max(patch.shape[:2]))
    width, height = max(4, round(patch.shape[1] * scale)), max(4, round(patch.shape[0] * scale))
    patch = cv2.resize(patch, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    flip = rng.random() < 0.5
    if flip:
        patch = patch[:, ::-1]
    power, softness = rng.uniform(2, 8), rng.uniform(1, 6)
    across, down = np.abs(np.linspace(-1, 1, width)) ** power, np.abs(np.linspace(-1, 1, height)) ** power
    mask = np.clip((1 - across[None, :] - down[:, None]) * softness, 0, 1)[:, :, None].astype(np.float32)
    x, y = int(rng.integers(size - width + 1)), int(rng.integers(size - height + 1))
    under = picture[y : y + height, x : x + width]
    under[:] = (under + mask * (patch.astype(np.float32) - under)).astype(np.uint8)
    if not pet:
        return picture, rows
    pasted = boxes[:1].copy()
    sx, sy = width / (right - left), height / (bottom - top)
    low, high = (x1 - left) * sx, (x2 - left) * sx
    pasted[0, :4] = x + (width - high if flip else low), y + (y1 - top) * sy, x + (width - low if flip else high), y + (y2 - top) * sy
    return picture, np.concatenate([rows, pasted])


def _place(photos: Photos, i: int, width: int, height: int, strength: Strength, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The photo, changed in scale, shape, angle and place, on a canvas; boxes follow and lose what is cut away."""
    source = photos.picture(i)
    source_height, source_width = source.shape[:2]
    zoom = math.exp(rng.uniform(*np.log(strength.zoom)))
    fit = min(width / source_width, height / source_height) * zoom
    stretch = math.exp(rng.normal(0, 0.08))
    sx, sy = fit * stretch, fit / stretch
    angle = rng.normal(0, 0.15) if rng.random() < strength.turn else 0.0
    flip = -1.0 if rng.random() < 0.5 else 1.0
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = np.array([[flip * sx * cos, -sy * sin], [flip * sx * sin, sy * cos]])
    corners = matrix @ np.array([[0, source_width, 0, source_width], [0, 0, source_height, source_height]])
    low, high = corners.min(1), corners.max(1)
    free = np.array([width, height]) - (high - low)
    letterboxed = rng.random() < 0.5
    # Smaller than the canvas: in the corner as in the product, or anywhere. Larger: any part of it.
    offset = np.where((free > 0) & letterboxed, 0.0, rng.random(2) * free) - low
    canvas = PADDING if rng.random() < 0.8 else int(rng.integers(256))
    affine = np.concatenate([matrix, offset[:, None]], 1)
    if fit < 0.6:
        source = cv2.resize(source, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        affine[:, :2] *= (source_width / source.shape[1], source_height / source.shape[0])
    picture = cv2.warpAffine(
        source, affine, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(canvas,) * 3
    )
    return picture, _move_boxes(photos.boxes(i), matrix, offset, width, height)


def _move_boxes(rows: np.ndarray, matrix: np.ndarray, offset: np.ndarray, width: int, height: int) -> np.ndarray:
    if len(rows) == 0:
        return np.zeros((0, ROW_LENGTH), np.float32)
    rows = rows.copy()
    centre = (rows[:, :2] + rows[:, 2:4]) / 2 @ matrix.T + offset
    # A turned animal's box is taken a little smaller than its turned corners: animals are rounder than boxes.
    half = (rows[:, 2:4] - rows[:, :2]) / 2
    size = half @ np.abs(matrix.T) * 0.5 + half * np.sqrt((matrix**2).sum(0)) * 0.5
    full = np.concatenate([centre - size, centre + size], 1)
    cut = np.clip(full, 0, [width, height, width, height])
    area = np.prod(np.maximum(cut[:, 2:] - cut[:, :2], 0), 1)
    visible = area / np.maximum(1e-3, np.prod(full[:, 2:] - full[:, :2], 1))
    # A close-up that fills the canvas is an animal however little of it is left.
    visible = np.maximum(visible, 0.8 * area / (width * height))
    rows[:, :4] = cut
    rows[:, 4] *= np.clip((visible - VISIBLE_NONE) / (VISIBLE_FULL - VISIBLE_NONE), 0, 1)
    side = np.minimum(cut[:, 2] - cut[:, 0], cut[:, 3] - cut[:, 1])
    return rows[(rows[:, 4] > 0.03) & (side > 3)]


def _occlude(picture: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A patch of one colour, of noise or of another part of the picture; it may hide up to a third of an animal."""
    size = picture.shape[0]
    width, height = (int(v) for v in rng.uniform(0.1, 0.35, 2) * size)
    x, y = int(rng.integers(size - width)), int(rng.integers(size - height))
    for row in rows:
        overlap = max(0, min(row[2], x + width) - max(row[0], x)) * max(0, min(row[3], y + height) - max(row[1], y))
        if overlap > 0.35 * (row[2] - row[0]) * (row[3] - row[1]):
            return rows
    patch = picture[y : y + height, x : x + width]
    if rng.random() < 0.5:
        patch[:] = rng.integers(0, 256, 3)
    else:
        patch[:] = rng.integers(0, 256, patch.shape)
    return rows


def _recolour(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.25:
        share = float(rng.uniform(0.3, 1.0)) if rng.random() < 0.7 else 1.0
        grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        picture = cv2.addWeighted(picture, 1 - share, grey, share, 0)
    elif rng.random() < 0.3:
        grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        picture = cv2.addWeighted(picture, 1.4, grey, -0.4, 0)
    if rng.random() < 0.8:
        levels = np.arange(256, dtype=np.float32)[:, None] / 255
        levels = levels ** math.exp(rng.normal(0, 0.2))
        levels = (levels - 0.45) * math.exp(rng.normal(0, 0.2)) + 0.45 + rng.normal(0, 0.08) + rng.normal(0, 0.03, 3)
        table = np.clip(levels * 255, 0, 255).astype(np.uint8)[:, None, :]
        picture = cv2.LUT(picture, np.ascontiguousarray(table))
    choice = rng.random()
    if choice < 0.08:
        picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 1.3)))
    elif choice < 0.16:
        noise = rng.normal(0, rng.uniform(2, 12), picture.shape)
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    elif choice < 0.30:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(25, 80))]
        picture = cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR)
    return picture
