"""Figures on the validation split, in torch: every choice while training is made by these."""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from .augment import Photos
from .classes import CLASS_NAMES, PADDING
from .metrics import area_under_curve, recall_at
from .network import OBJECT, PetNano, animal_scores

BATCH = 32


def letterbox(picture: np.ndarray, size: int) -> np.ndarray:
    """As the product does it: scaled without distortion, top-left, padded."""
    height, width = picture.shape[:2]
    ratio = min(size / width, size / height)
    scaled = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    out = np.full((size, size, 3), PADDING, np.uint8)
    method = cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC
    out[: scaled[1], : scaled[0]] = cv2.resize(picture, scaled, interpolation=method)
    return out


def scores_of(net: nn.Module, pictures: list[np.ndarray], size: int) -> tuple[np.ndarray, np.ndarray]:
    """(animal score, species of the strongest cell) of each picture."""
    net.eval()
    scores, species = [], []
    with torch.no_grad():
        for start in range(0, len(pictures), BATCH):
            batch = np.stack([letterbox(picture, size) for picture in pictures[start : start + BATCH]])
            raw = net(torch.from_numpy(batch).permute(0, 3, 1, 2).float())
            best, cell = animal_scores(raw).max(1)
            rows = raw[:, OBJECT + 1 :].flatten(2)
            scores.append(best)
            species.append(rows[torch.arange(len(batch)), :, cell].argmax(1))
    return torch.cat(scores).numpy(), torch.cat(species).numpy()


def validation_figures(net: nn.Module, photos: Photos, size: int) -> dict:
    indices = photos.indices("val")
    scores, species = scores_of(net, [photos.picture(i) for i in indices], size)
    pet = np.array([photos.meta[i]["pet"] for i in indices])
    wanted = np.array([int(photos.boxes(i)[0, 5:].argmax()) if photos.meta[i]["pet"] and len(photos.boxes(i)) else -1 for i in indices])
    figures: dict = {"auc": round(area_under_curve(scores, pet), 4)}
    for share in (0.01, 0.02, 0.05):
        recall, threshold = recall_at(scores, pet, share)
        figures[f"recall@{share}"] = round(recall, 4)
        figures[f"threshold@{share}"] = round(threshold, 3)
    _, threshold = recall_at(scores, pet, 0.05)
    for cls in ("cat", "dog"):
        of_class = wanted == CLASS_NAMES.index(cls)
        figures[cls] = round(float((scores[of_class] > threshold).mean()), 4)
    other = pet & ~np.isin(wanted, [CLASS_NAMES.index("cat"), CLASS_NAMES.index("dog")])
    figures["other"] = round(float((scores[other] > threshold).mean()), 4)
    figures["species"] = round(float((species[pet] == wanted[pet]).mean()), 4)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workdir", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256])
    args = parser.parse_args()
    torch.set_num_threads(2)
    net = PetNano()
    net.load_state_dict(torch.load(args.checkpoint, map_location="cpu")["ema"])
    photos = Photos.load(args.workdir)
    for size in args.sizes:
        print(json.dumps({"size": size, **validation_figures(net, photos, size)}))


if __name__ == "__main__":
    main()
