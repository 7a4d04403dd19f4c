"""Which photos are trained on how often: pets and others alike, rare species more, and the network's own mistakes more."""
from __future__ import annotations

import numpy as np

from .augment import Photos
from .classes import CAT, CLASS_COUNT, DOG

PET_SHARE = 0.5
RARE_FACTOR_MAX, COMMON_COUNT = 3.0, 1500.0
# Sources that would teach one kind of scene over and over.
SOURCE_FACTORS = {
    "martinwestin/flower_classification": 0.4,
    "arjunk00/chs": 0.5,
    "wilzeviolin/aap": 0.5,
    "synthetic": 0.6,
}
# A photo's factor by its loss against the mean: bounded, since the worst losses are wrong labels.
HARD_MIN, HARD_MAX = 0.5, 2.5
FORGET = 0.3


class Sampler:
    def __init__(self, photos: Photos) -> None:
        self.train = photos.indices("train")
        self.pet = np.array([photos.meta[i]["pet"] for i in self.train])
        self.place = np.full(len(photos.meta), -1)
        self.place[self.train] = np.arange(len(self.train))
        self.hardness = np.ones(len(self.train), np.float32)
        self.base = self._base(photos)
        self.refresh()

    def _base(self, photos: Photos) -> np.ndarray:
        present = [set(np.argmax(r[5:]) for r in photos.boxes(i) if r[4] > 0.5) for i in self.train]
        counts = np.bincount([c for classes in present for c in classes], minlength=CLASS_COUNT)
        factor = np.clip(np.sqrt(COMMON_COUNT / np.maximum(counts, 1)), 1.0, RARE_FACTOR_MAX)
        factor[[CAT, DOG]] = 1.0
        base = [max((factor[c] for c in classes), default=1.0) for classes in present]
        return np.array([b * SOURCE_FACTORS.get(photos.meta[i]["repo"], 1.0) for b, i in zip(base, self.train)])

    def refresh(self) -> None:
        """Takes what was learnt into the next draws."""
        share = self.base * np.clip(self.hardness, HARD_MIN, HARD_MAX)
        share[self.pet] *= PET_SHARE / share[self.pet].sum()
        share[~self.pet] *= (1 - PET_SHARE) / share[~self.pet].sum()
        self.cumulative = np.cumsum(share)

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        places = np.searchsorted(self.cumulative, rng.random(count) * self.cumulative[-1])
        return self.train[np.minimum(places, len(self.train) - 1)]

    def learn(self, losses: np.ndarray) -> None:
        """Rows of (photo index, loss) of one step."""
        losses = losses[losses[:, 0] >= 0]
        relative = losses[:, 1] / max(1e-6, float(losses[:, 1].mean()))
        at = self.place[losses[:, 0].astype(int)]
        self.hardness[at] += FORGET * (np.minimum(relative, 4) - self.hardness[at])
