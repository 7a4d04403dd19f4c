"""What the network is trained for: soft objects and species per cell, boxes, and one score for the whole picture."""
from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .classes import CLASS_COUNT
from .network import OBJECT, STRIDE

# Below this likelihood a box is only a soft object target; the cells around it stay background.
BODY_P_MIN = 0.3
SPECIES_WEIGHT, BOX_WEIGHT, PICTURE_WEIGHT = 0.5, 1.0, 1.0


def dense_targets(pictures: list[np.ndarray], size: int) -> dict[str, Tensor]:
    """Rows of soft boxes to one target per cell.

    Cells near a box's middle are the animal, the rest of its body is left out of the loss, everything else is background;
    where boxes overlap the smaller wins.
    """
    grid, n = size // STRIDE, len(pictures)
    obj = np.zeros((n, grid, grid), np.float32)
    counted = np.ones((n, grid, grid), np.float32)
    weight = np.zeros((n, grid, grid), np.float32)
    species = np.zeros((n, grid, grid, CLASS_COUNT), np.float32)
    box = np.zeros((n, grid, grid, 4), np.float32)
    picture = np.zeros(n, np.float32)
    centres = (np.arange(grid) + 0.5) * STRIDE
    for k, rows in enumerate(pictures):
        picture[k] = rows[:, 4].max(initial=0)
        areas = (rows[:, 2] - rows[:, 0]) * (rows[:, 3] - rows[:, 1])
        for row in rows[np.lexsort((-areas, rows[:, 4] >= BODY_P_MIN))]:
            x1, y1, x2, y2, p = row[:5]
            width, height, cx, cy = x2 - x1, y2 - y1, (x1 + x2) / 2, (y1 + y2) / 2
            if p >= BODY_P_MIN:
                body = ((centres > y1) & (centres < y2))[:, None] & ((centres > x1) & (centres < x2))[None, :]
                counted[k][body & (weight[k] == 0)] = 0
            reach_x = max(STRIDE * 0.75, min(width * 0.3, STRIDE * 2.0))
            reach_y = max(STRIDE * 0.75, min(height * 0.3, STRIDE * 2.0))
            middle = (np.abs(centres - cy) < reach_y)[:, None] & (np.abs(centres - cx) < reach_x)[None, :]
            middle[min(grid - 1, int(cy // STRIDE)), min(grid - 1, int(cx // STRIDE))] = True
            obj[k][middle], counted[k][middle], species[k][middle], box[k][middle] = p, 1, row[5:], (x1, y1, x2, y2)
            weight[k][middle] = 1 / math.sqrt(middle.sum())
    arrays = {"obj": obj, "counted": counted, "weight": weight, "species": species, "box": box, "picture": picture}
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def losses(raw: Tensor, target: dict[str, Tensor], size: int) -> tuple[Tensor, Tensor, dict[str, float]]:
    """The sum to minimise (a mean over pictures), each picture's own loss, and the parts for the log."""
    n = raw.shape[0]
    logit = raw[:, OBJECT]
    obj, weight = target["obj"], target["weight"]
    positive = weight > 0
    bce = F.binary_cross_entropy_with_logits(logit, obj, reduction="none")
    # Mild focusing on the distance to the soft target: most background cells are easy.
    focus = (logit.detach().sigmoid() - obj).abs()
    objects = (bce * focus * torch.where(positive, weight * 1.5, 0.5 * target["counted"])).sum() / n

    # The product asks one thing of a photo: is there an animal. Its answer is the strongest cell's.
    top = logit.flatten(1).topk(2, 1)[0]
    wanted = target["picture"][:, None].expand_as(top)
    per_picture = F.binary_cross_entropy_with_logits(top, wanted, reduction="none") @ torch.tensor([0.7, 0.3])
    picture = per_picture.mean()

    if not bool(positive.any()):
        return objects + PICTURE_WEIGHT * picture, per_picture.detach(), {"obj": float(objects), "img": float(picture)}
    cells = raw.permute(0, 2, 3, 1)[positive]
    share = weight[positive] * obj[positive]
    species_bce = F.binary_cross_entropy_with_logits(cells[:, OBJECT + 1 :], target["species"][positive], reduction="none")
    species = (species_bce.sum(1) * share).sum() / n
    box = ((1 - _giou(cells, positive, target["box"][positive])) * share).sum() / n
    total = objects + SPECIES_WEIGHT * species + BOX_WEIGHT * box + PICTURE_WEIGHT * picture
    parts = {"obj": float(objects), "cls": float(species), "box": float(box), "img": float(picture)}
    return total, per_picture.detach(), parts


def _giou(cells: Tensor, positive: Tensor, wanted: Tensor) -> Tensor:
    _, row, column = positive.nonzero(as_tuple=True)
    centre = (cells[:, :2] + torch.stack([column, row], 1)) * STRIDE
    half = cells[:, 2:4].clamp(-3, 4).exp() * (STRIDE / 2)
    low, high = centre - half, centre + half
    inner = (torch.minimum(high, wanted[:, 2:]) - torch.maximum(low, wanted[:, :2])).clamp(min=0).prod(1)
    union = (high - low).prod(1) + (wanted[:, 2:] - wanted[:, :2]).prod(1) - inner
    hull = (torch.maximum(high, wanted[:, 2:]) - torch.minimum(low, wanted[:, :2])).prod(1)
    return inner / union - (hull - union) / hull
