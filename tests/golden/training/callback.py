"""Callbacks: their log lines, when they reset metrics, which files they write."""

import collections
import logging
import os
import tempfile
import time

import numpy as np

Param = collections.namedtuple("BatchEndParams", ["epoch", "nbatch", "eval_metric", "locals"])


class Logged:
    """Records log lines, while the clock stands where the test puts it."""

    def __enter__(self):
        self.lines = []
        self.now = 1000.0
        handler = self.handler = logging.Handler()
        handler.emit = lambda record: self.lines.append([record.levelname, record.getMessage()])
        self.root = logging.getLogger()
        self.level = self.root.level
        self.root.addHandler(handler)
        self.root.setLevel(logging.INFO)
        self.clock = time.time
        time.time = lambda: self.now
        return self

    def __exit__(self, *exc_info):
        time.time = self.clock
        self.root.removeHandler(self.handler)
        self.root.setLevel(self.level)


def metric_of(mx, kind):
    if kind == "none":
        return None
    if kind == "composite":
        made = mx.metric.CompositeEvalMetric()
        made.add(mx.metric.Accuracy())
        made.add(mx.metric.MSE())
        return made
    return mx.metric.create("acc")


def feed(mx, metric, number):
    if metric is not None:
        predicted = mx.nd.array([[0.1, 0.9], [0.8, 0.2]])
        metric.update([mx.nd.array([1, number % 2])], [predicted])


def case_speedometer(mx):
    answers = {}
    for kind in ("none", "acc"):
        for args in ((4, 3), (4, 1, False), (4, 2, True), (32,)):
            with Logged() as log:
                meter = mx.callback.Speedometer(*args)
                metric = metric_of(mx, kind)
                for epoch in range(2):
                    for number in range(8):
                        log.now += 0.25 * (number % 3)
                        feed(mx, metric, number)
                        meter(Param(epoch, number, metric, None))
                left = metric.get() if metric else None
                answers["%s %s" % (kind, args)] = [log.lines, left, sorted(vars(meter))]
    with Logged() as log:
        meter = mx.callback.Speedometer(2, 2)
        metric = mx.metric.CompositeEvalMetric([mx.metric.Accuracy(), mx.metric.TopKAccuracy(2)])
        for number in range(5):
            log.now += 0.5
            metric.update([mx.nd.array([1, number % 3])], [mx.nd.array([[0.1, 0.7, 0.2], [0.8, 0.1, 0.1]])])
            meter(Param(7, number, metric, None))
        answers["composite"] = log.lines
    return answers


def case_log_train_metric(mx):
    answers = []
    for reset in (False, True):
        with Logged() as log:
            call = mx.callback.log_train_metric(2, reset)
            metric = metric_of(mx, "acc")
            for number in range(5):
                feed(mx, metric, number)
                call(Param(1, number, metric, None))
            call(Param(1, 6, None, None))
            answers.append([log.lines, metric.get()])
    return answers


def case_progress_bar(mx):
    with Logged() as log:
        for args in ((4,), (7, 10)):
            bar = mx.callback.ProgressBar(*args)
            for number in range(args[0] + 1):
                bar(Param(0, number, None, None))
        return log.lines


def case_validation(mx):
    with Logged() as log:
        call = mx.callback.LogValidationMetricsCallback()
        metric = metric_of(mx, "acc")
        feed(mx, metric, 0)
        call(Param(3, 0, metric, None))
        call(Param(3, 0, None, None))
        return log.lines


def case_checkpoints(mx):
    answers = []
    for period in (1, 2, 0, 2.7):
        with tempfile.TemporaryDirectory() as folder, Logged() as log:
            call = mx.callback.do_checkpoint(os.path.join(folder, "net"), period)
            symbol = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
            weights = {"fc_weight": mx.nd.array(np.eye(2)), "fc_bias": mx.nd.zeros(2)}
            for epoch in range(4):
                call(epoch, symbol, weights, {})
            lines = [[level, line.replace(folder, "FOLDER")] for level, line in log.lines]
            answers.append([sorted(os.listdir(folder)), lines])
    return answers


class Saver:
    def __init__(self):
        self.calls = []

    def save_checkpoint(self, *args):
        self.calls.append(list(args))


def case_module_checkpoint(mx):
    answers = []
    for args in ((), (2,), (2, True), (0,)):
        saver = Saver()
        call = mx.callback.module_checkpoint(saver, "prefix", *args)
        for epoch in range(4):
            call(epoch, None, None, None)
        answers.append(saver.calls)
    return answers
