#!/bin/sh
# Make an environment with PyTorch and JAX for CPU; prints the path of its Python:
#     export CYEXEC_BENCH_TORCH=$(benchmarks/peers/torch.sh DIRECTORY)
# Python 3.11 and this release of PyTorch: plain `torch` may bring gigabytes of CUDA.
set -e
dir=${1:?usage: torch.sh DIRECTORY}
if [ ! -x "$dir/bin/python" ] || ! "$dir/bin/python" -c 'import torch, jax' 2>/dev/null; then
  python3 -m venv "$dir"
  "$dir/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'numpy>=2' jax jaxlib
fi
echo "$dir/bin/python"
