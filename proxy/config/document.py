"""YAML text to a document of nodes.

Anchors, aliases and merge keys (``<<``) work; tags, complex keys, recursion, and aliases that
multiply into a document much larger than the file are errors.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import yaml

from proxy.config.environment import substitute
from proxy.config.nodes import Document, Entry, Node
from proxy.config.problem import START, Location, Place, Problem, write_path
from proxy.config.scalars import Scalar, resolve
from proxy.config.syntax import advise_quotes, explain_syntax

_MOST_NODES = 500_000
_DEEPEST = 50
_HALF = "has half of a surrogate pair: write the character itself"
_MERGE = "<<"
_TAG = "tag:yaml.org,2002:"
_CORE_TAGS = frozenset(_TAG + name for name in ("null", "bool", "int", "float"))
_COLLECTION_TAGS = frozenset({None, "!", _TAG + "map", _TAG + "seq"})
# The extension is twenty times faster; what it refuses, the parser in Python gets to explain.
_FAST_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# PyYAML lets the latter two out of malformed escapes and directives.
_NOT_YAML = (yaml.YAMLError, ValueError, OverflowError)


def compose(text: str, environ: Mapping[str, str], file: str) -> Document:
    """Compose the one document of ``text``, with every problem that does not need a schema to be seen."""
    composer = _Composer(text, environ, file)
    error: Exception | None = None
    try:
        for event in _parse(text):
            composer.receive(event)
    except _Stop:
        return Document(None, composer.problems)
    except _NOT_YAML as caught:
        error = caught
    if error is not None:
        place, message = explain_syntax(error, text)
        composer.report(place, message, composer.location_on(place.line))
        return Document(None, composer.problems)
    if composer.root is None or composer.root.content == Scalar("", None):
        composer.report(START, "the file is empty: write at least upstream: http://127.0.0.1:9000")
        return Document(None, composer.problems)
    return Document(composer.root, composer.problems)


def _parse(text: str) -> Iterable[yaml.Event]:
    try:
        return list(yaml.parse(text, Loader=_FAST_LOADER))
    except _NOT_YAML:
        return yaml.parse(text, Loader=yaml.SafeLoader)


class _Stop(Exception):
    """A problem after which the rest of the file cannot be read; it has been reported."""


@dataclass(slots=True)
class _Open:
    """A mapping or a list that has not ended yet."""

    place: Place
    is_mapping: bool
    anchor: str | None
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    merged: list[Node] = field(default_factory=list)
    key: tuple[str, Place] | None = None
    merges: bool = False


class _Composer:
    def __init__(self, text: str, environ: Mapping[str, str], file: str) -> None:
        self._text = text
        self.problems: list[Problem] = []
        self.root: Node | None = None
        self._environ = environ
        self._file = file
        self._anchors: dict[str, Node | None] = {}  # None: still open
        self._stack: list[_Open] = []

    def report(self, place: Place, message: str, location: Location | None = None) -> None:
        path = write_path(self._location() if location is None else location)
        self.problems.append(Problem(self._file, place.line, place.column, path, message))

    def _stop(self, place: Place, message: str) -> _Stop:
        self.report(place, message)
        return _Stop()

    def _location(self) -> Location:
        steps: list[str | int] = []
        for opened in self._stack:
            if not opened.is_mapping:
                steps.append(len(opened.items))
            elif opened.key is not None:
                steps.append(opened.key[0])
        return tuple(steps)

    def location_on(self, line: int) -> Location:
        """Return the location of what is being read, up to the last key that is on ``line``."""
        location = self._location()
        depths = [
            depth
            for depth, opened in enumerate(self._stack, 1)
            if opened.key is not None and opened.key[1].line == line
        ]
        return location[: depths[-1]] if depths else ()

    def receive(self, event: yaml.Event) -> None:
        mark = event.start_mark
        place = START if mark is None else Place(mark.line + 1, mark.column + 1)
        match event:
            case yaml.DocumentStartEvent() if self.root is not None:
                raise self._stop(place, "a second document starts here: keep one, without ---")
            case yaml.ScalarEvent():
                self._receive_scalar(event, place)
            case yaml.AliasEvent():
                self._receive_alias(event, place)
            case yaml.CollectionStartEvent():
                self._open(event, place)
            case yaml.CollectionEndEvent():
                self._close()
            case _:
                pass

    def _receive_scalar(self, event: yaml.ScalarEvent, place: Place) -> None:
        if self._wants_key():
            if not _is_whole(event.value):
                raise self._stop(place, _HALF)
            self._begin_entry(event.value, place, merges=event.value == _MERGE and event.implicit[0])
            if event.anchor is not None:
                self._anchors[event.anchor] = Node(place, Scalar(event.value, event.value))
            return
        self._add(self._scalar(event, place), event.anchor)

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> Node:
        text = event.value
        if not event.implicit[0] and not event.implicit[1] and not self._is_known(event.tag):
            self.report(place, f"has the tag {event.tag}: tags have no meaning here, leave it out")
        if not _is_whole(text):
            raise self._stop(place, _HALF)
        try:
            text = substitute(text, self._environ)
        except ValueError as error:
            self.report(place, str(error))
        plain = (event.implicit[0] and event.tag is None) or event.tag in _CORE_TAGS
        return Node(place, Scalar(text, resolve(text) if plain else text, text != event.value))

    @staticmethod
    def _is_known(tag: str | None) -> bool:
        return tag is None or tag in _CORE_TAGS or tag in ("!", _TAG + "str")

    def _receive_alias(self, event: yaml.AliasEvent, place: Place) -> None:
        name = event.anchor
        if name not in self._anchors:
            raise self._stop(
                place, f"nothing above has the anchor &{name}: put quotes around a value that starts with *"
            )
        node = self._anchors[name]
        if node is None:
            raise self._stop(place, f"the alias *{name} is inside of what it stands for")
        if not self._wants_key():
            self._add(replace(node, place=place), None)
        elif isinstance(node.content, Scalar):
            self._begin_entry(node.content.text, place, merges=False)
        else:
            raise self._stop(place, "a key must be text")

    def _wants_key(self) -> bool:
        return bool(self._stack) and self._stack[-1].is_mapping and self._stack[-1].key is None

    def _begin_entry(self, key: str, place: Place, *, merges: bool) -> None:
        opened = self._stack[-1]
        if key in opened.entries and not merges:
            location = (*self._location(), key)
            first = opened.entries[key].key_place
            self.report(place, f"is there twice, first on line {first.line}: keep one", location)
        opened.key = (key, place)
        opened.merges = merges

    def _open(self, event: yaml.CollectionStartEvent, place: Place) -> None:
        if self._wants_key():
            raise self._stop(place, f"a key must be text: {advise_quotes(self._text, place)}")
        if event.tag not in _COLLECTION_TAGS:
            self.report(place, f"has the tag {event.tag}: tags have no meaning here, leave it out")
        if len(self._stack) >= _DEEPEST:
            raise self._stop(place, f"is nested more than {_DEEPEST} levels deep")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._stack.append(_Open(place, isinstance(event, yaml.MappingStartEvent), event.anchor))

    def _close(self) -> None:
        opened = self._stack.pop()
        if not opened.is_mapping:
            self._add(_measured(opened.place, tuple(opened.items), opened.items), opened.anchor)
            return
        for node in opened.merged:
            for key, entry in self._merged_entries(node):
                opened.entries.setdefault(key, entry)
        nodes = [entry.node for entry in opened.entries.values()]
        self._add(_measured(opened.place, opened.entries, nodes), opened.anchor)

    def _merged_entries(self, node: Node) -> Iterator[tuple[str, Entry]]:
        match node.content:
            case Mapping() as entries:
                yield from entries.items()
            case (list() | tuple()) as items if all(isinstance(item.content, Mapping) for item in items):
                for item in items:
                    yield from self._merged_entries(item)
            case _:
                self.report(node.place, "<< takes a mapping or a list of them, such as <<: *base")

    def _add(self, node: Node, anchor: str | None) -> None:
        if node.size > _MOST_NODES or node.height > _DEEPEST:
            raise self._stop(node.place, "aliases make this too large: write out what is needed")
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._stack:
            self.root = node
            return
        opened = self._stack[-1]
        if not opened.is_mapping:
            opened.items.append(node)
            return
        assert opened.key is not None
        key, place = opened.key
        opened.key = None
        if opened.merges:
            opened.merged.append(node)
        else:
            opened.entries.setdefault(key, Entry(place, node))


def _is_whole(text: str) -> bool:
    """Return whether a text can be written out again: an escape may stand for half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _measured(place: Place, content: "Sequence[Node] | Mapping[str, Entry]", nodes: Sequence[Node]) -> Node:
    size = 1 + sum(node.size for node in nodes)
    return Node(place, content, size, 1 + max((node.height for node in nodes), default=0))
