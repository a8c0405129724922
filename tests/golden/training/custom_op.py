"""Operators written in Python: numbers, gradients, auxiliary states, what the methods are given."""

import json

import numpy as np

SEEN = []


def classes(mx):
    class Softmax(mx.operator.CustomOp):
        def forward(self, is_train, req, in_data, out_data, aux):
            x = in_data[0].asnumpy()
            y = np.exp(x - x.max(axis=1).reshape((x.shape[0], 1)))
            y /= y.sum(axis=1).reshape((x.shape[0], 1))
            self.assign(out_data[0], req[0], mx.nd.array(y))

        def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
            label = in_data[1].asnumpy().ravel().astype(int)
            y = out_data[0].asnumpy()
            y[np.arange(label.shape[0]), label] -= 1.0
            self.assign(in_grad[0], req[0], mx.nd.array(y))

    @mx.operator.register("golden_softmax")
    class SoftmaxProp(mx.operator.CustomOpProp):
        def __init__(self):
            super().__init__(need_top_grad=False)

        def list_arguments(self):
            return ["data", "label"]

        def infer_shape(self, in_shape):
            return [in_shape[0], (in_shape[0][0],)], [in_shape[0]], []

        def create_operator(self, ctx, shapes, dtypes):
            return Softmax()

    class Running(mx.operator.CustomOp):
        """Centres with a running mean, kept in an auxiliary state; two outputs; keeps something for backward."""

        def __init__(self, momentum):
            self.momentum = momentum

        def forward(self, is_train, req, in_data, out_data, aux):
            x = in_data[0]
            mean = mx.nd.mean(x, axis=0)
            if is_train:
                aux[0][:] = aux[0] * self.momentum + mean * (1 - self.momentum)
            else:
                mean = aux[0].copy()
            self.assign(out_data[0], req[0], mx.nd.broadcast_sub(x, mean))
            self.assign(out_data[1], req[1], mean * in_data[1])
            self.kept = mean.asnumpy()
            SEEN.append(["forward", bool(is_train), req, [list(a.shape) for a in in_data + out_data + aux]])

        def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
            self.assign(in_grad[0], req[0], out_grad[0] * 3)
            self.assign(in_grad[1], req[1], out_grad[1] * mx.nd.array(self.kept))
            SEEN.append(["backward", [list(a.shape) for a in out_grad + in_data + out_data + in_grad + aux]])

    @mx.operator.register("golden_running")
    class RunningProp(mx.operator.CustomOpProp):
        def __init__(self, momentum="0.9", shape="(1,)"):
            super().__init__(need_top_grad=True)
            SEEN.append(["init", momentum, shape])
            self.momentum = float(momentum)

        def list_arguments(self):
            return ["data", "scale"]

        def list_outputs(self):
            return ["centred", "mean"]

        def list_auxiliary_states(self):
            return ["running"]

        def infer_shape(self, in_shape):
            row = (in_shape[0][1],)
            return [in_shape[0], row], [in_shape[0], row], [row]

        def create_operator(self, ctx, shapes, dtypes):
            SEEN.append(["create", str(ctx), [list(s) for s in shapes], list(dtypes)])
            return Running(self.momentum)


def values(*shape):
    return np.sin(np.arange(np.prod(shape)) * 0.7).reshape(shape).astype("float32")


def case_loss(mx):
    classes(mx)
    fc = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=5, name="fc")
    net = mx.sym.Custom(fc, name="softmax", op_type="golden_softmax")
    answers = [net.list_arguments(), net.list_outputs(), net.infer_shape(data=(4, 3)), json.loads(net.tojson())["nodes"]]
    for req in ("write", "add"):
        executor = net.simple_bind(mx.cpu(), grad_req=req, data=(4, 3))
        executor.arg_dict["data"][:] = values(4, 3)
        executor.arg_dict["fc_weight"][:] = values(5, 3)
        executor.arg_dict["softmax_label"][:] = np.array([0, 4, 2, 2])
        for _ in range(3):
            executor.forward(is_train=True)
            executor.backward()
        answers.append([executor.outputs[0], executor.grad_dict["data"], executor.grad_dict["fc_weight"]])
    return answers


def case_states(mx):
    classes(mx)
    del SEEN[:]
    x = mx.sym.Variable("data") * 2
    made = mx.sym.Custom(data=x, op_type="golden_running", momentum=0.5, shape=(3, 4), name="r")
    net = mx.sym.Group([made[0] + 1, made[1]])
    answers = [net.list_arguments(), net.list_auxiliary_states(), made.list_outputs()]
    executor = net.simple_bind(mx.cpu(), data=(4, 3))
    executor.arg_dict["data"][:] = values(4, 3)
    executor.arg_dict["r_scale"][:] = values(3)
    for is_train in (True, True, False):
        executor.forward(is_train=is_train)
        answers.append([executor.outputs, executor.aux_arrays])
    executor.forward(is_train=True)
    executor.backward([mx.nd.array(values(4, 3)), mx.nd.array(values(3))])
    answers.append([executor.grad_arrays, executor.aux_arrays])
    return answers + [[s for s in SEEN if s[0] != "init"], [s for s in SEEN if s[0] == "init"][0]]


def case_imperative(mx):
    classes(mx)
    out = mx.nd.Custom(mx.nd.array(values(2, 3)), mx.nd.array([0, 1]), op_type="golden_softmax")
    running = mx.nd.array(values(3))
    both = mx.nd.Custom(mx.nd.array(values(4, 3)), mx.nd.array(values(3)), running, op_type="golden_running")
    return [out, both, running]



def case_debug_text(mx):
    classes(mx)
    running = mx.sym.Custom(mx.sym.sin(mx.sym.Variable("data"), name="s"), op_type="golden_running", name="r")
    loss = mx.sym.Custom(running[0], op_type="golden_softmax", name="l")
    text = mx.sym.Group([loss, running[1]]).simple_bind(mx.cpu(), data=(4, 3)).debug_str()
    return text.split("\nTotal ")[0].split("\nMemory plan:")[0].split("\n")
