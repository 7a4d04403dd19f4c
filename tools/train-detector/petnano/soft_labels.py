"""Two teachers' boxes and the source's own word, merged into soft targets.

A box of the result is a row `[x1, y1, x2, y2, p, c0..c9]` in the photo's pixels: `p` is how likely an animal is there,
`c` a distribution over the ten species.
"""
from __future__ import annotations

import numpy as np

from .classes import CLASS_COUNT, CLASS_NAMES

ROW_LENGTH = 5 + CLASS_COUNT
SAME_BOX_IOU = 0.5
# A photo whose source and teachers agree has an animal: its best box counts as this likely at least.
AGREED_P_MIN = 0.92
P_MAX = 0.98
# Below this a box is noise of the teachers and becomes background.
P_FLOOR = 0.06
SIDE_PX_MIN = 3.0
# Share of the source's own species against the teachers' in the best box.
SOURCE_SPECIES_SHARE = 0.7


def soft_boxes(label: dict) -> np.ndarray:
    """One line of labels.jsonl to rows of soft targets, likeliest first; shape [n, 15], float32."""
    rows = [_row(group) for group in _groups(label["yolox"], label["deimv2"])]
    rows = [row for row in rows if min(row[2] - row[0], row[3] - row[1]) >= SIDE_PX_MIN]
    rows.sort(key=lambda row: -row[4])
    if not label["pet"]:
        # Both teachers saw next to nothing. Where the source says so too, it is nothing; else it stays a faint doubt.
        if label["label"] == "none":
            return np.zeros((0, ROW_LENGTH), np.float32)
        for row in rows:
            row[4] *= 0.5
    elif rows:
        best = rows[0]
        best[4] = max(best[4], AGREED_P_MIN)
        if label["label"] in CLASS_NAMES:
            species = np.eye(CLASS_COUNT)[CLASS_NAMES.index(label["label"])]
            best[5:] = SOURCE_SPECIES_SHARE * species + (1 - SOURCE_SPECIES_SHARE) * best[5:]
    kept = [row for row in rows if row[4] >= P_FLOOR]
    return np.array(kept, np.float32).reshape(-1, ROW_LENGTH)


def _groups(yolox: list, deimv2: list) -> list[list[tuple]]:
    """Detections of either teacher that lie on each other, whatever their class."""
    detections = [("yolox", *box) for box in yolox] + [("deimv2", *box) for box in deimv2]
    detections.sort(key=lambda d: -_likelihood(d[0], d[2]))
    groups: list[list[tuple]] = []
    for detection in detections:
        for group in groups:
            if _iou(detection[3:], group[0][3:]) > SAME_BOX_IOU:
                group.append(detection)
                break
        else:
            groups.append([detection])
    return groups


def _row(group: list[tuple]) -> np.ndarray:
    species = np.zeros(CLASS_COUNT)
    best: dict[str, tuple] = {}
    for detection in group:
        teacher, cls, score = detection[:3]
        species[cls] += score
        if teacher not in best or score > best[teacher][2]:
            best[teacher] = detection
    doubt = np.prod([1 - _likelihood(d[0], d[2]) for d in best.values()])
    box = np.average([d[3:] for d in best.values()], axis=0, weights=[d[2] for d in best.values()])
    return np.concatenate([box, [min(P_MAX, 1 - doubt)], species / species.sum()])


def _likelihood(teacher: str, score: float) -> float:
    """A teacher's score as a probability. Their scales differ: at equal false alarms DEIMv2 scores 0.15 higher."""
    low, high = (0.05, 0.45) if teacher == "yolox" else (0.15, 0.60)
    return float(np.clip((score - low) / (high - low), 0, P_MAX))


def _iou(a: tuple, b: tuple) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    area = width * height
    return area / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - area)
