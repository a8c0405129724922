"""Eight networks of the Gluon zoo, one image."""

from functools import partial

from ..networks import ZOO, load
from .common import Case, mx_forward, threads


def onnxruntime(name, module):
    """ONNX Runtime's CPU provider, all graph optimisations."""
    from ..peers.onnx_model import model

    network = load(name)
    options = module.SessionOptions()
    options.intra_op_num_threads = threads()
    options.inter_op_num_threads = 1
    session = module.InferenceSession(model(network), options, providers=["CPUExecutionProvider"])
    feed = {n: network.value(n) for n in network.inputs}
    return lambda: session.run(None, feed)[0]


def openvino(name, module):
    """OpenVINO's CPU device for latency, float32 (it would choose bfloat16 where the processor has it)."""
    from ..peers.onnx_model import model

    network = load(name)
    core = module.Core()
    options = {
        "INFERENCE_NUM_THREADS": threads(), "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32",
    }  # fmt: skip
    request = core.compile_model(core.read_model(model(network)), "CPU", options).create_infer_request()
    for i, n in enumerate(network.inputs):
        request.set_input_tensor(i, module.Tensor(network.value(n), shared_memory=False))

    def run():
        request.infer()
        return request.get_output_tensor(0).data

    return run


def torch(name, module):
    """PyTorch, eager, inference mode."""
    from ..peers.torch_model import SymbolModule

    network = load(name)
    module.set_num_threads(threads())
    net = SymbolModule(network).eval()
    feed = {n: module.from_numpy(network.value(n)) for n in network.inputs}

    def run():
        with module.inference_mode():
            return net(**feed)

    return run


def case(name):
    """The inference of a network by every peer that runs networks."""
    makers = {"mx": mx_forward, "onnxruntime": onnxruntime, "openvino": openvino, "torch": torch}
    return Case(name, {peer: partial(maker, name) for peer, maker in makers.items()})


CASES = [case(name) for name in ZOO]
