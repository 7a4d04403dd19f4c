#!/bin/sh
# From the pack of photos to an ONNX file:
#   ./train.sh photos.tar FOLDER_OF_EVALUATION_PHOTOS OUT.onnx
# Started again after an interruption it goes on from its last checkpoint. See README.md.
set -eu

if [ $# -ne 3 ]; then
  sed -n '2,4p' "$0" >&2
  exit 2
fi
tar=$(realpath "$1") evaluation=$(realpath "$2") out=$(realpath -m "$3")
python=${PYTHON:-/usr/bin/python3}
work=${WORK:-${TMPDIR:-/tmp}/pet-nano}
# Two processes of one thread each: see petnano/train.py.
export OMP_NUM_THREADS=1
cd "$(dirname "$0")"

# As the model of the model card went, or MINUTES of this machine's time for both rounds.
if [ -n "${MINUTES:-}" ]; then
  first="--minutes $((MINUTES / 2))" second="--minutes $((MINUTES - MINUTES / 2))"
else
  first="--schedule schedule-1.json" second="--schedule schedule-2.json"
fi
if [ ! -f "$work/meta.json" ]; then
  "$python" -m petnano.prepare "$tar" "$work" --exclude "$evaluation"
fi
bfloat16=$(grep -qw avx512_bf16 /proc/cpuinfo && echo --bfloat16 || true)
# shellcheck disable=SC2086 # two words, or none
nice -n 19 "$python" -m petnano.train "$work" $first $bfloat16
# shellcheck disable=SC2086
nice -n 19 "$python" -m petnano.train "$work" $second $bfloat16 --after "$work/run/last.pt" --out "$work/run-2"
"$python" -m petnano.export "$work/run-2/last.pt" "$out" --fixture "${out%.onnx}.fixture.json"
node compare-onnx.ts "$out" "${out%.onnx}.fixture.json"
