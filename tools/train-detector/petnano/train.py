"""Trains PetNano on two cores from random initialisation; can be stopped and goes on from its last checkpoint.

python3 -m petnano.train WORKDIR --samples 900000      reproducible: the schedule runs over pictures
python3 -m petnano.train WORKDIR --minutes 80          the schedule runs over time

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
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, multiprocessing, nn

from .augment import FULL, GENTLE, Photos, training_picture
from .evaluate import validation_figures
from .losses import dense_targets, losses
from .network import PetNano
from .sampling import Sampler

MICRO_BATCH, MICRO_BATCHES = 16, 4
PROCESSES = 2
EMA_DECAY = 0.998
WEIGHT_DECAY = 0.05
GRADIENT_NORM_MAX = 5.0
# (until this share of the schedule, picture size): small pictures first, when they teach as much for a fifth of the price.
SIZES = ((0.30, 96), (0.60, 128), (0.82, 160), (1.01, 192))
GENTLE_FROM = 0.85
WARM_UP_STEPS = 300
LOG_STEPS, RESAMPLE_STEPS = 100, 200


@dataclass(frozen=True)
class Options:
    workdir: Path
    out: Path
    samples: int
    minutes: float
    learning_rate: float
    seed: int
    evaluate_s: float
    initial: Path | None
    bfloat16: bool
    size_min: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdir", type=Path)
    parser.add_argument("--out", type=Path, default=None, help="folder of checkpoints; WORKDIR/run by default")
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--evaluate-s", type=float, default=400)
    parser.add_argument("--initial", type=Path, default=None, help="weights of an own earlier run to start from")
    parser.add_argument("--bfloat16", action="store_true", help="1.45 times as fast on processors that compute in it")
    parser.add_argument("--size-min", type=int, default=0, help="leaves out the smaller picture sizes, for going on from --initial")
    args = vars(parser.parse_args())
    if (args["samples"] > 0) == (args["minutes"] > 0):
        parser.error("give one of --samples and --minutes")
    args["out"] = args["out"] or args["workdir"] / "run"
    options = Options(**args)
    options.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    net = PetNano()
    parameters = sum(p.numel() for p in net.parameters())
    shared = Shared(
        gradients=torch.zeros(PROCESSES, parameters).share_memory_(),
        losses=torch.full((MICRO_BATCHES, MICRO_BATCH, 2), -1.0).share_memory_(),
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
    samples_before = 0
    if options.initial:
        initial = torch.load(options.initial)
        net.load_state_dict(initial["ema"])
        samples_before = initial["samples"]
    net.train().to(memory_format=torch.channels_last)
    ema = copy.deepcopy(net).eval()
    optimiser = make_optimiser(net, options.learning_rate)
    step, elapsed_s = 0, 0.0
    last = options.out / "last.pt"
    if last.exists():
        state = torch.load(last)
        net.load_state_dict(state["net"])
        ema.load_state_dict(state["ema"])
        optimiser.load_state_dict(state["optimiser"])
        sampler.hardness[:] = state["hardness"].numpy()
        step, elapsed_s = state["step"], state["elapsed_s"]
    parameters = list(net.parameters())
    log = Log(options.out, elapsed_s) if rank == 0 else None
    sampler.refresh()

    while True:
        if log is not None:
            done = step * MICRO_BATCH * MICRO_BATCHES / options.samples if options.samples else log.elapsed_s() / 60 / options.minutes
            shared.progress[0], counter.value = done, 0
            shared.losses.fill_(-1)
        barrier.wait()
        progress = min(1.0, float(shared.progress))
        if progress >= 1:
            break
        size = max(options.size_min, next(size for until, size in SIZES if progress < until))
        strength = FULL if progress < GENTLE_FROM else GENTLE
        parts: dict[str, float] = {}
        while (micro := take(counter)) < MICRO_BATCHES:
            rng = np.random.default_rng([options.seed, step, micro])
            indices = sampler.draw(MICRO_BATCH, rng)
            made = [training_picture(photos, int(i), sampler.train, size, strength, rng) for i in indices]
            pixels = torch.from_numpy(np.stack([picture for picture, _ in made])).permute(0, 3, 1, 2).float()
            target = dense_targets([rows for _, rows in made], size)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bfloat16):
                raw = net(pixels.contiguous(memory_format=torch.channels_last))
            loss, per_picture, parts = losses(raw.float(), target, size)
            (loss / MICRO_BATCHES).backward()
            shared.losses[micro, :, 0] = torch.from_numpy(indices.astype(np.float32))
            shared.losses[micro, :, 1] = per_picture
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        shared.gradients[rank] = torch.cat([g.reshape(-1) for g in gradients])
        barrier.wait()
        apply(parameters, shared.gradients.sum(0), optimiser, schedule(step, progress) * options.learning_rate)
        sampler.learn(shared.losses.reshape(-1, 2).numpy())
        step += 1
        if step % RESAMPLE_STEPS == 0:
            sampler.refresh()
        if log is not None:
            follow(ema, net, step)
            log.add(parts, step, progress, size)
            if log.seconds_since_evaluation() > options.evaluate_s:
                log.evaluate(ema, photos, size, step)
                save(last, net, ema, optimiser, sampler, step, samples_before, log)
        # The other process must not write new losses or gradients before both have read these.
        barrier.wait()
    if log is not None:
        log.evaluate(ema, photos, SIZES[-1][1], step)
        save(last, net, ema, optimiser, sampler, step, samples_before, log)


def take(counter) -> int:
    with counter.get_lock():
        counter.value += 1
        return counter.value - 1


def make_optimiser(net: nn.Module, learning_rate: float) -> torch.optim.AdamW:
    decayed = [p for p in net.parameters() if p.ndim > 1]
    plain = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.99))


def schedule(step: int, progress: float) -> float:
    return min(1.0, (step + 1) / WARM_UP_STEPS) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


def apply(parameters: list[Tensor], gradient: Tensor, optimiser: torch.optim.Optimizer, learning_rate: float) -> None:
    """The summed gradient, the same in both processes, so that their weights stay the same."""
    offset = 0
    for p in parameters:
        p.grad = gradient[offset : offset + p.numel()].view_as(p).clone(memory_format=torch.preserve_format)
        offset += p.numel()
    nn.utils.clip_grad_norm_(parameters, GRADIENT_NORM_MAX)
    for group in optimiser.param_groups:
        group["lr"] = learning_rate
    optimiser.step()
    for p in parameters:
        p.grad = None


def follow(ema: nn.Module, net: nn.Module, step: int) -> None:
    decay = min(EMA_DECAY, (1 + step) / (10 + step))
    with torch.no_grad():
        for slow, fast in zip(ema.state_dict().values(), net.state_dict().values()):
            if slow.dtype.is_floating_point:
                slow.lerp_(fast, 1 - decay)
            else:
                slow.copy_(fast)


def save(path: Path, net: nn.Module, ema: nn.Module, optimiser: torch.optim.Optimizer, sampler: Sampler, step: int, samples_before: int, log: "Log") -> None:
    state = {
        "net": net.state_dict(),
        "ema": ema.state_dict(),
        "optimiser": optimiser.state_dict(),
        "hardness": torch.from_numpy(sampler.hardness),
        "step": step,
        "samples": samples_before + step * MICRO_BATCH * MICRO_BATCHES,
        "elapsed_s": log.elapsed_s(),
    }
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


class Log:
    def __init__(self, out: Path, elapsed_s: float) -> None:
        self.path = out / "log.jsonl"
        self.started = time.time() - elapsed_s
        self.evaluated = self.ticked = time.time()
        self.sums: dict[str, float] = {}

    def elapsed_s(self) -> float:
        return time.time() - self.started

    def seconds_since_evaluation(self) -> float:
        return time.time() - self.evaluated

    def add(self, parts: dict[str, float], step: int, progress: float, size: int) -> None:
        for name, value in parts.items():
            self.sums[name] = self.sums.get(name, 0.0) + value / LOG_STEPS
        if step % LOG_STEPS == 0:
            rate = LOG_STEPS * MICRO_BATCH * MICRO_BATCHES / (time.time() - self.ticked)
            parts = {name: round(value, 4) for name, value in self.sums.items()}
            self.write({"step": step, "progress": round(progress, 4), "size": size, "photos_per_s": round(rate, 1), **parts})
            self.sums, self.ticked = {}, time.time()

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
