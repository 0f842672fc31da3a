"""Parses a mapping file's text; the format is shown in `features.datasets.mapping`."""

import difflib
import re
from collections.abc import Collection, Hashable
from datetime import timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import yaml

from features.datasets.mapping_schema import NUMBERS, TIMES, UNIX_UNITS, FieldMapping, LabelMapping, Mapping
from features.errors import ConfigurationError
from features.table import INCLUSION, OPTIONAL_NUMBERS, OPTIONAL_TEXT, REQUIRED

_T = TypeVar("_T")
_UNITS = {"major": 1.0, "cents": 100.0}
_TEXT_KEYS = ("column", "constant", "prefix", "values", "optional")
_NUMBER_KEYS = ("column", "constant", "unit", "factor", "optional")
_TIME_KEYS = ("column", "format", "zone", "optional")
_LABEL_KEYS = ("column", "fraud", "honest", "time", "delay", INCLUSION, "optional")
_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(day|hour|minute|second)s?")
_REMEDY = "The module features.datasets.mapping shows every key."


def parse_mapping(text: str, name: str) -> Mapping:
    """Return the mapping written in ``text`` (YAML); ``name`` is for messages. Raises `ConfigurationError`."""
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 (builds on BaseLoader: strings, lists and mappings only)
    except yaml.YAMLError as exc:
        raise ConfigurationError(f"The mapping {name} is not YAML: {exc}.", remedy=_REMEDY) from exc
    where = f"The mapping {name}"
    top = _keys(content, ("description", "delimiter", "columns", "label"), where)
    columns = _keys(top.get("columns"), (*REQUIRED, *OPTIONAL_TEXT, *OPTIONAL_NUMBERS), f"{where}, columns")
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise ConfigurationError(f"{where} says nothing of {', '.join(missing)}.", remedy="Map or set a constant.")
    delimiter = _text(top.get("delimiter", ","), f"{where}, delimiter")
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n':
        raise ConfigurationError(f"{where}, delimiter: {delimiter!r} is not one character.", remedy=_REMEDY)
    return Mapping(
        name=name,
        fields={key: _field(key, value, f"{where}, columns.{key}") for key, value in columns.items()},
        label=_label(top["label"], f"{where}, label") if "label" in top else None,
        delimiter=delimiter,
        description=_text(top.get("description", ""), f"{where}, description"),
    )


def _field(name: str, content: Any, where: str) -> FieldMapping:
    if isinstance(content, str):
        content = {"column": content}
    if name in TIMES:
        return _time(content, where)
    keys = _keys(content, _NUMBER_KEYS if name in NUMBERS else _TEXT_KEYS, where)
    if ("column" in keys) == ("constant" in keys):
        raise ConfigurationError(f"{where} needs either a column or a constant.", remedy=_REMEDY)
    unit = _text(keys.get("unit", "major"), f"{where}, unit")
    values = keys.get("values", {})
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ConfigurationError(f"{where}, values must map a value to a value.", remedy=_REMEDY)
    return FieldMapping(
        column=_optional_text(keys, "column", where),
        constant=_optional_text(keys, "constant", where),
        prefix=_text(keys.get("prefix", ""), f"{where}, prefix"),
        values=values,
        divisor=_choice(unit, _UNITS, f"{where}, unit"),
        factor=_factor(keys, where),
        optional=_flag(keys, where),
    )


def _time(content: Any, where: str) -> FieldMapping:
    if isinstance(content, str):
        content = {"column": content}
    keys = _keys(content, _TIME_KEYS, where)
    form = _text(keys.get("format", "iso"), f"{where}, format")
    if "%" not in form and form not in ("iso", *UNIX_UNITS):
        raise ConfigurationError(
            f"{where}, format: {form!r} is neither iso, {', '.join(UNIX_UNITS)} nor a strptime pattern.", remedy=_REMEDY
        )
    zone = _optional_text(keys, "zone", where)
    if zone is not None:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise ConfigurationError(
                f"{where}, zone: {zone!r} is not a time zone.", remedy="Write UTC or a name such as Europe/Paris."
            ) from None
    elif "%" in form and "%z" not in form:
        raise ConfigurationError(
            f"{where} has a format without %z and no zone: its times would be ambiguous.",
            remedy="Add the zone, such as zone: UTC.",
        )
    column = _optional_text(keys, "column", where)
    if column is None:
        raise ConfigurationError(f"{where} needs a column.", remedy=_REMEDY)
    return FieldMapping(column=column, format=form, zone=zone, optional=_flag(keys, where))


def _label(content: Any, where: str) -> LabelMapping:
    keys = _keys(content, _LABEL_KEYS, where)
    column = _optional_text(keys, "column", where)
    if column is None:
        raise ConfigurationError(f"{where} needs a column.", remedy=_REMEDY)
    if ("time" in keys) == ("delay" in keys):
        raise ConfigurationError(
            f"{where} needs either a time column or a delay: features may use a label only once it was known.",
            remedy="Add, for instance, delay: 7 days.",
        )
    fraud = _value_set(keys.get("fraud", ["1", "true"]), f"{where}, fraud")
    honest = _value_set(keys.get("honest", ["0", "false"]), f"{where}, honest")
    if fraud & honest or not fraud:
        raise ConfigurationError(f"{where}: fraud and honest must be different, non-empty values.", remedy=_REMEDY)
    return LabelMapping(
        column=column,
        fraud=fraud,
        honest=honest,
        time=_time(keys["time"], f"{where}, time") if "time" in keys else None,
        delay=_delay(keys["delay"], f"{where}, delay") if "delay" in keys else None,
        inclusion_probability=_inclusion(keys[INCLUSION], f"{where}, {INCLUSION}") if INCLUSION in keys else None,
        optional=_flag(keys, where),
    )


def _inclusion(content: Any, where: str) -> FieldMapping:
    field = _field(INCLUSION, content, where)
    if field.column is None:
        raise ConfigurationError(
            f"{where} needs a column.", remedy="A constant would weight all alike: leave it out instead."
        )
    return field


def _delay(content: Any, where: str) -> timedelta:
    match = _DELAY.fullmatch(content) if isinstance(content, str) else None
    if match is None or (delay := timedelta(**{f"{match[2]}s": float(match[1])})) > timedelta(days=3650):
        raise ConfigurationError(
            f"{where}: {content!r} is not a delay.", remedy="Write, for instance, 7 days or 12 hours."
        )
    return delay


def _factor(keys: dict[str, Any], where: str) -> float:
    text = _text(keys.get("factor", "1"), f"{where}, factor")
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf") or ("factor" in keys and "unit" in keys):
        raise ConfigurationError(f"{where}: give either a unit or a factor above 0, not {text!r}.", remedy=_REMEDY)
    return factor


def _flag(keys: dict[str, Any], where: str) -> bool:
    return _choice(_text(keys.get("optional", "false"), where), {"true": True, "false": False}, f"{where}, optional")


def _value_set(content: Any, where: str) -> frozenset[str]:
    values = [content] if isinstance(content, str) else content
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ConfigurationError(f"{where} must be a value or a list of values.", remedy=_REMEDY)
    return frozenset(value.lower() for value in values)


def _choice(key: str, choices: dict[str, _T], where: str) -> _T:
    if key not in choices:
        raise ConfigurationError(f"{where}: {key!r} is unknown{_suggest(key, choices)}.", remedy=_REMEDY)
    return choices[key]


def _text(content: Any, where: str) -> str:
    if not isinstance(content, str):
        raise ConfigurationError(f"{where} must be a single value.", remedy=_REMEDY)
    return content


def _optional_text(keys: dict[str, Any], key: str, where: str) -> str | None:
    if key not in keys:
        return None
    if not (text := _text(keys[key], f"{where}, {key}")):
        raise ConfigurationError(f"{where}, {key} is empty.", remedy=_REMEDY)
    return text


def _keys(content: Any, allowed: Collection[str], where: str) -> dict[str, Any]:
    """Return ``content`` if it is a mapping with keys among ``allowed``; name the nearest allowed key if not."""
    if not isinstance(content, dict):
        raise ConfigurationError(f"{where} must be a mapping with keys among {', '.join(allowed)}.", remedy=_REMEDY)
    for key in content:
        if key not in allowed:
            raise ConfigurationError(f"{where} has an unknown key {key!r}{_suggest(key, allowed)}.", remedy=_REMEDY)
    return content


def _suggest(key: str, allowed: Collection[str]) -> str:
    near = difflib.get_close_matches(key, allowed, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; the choices are {', '.join(allowed)}"


class _Loader(yaml.BaseLoader):
    """Reads scalars as strings and refuses a key that is given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a dictionary; plain YAML would let the last of two equal keys win in silence."""
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key is given twice", node.start_mark)
        return mapping
