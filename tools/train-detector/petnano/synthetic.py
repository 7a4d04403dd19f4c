"""Drawn pictures without an animal: pages of text, screens, charts, gradients, blobs and noise."""
from __future__ import annotations

import cv2
import numpy as np

LETTERS = list("abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOP 0123456789,.-")


def synthetic_negatives(count: int, side: int, rng: np.random.Generator) -> list[np.ndarray]:
    """`count` BGR pictures whose longest side is `side` pixels."""
    kinds = (_page, _page, _screen, _chart, _blobs, _noise)
    pictures = []
    for i in range(count):
        short = int(side * rng.uniform(0.6, 1.0))
        height, width = (side, short) if rng.random() < 0.5 else (short, side)
        # Drawn at twice the size and shrunk: smooth edges, as in a real screenshot or scan.
        picture = kinds[i % len(kinds)](2 * height, 2 * width, rng)
        pictures.append(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))
    return pictures


def _background(height: int, width: int, rng: np.random.Generator) -> tuple[np.ndarray, tuple[int, ...]]:
    dark = rng.random() < 0.25
    paper = rng.integers(0, 60, 3) if dark else rng.integers(185, 256, 3)
    ink = rng.integers(170, 256, 3) if dark else rng.integers(0, 90, 3)
    return np.full((height, width, 3), paper, np.uint8), _colour(ink)


def _colour(values: np.ndarray) -> tuple[int, ...]:
    return tuple(int(v) for v in values)


def _words(rng: np.random.Generator, length: int) -> str:
    return "".join(rng.choice(LETTERS, length))


def _page(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    page, ink = _background(height, width, rng)
    scale, font, y = rng.uniform(0.4, 1.3), int(rng.integers(0, 8)), 30
    while y < height - 10:
        if rng.random() < 0.85:
            cv2.putText(page, _words(rng, 70), (int(rng.integers(5, 40)), y), font, scale, ink, 1 + int(scale > 0.8), cv2.LINE_AA)
        y += int(28 * scale + rng.integers(4, 12))
    return page


def _screen(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    screen, ink = _background(height, width, rng)
    for _ in range(int(rng.integers(4, 25))):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        corner = (x + int(rng.integers(15, 220)), y + int(rng.integers(10, 90)))
        cv2.rectangle(screen, (x, y), corner, _colour(rng.integers(0, 256, 3)), -1 if rng.random() < 0.6 else 2)
        cv2.putText(screen, _words(rng, int(rng.integers(3, 20))), (x + 3, y + 16), 0, 0.6, ink, 1, cv2.LINE_AA)
    return screen


def _chart(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    chart, _ = _background(height, width, rng)
    for x in range(30, width, 50):
        if rng.random() < 0.4:
            cv2.rectangle(chart, (x, int(rng.integers(20, height))), (x + 24, height - 10), _colour(rng.integers(0, 256, 3)), -1)
    for _ in range(int(rng.integers(1, 5))):
        ys = np.clip(np.cumsum(rng.normal(0, 14, 60)) + height / 2, 5, height - 5)
        points = np.stack([np.linspace(20, width - 10, 60), ys], 1).astype(np.int32)
        cv2.polylines(chart, [points], False, _colour(rng.integers(0, 256, 3)), int(rng.integers(2, 5)), cv2.LINE_AA)
    return chart


def _blobs(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    ramp = np.linspace(0, 1, height)[:, None, None] if rng.random() < 0.5 else np.linspace(0, 1, width)[None, :, None]
    picture = rng.integers(0, 256, 3) * (1 - ramp) + rng.integers(0, 256, 3) * ramp + np.zeros((height, width, 3))
    picture = picture.astype(np.uint8)
    for _ in range(int(rng.integers(0, 9))):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(8, 140)), int(rng.integers(8, 140)))
        cv2.ellipse(picture, centre, axes, int(rng.integers(180)), 0, 360, _colour(rng.integers(0, 256, 3)), -1, cv2.LINE_AA)
    return cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.5, 10)))


def _noise(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    picture = np.zeros((height, width, 3), np.float32)
    for cells in (4, 9, 20, 45, 120):
        layer = rng.normal(0, rng.uniform(3, 45), (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(layer, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture + rng.integers(50, 210, 3), 0, 255).astype(np.uint8)
