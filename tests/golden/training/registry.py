"""Registries of the user's own classes."""

import warnings


def kind(f, *args, **kwargs):
    try:
        f(*args, **kwargs)
    except Exception as error:  # noqa: BLE001
        return type(error).__name__
    return "none"


def case_registry(mx):
    class Base:
        def __init__(self, a=1):
            self.a = a

    register = mx.registry.get_register_func(Base, "thing")
    alias = mx.registry.get_alias_func(Base, "thing")
    create = mx.registry.get_create_func(Base, "thing")

    @register
    class Foo(Base):
        pass

    @alias("bar", "Baz")
    class Bar(Base):
        pass

    answers = [sorted(mx.registry.get_registry(Base))]
    for made in (
        create("foo"), create("Foo", a=3), create("FOO", 4), create('["foo", {"a": 5}]'), create('{"thing": "bar", "a": 7}'),
        create(thing="bar", a=2), create(Foo(9)), create({"thing": "baz", "a": 8}),
    ):  # fmt: skip
        answers.append([type(made).__name__, made.a])
    for wrong in (("nope",), (3,), (Foo(), 3), ('["foo", {}]', 3)):
        answers.append(kind(create, *wrong))
    answers += [kind(create), kind(register, int)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        register(type("Foo", (Base,), {}))
    return answers + [len(caught), kind(mx.init.create, "nope"), kind(mx.metric.create, "nope"), kind(mx.metric.create, 3)]
