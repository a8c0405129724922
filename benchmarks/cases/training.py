"""One step of training: forward, backward, and plain SGD on every parameter."""

from functools import partial

from ..networks import load
from .common import Case, threads

RATE = 1e-5  # so small that thousands of timed steps go nowhere


def mx_step(name, mx):
    """What ``Module.fit`` does with a batch."""
    network = load(name)
    module = mx.mod.Module(mx.sym.load_json(network.text), label_names=["softmax_label"])
    module.bind([("data", network.inputs["data"])], [("softmax_label", network.inputs["softmax_label"])])
    arguments = {n: mx.nd.array(network.value(n)) for n in network.parameters}
    module.set_params(arguments, {n: mx.nd.array(network.value(n)) for n in network.auxiliary})
    module.init_optimizer(kvstore=None, optimizer_params={"learning_rate": RATE})
    batch = mx.io.DataBatch(*([mx.nd.array(network.value(n))] for n in ("data", "softmax_label")))

    def run():
        module.forward_backward(batch)
        module.update()
        mx.nd.waitall()

    return run


def torch_step(name, torch):
    from ..peers.torch_model import SymbolModule

    network = load(name)
    torch.set_num_threads(threads())
    net = SymbolModule(network).train()
    feed = {n: torch.from_numpy(network.value(n)) for n in network.inputs}
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE)

    def run():
        optimizer.zero_grad()
        net(**feed).backward()
        optimizer.step()

    return run


def torch_lstm_step(torch):
    """PyTorch's own LSTM, the same sizes."""
    torch.set_num_threads(threads())
    network = load("lstm_training")
    (batch, steps), hidden, vocabulary = network.inputs["data"], 200, 2000
    embed, dense = torch.nn.Embedding(vocabulary, hidden), torch.nn.Linear(hidden, vocabulary)
    lstm = torch.nn.LSTM(hidden, hidden, num_layers=2, batch_first=True)
    net = torch.nn.ModuleList([embed, lstm, dense])
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE)
    words = torch.zeros((batch, steps), dtype=torch.long)
    labels = torch.zeros(batch * steps, dtype=torch.long)

    def run():
        optimizer.zero_grad()
        logits = dense(lstm(embed(words))[0]).reshape(-1, vocabulary)
        torch.nn.functional.cross_entropy(logits, labels, reduction="sum").backward()
        optimizer.step()

    return run


def case(title, name, torch=None):
    return Case(title, {"mx": partial(mx_step, name), "torch": torch or partial(torch_step, name)})


CASES = [
    case("MLP 784-128-64-10, batch 32", "mlp_training"),
    case("LeNet 28x28, batch 64", "lenet_training"),
    case("ResNet-20 32x32, batch 64", "resnet20_training"),
    case("ResNet-18 224x224, batch 8", "resnet18_v1_training"),
    case("LSTM language model 2x200, 35 steps, batch 32", "lstm_training", torch_lstm_step),
]
