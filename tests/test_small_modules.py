"""The small modules that scripts touch: engine, util, log, libinfo, runtime features, names of `base`."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cyexec as mx


def test_version_is_the_one_of_mxnet_that_scripts_ask_for():
    assert [int(part) for part in mx.__version__.split(".")] == [1, 7, 0]
    assert mx.__version__ >= "1.0.0" and float(mx.__version__[:3]) >= 1.5
    assert mx.libinfo.__version__ == mx.__version__
    project = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    assert f'\nversion = "{mx.libinfo.release}"\n' in project
    assert all(os.path.exists(path) for path in mx.libinfo.find_lib_path())


def test_bulk_sizes_are_remembered():
    before = mx.engine.set_bulk_size(4)
    with mx.engine.bulk(7):
        assert mx.engine.set_bulk_size(9) == 7
    assert mx.engine.set_bulk_size(before) == 4


def test_numpy_modes():
    assert not mx.util.is_np_array() and not mx.util.is_np_shape()
    with mx.util.np_shape():
        assert mx.util.is_np_shape()
    assert mx.util.set_np_shape(True) is False
    assert mx.util.set_np_shape(False) is True
    assert mx.util.use_np_shape(mx.util.is_np_shape)() is True
    for ask in (mx.util.use_np, mx.util.use_np_array, lambda f: mx.util.set_np(), lambda f: mx.util.np_array()):
        with pytest.raises(mx.MXNetError, match="not part of cyexec"):
            ask(lambda: None)


def test_environment_and_gpus(monkeypatch):
    monkeypatch.delenv("CYEXEC_TEST", raising=False)
    assert mx.util.getenv("CYEXEC_TEST") is None
    mx.util.setenv("CYEXEC_TEST", "1")
    assert mx.util.getenv("CYEXEC_TEST") == "1"
    mx.util.setenv("CYEXEC_TEST", None)
    assert "CYEXEC_TEST" not in os.environ
    assert mx.util.get_gpu_count() == mx.context.num_gpus() == mx.num_gpus() == 0
    with pytest.raises(mx.MXNetError, match="GPU"):
        mx.util.get_gpu_memory(0)


def test_features_have_mxnets_names():
    features = mx.runtime.Features()
    assert features.is_enabled("openmp") and not features.is_enabled("CUDA")
    assert features["CUDA"].enabled is False
    assert repr(features["CUDA"]) == "✖ CUDA" and repr(features["OPENMP"]) == "✔ OPENMP"
    # The list of MXNet 1.9.1.
    assert " ".join(sorted(features)) == (
        "BLAS_APPLE BLAS_ATLAS BLAS_MKL BLAS_OPEN CAFFE CPU_AVX CPU_AVX2 CPU_SSE CPU_SSE2 CPU_SSE3 CPU_SSE4A CPU_SSE4_1 "
        "CPU_SSE4_2 CUDA CUDA_RTC CUDNN CXX14 DEBUG DIST_KVSTORE F16C INT64_TENSOR_SIZE JEMALLOC LAPACK MKLDNN NCCL OPENCV "
        "OPENMP PROFILER SIGNAL_HANDLER SSE TENSORRT TVM_OP"
    )
    with pytest.raises(RuntimeError, match="Feature 'COLOUR' is unknown"):
        features.is_enabled("colour")


def test_loggers_have_mxnets_format(capsys, tmp_path):
    logger = mx.log.get_logger("cyexec.test.stream", level=logging.INFO)
    logger.handlers[0].setStream(sys.stderr)
    logger.info("hello %d", 3)
    logger.warning("look")
    logger.debug("not shown")
    lines = capsys.readouterr().err.splitlines()
    where = rf"\d{{4}} \d\d:\d\d:\d\d {os.getpid()} {re.escape(__file__)}:test_loggers_have_mxnets_format:\d+\]"
    assert re.fullmatch(rf"\x1b\[32mI{where}\x1b\[0m hello 3", lines[0])
    assert re.fullmatch(rf"\x1b\[31mW{where}\x1b\[0m look", lines[1])
    assert len(lines) == 2
    assert mx.log.get_logger("cyexec.test.stream") is logger and len(logger.handlers) == 1
    path = tmp_path / "a.log"
    to_file = mx.log.get_logger("cyexec.test.file", str(path), "w", mx.log.DEBUG)
    to_file.debug("in a file")
    assert path.read_text() == "in a file\n"
    with pytest.warns(DeprecationWarning):
        assert mx.log.getLogger("cyexec.test.file") is to_file


def test_names_for_isinstance():
    assert isinstance("x", mx.base.string_types)
    assert isinstance(np.float32(1), mx.base.numeric_types) and isinstance(np.int64(1), mx.base.integer_types)
    assert mx.base.mx_real_t is np.float32


def test_importing_needs_nothing_but_numpy():
    """No image library, drawing or test package is imported until it is asked for."""
    script = (
        "import sys; before = set(sys.modules); import cyexec; "
        "print(*sorted({m.partition('.')[0] for m in set(sys.modules) - before} & "
        "{'PIL', 'cv2', 'graphviz', 'pytest', 'hypothesis', 'scipy', 'Cython'}))"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_what_is_current_is_a_property_of_the_class():
    """Layers of old scripts ask for names and attributes so."""
    with mx.AttrScope(ctx_group="dev1"), mx.name.Prefix("net_"):
        assert mx.AttrScope.current.get({"lr_mult": "2"}) == {"ctx_group": "dev1", "lr_mult": "2"}
        assert mx.name.NameManager.current.get(None, "conv") == "net_conv0"
        assert mx.name.NameManager.current.get("fc", "conv") == "net_fc"
    assert mx.AttrScope.current.get(None) == {}
    with mx.cpu(3):
        assert mx.Context.default_ctx == mx.current_context() == mx.cpu(3)


@pytest.mark.parametrize("name, what", [("gluon", "Gluon"), ("np", "NumPy interface"), ("rtc", "CUDA"), ("th", "Torch")])
def test_absent_parts_say_so(name, what):
    assert not hasattr(mx, name)
    with pytest.raises(AttributeError, match=f"no attribute '{name}': .*{what}.* is not part of cyexec"):
        getattr(mx, name)


def test_metrics_go_to_tensorboard(monkeypatch, tmp_path):
    written = []

    class Writer:
        def __init__(self, folder):
            self.folder = folder

        def add_scalar(self, tag, value, global_step):
            written.append((self.folder, tag, value, global_step))

    monkeypatch.setitem(sys.modules, "mxboard", type(sys)("mxboard"))
    sys.modules["mxboard"].SummaryWriter = Writer
    log = mx.contrib.tensorboard.LogMetricsCallback(str(tmp_path), prefix="train")
    metric = mx.metric.create("acc")
    metric.update([mx.nd.array([1, 0])], [mx.nd.array([[0, 1], [0, 1]])])
    log(mx.model.BatchEndParam(epoch=3, nbatch=1, eval_metric=metric, locals={}))
    log(mx.model.BatchEndParam(epoch=3, nbatch=1, eval_metric=None, locals={}))
    assert written == [(str(tmp_path), "train-accuracy", 0.5, 3)]


def test_tensorboard_needs_a_writer(monkeypatch):
    for package in ("mxboard", "tensorboardX", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match="pip install mxboard"):
        mx.contrib.tensorboard.LogMetricsCallback("logs")


def test_cells_have_the_name_of_mxnets_module_too():
    assert mx.rnn.rnn_cell.LSTMCell is mx.rnn.LSTMCell


def test_what_only_arrays_can_do_has_its_error_in_base_too():
    assert mx.base.NotImplementedForSymbol is mx.sym.NotImplementedForSymbol
    with pytest.raises(mx.base.NotImplementedForSymbol, match="__bool__"):
        bool(mx.sym.Variable("x"))
