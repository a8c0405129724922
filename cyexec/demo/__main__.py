"""Train a LeNet-like network on handwritten digits, save it, load it back as users do, and read its memory plan."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

import cyexec as mx

from . import digits

BATCH = 64
EPOCHS = 24
OUTPUT = Path("demo_output")
INPUTS = ("data", "softmax_label")


def network() -> mx.Symbol:
    """A small LeNet for 8x8 images."""
    net = mx.sym.Variable("data")
    net = mx.sym.Convolution(net, kernel=(3, 3), pad=(1, 1), num_filter=32, name="conv1")
    net = mx.sym.BatchNorm(net, fix_gamma=False, name="bn1")
    net = mx.sym.Activation(net, act_type="relu", name="relu1")
    net = mx.sym.Convolution(net, kernel=(3, 3), pad=(1, 1), num_filter=64, name="conv2")
    net = mx.sym.Activation(net, act_type="relu", name="relu2")
    net = mx.sym.Pooling(net, kernel=(2, 2), stride=(2, 2), pool_type="max", name="pool2")
    net = mx.sym.Flatten(net, name="flatten")
    net = mx.sym.FullyConnected(net, num_hidden=96, name="fc1")
    net = mx.sym.Activation(net, act_type="tanh", name="tanh1")
    net = mx.sym.Dropout(net, p=0.3, name="drop1")
    net = mx.sym.FullyConnected(net, num_hidden=10, name="fc2")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def initialise(executor: mx.Executor, seed: int = 3) -> list[str]:
    """Glorot-uniform weights, zero biases; returns the names of the parameters."""
    rng = np.random.default_rng(seed)
    names = [n for n in executor.arg_dict if n not in INPUTS]
    for name in names:
        array = executor.arg_dict[name]
        if name.endswith("_weight"):
            fan_out, fan_in = array.shape[0], int(np.prod(array.shape[1:]))
            scale = np.sqrt(6 / (fan_in + fan_out * int(np.prod(array.shape[2:]))))
            array[:] = rng.uniform(-scale, scale, array.shape)
        else:
            array[:] = 1 if name.endswith("_gamma") else 0
    for name, array in executor.aux_dict.items():
        array[:] = 1 if name.endswith("_var") else 0
    return names


def train(executor: mx.Executor, names: list[str], images: np.ndarray, labels: np.ndarray) -> None:
    """Stochastic gradient descent with momentum, a line of progress for each epoch."""
    rng = np.random.default_rng(0)
    momenta = {n: mx.nd.zeros(executor.arg_dict[n].shape) for n in names}
    show = sys.stdout.isatty()
    for epoch in range(EPOCHS):
        rate = 0.1 * 0.5 * (1 + np.cos(np.pi * epoch / EPOCHS))
        order = rng.permutation(len(images))
        correct = seen = 0
        start = time.perf_counter()
        for first in range(0, len(images) - BATCH + 1, BATCH):
            batch = order[first : first + BATCH]
            # Digits are the same wherever they stand: shift half of the batches by a pixel.
            shift = rng.integers(-1, 2) if rng.random() < 0.5 else 0
            shifted = np.roll(images[batch], shift, axis=int(rng.integers(2, 4)))
            out = executor.forward(is_train=True, data=shifted, softmax_label=labels[batch])[0]
            executor.backward()
            for name in names:
                weight, grad, momentum = executor.arg_dict[name], executor.grad_dict[name], momenta[name]
                momentum[:] = 0.9 * momentum - (rate / BATCH) * (grad + 0.02 * weight)
                weight += momentum
            correct += int((out.asnumpy().argmax(1) == labels[batch]).sum())
            seen += BATCH
            if show:
                done = 30 * seen // len(images)
                print(f"\repoch {epoch + 1:2d}/{EPOCHS} [{'=' * done}{' ' * (30 - done)}]", end="", flush=True)
        rate_seen = seen / (time.perf_counter() - start)
        over = "\r" if show else ""
        print(f"{over}epoch {epoch + 1:2d}/{EPOCHS}: train accuracy {correct / seen:.4f}, {rate_seen:,.0f} images/s")


def main() -> int:
    """Run the demonstration; 0 if the network is as good as it should be."""
    OUTPUT.mkdir(exist_ok=True)
    mx.random.seed(1)
    (images, labels), (test_images, test_labels) = digits.load()
    print(f"{len(images)} images to train on, {len(test_images)} held out")

    symbol = network()
    requests = {n: "null" if n in INPUTS else "write" for n in symbol.list_arguments()}
    executor = symbol.simple_bind(mx.cpu(), grad_req=requests, data=(BATCH, 1, 8, 8))
    print(f"Training program: {executor.plan!r}")
    names = initialise(executor)
    train(executor, names, images, labels)

    prefix = str(OUTPUT / "digits")
    arguments = {n: executor.arg_dict[n] for n in names}
    mx.model.save_checkpoint(prefix, EPOCHS, symbol, arguments, executor.aux_dict)
    print(f"Saved {prefix}-symbol.json and {prefix}-{EPOCHS:04d}.params")

    # The day-one script of MXNet's users.
    sym, arg_params, aux_params = mx.model.load_checkpoint(prefix, EPOCHS)
    sym = sym.get_internals()["fc2_output"]
    module = mx.mod.Module(symbol=sym, context=mx.cpu(), label_names=None)
    module.bind(for_training=False, data_shapes=[("data", (1, 1, 8, 8))])
    module.set_params(arg_params, aux_params)
    module.forward(mx.io.DataBatch(data=(mx.nd.array(test_images),)), is_train=False)
    answers = module.get_outputs()[0].asnumpy().argmax(1)
    accuracy = float((answers == test_labels).mean())

    print("\nHeld-out digits:")
    shown = 6
    captions = [f"is {int(t)}, read {int(a)}" for t, a in zip(test_labels[:shown], answers[:shown])]
    print(digits.side_by_side(test_images[:shown], captions))
    print(f"\nTest accuracy: {accuracy:.4f} ({int((answers != test_labels).sum())} of {len(answers)} wrong)\n")

    print(executor.debug_str())
    picture = OUTPUT / "digits-plan.svg"
    picture.write_text(executor.plan.to_svg(), encoding="utf-8")
    print(f"Memory plan of the training program: {picture}")
    if accuracy < 0.98:
        print("error: accuracy is below 0.98", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
