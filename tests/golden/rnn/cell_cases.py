"""Networks of the cells of `mx.rnn`, as users write them; used by `make_cells.py` under MXNet and by the test under cyexec.

``networks(mx)`` gives (key, cell, symbol, shapes of the data). Nothing here imports either library.
"""

import zlib

import numpy as np


def array(name, shape):
    """The values of an argument, the same on both sides."""
    return np.random.RandomState(zlib.crc32(name.encode()) % 2**31).uniform(-0.7, 0.7, shape).astype(np.float32)


def evaluate(mx, key, symbol, shapes):
    """Outputs at inference, and gradients where nothing is left to chance, by name."""
    # Of an output that is there twice, MXNet takes only the last head gradient.
    first = {name: i for i, name in reversed(list(enumerate(symbol.list_outputs())))}
    symbol = mx.sym.Group([symbol[i] for i in sorted(first.values())])
    train = key.endswith(", NTC, None") or "," not in key
    train = train and not any(word in key for word in ("dropout", "zoneout", "relu", "again"))
    executor = symbol.simple_bind(mx.cpu(), grad_req="write" if train else "null", **shapes)
    for name, argument in executor.arg_dict.items():
        argument[:] = array(name, argument.shape)
    found = {f"out/{i}": out.asnumpy() for i, out in enumerate(executor.forward(is_train=train))}
    if train:
        heads = [mx.nd.array(array(f"head{i}", out.shape)) for i, out in enumerate(executor.outputs)]
        executor.backward(heads)
        found.update({f"grad/{name}": grad.asnumpy() for name, grad in executor.grad_dict.items()})
    return found


def _stack(mx):
    stack = mx.rnn.SequentialRNNCell()
    stack.add(mx.rnn.LSTMCell(6, prefix="lstm_l0_"))
    stack.add(mx.rnn.DropoutCell(0.0, prefix="drop_l0_"))
    stack.add(mx.rnn.GRUCell(6, prefix="gru_l1_"))
    return stack


def _residual(mx):
    stack = mx.rnn.SequentialRNNCell()
    stack.add(mx.rnn.ResidualCell(mx.rnn.GRUCell(4, prefix="res_")))
    stack.add(mx.rnn.ZoneoutCell(mx.rnn.RNNCell(4, prefix="zone_"), 0.0, 0.0))
    return stack


def _both(mx):
    return mx.rnn.BidirectionalCell(
        mx.rnn.LSTMCell(6, prefix="l_"), mx.rnn.GRUCell(5, prefix="r_"), output_prefix="bi_lstm_"
    )


def _tower(mx):
    stack = mx.rnn.SequentialRNNCell()
    stack.add(mx.rnn.LSTMCell(6, prefix="a_"))
    stack.add(mx.rnn.BidirectionalCell(mx.rnn.RNNCell(3, prefix="b_"), mx.rnn.RNNCell(3, prefix="c_")))
    return stack


def _fused(mx, **kw):
    return mx.rnn.FusedRNNCell(6, **kw)


PLAIN = {
    "rnn": lambda mx: mx.rnn.RNNCell(6),
    "rnn relu": lambda mx: mx.rnn.RNNCell(6, activation="relu", prefix="r_"),
    "lstm": lambda mx: mx.rnn.LSTMCell(6),
    "lstm bias": lambda mx: mx.rnn.LSTMCell(6, forget_bias=2.5, prefix="m_"),
    "gru": lambda mx: mx.rnn.GRUCell(6),
    "stack": _stack,
    "residual": _residual,
    "fused lstm": lambda mx: _fused(mx),
    "fused lstm states": lambda mx: _fused(mx, num_layers=2, get_next_state=True, prefix="f_"),
    "fused gru both": lambda mx: _fused(mx, num_layers=2, mode="gru", bidirectional=True, dropout=0.0),
    "fused tanh states": lambda mx: _fused(mx, mode="rnn_tanh", get_next_state=True),
    "fused relu": lambda mx: _fused(mx, mode="rnn_relu", dropout=0.25, num_layers=2),
    "unfused lstm": lambda mx: _fused(mx, num_layers=2, prefix="f_").unfuse(),
    "unfused gru both": lambda mx: _fused(mx, num_layers=2, mode="gru", bidirectional=True, prefix="f_").unfuse(),
    "unfused relu dropout": lambda mx: _fused(mx, num_layers=3, mode="rnn_relu", dropout=0.5, prefix="f_").unfuse(),
    "unfused tanh": lambda mx: _fused(mx, mode="rnn_tanh", prefix="f_").unfuse(),
    "both": _both,
    "tower": _tower,
    "zoneout": lambda mx: mx.rnn.ZoneoutCell(mx.rnn.LSTMCell(6, prefix="z_"), zoneout_outputs=0.25, zoneout_states=0.5),
    "zoneout of outputs": lambda mx: mx.rnn.ZoneoutCell(mx.rnn.GRUCell(6, prefix="z_"), zoneout_outputs=0.25),
    "residual of fused": lambda mx: mx.rnn.ResidualCell(_fused(mx, prefix="f_")),
    "dropout": lambda mx: mx.rnn.DropoutCell(0.5),
}  # fmt: skip


def flat(outputs):
    """Outputs or states, which cells nest in lists, as one list."""
    return [o for part in outputs for o in flat(part)] if isinstance(outputs, list) else [outputs]


def _plain(mx):
    width = {"residual": 4, "residual of fused": 6}
    for name, make in PLAIN.items():
        for layout in ("NTC", "TNC"):
            for merge in (None, True, False):
                cell = make(mx)
                outputs, states = cell.unroll(3, mx.sym.Variable("data"), layout=layout, merge_outputs=merge)
                shape = (2, 3, width.get(name, 5)) if layout == "NTC" else (3, 2, width.get(name, 5))
                yield f"{name}, {layout}, {merge}", cell, mx.sym.Group(flat([outputs, states])), {"data": shape}
        cell = make(mx)
        inputs = [mx.sym.Variable(f"t{i}_data") for i in range(3)]
        outputs, states = cell.unroll(3, inputs)
        shapes = {f"t{i}_data": (2, width.get(name, 5)) for i in range(3)}
        yield f"{name}, list", cell, mx.sym.Group(flat([outputs, states])), shapes


def _by_hand(mx):
    """Cells called step by step, states of several kinds, and cells unrolled twice."""
    cell = mx.rnn.LSTMCell(4, prefix="hand_")
    states = cell.begin_state()
    outputs = []
    for i in range(2):
        output, states = cell(mx.sym.Variable(f"x{i}"), states)
        outputs.append(output)
    yield "by hand", cell, mx.sym.Group(flat([outputs, states])), {"x0": (2, 3), "x1": (2, 3)}
    cell.reset()
    outputs, states = cell.unroll(2, mx.sym.Variable("data"))
    yield "after reset", cell, mx.sym.Group(flat(outputs)), {"data": (2, 2, 3)}
    cell = mx.rnn.GRUCell(4, prefix="v_")
    begin = cell.begin_state(func=mx.sym.Variable)
    outputs, states = cell.unroll(2, mx.sym.Variable("data"), begin_state=begin, merge_outputs=True)
    yield "variable states", cell, mx.sym.Group(flat([outputs, states])), {"data": (2, 2, 3), begin[0].name: (2, 4)}
    cell = _fused(mx, prefix="w_", num_layers=2)
    begin = cell.begin_state(func=mx.sym.Variable)
    outputs, states = cell.unroll(2, mx.sym.Variable("data"), begin_state=begin, merge_outputs=True, layout="TNC")
    shapes = {"data": (2, 2, 3), begin[0].name: (2, 2, 6), begin[1].name: (2, 2, 6)}
    yield "fused variable states", cell, mx.sym.Group(flat([outputs, states])), shapes
    stack = _tower(mx)
    begin = stack.begin_state(func=mx.sym.ones)
    outputs, states = stack.unroll(2, mx.sym.Variable("data"), begin_state=begin)
    yield "states of ones", stack, mx.sym.Group(flat([outputs, states])), {"data": (2, 2, 3)}

    cell = mx.rnn.ZoneoutCell(mx.rnn.RNNCell(4, prefix="again_"), 0.5, 0.5)
    cell.unroll(2, mx.sym.Variable("data"))
    outputs, states = cell.unroll(2, mx.sym.Variable("data"))
    yield "modified cell again", cell, mx.sym.Group(flat([outputs, states])), {"data": (2, 2, 3)}
    mx.rnn.ConvRNNCell((1, 1, 3, 3), 2)
    yield (
        "names after a convolutional cell",
        None,
        mx.sym.Convolution(mx.sym.Variable("x"), kernel=(1, 1), num_filter=1),
        {},
    )


def _convolutional(mx):
    for kind, name in (("ConvRNNCell", "rnn"), ("ConvLSTMCell", "lstm"), ("ConvGRUCell", "gru")):
        make = getattr(mx.rnn, kind)
        for cell, key in (
            (make((1, 3, 6, 5), 4), f"conv {name}"),
            (
                make(
                    (1, 2, 6, 5),
                    3,
                    h2h_kernel=(5, 3),
                    i2h_stride=(2, 1),
                    i2h_pad=(0, 1),
                    activation="tanh",
                    prefix="c_",
                ),
                f"conv {name} strided",
            ),
        ):
            channels = 3 if "strided" not in key else 2
            inputs = [mx.sym.Variable(f"t{i}") for i in range(2)]
            outputs, states = cell.unroll(2, inputs)
            shapes = {f"t{i}": (2, channels, 6, 5) for i in range(2)}
            yield key, cell, mx.sym.Group(flat([outputs, states])), shapes


def networks(mx):
    yield from _plain(mx)
    yield from _by_hand(mx)
    yield from _convolutional(mx)
