"""What is invalid about a value by its structural schema, in the API server's words.

kube-openapi ``pkg/validation/validate`` and ``pkg/validation/errors/schema.go``; unchanged values are not refused
anew (ratcheting: apiextensions-apiserver ``pkg/apiserver/validation/ratcheting.go``); sets and keyed lists hold
nothing twice (``pkg/apiserver/schema/listtype``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sim.cluster.formats import check_of
from sim.cluster.golang import compact, identical, number, quoted, shown
from sim.cluster.messages import Cause
from sim.scenario.kinds.structural import ABSENT, Schema, compiled_pattern


class _Result:
    """Errors (message, cause), and how many checks were passed (it decides whose errors ``anyOf`` shows)."""

    __slots__ = ("errors", "passed")

    def __init__(self) -> None:
        self.errors: dict[str, Cause] = {}
        self.passed = 0

    def add(self, message: str, cause: Cause) -> None:
        self.errors.setdefault(message, cause)

    def merge(self, other: _Result) -> None:
        for message, cause in other.errors.items():
            self.errors.setdefault(message, cause)
        self.passed += other.passed


class _Old:
    """The value before, at the place that is validated, and the schema that tells how its parts are found again."""

    __slots__ = ("schema", "value")

    def __init__(self, value: Any, schema: Schema) -> None:
        self.value = value
        self.schema = schema

    def field(self, new: Any, name: str) -> _Old | None:
        """The value before of a field, where there was one."""
        if not isinstance(self.value, dict) or name not in self.value or name not in new:
            return None
        below = self.schema.below(name)
        return None if below is None else _Old(self.value[name], below)

    def item(self, item: Any) -> _Old | None:
        """The value before of an item: only lists with keys know."""
        if self.schema.list_type != "map" or self.schema.items is None or not isinstance(self.value, list):
            return None
        found = item_before(self.value, item, self.schema)
        return None if found is ABSENT else _Old(found, self.schema.items)


def item_before(old: list[Any], item: Any, schema: Schema) -> Any:
    """The item with the same keys in a list; ``ABSENT`` where there is none."""
    if not isinstance(item, dict):
        return ABSENT
    wanted = [item.get(key) for key in schema.list_keys]
    for other in old:
        if isinstance(other, dict) and identical([other.get(key) for key in schema.list_keys], wanted):
            return other
    return ABSENT


class Validator:
    """Validates values; ``base`` is the field that they are below in messages about where (``status``)."""

    def __init__(self, base: str = "") -> None:
        self._base = base

    def causes(self, schema: Schema, value: Any, old: Any = ABSENT) -> list[Cause]:
        """What is invalid about ``value``, which was ``old`` before."""
        before = None if old is ABSENT else _Old(old, schema)
        return list(self._check(schema, value, before, "").errors.values())

    def _field(self, path: str) -> str:
        path = path.removeprefix(".")
        return f"{self._base}.{path}" if self._base and path else self._base or path

    def _fault(self, result: _Result, reason: str, path: str, value: str, message: str) -> None:
        words = "Invalid value" if reason in {"FieldValueInvalid", "FieldValueTypeInvalid"} else ""
        result.add(message, Cause(reason, f"{words}: {value}: {message}", self._field(path)))

    def _check(self, schema: Schema, value: Any, old: _Old | None, path: str) -> _Result:
        result = _Result()
        if value is None:
            result.passed += self._check_type(schema, value, path, result)
            self._check_enum(schema, value, path, result)
        else:
            if schema.types or schema.format:
                result.passed += self._check_type(schema, value, path, result) + 1
            self._check_alternatives(schema, value, path, result)
            if isinstance(value, str):
                self._check_string(schema, value, path, result)
                result.passed += 1
                check = check_of(schema.format) if schema.format else None
                if check is not None:
                    if not check(value):
                        self._wrong_type(result, path, schema.format, value)
                    result.passed += 1
            elif isinstance(value, int | float) and not isinstance(value, bool):
                self._check_number(schema, value, path, result)
                result.passed += 2
            elif isinstance(value, list):
                self._check_items(schema, value, old, path, result)
                result.passed += 2
            self._check_enum(schema, value, path, result)
            result.passed += 1
            if isinstance(value, dict):
                self._check_fields(schema, value, old, path, result)
                result.passed += 1
            result.passed += 1
        if result.errors and old is not None and identical(value, old.value):
            result.errors.clear()
        return result

    def _wrong_type(self, result: _Result, path: str, expected: str, found: str) -> None:
        message = f"{path} in body must be of type {expected}: {quoted(found)}"
        self._fault(result, "FieldValueTypeInvalid", path, quoted(found), message)

    def _check_type(self, schema: Schema, value: Any, path: str, result: _Result) -> int:
        """Check the JSON type; returns 1 where it is right."""
        types = schema.types
        if value is None:
            if types and not schema.nullable:
                self._wrong_type(result, path, ",".join(types), "null")
                return 0
            return 1
        found, form = _json_type(value)
        format_ = schema.format if check_of(schema.format) is not None else ""
        whole = isinstance(value, float) and value.is_integer() and "integer" in types
        right = found in types or whole or (found == "integer" and "number" in types)
        textual = isinstance(value, str | list)
        if not textual and format_ and not (right or form == format_):
            self._wrong_type(result, path, format_, form)
            return 0
        if format_ and textual and not {"number", "integer"} & set(types):
            return 1
        if not right:
            if types:
                self._wrong_type(result, path, ",".join(types), found)
                return 0
            return 1
        return 1

    def _check_alternatives(self, schema: Schema, value: Any, path: str, result: _Result) -> None:
        if schema.any_of:
            self._merge_any(schema, [self._check(part, value, None, path) for part in schema.any_of], path, result)
        if schema.one_of:
            tried = [self._check(part, value, None, path) for part in schema.one_of]
            self._merge_one(tried, path, result)
        if schema.all_of:
            tried = [self._check(part, value, None, path) for part in schema.all_of]
            for each in tried:
                result.merge(each)
            valid = sum(not each.errors for each in tried)
            if valid != len(tried):
                none = "" if valid else ". None validated"
                self._composite(result, f"{quoted(path)} must validate all the schemas (allOf){none}")
        if schema.not_ is not None and not self._check(schema.not_, value, None, path).errors:
            self._composite(result, f"{quoted(path)} must not validate the schema (not)")
        result.passed += 2

    def _composite(self, result: _Result, message: str) -> None:
        field = self._base or "<nil>"
        result.add(message, Cause("FieldValueInvalid", f'Invalid value: "": {message}', field))

    def _merge_any(self, schema: Schema, tried: list[_Result], path: str, result: _Result) -> None:
        first = next((each for each in tried if not each.errors), None)
        if first is not None:
            result.merge(first)
            return
        self._composite(result, f"{quoted(path)} must validate at least one schema (anyOf)")
        result.merge(_best(tried))

    def _merge_one(self, tried: list[_Result], path: str, result: _Result) -> None:
        valid = [each for each in tried if not each.errors]
        if len(valid) == 1:
            result.merge(valid[0])
            return
        found = f"Found {len(valid)} valid alternatives" if valid else "Found none valid"
        self._composite(result, f"{quoted(path)} must validate one and only one schema (oneOf). {found}")
        if not valid:
            result.merge(_best(tried))

    def _check_string(self, schema: Schema, value: str, path: str, result: _Result) -> None:
        if schema.max_length is not None and len(value) > schema.max_length:
            message = f"{path} in body should be at most {schema.max_length} chars long"
            words = f"Too long: may not be more than {schema.max_length} bytes"
            result.add(message, Cause("FieldValueTooLong", words, self._field(path)))
        elif schema.min_length is not None and len(value) < schema.min_length:
            message = f"{path} in body should be at least {schema.min_length} chars long"
            self._fault(result, "FieldValueInvalid", path, quoted(value), message)
        elif schema.pattern and not compiled_pattern(schema.pattern).search(value):
            message = f"{path} in body should match '{schema.pattern}'"
            self._fault(result, "FieldValueInvalid", path, quoted(value), message)

    def _check_number(self, schema: Schema, value: int | float, path: str, result: _Result) -> None:
        for limit, exclusive, words, sign in (
            (schema.maximum, schema.exclusive_maximum, "less than", 1),
            (schema.minimum, schema.exclusive_minimum, "greater than", -1),
        ):
            if limit is None:
                continue
            bound = int(limit) if isinstance(value, int) else float(limit)
            if (value - bound) * sign > 0 or (exclusive and value == bound):
                message = f"{path} in body should be {words} {'' if exclusive else 'or equal to '}{_plain(bound)}"
                self._fault(result, "FieldValueInvalid", path, shown(value), message)
        if schema.multiple_of is not None:
            self._check_multiple(schema.multiple_of, value, path, result)

    def _check_multiple(self, factor: float, value: int | float, path: str, result: _Result) -> None:
        if isinstance(value, int):
            factor = int(factor)
        if factor <= 0:
            message = f"factor MultipleOf declared for {path} must be positive: {_plain(factor)}"
            self._fault(result, "FieldValueInvalid", path, shown(factor), message)
            return
        multiple = value % factor == 0 if isinstance(value, int) else _is_multiple(value, factor)
        if not multiple:
            message = f"{path} in body should be a multiple of {_plain(factor)}"
            self._fault(result, "FieldValueInvalid", path, shown(value), message)

    def _check_items(self, schema: Schema, value: list[Any], old: _Old | None, path: str, result: _Result) -> None:
        if schema.items is not None:
            for i, item in enumerate(value):
                before = old.item(item) if old is not None else None
                result.merge(self._check(schema.items, item, before, f"{path}[{i}]"))
        size = len(value)
        if schema.min_items is not None and size < schema.min_items:
            message = f"{path} in body should have at least {schema.min_items} items"
            self._fault(result, "FieldValueInvalid", path, str(size), message)
        if schema.max_items is not None and size > schema.max_items:
            message = f"{path} in body should have at most {schema.max_items} items"
            words = f"Too many: {size}: must have at most {_items(schema.max_items)}"
            result.add(message, Cause("FieldValueTooMany", words, self._field(path)))
        if schema.unique_items and any(identical(item, other) for i, item in enumerate(value) for other in value[:i]):
            message = f"{path} in body shouldn't contain duplicates"
            self._fault(result, "FieldValueInvalid", path, '""', message)

    def _check_enum(self, schema: Schema, value: Any, path: str, result: _Result) -> None:
        if not schema.enum or any(_is_one(value, allowed) for allowed in schema.enum):
            return
        supported = ", ".join(quoted(one if isinstance(one, str) else compact(one)) for one in schema.enum)
        message = f"{path} in body should be one of {schema.enum}"
        found = "null" if value is None else shown(value)
        words = f"Unsupported value: {found}: supported values: {supported}"
        result.add(message, Cause("FieldValueNotSupported", words, self._field(path)))

    def _check_fields(
        self, schema: Schema, value: dict[str, Any], old: _Old | None, path: str, result: _Result
    ) -> None:
        size = len(value)
        if schema.min_properties is not None and size < schema.min_properties:
            message = f"{path} in body should have at least {schema.min_properties} properties"
            self._fault(result, "FieldValueInvalid", path, str(size), message)
        if schema.max_properties is not None and size > schema.max_properties:
            message = f"{path} in body should have at most {schema.max_properties} properties"
            words = f"Too many: {size}: must have at most {_items(schema.max_properties)}"
            result.add(message, Cause("FieldValueTooMany", words, self._field(path)))
        for name, item in value.items():
            before = old.field(value, name) if old is not None else None
            if name in schema.properties:
                here = f"{path}.{name}" if path else name
                result.merge(self._check(schema.properties[name], item, before, here))
            elif isinstance(schema.additional, Schema):
                result.merge(self._check(schema.additional, item, before, f"{path}.{name}"))
            elif schema.additional is False:
                message = f"{path}.{name} in body is a forbidden property"
                self._fault(result, "FieldValueInvalid", path, quoted(name), message)
        for name in schema.required:
            if name not in value:
                where = f"{path}.{name}"
                result.add(
                    f"{where} in body is required", Cause("FieldValueRequired", "Required value", self._field(where))
                )


def _best(tried: list[_Result]) -> _Result:
    return max(tried, key=lambda each: each.passed)  # the first of several


def _json_type(value: Any) -> tuple[str, str]:
    """The JSON type of a value and its format, as ``schemaInfoForType`` names them."""
    if isinstance(value, bool):
        return "boolean", ""
    if isinstance(value, int):
        return "integer", "int64"
    if isinstance(value, float):
        return "number", "float64"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object", ""


def _is_one(value: Any, allowed: Any) -> bool:
    """Whether a value is this one of an enumeration; numbers are converted."""
    if value is None or allowed is None:
        return False
    if isinstance(value, int | float) and isinstance(allowed, int | float):
        if isinstance(value, bool) or isinstance(allowed, bool):
            return value is allowed
        return type(allowed)(value) == allowed
    return identical(value, allowed)


def _is_multiple(value: float, factor: float) -> bool:
    ratio = 1 / factor * value if factor < 1 else value / factor
    return abs(ratio - round(ratio)) < 1e-9


def _items(count: int) -> str:
    return f"{count} item" if count == 1 else f"{count} items"


def _plain(value: float) -> str:
    return number(value) if isinstance(value, float) else str(value)


def duplicates(schema: Schema, value: Any, path: str = "") -> Iterator[Cause]:
    """What a set or a keyed list has twice (``ValidateListSetsAndMaps``)."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name in schema.properties:
                yield from duplicates(schema.properties[name], item, f"{path}.{name}" if path else name)
            elif isinstance(schema.additional, Schema):
                yield from duplicates(schema.additional, item, f"{path}[{name}]")
    elif isinstance(value, list):
        if schema.list_type == "set":
            for i in _second_ones([json.dumps(item, sort_keys=True) for item in value]):
                yield Cause("FieldValueDuplicate", f"Duplicate value: {shown(value[i])}", f"{path}[{i}]")
        elif schema.list_type == "map":
            yield from _duplicate_keys(schema, value, path)
        if schema.items is not None:
            for i, item in enumerate(value):
                yield from duplicates(schema.items, item, f"{path}[{i}]")


def _duplicate_keys(schema: Schema, value: list[Any], path: str) -> Iterator[Cause]:
    for i, item in enumerate(value):
        if item is not None and not isinstance(item, dict):
            message = f"Invalid value: {shown(item)}: must be an object for an array of list-type map"
            yield Cause("FieldValueInvalid", message, f"{path}[{i}]")
            return
    keys = [{key: item[key] for key in schema.list_keys if key in item} if item else {} for item in value]
    for i in _second_ones([json.dumps(key, sort_keys=True) for key in keys]):
        yield Cause("FieldValueDuplicate", f"Duplicate value: {compact(keys[i])}", f"{path}[{i}]")


def _second_ones(texts: list[str]) -> Iterator[int]:
    """The indices at which a text occurs for the second time."""
    counts: dict[str, int] = {}
    for i, text in enumerate(texts):
        counts[text] = counts.get(text, 0) + 1
        if counts[text] == 2:
            yield i
