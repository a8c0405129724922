"""Symbol files of all versions, and files that are none."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cyexec as mx
from cyexec.base import MXNetError

V = mx.sym.Variable


def variable(name, **more):
    return {"op": "null", "name": name, "inputs": [], **more}


def document(nodes, heads=None, **more):
    arguments = [i for i, n in enumerate(nodes) if n["op"] == "null"]
    return {"nodes": nodes, "arg_nodes": arguments, "heads": heads or [[len(nodes) - 1, 0, 0]], **more}


def load(doc):
    return mx.sym.load_json(doc if isinstance(doc, str) else json.dumps(doc))


def dense(**more):
    return {"op": "FullyConnected", "name": "fc", "inputs": [[0, 0], [1, 0], [2, 0]], **more}


DATA = [variable("data"), variable("w"), variable("b")]


class TestOldFormats:
    def test_0_8_param_and_attr(self):
        nodes = [
            variable("data", param={}, backward_source_id=-1, attr={"ctx_group": "a"}),
            *(variable(n, param={}, backward_source_id=-1) for n in ("w", "b")),
            dense(param={"no_bias": "False", "num_hidden": "3"}, attr={"lr_mult": "2"}, backward_source_id=-1),
        ]
        sym = load(document(nodes, heads=[[3, 0]]))
        assert sym.attr("num_hidden") == "3"
        assert sym.attr("__lr_mult__") == "2"
        assert sym.attr_dict()["data"] == {"__ctx_group__": "a", "ctx_group": "a"}
        assert sym.infer_shape(data=(2, 4))[1] == [(2, 3)]

    @pytest.mark.parametrize("key, version", [("attr", 901), ("attr", 10000), ("attrs", 10200), ("attrs", 10901)])
    def test_later_keys(self, key, version):
        nodes = [*DATA, dense(**{key: {"num_hidden": "3"}})]
        sym = load(document(nodes, node_row_ptr=[0, 1, 2, 3, 4], attrs={"mxnet_version": ["int", version]}))
        assert sym.attr("num_hidden") == "3"

    def test_multipliers_for_inputs_move_to_the_variables(self):
        sym = load(
            document([*DATA, dense(param={"num_hidden": "3"}, attr={"weight_lr_mult": "2", "bias_wd_mult": "0"})])
        )
        assert sym.attr_dict()["w"] == {"__lr_mult__": "2", "lr_mult": "2"}
        assert sym.attr_dict()["b"] == {"__wd_mult__": "0", "wd_mult": "0"}
        assert sym.list_attr() == {"num_hidden": "3"}

    def test_operators_without_parameters_keep_any_attribute(self):
        node = {"op": "_copy", "name": "c", "attr": {"weight_lr_mult": "2", "foo": "1"}, "inputs": [[0, 0]]}
        assert load(document([variable("x"), node])).list_attr() == {"weight_lr_mult": "2", "foo": "1"}
        with pytest.raises(mx.MXNetError, match="foo_lr_mult names no input"):
            load(document([*DATA, dense(param={"num_hidden": "3"}, attr={"foo_lr_mult": "2"})]))

    @pytest.mark.parametrize("version, added", [(None, True), (900, True), (903, True), (904, False), (10700, False)])
    def test_initializers_that_variables_did_not_tell_until_0_9_4(self, version, added):
        attrs = {"attrs": {"mxnet_version": ["int", version]}} if version else {}
        prelu = {"op": "LeakyReLU", "name": "p", "attr": {"act_type": "prelu"}, "inputs": [[0, 0, 0], [1, 0, 0]]}
        sym = load(document([variable("x"), variable("slope"), prelu], **attrs))
        wanted = {"slope": {"__init__": '["Constant", {"value": 0.25}]'}} if added else {}
        assert {k: v for k, v in sym.attr_dict().items() if k != "p"} == wanted

    def test_auxiliary_states_that_0_8_left_out(self):
        bn = {"op": "BatchNorm", "name": "bn", "param": {"eps": "0.001"}, "inputs": [[0, 0], [1, 0], [2, 0]]}
        sym = load(document([variable("data"), variable("g"), variable("b"), bn]))
        assert sym.list_auxiliary_states() == ["bn_moving_mean", "bn_moving_var"]
        assert sym.attr_dict()["bn_moving_var"] == {"__init__": '["one", {}]', "eps": "0.001"}

    def test_inputs_that_0_8_left_out(self):
        sym = load(document([variable("data"), dense(param={"num_hidden": "3"}, inputs=[[0, 0]])]))
        assert sym.list_arguments() == ["data", "fc_weight", "fc_bias"]

    def test_old_names_of_operators(self):
        softmax = {"op": "Softmax", "name": "sm", "param": {}, "inputs": [[0, 0]]}
        assert load(document([variable("data"), softmax])).list_arguments() == ["data", "sm_label"]
        plus = {"op": "_Plus", "name": "p", "param": {}, "inputs": [[0, 0], [0, 0]]}
        assert '"elemwise_add"' in load(document([variable("data"), plus])).tojson()

    @pytest.mark.parametrize("version, axis", [(None, None), (900, None), (905, "-1"), (10700, "-1")])
    def test_argmax_over_everything(self, version, axis):
        attrs = {"attrs": {"mxnet_version": ["int", version]}} if version else {}
        node = {"op": "argmax", "name": "am", "attrs": {"axis": "-1"}, "inputs": [[0, 0, 0]]}
        assert load(document([variable("data"), node], **attrs)).attr("axis") == axis

    def test_versions_of_auxiliary_uses_stay(self):
        bn = {"op": "BatchNorm", "name": "bn", "inputs": [[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 1], [4, 0, 1]]}
        nodes = [*(variable(n) for n in ("x", "g", "b", "m", "v")), bn]
        sym = load(document(nodes, attrs={"mxnet_version": ["int", 10700]}))
        assert json.loads(sym.tojson())["nodes"][5]["inputs"][3:] == [[3, 0, 1], [4, 0, 1]]

    def test_nodes_in_another_order(self):
        nodes = [{"op": "exp", "name": "e", "inputs": [[1, 0, 0]]}, variable("x")]
        assert load(document(nodes, heads=[[0, 0, 0]])).list_arguments() == ["x"]


class TestWriting:
    def test_strings_are_escaped(self):
        sym = V("é", attr={"__a__": 'q"b\\s\n\t\r/é\x01'})
        assert '"q\\"b\\\\s\\n\\t\\r/é\\u0001"' in sym.tojson()
        assert load(sym.tojson()).list_attr() == sym.list_attr()

    def test_half_a_surrogate_pair(self, tmp_path):
        sym = load(document([variable("x", attrs={"__a__": "\ud800é"})]))
        sym.save(tmp_path / "s.json")
        assert mx.sym.load(tmp_path / "s.json").attr("__a__") == "\ud800é"

    def test_casts_of_mixed_precision_are_left_out(self):
        x = V("x")
        net = mx.sym.exp(mx.sym.amp_cast(x, dtype="float16", name="c"), name="e")
        assert "amp_cast" not in net.tojson()
        assert "amp_cast" in net.tojson(remove_amp_cast=False)
        assert load(net.tojson()).list_outputs() == ["e_output"]


GOOD = document([variable("x"), {"op": "exp", "name": "e", "inputs": [[0, 0, 0]]}])


class TestBadFiles:
    @pytest.mark.parametrize(
        "doc, message",
        [
            ("", "not JSON, line 1 column 1"),
            ("[]", "expected an object, found an array"),
            ("{}", "no 'nodes'"),
            ({"nodes": [], "heads": []}, "there are no nodes"),
            ({"nodes": [variable("x")], "heads": []}, "there are no heads"),
            ({"nodes": {}, "heads": []}, "'nodes' of the file is an object, expected an array"),
            (document([variable("x")], heads=[[5, 0, 0]]), "head 0 refers to node 5, but there are 1 nodes"),
            (document([variable("x")], heads=[[0, 3, 0]]), "head 0 is output 3 of Variable 'x', which has 1"),
            (document([variable("x")], heads=[[2**32, 0, 0]]), "head 0 refers to node 4294967296"),
            (document([variable("x")], heads=[[0]]), "expected \\[node, output\\]"),
            (document([{"op": "exp", "name": "e", "inputs": [[0, 0, 0]]}]), "node 0 'e' is part of a cycle"),
            (
                document([{"op": "exp", "name": n, "inputs": [[i, 0, 0]]} for n, i in (("a", 1), ("b", 0))]),
                "node 0 'a' is part of a cycle",
            ),
            (document([variable("x"), {"op": "exp", "name": "e", "inputs": [[-1, 0, 0]]}]), "input 0 of node 1 'e'"),
            (
                document([variable("x"), {"op": "exp", "name": "e", "inputs": [[0, 7, 0]]}]),
                "node 1 'e': reads output 7",
            ),
            (
                document([variable("x"), {"op": "exp", "name": "e", "inputs": [[0.0, 0, 0]]}]),
                "input 0 of node 1 'e' is",
            ),
            (document([variable("x"), {"op": "exp", "name": "e", "inputs": [[0, 0]] * 2}]), "takes 1 inputs"),
            (document([{"op": "nope", "name": "n", "inputs": []}]), "node 0 'n': Operator nope is not registered"),
            (document([{"op": "null", "inputs": []}]), "node 0 has no 'name'"),
            (document([variable("x", attrs={"a": 3})]), "node 0 'x': attribute 'a' is int, expected a string"),
            (document([variable("x", attrs=[])]), "'attrs' of node 0 'x' is an array"),
            (document([variable("x")], attrs={"mxnet_version": "1.7"}), "mxnet_version is '1.7'"),
            (document([*DATA, dense(attrs={"num_hidden": "many"})]), "node 3 'fc'.*num_hidden"),
            (document([*DATA, dense(attrs={"num_hidden": "3", "foo": "1"})]), "node 3 'fc'.*'foo'"),
            (
                document(
                    [variable("x"), {"op": "split", "name": "s", "attr": {"num_outputs": "2147483647"}, "inputs": [[0, 0]]}]
                ),
                "node 1 's'.*num_outputs.*1048576",
            ),
            (document([variable("x"), variable("y", inputs=[[0, 0, 0]])]), "node 1 'y': a variable has no inputs"),
            (
                document(
                    [*DATA, dense(attrs={"num_hidden": "3"}, inputs=[[0, 0]])], attrs={"mxnet_version": ["int", 10700]}
                ),
                "node 3 'fc': FullyConnected takes 3 inputs",
            ),
        ],
    )
    def test_message_names_the_place(self, doc, message):
        with pytest.raises(MXNetError, match=message):
            load(doc)

    def test_nested_too_deeply(self):
        with pytest.raises(MXNetError):
            load("[" * 100_000)
        with pytest.raises(MXNetError):
            load('{"nodes": ' + "[" * 100_000 + "]" * 100_000 + "}")

    def test_number_too_long(self):
        with pytest.raises(MXNetError):
            load('{"nodes": [' + "9" * 10_000 + '], "heads": [[0, 0, 0]]}')

    def test_every_truncation(self):
        text = json.dumps(GOOD)
        for end in range(len(text)):
            with pytest.raises(MXNetError):
                load(text[:end])

    def test_not_utf8(self, tmp_path):
        (tmp_path / "bad.json").write_bytes(b'{"nodes": "\xff"}')
        with pytest.raises(MXNetError, match="bad.json: not UTF-8 text at byte 11"):
            mx.sym.load(str(tmp_path / "bad.json"))

    def test_bad_attributes_of_variables_name_them(self):
        sym = load(document([variable("x", attrs={"__shape__": "(2, "})]))
        with pytest.raises(MXNetError, match="Variable 'x': __shape__"):
            sym.infer_shape()
        sym = load(document([variable("x", attrs={"__dtype__": "99"})]))
        with pytest.raises(MXNetError, match="Variable 'x': __dtype__"):
            sym.infer_type()


def _model():
    x = V("x")
    net = mx.sym.FullyConnected(x, num_hidden=3, name="fc")
    net = mx.sym.Concat(net, mx.sym.exp(net, name="e"), dim=1, name="cat")
    return mx.sym.BatchNorm(net, fix_gamma=False, name="bn")


TEXT = _model().tojson()
ODD = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        1,
        2**31,
        2**32,
        2**64,
        -(2**63),
        1.5,
        1e308,
        "",
        "null",
        "exp",
        "(0,)",
        "-1",
        "None",
        [],
        [[]],
        {},
        [0, 0, 0],
        {"a": "b"},
    ]
)


def _places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield from _places(child, (*path, key))


PLACES = [p for p in _places(json.loads(TEXT)) if p]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.one_of(ODD, st.just("delete"))), min_size=1, max_size=3))
def test_changed_documents_load_or_raise(changes):
    doc = json.loads(TEXT)
    for path, value in changes:
        at = doc
        try:
            for key in path[:-1]:
                at = at[key]
            if value == "delete":
                del at[path[-1]]
            else:
                at[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue
    _try(json.dumps(doc))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_bytes_load_or_raise(data):
    raw = bytearray(TEXT.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    from cyexec.symbol.jsonio import from_text

    try:
        text = from_text(bytes(raw)).tojson()
    except MXNetError:
        return
    _try(text)


def _try(text):
    """A file loads into a symbol that writes itself again, or is refused with MXNetError; later steps likewise."""
    try:
        sym = load(text)
    except MXNetError:
        return
    again = load(sym.tojson())
    assert again.tojson() == sym.tojson()
    sym.debug_str()
    try:
        sym.infer_shape_partial(**({"x": (2, 4)} if "x" in sym.list_arguments() else {}))
        sym.infer_type_partial()
    except MXNetError:
        pass


NAMES = st.text(min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_random_graphs_survive_a_round_trip(data):
    made = [V(data.draw(NAMES), attr={"__k__": data.draw(st.text(max_size=6))})]
    for _ in range(data.draw(st.integers(1, 12))):
        a, b = (made[data.draw(st.integers(0, len(made) - 1))] for _ in "ab")
        kind = data.draw(st.integers(0, 3))
        if kind == 0:
            new = mx.sym.exp(a, name=data.draw(NAMES))
        elif kind == 1:
            new = mx.sym.Concat(a, b, dim=0, name=data.draw(NAMES))
        elif kind == 2:
            new = mx.sym.SliceChannel(a, num_outputs=2, name=data.draw(NAMES))[data.draw(st.integers(0, 1))]
        else:
            new = V(data.draw(NAMES))
        made.append(new)
    group = mx.sym.Group(made[-3:])
    loaded = load(group.tojson())
    assert loaded.tojson() == group.tojson()
    assert loaded.debug_str() == group.debug_str()
    assert loaded.list_arguments() == group.list_arguments()
    assert loaded.list_outputs() == group.list_outputs()
