#!/bin/sh
# Make an environment with ONNX Runtime and OpenVINO; prints the path of its Python:
#     export CYEXEC_BENCH_ONNX=$(benchmarks/peers/onnx.sh DIRECTORY)
set -e
dir=${1:?usage: onnx.sh DIRECTORY}
if [ ! -x "$dir/bin/python" ] || ! "$dir/bin/python" -c 'import onnx, onnxruntime, openvino' 2>/dev/null; then
  python3 -m venv "$dir"
  "$dir/bin/pip" install --quiet --disable-pip-version-check onnx onnxruntime openvino
fi
echo "$dir/bin/python"
