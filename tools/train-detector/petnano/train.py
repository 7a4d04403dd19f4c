"""Trains PetNano on two cores from random initialisation; can be stopped and goes on from its last checkpoint.

python3 -m petnano.train WORKDIR --minutes 80               the schedule runs over time; writes OUT/schedule.json, one number per 50 steps
python3 -m petnano.train WORKDIR --schedule schedule.json   over steps, as such a run went
... --after run/last.pt --out WORKDIR/run-2                 the second round: from such weights, with pictures at full size only

Two processes of one thread each take micro-batches of the same step from a common counter and add up their gradients: on a
shared machine a core that is taken away delays a step by one micro-batch, where two threads would wait at every layer.
Which pictures a micro-batch holds depends on the seed, the step and its number alone, not on who computes it.
"""
from __future__ import annotations

import argparse
import copy
import json
import math
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, multiprocessing, nn

from .augment import FULL, GENTLE, SMALL_ANIMALS, WIDE, Photos, Strength, training_picture
from .evaluate import validation_figures
from .losses import dense_targets, losses
from .network import PetNano
from .sampling import Sampler

MICRO_BATCH, MICRO_BATCHES_MAX = 16, 4
PROCESSES = 2
EMA_DECAY = 0.998
WEIGHT_DECAY = 0.05
BETA_MEAN, BETA_SQUARE = 0.9, 0.99
GRADIENT_NORM_MAX = 5.0


@dataclass(frozen=True)
class Round:
    learning_rate_max: float
    # Until this share of the schedule: picture size, augmentation, micro-batches a step.
    stages: tuple[tuple[float, int, Strength, int], ...]

    def stage(self, progress: float) -> tuple[int, Strength, int]:
        return next(rest for until, *rest in self.stages if progress < until)


# Small pictures first, when they teach as much for a fifth of the price; smaller batches once the direction is found: there
# are few steps.
FIRST = Round(
    2e-3,
    (
        (0.1724, 96, FULL, 4),
        (0.33, 96, FULL, 2),
        (0.56, 128, FULL, 2),
        (0.74, 128, SMALL_ANIMALS, 2),
        (0.90, 160, SMALL_ANIMALS, 2),
        (1.01, 192, GENTLE, 2),
    ),
)
# Pictures as large as the pack's, where recall rose fastest, and close-ups that fill them.
SECOND = Round(1e-3, ((0.35, 160, WIDE, 2), (0.8, 192, WIDE, 2), (1.01, 224, GENTLE, 2)))
WARM_UP_STEPS = 300
LOG_STEPS, RESAMPLE_STEPS = 100, 200
# The schedule moves once in so many steps. A step longer than this was paused: the rest of the schedule closes up for it.
PLAN_STEPS, STEP_S_MAX = 50, 3.0


@dataclass(frozen=True)
class Options:
    workdir: Path
    out: Path
    minutes: float
    schedule: Path | None
    seed: int
    evaluate_s: float
    bfloat16: bool
    after: Path | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdir", type=Path)
    parser.add_argument("--out", type=Path, default=None, help="folder of checkpoints; WORKDIR/run by default")
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--schedule", type=Path, default=None)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--evaluate-s", type=float, default=400)
    parser.add_argument("--bfloat16", action="store_true", help="1.45 times as fast on processors that compute in it")
    parser.add_argument("--after", type=Path, default=None, help="the first round's checkpoint, for the second round")
    args = vars(parser.parse_args())
    if (args["minutes"] > 0) == (args["schedule"] is not None):
        parser.error("give one of --minutes and --schedule")
    args["out"] = args["out"] or args["workdir"] / "run"
    options = Options(**args)
    options.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    net = PetNano()
    parameters = sum(p.numel() for p in net.parameters())
    shared = Shared(
        gradients=torch.zeros(PROCESSES, parameters).share_memory_(),
        losses=torch.full((MICRO_BATCHES_MAX, MICRO_BATCH, 2), -1.0).share_memory_(),
        stop=torch.zeros(1).share_memory_(),
        progress=torch.zeros(1).share_memory_(),
    )
    context = multiprocessing.get_context("fork")
    counter, barrier = context.Value("i", 0), context.Barrier(PROCESSES)
    workers = [
        context.Process(target=work, args=(rank, options, net, shared, counter, barrier), daemon=True)
        for rank in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    # Stopped from outside, it takes its workers with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for worker in workers:
        worker.join()
    raise SystemExit(max(abs(worker.exitcode or 0) for worker in workers))


@dataclass(frozen=True)
class Shared:
    gradients: Tensor
    # Per picture of the step: its index in the pack (or -1) and its loss.
    losses: Tensor
    stop: Tensor
    progress: Tensor


def work(rank: int, options: Options, net: PetNano, shared: Shared, counter, barrier) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    photos = Photos.load(options.workdir)
    sampler = Sampler(photos)
    net.train().to(memory_format=torch.channels_last)
    ema = copy.deepcopy(net).eval()
    slow = Flat(ema)
    optimiser = AdamW(net, shared.gradients[rank])
    step, samples = 0, 0
    plan = Plan(options)
    current = SECOND if options.after else FIRST
    last = options.out / "last.pt"
    if options.after and not last.exists():
        before = torch.load(options.after)
        net.load_state_dict(before["ema"])
        ema.load_state_dict(before["ema"])
        sampler.hardness[:] = before["hardness"].numpy()
        samples = before["samples"]
    if last.exists():
        state = torch.load(last)
        net.load_state_dict(state["net"])
        ema.load_state_dict(state["ema"])
        optimiser.moments.copy_(state["moments"])
        sampler.hardness[:] = state["hardness"].numpy()
        step, samples = state["step"], state["samples"]
        plan.made = state["plan"]
    log = Log(options.out, samples) if rank == 0 else None
    sampler.refresh()

    while True:
        if log is not None:
            shared.progress[0], counter.value = plan.progress(step), 0
            shared.losses.fill_(-1)
        barrier.wait()
        progress = min(1.0, float(shared.progress))
        if progress >= 1:
            break
        size, strength, micro_batches = current.stage(progress)
        parts: dict[str, float] = {}
        shared.gradients[rank].zero_()
        while (micro := take(counter)) < micro_batches:
            rng = np.random.default_rng([options.seed, step, micro])
            indices = sampler.draw(MICRO_BATCH, rng)
            made = [training_picture(photos, int(i), sampler.train, size, strength, rng) for i in indices]
            pixels = torch.from_numpy(np.stack([picture for picture, _ in made])).permute(0, 3, 1, 2).float()
            target = dense_targets([rows for _, rows in made], size)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bfloat16):
                raw = net(pixels.contiguous(memory_format=torch.channels_last))
            loss, per_picture, parts = losses(raw.float(), target, size)
            (loss / micro_batches).backward()
            shared.losses[micro, :, 0] = torch.from_numpy(indices.astype(np.float32))
            shared.losses[micro, :, 1] = per_picture
        barrier.wait()
        optimiser.step(shared.gradients.sum(0), schedule(step, progress) * current.learning_rate_max, step)
        sampler.learn(shared.losses.reshape(-1, 2).numpy())
        step += 1
        samples += MICRO_BATCH * micro_batches
        if step % RESAMPLE_STEPS == 0:
            sampler.refresh()
        if log is not None:
            follow(slow, optimiser.net, ema, net, step)
            log.add(parts, step, samples, progress, size)
            if log.seconds_since_evaluation() > options.evaluate_s:
                log.evaluate(ema, photos, size, step)
                save(last, net, ema, optimiser, sampler, step, samples, plan)
        # The other process must not write new losses or gradients before both have read these.
        barrier.wait()
    if log is not None:
        log.evaluate(ema, photos, current.stages[-1][1], step)
        save(last, net, ema, optimiser, sampler, step, samples, plan)


def take(counter) -> int:
    with counter.get_lock():
        counter.value += 1
        return counter.value - 1


def schedule(step: int, progress: float) -> float:
    return min(1.0, (step + 1) / WARM_UP_STEPS) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


class Flat:
    """A network's weights laid into one vector, in the order and the memory format they have: one operation serves all."""

    def __init__(self, net: nn.Module) -> None:
        self.parameters = list(net.parameters())
        self.values = torch.empty(sum(p.numel() for p in self.parameters))
        for p, place in self.places(self.values):
            place.copy_(p.data)
            p.data = place

    def places(self, vector: Tensor) -> Iterator[tuple[nn.Parameter, Tensor]]:
        offset = 0
        for p in self.parameters:
            piece = vector[offset : offset + p.numel()]
            offset += p.numel()
            if p.ndim == 4:
                outputs, inputs, height, width = p.shape
                yield p, piece.view(outputs, height, width, inputs).permute(0, 3, 1, 2)
            else:
                yield p, piece.view_as(p)


class AdamW:
    """AdamW with gradients cut to a norm, over all weights at once: a sixth of the time of torch's loop over tensors.

    Every process does the same step with the summed gradient, so that their weights stay the same.
    """

    def __init__(self, net: nn.Module, gradient: Tensor) -> None:
        self.net = Flat(net)
        self.moments = torch.zeros(2, len(self.net.values))
        self.decayed = torch.zeros_like(self.net.values)
        for p, place in self.net.places(self.decayed):
            place.fill_(1.0 if p.ndim > 1 else 0.0)
        # Backward adds to what is there: each process's gradient arises in the memory that the others read.
        for p, place in self.net.places(gradient):
            p.grad = place

    def step(self, gradient: Tensor, learning_rate: float, step: int) -> None:
        gradient.mul_(min(1.0, GRADIENT_NORM_MAX / (float(gradient.norm()) + 1e-6)))
        mean, square = self.moments
        mean.lerp_(gradient, 1 - BETA_MEAN)
        square.mul_(BETA_SQUARE).addcmul_(gradient, gradient, value=1 - BETA_SQUARE)
        size = (square / (1 - BETA_SQUARE ** (step + 1))).sqrt_().add_(1e-8)
        weights = self.net.values
        weights.addcmul_(weights, self.decayed, value=-learning_rate * WEIGHT_DECAY)
        weights.addcdiv_(mean, size, value=-learning_rate / (1 - BETA_MEAN ** (step + 1)))


def follow(slow: Flat, fast: Flat, ema: nn.Module, net: nn.Module, step: int) -> None:
    decay = min(EMA_DECAY, (1 + step) / (10 + step))
    slow.values.lerp_(fast.values, 1 - decay)
    for mine, theirs in zip(ema.buffers(), net.buffers()):
        if mine.dtype.is_floating_point:
            mine.lerp_(theirs, 1 - decay)
        else:
            mine.copy_(theirs)


def save(path: Path, net: nn.Module, ema: nn.Module, optimiser: "AdamW", sampler: Sampler, step: int, samples: int, plan: "Plan") -> None:
    state = {
        "net": net.state_dict(),
        "ema": ema.state_dict(),
        "moments": optimiser.moments,
        "hardness": torch.from_numpy(sampler.hardness),
        "step": step,
        "samples": samples,
        "plan": plan.made,
    }
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)
    (path.parent / "schedule.json").write_text(json.dumps(plan.made))


class Plan:
    """How far the schedule is, from 0 to 1, decided once in PLAN_STEPS steps and kept, so that a run can be repeated.

    Over time it ends at OUT/end (seconds since 1970), which may be rewritten while it runs.
    """

    def __init__(self, options: Options) -> None:
        self.repeated = json.loads(options.schedule.read_text()) if options.schedule else None
        self.end = options.out / "end"
        if options.minutes and not self.end.exists():
            self.end.write_text(str(int(time.time() + 60 * options.minutes)))
        self.made: list[float] = []
        self.worked_s = 0.0
        self.stepped = time.time()

    def progress(self, step: int) -> float:
        now = time.time()
        self.worked_s += min(now - self.stepped, STEP_S_MAX)
        self.stepped = now
        block = step // PLAN_STEPS
        if block >= len(self.made):
            self.made.append(self._next(block, now))
            self.worked_s = 0.0
        return self.made[block]

    def _next(self, block: int, now: float) -> float:
        if self.repeated is not None:
            return self.repeated[block] if block < len(self.repeated) else 1.0
        done = self.made[-1] if self.made else 0.0
        left_s = float(self.end.read_text()) - now
        return round(done + (1 - done) * self.worked_s / (self.worked_s + left_s), 5) if left_s > self.worked_s / 2 else 1.0


class Log:
    def __init__(self, out: Path, samples: int) -> None:
        self.path = out / "log.jsonl"
        self.evaluated = self.ticked = time.time()
        self.sums: dict[str, float] = {}
        self.samples = samples

    def seconds_since_evaluation(self) -> float:
        return time.time() - self.evaluated

    def add(self, parts: dict[str, float], step: int, samples: int, progress: float, size: int) -> None:
        for name, value in parts.items():
            self.sums[name] = self.sums.get(name, 0.0) + value / LOG_STEPS
        if step % LOG_STEPS == 0:
            rate = (samples - self.samples) / (time.time() - self.ticked)
            parts = {name: round(value, 4) for name, value in self.sums.items()}
            self.write({"step": step, "samples": samples, "progress": round(progress, 4), "size": size, "photos_per_s": round(rate, 1), **parts})
            self.sums, self.ticked, self.samples = {}, time.time(), samples

    def evaluate(self, ema: nn.Module, photos: Photos, size: int, step: int) -> None:
        self.write({"step": step, "size": size, "val": validation_figures(ema, photos, size)})
        self.evaluated = self.ticked = time.time()

    def write(self, line: dict) -> None:
        text = json.dumps(line)
        print(text, flush=True)
        with self.path.open("a") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
