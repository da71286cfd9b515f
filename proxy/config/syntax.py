"""What to say where a file is not YAML, in words that name the remedy."""

import re

import yaml

from proxy.config.problem import START, Place

# Texts that YAML takes for a list or a mapping, with what belongs to the same word.
_ADDRESS = re.compile(r"(?<!['\"\w])(?:https?://)?\[[0-9A-Fa-f:.%]*:[0-9A-Fa-f:.%]*\](?::\d+)?")
_REFERENCE = re.compile(r"(?<!['\"\w])[^\s,'\"\[\]{}]*\$\{[^}]*\}?[^\s,'\"\[\]{}]*")
# Everything that a YAML stream may hold; https://yaml.org/spec/1.2.2/#51-character-set.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What PyYAML counts as the end of a line.
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
#: What PyYAML says where a document ends within quotes.
_ENDED = ("found unexpected end of stream", "found unexpected document separator")
_CLOSING = {"[": "]", "{": "}", '"': '"', "'": "'"}
_INDICATORS = "*&@`%!|>"


class NotText(ValueError):
    """Bytes that cannot be YAML, with the place of the first wrong one."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


def decode(content: bytes) -> str:
    """Decode a file; raises NotText where it is not UTF-8 or has characters that YAML does not allow."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        raise NotText(
            _place_after(before), f"is not UTF-8: byte 0x{content[error.start]:02x}: save the file as UTF-8"
        ) from None
    found = _FORBIDDEN.search(text)
    if found is not None:
        code = f"U+{ord(found[0]):04X}"
        raise NotText(
            _place_after(text[: found.start()]),
            f"has the character {code}, which YAML does not allow: leave it out",
        )
    return text


def _place_after(text: str) -> Place:
    lines = _BREAK.split(text)
    return Place(len(lines), len(lines[-1]) + 1)


def _line(text: str, place: Place) -> str:
    lines = _BREAK.split(text)
    return lines[place.line - 1] if place.line <= len(lines) else ""


def explain_syntax(error: Exception, text: str) -> tuple[Place, str]:
    """Return where a parser stumbled over ``text``, and what to write instead."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return START, f"is not YAML: {error}"
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return START, f"is not YAML: {error.problem}"
    place = Place(mark.line + 1, mark.column + 1)
    line = _line(text, place)
    quoted = _unquoted_reference(line, mark.column)
    if quoted is not None:
        column, what = quoted
        return Place(place.line, column), f"is not YAML: put quotes around it: {_quote(what)}"
    opened = _unclosed(error)
    if opened is not None:
        closing = _CLOSING.get(_line(text, opened)[opened.column - 1 : opened.column], "what fits it")
        return opened, f"is not YAML: what starts here is never closed: close it with {closing}"
    return place, f"is not YAML: {_advice(error, line, mark.column)}"


def advise_quotes(text: str, place: Place) -> str:
    """Return what to say of a bracket or brace at ``place`` that was meant as text."""
    quoted = _unquoted_reference(_line(text, place), place.column - 1)
    return f"put quotes around it: {_quote(quoted[1])}" if quoted is not None else "put quotes around it"


def _unquoted_reference(line: str, column: int) -> tuple[int, str] | None:
    for pattern in (_ADDRESS, _REFERENCE):
        for found in pattern.finditer(line):
            if found.start() <= column <= found.end():
                return found.start() + 1, found[0]
    return None


def _unclosed(error: yaml.MarkedYAMLError) -> Place | None:
    """Return where a bracket or quote opened that the end of the file or a later line shows unclosed."""
    mark = error.context_mark
    if mark is None or error.problem_mark is None:
        return None
    place = Place(mark.line + 1, mark.column + 1)
    if (error.context or "").endswith("a quoted scalar"):
        return place if (error.problem or "").startswith(_ENDED) else None
    if mark.line == error.problem_mark.line:
        return None
    return place if (error.context or "").endswith(("a flow mapping", "a flow sequence")) else None


def _advice(error: yaml.MarkedYAMLError, line: str, column: int) -> str:
    problem = error.problem or "it does not parse"
    at, before = line[column : column + 1], line[max(column - 1, 0) : column]
    if before and before in "'\"" and "<scalar>" in problem:
        return (
            f"the {before} before this closes an earlier quote: close that one where its value ends, "
            f"or use the other kind of quotes around a value with {before}"
        )
    if at == "\t" and "cannot start any token" in problem:
        return "a tab indents here: use spaces"
    if "mapping values are not allowed" in problem:
        return (
            "there is a second ': ' on this line, or wrong indentation: put quotes around a value with ': '"
        )
    if "escape character" in problem or "escape sequence" in problem:
        return "a backslash in double quotes starts an escape: use single quotes"
    if "while scanning an alias" in (error.context or ""):
        return "a value that starts with * is an alias: put quotes around it: '*'"
    if "cannot start any token" in problem and at and at in _INDICATORS:
        return f"a value cannot start with {at}: put quotes around it"
    if "expected ',' or" in problem and at in ("{", "["):
        return f"put quotes around a value with {at} in it"
    if "<stream end>" in problem:
        return "the file ends before this is complete"
    if "expected <block end>" in problem:
        return _advice_on_blocks(at)
    return problem


def _advice_on_blocks(at: str) -> str:
    if at in ("}", "]"):
        return f"nothing is open that {at} could close: leave it out, or put quotes around the value"
    return (
        "this does not fit what is above it: indent the keys of one mapping, or the items of one list, alike"
    )


def _quote(text: str) -> str:
    return f"'{text}'" if "'" not in text else f'"{text}"'
