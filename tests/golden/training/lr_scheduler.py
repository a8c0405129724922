"""Schedulers: rates over many updates, warm-up, refused options, attributes, log lines."""

import logging

ASKED = [0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 15, 19, 20, 21, 30, 31, 49, 50, 51, 99, 100, 101, 1000]


def kind(f, *args, **kwargs):
    try:
        f(*args, **kwargs)
    except Exception as error:  # noqa: BLE001
        return type(error).__name__
    return "none"


def public(scheduler):
    return {k: v for k, v in vars(scheduler).items() if not k.startswith("_")}


def follow(scheduler, asked=ASKED):
    records = []
    handler = logging.Handler()

    def emit(record):
        line = [record.levelname, record.getMessage()]
        if line not in records:  # MXNet repeats a line for every step that one call skips
            records.append(line)

    handler.emit = emit
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        rates = [scheduler(n) for n in asked]
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    return [rates, public(scheduler), records]


WARM = [
    {},
    {"warmup_steps": 5},
    {"warmup_steps": 5, "warmup_begin_lr": 0.01},
    {"warmup_steps": 5, "warmup_begin_lr": 0.02, "warmup_mode": "constant"},
    {"warmup_steps": 20, "warmup_begin_lr": 0.05},
]


def case_base(mx):
    base = mx.lr_scheduler.LRScheduler
    out = [public(base()), public(base(0.5, 10, 0.1, "constant"))]
    out += [kind(base(), 1), kind(base, 0.1, -1), kind(base, 0.1, 5, 0.2), kind(base, 0.1, 5, 0.05, "other")]
    out += [kind(base, 0.1, 5.5), kind(base, 0.1, 5, 0.1)]
    s = base(0.5, 10, 0.1)
    out += [[s.get_warmup_lr(n) for n in range(10)], kind(s.get_warmup_lr, 10)]
    s = base(0.5, 10, 0.1, "constant")
    out += [[s.get_warmup_lr(n) for n in range(10)]]
    return out


def case_factor(mx):
    make = mx.lr_scheduler.FactorScheduler
    out = [public(make(10))]
    for warm in WARM:
        out.append(follow(make(10, 0.5, base_lr=0.1, **warm)))
        out.append(follow(make(step=1, factor=0.1, base_lr=1.0, stop_factor_lr=1e-3, **warm)))
    late = make(10, 0.5, base_lr=0.1, warmup_steps=5)
    late.base_lr = 0.7
    out.append(follow(late))
    out += [kind(make, 0), kind(make, 10, 1.5), kind(make, -3), kind(make, 10, 1.0), kind(make, 0.5)]
    out.append(follow(make(10, 0.5, base_lr=0.1), [100, 5, 100]))
    return out


def case_multi_factor(mx):
    make = mx.lr_scheduler.MultiFactorScheduler
    out = [public(make([5, 10]))]
    for warm in WARM:
        out.append(follow(make([10, 20, 50], 0.5, base_lr=0.1, **warm)))
        out.append(follow(make(step=[1, 2], factor=0.1, base_lr=1.0, **warm)))
    late = make([10, 20], 0.5, base_lr=0.1, warmup_steps=5)
    late.base_lr = 0.7
    out.append(follow(late))
    out += [kind(make, []), kind(make, (5, 10)), kind(make, [10, 5]), kind(make, [5, 5]), kind(make, [0, 5])]
    out += [kind(make, [5], 1.5), kind(make, 5), kind(make, [5, 10], 1)]
    out.append(follow(make([10, 20], 0.5, base_lr=0.1), [100, 5, 100]))
    return out


def case_poly(mx):
    make = mx.lr_scheduler.PolyScheduler
    out = [public(make(10))]
    for warm in WARM:
        out.append(follow(make(50, base_lr=0.1, **warm)))
        out.append(follow(make(max_update=30, base_lr=1.0, pwr=3, final_lr=0.01, **warm)))
    late = make(50, base_lr=0.1, warmup_steps=5)
    late.base_lr = 0.7
    out.append(follow(late))
    out += [kind(make, 0), kind(make, -5), kind(make, 5.5), kind(make, 5, warmup_steps=5)]
    out.append(follow(make(50, base_lr=0.1), [100, 5, 60, 49, 0]))
    return out


def case_cosine(mx):
    make = mx.lr_scheduler.CosineScheduler
    out = [public(make(10))]
    for warm in WARM:
        out.append(follow(make(50, base_lr=0.1, **warm)))
        out.append(follow(make(max_update=30, base_lr=1.0, final_lr=0.01, **warm)))
    late = make(50, base_lr=0.1, warmup_steps=5)
    late.base_lr = 0.7
    out.append(follow(late))
    out += [kind(make, 0), kind(make, -5), kind(make, 5.5), kind(make, 5, warmup_steps=5)]
    out.append(follow(make(50, base_lr=0.1), [100, 5, 60, 49, 0]))
    return out
