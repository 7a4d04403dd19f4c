"""photos.tar to arrays that training maps into memory; keeps evaluation photos out of it.

python3 -m petnano.prepare photos.tar WORKDIR --exclude PHOTOS_FOLDER

Writes images.npy (uint8 BGR, [n, 208, 208, 3], photo in the top-left corner), meta.json, boxes.npz, and the validation
photos with their labels.csv in val/, for the evaluation through the product's own code.
"""
from __future__ import annotations

import argparse
import csv
import hashlib
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np

from .classes import CLASS_NAMES, PADDING
from .soft_labels import soft_boxes
from .synthetic import synthetic_negatives

SIDE_PX = 208
VALIDATION_SHARE = 0.08
SYNTHETIC_COUNT = 420
THUMB_PX = 24
# Correlation of two grey thumbnails from which they count as the same photo.
SAME_PHOTO_CORRELATION = 0.97
SEED = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tar", type=Path)
    parser.add_argument("workdir", type=Path)
    parser.add_argument("--exclude", type=Path, required=True, help="folder of photos that must not be trained on")
    args = parser.parse_args()
    args.workdir.mkdir(parents=True, exist_ok=True)
    labels, files = read_pack(args.tar)
    images, sizes, hashes = decode(labels, files)
    report = split(labels, images, sizes, hashes, args.exclude)
    print(json.dumps(report, indent=1))
    save_validation(args.workdir / "val", labels, files)
    save(args.workdir, labels, images, sizes, report)


def read_pack(tar_path: Path) -> tuple[list[dict], dict[str, bytes]]:
    files: dict[str, bytes] = {}
    with tarfile.open(tar_path) as tar:
        for member in tar:
            if member.isfile():
                handle = tar.extractfile(member)
                assert handle is not None
                files[member.name.removeprefix("./")] = handle.read()
    labels = [json.loads(line) for line in files.pop("labels.jsonl").splitlines()]
    return labels, files


def decode(labels: list[dict], files: dict[str, bytes]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    images = np.full((len(labels), SIDE_PX, SIDE_PX, 3), PADDING, np.uint8)
    sizes = np.zeros((len(labels), 2), np.int32)
    hashes = []
    for i, label in enumerate(labels):
        data = files[f"img/{label['f']}"]
        hashes.append(hashlib.sha256(data).hexdigest())
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        height, width = image.shape[:2]
        images[i, :height, :width] = image
        sizes[i] = height, width
    return images, sizes, hashes


def split(labels: list[dict], images: np.ndarray, sizes: np.ndarray, hashes: list[str], exclude: Path) -> dict:
    """Marks every label `train`, `val` or `dropped`; a photo like an excluded or a validation photo is dropped."""
    thumbs = np.stack([thumbnail(im[:h, :w]) for im, (h, w) in zip(images, sizes)])
    paths = sorted(p for p in exclude.iterdir() if p.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"})
    outside = [cv2.imread(str(p), cv2.IMREAD_COLOR) for p in paths]
    outside_thumbs = np.stack([thumbnail(im) for im in outside] + [thumbnail(im[:, ::-1]) for im in outside])
    outside_hashes = {hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}

    like_outside = thumbs @ outside_thumbs.T
    same_outside = (like_outside.max(1) > SAME_PHOTO_CORRELATION) | np.array([h in outside_hashes for h in hashes])
    val = np.array([int(hashlib.sha256(l["f"].encode()).hexdigest()[:8], 16) / 2**32 < VALIDATION_SHARE for l in labels])
    val &= ~same_outside
    like_val = (thumbs @ thumbs[val].T).max(1) > SAME_PHOTO_CORRELATION
    for i, label in enumerate(labels):
        label["split"] = "val" if val[i] else "dropped" if same_outside[i] or like_val[i] else "train"
    return {
        "excluded_photos_compared": len(paths),
        "equal_sha256": sum(h in outside_hashes for h in hashes),
        "dropped_like_excluded": [
            [labels[i]["f"], paths[int(like_outside[i].argmax()) % len(paths)].name, round(float(like_outside[i].max()), 3)]
            for i in np.flatnonzero(same_outside)
        ],
        "highest_correlation_kept": round(float(like_outside.max(1)[~same_outside].max()), 3),
        "dropped_like_validation": int((like_val & ~val).sum()),
        "val": int(val.sum()),
        "train": sum(l["split"] == "train" for l in labels),
    }


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Grey, small, zero mean, unit length: a dot product of two is their correlation."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    small -= small.mean()
    return small / max(1.0, float(np.linalg.norm(small)))


def save(workdir: Path, labels: list[dict], images: np.ndarray, sizes: np.ndarray, report: dict) -> None:
    boxes = [soft_boxes(label) for label in labels]
    drawn = synthetic_negatives(SYNTHETIC_COUNT, SIDE_PX, np.random.default_rng(SEED))
    out = np.lib.format.open_memmap(workdir / "images.npy", "w+", np.uint8, (len(images) + len(drawn), SIDE_PX, SIDE_PX, 3))
    out[: len(images)] = images
    meta = [
        {"f": l["f"], "repo": l["repo"], "label": l["label"], "pet": l["pet"], "split": l["split"]} for l in labels
    ]
    for k, image in enumerate(drawn):
        height, width = image.shape[:2]
        out[len(images) + k] = PADDING
        out[len(images) + k, :height, :width] = image
        sizes = np.concatenate([sizes, [[height, width]]]).astype(np.int32)
        boxes.append(np.zeros((0, boxes[0].shape[1]), np.float32))
        meta.append({"f": f"synthetic-{k}", "repo": "synthetic", "label": "none", "pet": False, "split": "train"})
    out.flush()
    starts = np.cumsum([0] + [len(b) for b in boxes])
    np.savez(workdir / "boxes.npz", rows=np.concatenate(boxes), starts=starts, sizes=sizes)
    (workdir / "meta.json").write_text(json.dumps({"classes": CLASS_NAMES, "report": report, "photos": meta}))


def save_validation(folder: Path, labels: list[dict], files: dict[str, bytes]) -> None:
    folder.mkdir(exist_ok=True)
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["file", "expected_pet", "species"])
        for label in labels:
            if label["split"] != "val":
                continue
            boxes = soft_boxes(label)
            species = CLASS_NAMES[int(boxes[0, 5:].argmax())] if label["pet"] and len(boxes) else ""
            (folder / label["f"]).write_bytes(files[f"img/{label['f']}"])
            rows.writerow([label["f"], str(label["pet"]).lower(), species])


if __name__ == "__main__":
    main()
