"""The table for ``tracestate``."""

from tests.conformance.cases import SPAN, TRACE, Case, absent, invalid, traceparent

_GOOD = traceparent()
_NAME = b"tracestate: "
_LIST = "tracestate Header Field Values"
_LIMITS = "tracestate Limits"
_EVERY_CHARACTER = bytes(sorted(set(range(0x20, 0x7F)) - set(b",=")))
_MUTATING = "Mutating the tracestate Field"


def _kept(
    name: str,
    spec: str,
    *lines: bytes,
    members: bytes = b"a=1",
    carried: bytes | None = None,
    parent: bytes = _GOOD,
) -> Case:
    """Return a case whose tracestate is good; ``members`` are those to carry on, comma-separated."""
    flags = int(parent[-2:], 16)
    listed = tuple(members.split(b",")) if members else ()
    return Case(name, spec, (parent, *lines), (TRACE, SPAN, flags), None, listed, carried)


def _dropped(name: str, spec: str, *lines: bytes, fault: str = "tracestate_syntax") -> Case:
    """Return a case whose tracestate is bad, which does not spoil its traceparent."""
    return Case(name, spec, (_GOOD, *lines), (TRACE, SPAN, 1), fault)


def _many(count: int, first: int = 0) -> bytes:
    return b",".join(b"k%d=%d" % (number, number) for number in range(first, first + count))


def _sized(name: bytes, size: int) -> bytes:
    return name + b"=" + b"v" * (size - len(name) - 1)


_FULL = b",".join([*(_sized(b"k%d" % number, 127) for number in range(3)), _sized(b"last", 128)])

HEADER_NAME = [
    _kept("lower-case-name", "Header Name", b"tracestate: a=1"),
    _kept("title-case-name", "Header Name", b"Tracestate: a=1"),
    _kept("camel-case-name", "Header Name", b"TraceState: a=1"),
    _kept("upper-case-name", "Header Name", b"TRACESTATE: a=1"),
    _kept("hyphen-in-the-name", "Header Name", b"trace-state: a=1", members=b""),
    Case("before-traceparent", "Header Name", (_NAME + b"a=1", _GOOD), (TRACE, SPAN, 1), members=(b"a=1",)),
    _kept("named-by-connection", "Header Name", b"Connection: keep-alive, Tracestate", _NAME + b"a=1"),
    absent("without-traceparent", "Tracestate Header", _NAME + b"a=1"),
    absent("bad-without-traceparent", "Tracestate Header", _NAME + b"A=1"),
    absent("several-without-traceparent", "Tracestate Header", _NAME + b"a=1", b"Tracestate: b=2"),
    invalid("with-a-bad-traceparent", "Tracestate Header", "syntax", b"traceparent: 00-x", _NAME + b"a=1"),
    invalid(
        "both-bad", "Tracestate Header", "zero_trace_id", traceparent(trace_id=b"0" * 32), _NAME + b"A=1"
    ),
    invalid("with-an-empty-traceparent", "Tracestate Header", "syntax", b"traceparent:", _NAME + b"a=1"),
]

FIELD_VALUES = [
    _kept(
        "two-members",
        _LIST,
        _NAME + b"rojo=00f067aa0ba902b7,congo=t61",
        members=b"rojo=00f067aa0ba902b7,congo=t61",
    ),
    _kept("space-behind-the-comma", _LIST, _NAME + b"a=1, b=2", members=b"a=1,b=2"),
    _kept("tab-behind-the-comma", _LIST, _NAME + b"a=1,\tb=2", members=b"a=1,b=2"),
    _kept("ows-all-around", _LIST, b"tracestate: \ta=1 \t , \t b=2\t ", members=b"a=1,b=2"),
    _kept("no-space-behind-the-colon", _LIST, b"tracestate:a=1"),
    _kept("several-lines", _LIST, _NAME + b"a=1", _NAME + b"b=2", members=b"a=1,b=2"),
    _kept(
        "lines-in-order",
        _LIST,
        _NAME + b"z=1,y=2",
        _NAME + b"x=3",
        _NAME + b"a=4",
        members=b"z=1,y=2,x=3,a=4",
    ),
    _kept("lines-in-different-case", _LIST, b"tracestate: a=1", b"TraceState: b=2", members=b"a=1,b=2"),
    _kept("lines-apart", _LIST, _NAME + b"a=1", b"x-between: 1", _NAME + b"b=2", members=b"a=1,b=2"),
    _kept("lines-one-empty", _LIST, _NAME + b"a=1", b"tracestate:", _NAME + b"b=2", members=b"a=1,b=2"),
    _kept("lines-with-trailing-commas", _LIST, _NAME + b"a=1,", _NAME + b",b=2", members=b"a=1,b=2"),
    Case(
        "lines-around-traceparent",
        _LIST,
        (_NAME + b"a=1", _GOOD, _NAME + b"b=2"),
        (TRACE, SPAN, 1),
        members=(b"a=1", b"b=2"),
    ),
    _kept("empty", _LIST, b"tracestate:", members=b""),
    _kept("only-white-space", _LIST, b"tracestate: \t ", members=b""),
    _kept("only-commas", _LIST, _NAME + b",,,", members=b""),
    _kept("empty-lines-alone", _LIST, b"tracestate:", b"tracestate:", members=b""),
    _kept("empty-member-within", _LIST, _NAME + b"a=1,,b=2", members=b"a=1,b=2"),
    _kept("white-space-member-within", _LIST, _NAME + b"a=1, \t ,b=2", members=b"a=1,b=2"),
    _kept("leading-comma", _LIST, _NAME + b",a=1"),
    _kept("trailing-comma", _LIST, _NAME + b"a=1,"),
    _kept("trailing-comma-and-space", _LIST, _NAME + b"a=1, "),
]

KEYS = [
    _kept("key-of-one-letter", "Key", _NAME + b"z=1", members=b"z=1"),
    _kept("key-of-every-character", "Key", _NAME + b"a0_-*/@z=1", members=b"a0_-*/@z=1"),
    _kept("level-2-key-begins-with-a-digit", "Key", _NAME + b"0a=1", members=b"0a=1"),
    _kept("key-of-256", "Key", _NAME + b"k" * 256 + b"=1", members=b"k" * 256 + b"=1"),
    _kept("tenant-key", "Key", _NAME + b"fw529a3039@dt=1", members=b"fw529a3039@dt=1"),
    _kept("tenant-key-with-a-digit-first", "Key", _NAME + b"0tenant@sys=1", members=b"0tenant@sys=1"),
    _kept("level-2-key-ends-with-an-at", "Key", _NAME + b"foo@=1", members=b"foo@=1"),
    _kept("level-2-key-with-two-ats", "Key", _NAME + b"a@b@c=1", members=b"a@b@c=1"),
    _kept("level-2-long-tenant", "Key", _NAME + b"t" * 242 + b"@v=1", members=b"t" * 242 + b"@v=1"),
    _kept("level-2-long-system", "Key", _NAME + b"t@" + b"v" * 15 + b"=1", members=b"t@" + b"v" * 15 + b"=1"),
    _kept("same-key-twice", "Combined Header Value", _NAME + b"a=1,b=2,a=3", members=b"a=1,b=2,a=3"),
    _kept("same-member-twice", "Combined Header Value", _NAME + b"a=1,a=1", members=b"a=1,a=1"),
    _kept(
        "same-key-in-two-lines", "Combined Header Value", _NAME + b"a=1", _NAME + b"a=2", members=b"a=1,a=2"
    ),
    _dropped("key-of-257", "Key", _NAME + b"k" * 257 + b"=1"),
    _dropped("key-upper-case", "Key", _NAME + b"Foo=1"),
    _dropped("key-empty", "Key", _NAME + b"=1"),
    _dropped("key-begins-with-an-at", "Key", _NAME + b"@foo=1"),
    _dropped("key-begins-with-an-underscore", "Key", _NAME + b"_foo=1"),
    _dropped("key-begins-with-a-dash", "Key", _NAME + b"-foo=1"),
    _dropped("key-begins-with-a-star", "Key", _NAME + b"*foo=1"),
    _dropped("key-begins-with-a-slash", "Key", _NAME + b"/foo=1"),
    _dropped("key-with-a-dot", "Key", _NAME + b"foo.bar=1"),
    _dropped("key-with-a-colon", "Key", _NAME + b"foo:bar=1"),
    _dropped("key-with-a-space", "Key", _NAME + b"foo bar=1"),
    _dropped("key-then-a-space", "Key", _NAME + b"foo =1"),
    _dropped("key-then-a-tab", "Key", _NAME + b"foo\t=1"),
    _dropped("key-non-ascii", "Key", _NAME + b"caf\xc3\xa9=1"),
    _dropped("key-in-quotes", "Key", _NAME + b'"foo"=1'),
]

VALUES = [
    _kept(
        "value-of-every-character",
        "Value",
        _NAME + b"a=" + _EVERY_CHARACTER,
        members=b"a=" + _EVERY_CHARACTER,
    ),
    _kept("value-of-256", "Value", _NAME + b"a=" + b"v" * 256, members=b"a=" + b"v" * 256),
    _kept("value-with-spaces-within", "Value", _NAME + b"a=1 2  3", members=b"a=1 2  3"),
    _kept("value-with-spaces-before", "Value", _NAME + b"a=  1", members=b"a=  1"),
    _kept("value-with-spaces-behind", "Value", _NAME + b"a=1  ,b=2", members=b"a=1,b=2"),
    _kept(
        "value-of-signs",
        "Value",
        _NAME + b"a=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~",
        members=b"a=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~",
    ),
    _dropped("value-empty", "Value", _NAME + b"a="),
    _dropped("value-of-spaces", "Value", _NAME + b"a=   "),
    _dropped("value-of-257", "Value", _NAME + b"a=" + b"v" * 257),
    _dropped("value-with-an-equals-sign", "Value", _NAME + b"a=b=c"),
    _dropped("value-ends-with-an-equals-sign", "Value", _NAME + b"a=b="),
    _dropped("value-with-a-tab", "Value", _NAME + b"a=1\t2"),
    _dropped("value-utf-8", "Value", _NAME + b"a=caf\xc3\xa9"),
    _dropped("value-latin-1", "Value", _NAME + b"a=caf\xe9"),
    _dropped("value-ends-with-a-no-break-space", "Value", _NAME + b"a=1\xa0"),
    _dropped("no-equals-sign", "list-members", _NAME + b"a"),
    _dropped("semicolons-for-commas", "list-members", _NAME + b"a=1;b=2"),
    _dropped("one-bad-of-three", "list-members", _NAME + b"a=1,B=2,c=3"),
    _dropped("last-one-bad", "list-members", _NAME + b"a=1,b"),
    _dropped("bad-in-the-second-line", "list-members", _NAME + b"a=1", _NAME + b"B=2"),
    _dropped("bad-own-member", "list-members", _NAME + b"a=1,dd=s=1"),
    _dropped("json", "list-members", _NAME + b'{"a": 1}'),
]

LIMITS = [
    _kept("31-members", "list", _NAME + _many(31), members=_many(31)),
    _kept("32-members", "list", _NAME + _many(32), members=_many(32), carried=b"dd=s:1," + _many(31)),
    _kept(
        "32-members-the-own-one-among-them",
        "list",
        _NAME + _many(31) + b",dd=s:2",
        members=b"",
        carried=b"dd=s:2," + _many(31),
    ),
    _kept(
        "32-members-in-two-lines",
        "list",
        _NAME + _many(16),
        _NAME + _many(16, 16),
        members=b"",
        carried=b"dd=s:1," + _many(31),
    ),
    _kept(
        "32-members-and-empty-ones",
        "list",
        _NAME + _many(32).replace(b",", b" ,, ") + b",,",
        members=b"",
        carried=b"dd=s:1," + _many(31),
    ),
    _dropped("33-members", "list", _NAME + _many(33), fault="tracestate_too_many"),
    _dropped(
        "33-members-in-two-lines", "list", _NAME + _many(32), _NAME + b"z=1", fault="tracestate_too_many"
    ),
    _dropped("33-lines", "list", *[_NAME + b"k%d=1" % n for n in range(33)], fault="tracestate_too_many"),
    _dropped(
        "33-members-the-own-one-among-them",
        "list",
        _NAME + b"dd=s:1," + _many(32),
        fault="tracestate_too_many",
    ),
    _dropped("200-members", "list", _NAME + _many(200), fault="tracestate_too_many"),
    _kept("512-characters", _LIMITS, _NAME + _FULL, members=_FULL),
    _kept(
        "600-characters",
        _LIMITS,
        _NAME + b",".join([*(_sized(b"k%d" % n, 99) for n in range(5)), _sized(b"last", 100)]),
        members=b",".join(_sized(b"k%d" % n, 99) for n in range(5)),
    ),
    _kept(
        "600-characters-a-long-member-first",
        _LIMITS,
        _NAME + b",".join([_sized(b"long", 200), *(_sized(b"k%d" % n, 99) for n in range(4))]),
        members=b",".join(_sized(b"k%d" % n, 99) for n in range(4)),
    ),
    _kept(
        "long-members-go-from-the-right",
        _LIMITS,
        _NAME + b",".join([_sized(b"l1", 200), _sized(b"l2", 200), _sized(b"s", 100), _sized(b"l3", 200)]),
        members=b",".join([_sized(b"l1", 200), _sized(b"l2", 200), _sized(b"s", 100)]),
    ),
    _kept(
        "128-characters-are-not-long",
        _LIMITS,
        _NAME + b",".join([_sized(b"m", 128), *(_sized(b"k%d" % n, 127) for n in range(4))]),
        members=b",".join([_sized(b"m", 128), *(_sized(b"k%d" % n, 127) for n in range(3))]),
    ),
    _kept(
        "129-characters-are-long",
        _LIMITS,
        _NAME + b",".join([_sized(b"m", 129), *(_sized(b"k%d" % n, 127) for n in range(4))]),
        members=b",".join(_sized(b"k%d" % n, 127) for n in range(4)),
    ),
    _kept(
        "key-and-value-as-long-as-can-be",
        _LIMITS,
        _NAME + _sized(b"k" * 256, 513),
        members=b"",
    ),
]

MUTATING = [
    _kept("own-member-alone", _MUTATING, _NAME + b"dd=s:1;o:rum", members=b"", carried=b"dd=s:1;o:rum"),
    _kept(
        "own-member-moves-left", _MUTATING, _NAME + b"a=1,dd=s:1,b=2", members=b"", carried=b"dd=s:1,a=1,b=2"
    ),
    _kept(
        "own-member-keeps-its-subkeys",
        _MUTATING,
        _NAME + b"dd=t.dm:-4;s:2;o:synthetics,a=1",
        members=b"",
        carried=b"dd=t.dm:-4;s:2;o:synthetics,a=1",
    ),
    _kept(
        "own-member-of-the-wrong-sign",
        _MUTATING,
        _NAME + b"dd=s:0;o:rum",
        members=b"",
        carried=b"dd=s:1;o:rum",
    ),
    _kept(
        "own-member-of-the-wrong-sign-unsampled",
        _MUTATING,
        _NAME + b"dd=s:2",
        members=b"",
        carried=b"dd=s:0",
        parent=traceparent(b"00"),
    ),
    _kept(
        "own-member-rejected-by-the-user",
        _MUTATING,
        _NAME + b"dd=s:-1",
        members=b"",
        carried=b"dd=s:-1",
        parent=traceparent(b"00"),
    ),
    _kept("own-member-without-its-s", _MUTATING, _NAME + b"dd=o:rum", members=b"", carried=b"dd=s:1;o:rum"),
    _kept("own-member-twice", _MUTATING, _NAME + b"dd=s:2,a=1,dd=s:1", members=b"", carried=b"dd=s:2,a=1"),
    _kept(
        "keys-that-look-like-ours",
        _MUTATING,
        _NAME + b"d=1,ddd=2,dd@x=3,add=4",
        members=b"d=1,ddd=2,dd@x=3,add=4",
    ),
    _kept("unsampled", _MUTATING, _NAME + b"a=1", parent=traceparent(b"00")),
    _kept(
        "ot-member",
        _MUTATING,
        _NAME + b"a=1,ot=th:8;rv:f0000000000000",
        members=b"a=1,ot=th:8;rv:f0000000000000",
    ),
    _kept(
        "of-a-future-version", "Versioning of tracestate", _NAME + b"a=1", parent=traceparent(version=b"cc")
    ),
    _kept("baggage-beside-it", _MUTATING, _NAME + b"a=1", b"Baggage: k=v;p=1,\xc3\xa9=2"),
]

TRACESTATE: list[Case] = [*HEADER_NAME, *FIELD_VALUES, *KEYS, *VALUES, *LIMITS, *MUTATING]
