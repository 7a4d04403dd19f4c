"""A checkpoint to an ONNX file that a YOLOX decoder reads, with everything a reader must know in its metadata.

python3 -m petnano.export CHECKPOINT OUT.onnx [--fixture fixture.json]

Output rows are `[x, y, log w, log h, object, ten species]`, sigmoids applied. The species are divided by the best one's, so
that object times best species is the animal's probability itself: doubt about cat or dog does not make it less of an
animal. The object logit is shifted so that the product's threshold stands for `WORKING_POINT`.
"""
from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .classes import CLASS_NAMES, PADDING
from .network import OBJECT, STRIDE, Conv, PetNano

OPSET = 13
VERSION = "2"
# As the repository says of itself.
LICENCE = json.loads((Path(__file__).parents[3] / "package.json").read_text())["license"]
# The detector's default threshold, and the object's probability that it shall stand for. As the product looks, at the whole
# photo and at five parts of it, one of ten photos of validation without an animal then passes (evaluate.ts).
PRODUCT_THRESHOLD, WORKING_POINT = 0.3, 0.82
# Rows in each line and each part of the picture, so few that the fixture can lie beside a test.
FIXTURE_ROW_STEP = 13


class YoloxOutput(nn.Module):
    def __init__(self, net: PetNano, shift: float) -> None:
        super().__init__()
        self.net = net
        self.shift = shift

    def forward(self, x: Tensor) -> Tensor:
        rows = self.net(x).flatten(2).transpose(1, 2)
        species = rows[..., OBJECT + 1 :].sigmoid()
        species = species / species.amax(2, keepdim=True)
        return torch.cat([rows[..., :OBJECT], (rows[..., OBJECT : OBJECT + 1] + self.shift).sigmoid(), species], 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--fixture", type=Path, default=None, help="writes what torch computes for fixed inputs")
    args = parser.parse_args()
    torch.set_num_threads(2)
    state = torch.load(args.checkpoint, map_location="cpu")
    net = PetNano()
    net.load_state_dict(state["ema"])
    net.eval()
    shift = _logit(PRODUCT_THRESHOLD) - _logit(WORKING_POINT)
    model = YoloxOutput(fold(net), shift).eval()
    example = torch.full((1, 3, args.size, args.size), float(PADDING))
    torch.onnx.export(model, example, str(args.out), input_names=["images"], output_names=["output"], opset_version=OPSET)
    macs = multiply_adds(net, args.size)
    describe(args.out, args.size, macs, int(state.get("samples", 0)))
    if args.fixture:
        args.fixture.write_text(json.dumps(fixture(model, args.size)))
    print(json.dumps({"out": str(args.out), "bytes": args.out.stat().st_size, "gmac": round(macs / 1e9, 4), "shift": round(shift, 4)}))


def fold(net: PetNano) -> PetNano:
    """Batch normalisation into the convolutions before it."""
    for module in net.modules():
        if isinstance(module, Conv):
            module[0], module[1] = fuse_conv_bn_eval(module[0], module[1]), nn.Identity()
    return net


def describe(path: Path, size: int, macs: int, samples: int) -> None:
    model = onnx.load(str(path))
    onnx.checker.check_model(model)
    properties = {
        "name": "pet-nano",
        "version": VERSION,
        "licence": LICENCE,
        "family": "yolox",
        "classes": json.dumps(CLASS_NAMES),
        "input_size": str(size),
        "strides": json.dumps([STRIDE]),
        "anchors_per_cell": "1",
        "preprocess": json.dumps({"layout": "top-left", "channels": "bgr", "divisor": 1, "padding": PADDING}),
        "score": "object times species; the best species of a row is 1",
        "threshold": str(PRODUCT_THRESHOLD),
        "multiply_adds": str(macs),
        "trained_on_pictures": str(samples),
        "initialisation": "random; no weights made elsewhere",
    }
    del model.metadata_props[:]
    for key, value in properties.items():
        model.metadata_props.add(key=key, value=value)
    model.producer_name, model.doc_string = "tools/train-detector", "Finds ten animals in a photo. See MODEL_CARD.md."
    onnx.save(model, str(path))


def multiply_adds(net: PetNano, size: int) -> int:
    total = 0

    def count(module: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal total
        total += module.weight.numel() * output.shape[2] * output.shape[3]

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        net(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    return total


def fixture(model: nn.Module, size: int) -> dict:
    """Inputs that another language can make exactly, and some of what torch computes for them.

    Pixel k of input s is `(k * a + b) mod 256` shifted by the picture's slow waves: see `fixedInput` in compare-onnx.ts.
    """
    cases = []
    for multiplier in (0, 7, 31, 8191):
        with torch.no_grad():
            output = model(torch.from_numpy(fixed_input(size, multiplier)))[0]
        rows = list(range(0, len(output), FIXTURE_ROW_STEP))
        cases.append({"multiplier": multiplier, "output": [[round(float(v), 6) for v in output[row]] for row in rows]})
    return {"size": size, "rows": rows, "cases": cases}


def fixed_input(size: int, multiplier: int) -> np.ndarray:
    """Integers 0..255 from integer arithmetic only, so that every language makes the same ones."""
    k = np.arange(3 * size * size, dtype=np.int64)
    x, y, plane = k % size, (k // size) % size, k // (size * size)
    values = (multiplier * (x * x + 3 * y * (plane + 1)) // 64 + x + 2 * y * (plane + 1)) % 256
    return values.astype(np.float32).reshape(1, 3, size, size)


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


if __name__ == "__main__":
    main()
