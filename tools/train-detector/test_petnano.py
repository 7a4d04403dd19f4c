"""python3 -m unittest: what training rests on, on made-up data; a few seconds."""
from __future__ import annotations

import copy
import tempfile
import time
import unittest
from pathlib import Path

import numpy as np
import torch

from petnano.augment import FULL, GENTLE, SMALL_ANIMALS, Photos, _paste, _place, training_picture
from petnano.classes import CAT, CLASS_COUNT, DOG
from petnano.losses import dense_targets, losses
from petnano.metrics import area_under_curve, recall_at
from petnano.network import STRIDE, PetNano
from petnano.sampling import Sampler
from petnano.soft_labels import ROW_LENGTH, soft_boxes
from petnano.train import BETA_MEAN, BETA_SQUARE, GRADIENT_NORM_MAX, PLAN_STEPS, WEIGHT_DECAY, AdamW, Options, Plan


def photos_with_a_white_patch(count: int = 6) -> Photos:
    """Dark photos of 200 x 120, every second one with a white patch that is the animal."""
    images = np.zeros((count, 208, 208, 3), np.uint8)
    rows, starts, meta = [], [0], []
    for i in range(count):
        pet = i % 2 == 0
        if pet:
            images[i, 40:100, 60:140] = 255
            rows.append(np.array([60, 40, 140, 100, 0.95, *np.eye(CLASS_COUNT)[CAT]], np.float32))
        starts.append(len(rows))
        meta.append({"f": str(i), "repo": "", "label": "cat" if pet else "none", "pet": pet, "split": "train"})
    return Photos(images, np.full((count, 2), (120, 200)), np.stack(rows), np.array(starts), meta)


class SoftLabels(unittest.TestCase):
    def label(self, **fields: object) -> dict:
        return {"f": "", "pet": True, "label": "?", "yolox": [], "deimv2": [], **fields}

    def test_two_boxes_on_each_other_become_one_that_both_teachers_make_likelier(self) -> None:
        alone = soft_boxes(self.label(pet=False, yolox=[[DOG, 0.2, 10, 10, 90, 90]]))
        both = soft_boxes(self.label(pet=False, yolox=[[DOG, 0.2, 10, 10, 90, 90]], deimv2=[[DOG, 0.35, 12, 10, 92, 90]]))
        self.assertEqual((len(alone), len(both)), (1, 1))
        self.assertGreater(both[0, 4], alone[0, 4])
        self.assertAlmostEqual(float(both[0, 5:].sum()), 1, places=5)

    def test_what_a_source_calls_empty_has_no_box(self) -> None:
        self.assertEqual(soft_boxes(self.label(pet=False, label="none", yolox=[[DOG, 0.14, 10, 10, 90, 90]])).shape, (0, ROW_LENGTH))

    def test_the_sources_species_outweighs_a_teachers(self) -> None:
        row = soft_boxes(self.label(label="cat", yolox=[[DOG, 0.6, 10, 10, 90, 90]]))[0]
        self.assertEqual(int(row[5:].argmax()), CAT)


class Augmentation(unittest.TestCase):
    def test_a_box_stays_on_its_animal(self) -> None:
        photos = photos_with_a_white_patch()
        for seed in range(60):
            rng = np.random.default_rng(seed)
            picture, rows = _place(photos, 0, 160, 160, FULL, rng)
            for x1, y1, x2, y2 in rows[:, :4].round().astype(int):
                inside = picture[y1:y2, x1:x2].mean()
                self.assertGreater(inside, 160, f"seed {seed}")

    def test_a_pasted_animal_is_small_and_its_box_is_where_it_is(self) -> None:
        photos = photos_with_a_white_patch()
        # At the photo's left edge: cut out with a margin on one side only.
        photos.images[0] = 0
        photos.images[0, 40:100, :80] = 255
        photos.rows[0, [0, 2]] = 0, 80
        beside = []
        for seed in range(60):
            picture, rows = _paste(photos, 0, np.arange(6), 160, SMALL_ANIMALS, np.random.default_rng(seed))
            ((x1, y1, x2, y2),) = rows[:, :4]
            self.assertLess(max(x2 - x1, y2 - y1), 80, f"seed {seed}")
            grey = picture[..., 0]
            canvas = np.bincount(grey[grey > 0])[:255].argmax()
            white = np.argwhere((grey > 150) & (grey != canvas)).mean(0) + 0.5
            beside.append(abs((white - ((y1 + y2) / 2, (x1 + x2) / 2)) / (y2 - y1, x2 - x1)))
        self.assertLess(np.mean(beside, 0).max(), 0.05)

    def test_a_patch_of_a_photo_without_an_animal_is_pasted_too_and_is_none(self) -> None:
        photos = photos_with_a_white_patch()
        photos.images[1, :, :] = 90
        picture, rows = _paste(photos, 1, np.arange(3, 6, 2), 160, SMALL_ANIMALS, np.random.default_rng(5))
        self.assertEqual(len(rows), 0)
        self.assertGreater((np.abs(picture.astype(int) - 90) < 3).sum(), 200)

    def test_a_cut_off_animal_becomes_less_likely(self) -> None:
        photos = photos_with_a_white_patch()
        likely = [training_picture(photos, 0, np.arange(6), 96, GENTLE, np.random.default_rng(s))[1] for s in range(80)]
        values = np.concatenate([rows[:, 4] for rows in likely])
        self.assertLessEqual(values.max(), 0.951)
        self.assertGreater(values.min(), 0.03)

    def test_the_same_seed_gives_the_same_picture(self) -> None:
        photos = photos_with_a_white_patch()
        one, two = (training_picture(photos, 0, np.arange(6), 96, FULL, np.random.default_rng([1, 2]))[0] for _ in range(2))
        np.testing.assert_array_equal(one, two)


class Targets(unittest.TestCase):
    rows = np.array([[32, 48, 128, 112, 0.9, *np.eye(CLASS_COUNT)[DOG]]], np.float32)

    def test_the_cell_of_the_middle_is_the_animal_and_its_body_is_left_out(self) -> None:
        target = dense_targets([self.rows], 160)
        self.assertAlmostEqual(float(target["obj"][0, 5, 5]), 0.9, places=5)
        self.assertEqual(float(target["counted"][0, 3, 2]), 0)
        self.assertEqual(float(target["counted"][0, 0, 0]), 1)
        self.assertAlmostEqual(float(target["picture"][0]), 0.9, places=5)

    def test_the_right_answer_costs_less_than_any_other(self) -> None:
        target = dense_targets([self.rows], 160)
        right = torch.full((1, 5 + CLASS_COUNT, 10, 10), -9.0)
        ys, xs = torch.meshgrid(torch.arange(10), torch.arange(10), indexing="ij")
        right[0, 0], right[0, 1] = 80 / STRIDE - xs, 80 / STRIDE - ys
        right[0, 2], right[0, 3] = np.log(96 / STRIDE), np.log(64 / STRIDE)
        right[0, 4] = torch.where(target["weight"][0] > 0, 2.2, -9.0)
        right[0, 5 + DOG] = 9
        costs = []
        for channel, change in ((None, 0), (0, 1.0), (3, 0.7), (4, -4.0), (5 + DOG, -18.0)):
            raw = right.clone()
            if channel is not None:
                raw[0, channel] += change
            costs.append(float(losses(raw, target, 160)[0]))
        self.assertEqual(int(np.argmin(costs)), 0, costs)


class Training(unittest.TestCase):
    def options(self, out: Path, **fields: object) -> Options:
        rest = {"minutes": 0, "schedule": None, "seed": 0, "evaluate_s": 0, "bfloat16": False}
        return Options(**{"workdir": out, "out": out, **rest, **fields})

    def test_a_step_over_all_weights_at_once_is_torchs_adamw(self) -> None:
        torch.manual_seed(1)
        one = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, bias=False), torch.nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
        two = copy.deepcopy(one)
        gradient = torch.zeros(sum(p.numel() for p in two.parameters()))
        ours = AdamW(two, gradient)
        groups = [{"params": [p for p in one.parameters() if (p.ndim > 1) == big], "weight_decay": WEIGHT_DECAY * big} for big in (True, False)]
        theirs = torch.optim.AdamW(groups, lr=0.01, betas=(BETA_MEAN, BETA_SQUARE))
        for step in range(5):
            pixels = torch.rand(2, 3, 8, 8) * 50
            for net in (one, two):
                (net(pixels) * torch.linspace(0, 9, 36).view(6, 6)).square().sum().backward()
            torch.nn.utils.clip_grad_norm_(one.parameters(), GRADIENT_NORM_MAX)
            theirs.step()
            ours.step(gradient.clone(), 0.01, step)
            theirs.zero_grad(set_to_none=True)
            gradient.zero_()
        for a, b in zip(one.parameters(), two.parameters()):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)

    def test_a_schedule_over_time_can_be_repeated_over_steps(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            out = Path(name)
            plan = Plan(self.options(out, minutes=1))
            first = [plan.progress(0)]
            plan.stepped -= 2
            first += [plan.progress(step) for step in range(1, PLAN_STEPS + 1)]
            self.assertEqual(first[0], first[PLAN_STEPS - 1])
            self.assertGreater(first[PLAN_STEPS], first[0])
            (out / "end").write_text(str(int(time.time()) - 1))
            second = [plan.progress(step) for step in range(PLAN_STEPS + 1, 2 * PLAN_STEPS + 1)]
            self.assertEqual(second[-1], 1.0)
            (out / "schedule.json").write_text(str(plan.made))
            again = Plan(self.options(out, schedule=out / "schedule.json"))
            self.assertEqual([again.progress(step) for step in range(2 * PLAN_STEPS + 1)], first + second)

    def test_a_pause_moves_the_schedule_no_further_than_one_slow_step(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            plan = Plan(self.options(Path(name), minutes=10))
            plan.stepped -= 300
            self.assertLess(plan.progress(0), 0.01)


class SamplingAndFigures(unittest.TestCase):
    def test_half_of_what_is_drawn_has_an_animal_and_mistakes_come_more_often(self) -> None:
        photos = photos_with_a_white_patch()
        sampler = Sampler(photos)
        for _ in range(20):
            sampler.learn(np.array([[0, 3.0], [2, 0.1], [4, 0.1], [1, 1.0]]))
        sampler.refresh()
        drawn = sampler.draw(4000, np.random.default_rng(0))
        self.assertAlmostEqual(float((drawn % 2 == 0).mean()), 0.5, delta=0.03)
        self.assertGreater((drawn == 0).sum(), 2 * (drawn == 2).sum())

    def test_recall_counts_only_what_beats_the_allowed_false_alarms(self) -> None:
        scores, pet = np.array([0.9, 0.8, 0.3, 0.7, 0.2, 0.1]), np.array([True, True, True, False, False, False])
        self.assertAlmostEqual(recall_at(scores, pet, 0.0)[0], 2 / 3)
        self.assertAlmostEqual(recall_at(scores, pet, 0.34)[0], 1)
        self.assertAlmostEqual(area_under_curve(scores, pet), 8 / 9)

    def test_the_network_gives_one_row_per_cell_of_16_pixels(self) -> None:
        self.assertEqual(PetNano().eval()(torch.zeros(1, 3, 192, 192)).shape, (1, 15, 12, 12))


if __name__ == "__main__":
    unittest.main()
