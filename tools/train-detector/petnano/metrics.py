"""Recall at fixed shares of false alarms, with intervals, from one animal score a photo."""
from __future__ import annotations

import math

import numpy as np


def recall_at(scores: np.ndarray, pet: np.ndarray, false_share: float) -> tuple[float, float]:
    """(recall, threshold) at the lowest threshold that lets at most `false_share` of the photos without a pet through."""
    negatives = np.sort(scores[~pet])[::-1]
    threshold = float(negatives[min(len(negatives) - 1, int(false_share * len(negatives)))])
    return float((scores[pet] > threshold).mean()), threshold


def area_under_curve(scores: np.ndarray, pet: np.ndarray) -> float:
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    positives = int(pet.sum())
    return float((ranks[pet].sum() - positives * (positives + 1) / 2) / (positives * (len(scores) - positives)))


def wilson(hits: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson), which stays within 0..1 for small samples."""
    if total == 0:
        return 0.0, 1.0
    share, spread = hits / total, z * z / total
    middle = share + spread / 2
    half = z * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return (middle - half) / (1 + spread), (middle + half) / (1 + spread)
