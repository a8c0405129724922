#!/usr/bin/env bash
# Make an environment with MXNet 1.9.1 and print its Python's path, for CYEXEC_BENCH_MXNET. Needs a Python 3.8.
# Usage: benchmarks/peers/mxnet.sh DIR
set -euo pipefail
dir=${1:?usage: mxnet.sh DIR}
if [ ! -x "$dir/bin/python" ]; then
  python=$(command -v python3.8 || ls "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.8.*/bin/python 2>/dev/null | tail -1)
  "$python" -m venv "$dir"
  "$dir/bin/pip" install --quiet 'numpy<1.24' 'mxnet==1.9.1'
fi
echo "$dir/bin/python"
