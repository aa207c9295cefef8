"""The YAML tree: places, aliases, tags, and everything that a document must not be."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sim.scenario.errors import ScenarioError
from sim.scenario.reading.document import MAX_DEPTH, MAX_NODES, parse


def refused(text):
    with pytest.raises(ScenarioError) as caught:
        parse(text, "f.yaml")
    assert len(caught.value.problems) == 1
    return str(caught.value)


def test_every_key_and_value_knows_its_place():
    tree = parse("a: 1\nb:\n  - x\n  - {c: y}\n", "f.yaml")
    assert tree.keys["a"] == ("f.yaml", 1, 1)
    assert tree.value["a"].place == ("f.yaml", 1, 4)
    first, second = tree.value["b"].value
    assert first.place == ("f.yaml", 3, 5)
    assert second.keys["c"] == ("f.yaml", 4, 6)
    assert second.value["c"].place == ("f.yaml", 4, 9)


def test_columns_count_characters_not_bytes():
    assert parse("{ä: ü, b: c}", "f").keys["b"] == ("f", 1, 8)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("+7", 7),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.0e+3", 1000.0),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        # What YAML 1.1 and 1.2 read differently is text.
        ("yes", "yes"),
        ("No", "No"),
        ("on", "on"),
        ("OFF", "OFF"),
        ("y", "y"),
        ("tRUE", "tRUE"),
        ("010", "010"),
        ("0o17", "0o17"),
        ("0x1F", "0x1F"),
        ("0b1", "0b1"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        ("2001-01-01", "2001-01-01"),
        ("=", "="),
        ("5/s", "5/s"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("!!str 5", "5"),
        ("! 5", "5"),
        ("!!int 5", 5),
        ("!!float 5", 5),
        ("|\n  5", "5"),
    ],
)
def test_plain_scalars_are_read_by_the_rules_that_all_versions_share(written, value):
    found = parse(f"a: {written}", "f").value["a"].value
    assert found == value
    assert type(found) is type(value)


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-10**20, 10**20) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
))  # fmt: skip
def test_what_pyyaml_writes_is_read_back(data):
    data = {"data": data}
    if "<<" in str(data):
        return  # merge keys are refused on purpose
    assert parse(yaml.safe_dump(data), "f").plain() == data


def test_no_document_is_none():
    assert parse("", "f") is None
    assert parse("# only a comment\n", "f") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document starts here; write one in one file"),
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: a: this key is there twice, first in line 1; remove one of them"),
        ("a: {b: 1, 'b': 2}", "f.yaml:1:11: a.b: this key is there twice, first in line 1; remove one of them"),
        ("? [1]\n: 2\n", "f.yaml:1:3: a key must be plain text, and this one is a list or a mapping"),
        ("? {a: 1}\n: 2\n", "f.yaml:1:3: a key must be plain text, and this one is a list or a mapping"),
        ("a: &x [1]\n*x : 2\n", "f.yaml:2:1: a key must be plain text, and this one is a list or a mapping"),
        ("a: &x {b: 1}\n<<: *x\n", "f.yaml:2:1: merge keys (<<) are not supported; write the keys out"),
        ("a: *x\n", "f.yaml:1:4: a: the alias *x has no anchor &x before it"),
        ("a: &x [*x]\n", "f.yaml:1:8: a.0: the alias *x stands for something that contains it"),
        ("a: !!python/name:os.system x",
         "f.yaml:1:4: a: the tag '!!python/name:os.system' is not allowed; write plain values without tags"),
        ("a: !!python/object/apply:os.system [x]",
         "f.yaml:1:4: a: the tag '!!python/object/apply:os.system' is not allowed; write plain values without tags"),
        ("a: !!binary eA==", "f.yaml:1:4: a: the tag '!!binary' is not allowed; write plain values without tags"),
        ("a: !!set {x, y}", "f.yaml:1:4: a: the tag '!!set' is not allowed; write plain values without tags"),
        ("a: !mine 5", "f.yaml:1:4: a: found the tag '!mine'; put a text that starts with ! in quotes"),
        ("a: != 5", "f.yaml:1:4: a: found the tag '!='; put a text that starts with ! in quotes"),
        ("a: !!int x", "f.yaml:1:4: a: 'x' does not fit its tag !!int; remove the tag"),
        ("a: .inf", "f.yaml:1:4: a: found .inf, and numbers must be finite"),
        ("a: -.Inf", "f.yaml:1:4: a: found -.Inf, and numbers must be finite"),
        ("a: [.nan]", "f.yaml:1:5: a.0: found .nan, and numbers must be finite"),
        ("a: 9.0e+999", "f.yaml:1:4: a: the number 9.0e+999... is too large or too long"),
        ("a: " + "9" * 5000, f"f.yaml:1:4: a: the number {'9' * 20}... is too large or too long"),
        ("a: \x07", "f.yaml:1:4: the character U+0007 is not allowed in YAML; remove it"),
        ("a: 1\nb: \ud800", "f.yaml:2:4: the character U+D800 is not allowed in YAML; remove it"),
    ],
)  # fmt: skip
def test_a_bad_document_is_refused_in_one_sentence(text, message):
    assert refused(text) == message


@pytest.mark.parametrize(
    ("text", "where", "hint"),
    [
        ("a: b: c\n", "f.yaml:1:5", "put a text that contains ': ' in quotes, and check the indentation"),
        ("a: >= 5\n", "f.yaml:1:5", "put a text that starts with > or | in quotes"),
        ("a: 1\n\tb: 2\n", "f.yaml:2:1", "indent with spaces, not with tabs"),
        ("a: @x\n", "f.yaml:1:4", "put a text that starts with @ in quotes"),
        ("a: `x`\n", "f.yaml:1:4", "put a text that starts with ` in quotes"),
        ("a: 'b\n", "f.yaml:2:1", "a quotation mark is not closed"),
        ("a: [1, 2\nb: 3\n", "f.yaml:2:2", "not valid YAML"),
        ("a: }\n", "f.yaml:1:4", "not valid YAML"),
    ],
)
def test_a_syntax_error_has_its_place_and_a_hint(text, where, hint):
    message = refused(text)
    assert message.startswith(where + ": ")
    assert "not valid YAML: " in message
    assert hint in message
    assert "\n" not in message


def test_aliases_share_and_count_at_full_size():
    tree = parse("a: &x {b: 1}\nc: *x\nd: [*x, *x]\n", "f")
    assert tree.plain() == {"a": {"b": 1}, "c": {"b": 1}, "d": [{"b": 1}, {"b": 1}]}


@pytest.mark.parametrize("fan", [2, 9])
def test_an_alias_bomb_is_refused_without_being_built(fan):
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * fan)}]" for n in range(1, 40)]
    assert f"more than {MAX_NODES} keys and values, aliases written out" in refused("\n".join(lines))


def test_a_chain_of_aliases_cannot_go_deeper_than_nesting_may():
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 2 * MAX_DEPTH)]
    assert f"nested more than {MAX_DEPTH} levels deep" in refused("\n".join(lines))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_very_deep_nesting_is_refused_before_anything_recurses(opening):
    message = refused("a: " * (opening == "[") + opening * 50_000)
    assert f"nested more than {MAX_DEPTH} levels deep; no file needs more than a few" in message
    assert len(message) < 400


def test_many_nodes_are_refused():
    assert f"more than {MAX_NODES} keys" in refused("a: [" + "1," * (MAX_NODES + 1) + "]")


def test_places_do_not_depend_on_which_parser_is_there(monkeypatch):
    text = "a: 1\nb:\n  - ä\n  - {c: 'y'}\nc: *x\n"
    found = refused(text)
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert refused(text) == found == "f.yaml:5:4: c: the alias *x has no anchor &x before it"
