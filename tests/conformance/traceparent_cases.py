"""The table for ``traceparent``."""

from tests.conformance.cases import SPAN, TRACE, Case, absent, invalid, traceparent, valid

_IDS = TRACE + b"-" + SPAN
_GOOD = traceparent()
_NAME = b"traceparent: "

HEADER_NAME = [
    valid("lower-case-name", "Header Name", b"traceparent: 00-" + _IDS + b"-01"),
    valid("title-case-name", "Header Name", b"Traceparent: 00-" + _IDS + b"-01"),
    valid("camel-case-name", "Header Name", b"TraceParent: 00-" + _IDS + b"-01"),
    valid("upper-case-name", "Header Name", b"TRACEPARENT: 00-" + _IDS + b"-01"),
    valid("mixed-case-name", "Header Name", b"tRaCePaReNt: 00-" + _IDS + b"-01"),
    absent("hyphen-in-the-name", "Header Name", b"trace-parent: 00-" + _IDS + b"-01"),
    absent("longer-name", "Header Name", b"traceparent2: 00-" + _IDS + b"-01"),
    absent("shorter-name", "Header Name", b"traceparen: 00-" + _IDS + b"-01"),
    absent("no-header-at-all", "A traceparent is Not Received"),
    absent("other-headers-alone", "A traceparent is Not Received", b"X-Request-Id: 7", b"Accept: */*"),
    valid("among-other-headers", "Header Name", b"Accept: */*", _GOOD, b"X-Request-Id: \xff\xfe", b"x-y: 2"),
    valid("no-space-behind-the-colon", "Header Name", b"traceparent:00-" + _IDS + b"-01"),
    valid("spaces-around", "Header Name", b"traceparent:   00-" + _IDS + b"-01   "),
    valid("tabs-around", "Header Name", b"traceparent:\t00-" + _IDS + b"-01\t"),
    valid("mixed-ows-around", "Header Name", b"traceparent: \t 00-" + _IDS + b"-01\t \t"),
    valid("named-by-connection", "Header Name", b"Connection: traceparent", _GOOD),
    invalid("twice-the-same", "Header Name", "duplicate", _GOOD, _GOOD),
    invalid("twice-different", "Header Name", "duplicate", _GOOD, traceparent(b"00", b"1" * 32)),
    invalid(
        "twice-in-different-case", "Header Name", "duplicate", _GOOD, b"TraceParent: 00-" + _IDS + b"-01"
    ),
    invalid("twice-one-of-them-bad", "Header Name", "duplicate", _GOOD, b"traceparent: bad"),
    invalid("twice-the-first-empty", "Header Name", "duplicate", b"traceparent:", _GOOD),
    invalid("three-times", "Header Name", "duplicate", _GOOD, b"a: 1", _GOOD, b"b: 2", _GOOD),
    invalid("twice-with-a-tracestate", "Header Name", "duplicate", _GOOD, _GOOD, b"tracestate: a=1"),
]

VERSION = [
    valid("version-00", "version", traceparent(version=b"00")),
    invalid("version-ff", "version", "version", traceparent(version=b"ff")),
    invalid("version-ff-with-a-tail", "version", "version", traceparent(version=b"ff") + b"-x"),
    invalid(
        "version-ff-with-a-tracestate", "version", "version", traceparent(version=b"ff"), b"tracestate: a=1"
    ),
    invalid("version-in-upper-case", "version", "syntax", traceparent(version=b"0A")),
    invalid("version-ff-in-upper-case", "version", "syntax", traceparent(version=b"FF")),
    invalid("version-of-one-digit", "version", "syntax", traceparent(version=b"0")),
    invalid("version-of-three-digits", "version", "syntax", traceparent(version=b"000")),
    invalid("version-not-hex", "version", "syntax", traceparent(version=b"0g")),
    invalid("version-with-a-dot", "version", "syntax", traceparent(version=b"0.")),
    invalid("version-empty", "version", "syntax", traceparent(version=b"")),
    invalid("version-missing", "version", "syntax", _NAME + _IDS + b"-01"),
    invalid("version-non-ascii", "version", "syntax", traceparent(version=b"\xc3\xa9")),
]

FUTURE = [
    valid("version-01", "Versioning of traceparent", traceparent(version=b"01")),
    valid("version-cc", "Versioning of traceparent", traceparent(version=b"cc")),
    valid("version-fe", "Versioning of traceparent", traceparent(version=b"fe")),
    valid("version-0f", "Versioning of traceparent", traceparent(version=b"0f")),
    valid("version-cc-unsampled", "Versioning of traceparent", traceparent(b"00", version=b"cc"), flags=0),
    valid("version-cc-all-flags", "Versioning of traceparent", traceparent(b"ff", version=b"cc"), flags=0xFF),
    valid(
        "version-cc-sampled-unset", "Versioning of traceparent", traceparent(b"fe", version=b"cc"), flags=0xFE
    ),
    valid(
        "version-cc-tail", "Versioning of traceparent", traceparent(version=b"cc") + b"-what-the-future-holds"
    ),
    valid("version-01-tail-of-one", "Versioning of traceparent", traceparent(version=b"01") + b"-0"),
    valid("version-cc-empty-tail", "Versioning of traceparent", traceparent(version=b"cc") + b"-"),
    valid("version-cc-odd-tail", "Versioning of traceparent", traceparent(version=b"cc") + b'-,;="\\ \xe9~'),
    valid(
        "version-cc-long-tail", "Versioning of traceparent", traceparent(version=b"cc") + b"-" + b"f" * 2000
    ),
    valid("version-cc-ows", "Versioning of traceparent", traceparent(version=b"cc") + b" \t"),
    invalid("version-cc-dot", "Versioning of traceparent", "syntax", traceparent(version=b"cc") + b".what"),
    invalid(
        "version-cc-no-dash", "Versioning of traceparent", "syntax", traceparent(version=b"cc") + b"what"
    ),
    invalid(
        "version-cc-third-flag-digit",
        "Versioning of traceparent",
        "syntax",
        traceparent(b"011", version=b"cc"),
    ),
    invalid(
        "version-cc-blank-then-tail",
        "Versioning of traceparent",
        "syntax",
        traceparent(version=b"cc") + b" -x",
    ),
    invalid("version-cc-short", "Versioning of traceparent", "syntax", traceparent(b"0", version=b"cc")),
    invalid("version-cc-no-flags", "Versioning of traceparent", "syntax", _NAME + b"cc-" + _IDS),
    invalid("version-cc-ids-alone", "Versioning of traceparent", "syntax", _NAME + b"cc-" + TRACE),
    invalid("version-cc-alone", "Versioning of traceparent", "syntax", _NAME + b"cc"),
    invalid("version-cc-bad-flags", "Versioning of traceparent", "syntax", traceparent(b"0x", version=b"cc")),
    invalid(
        "version-cc-upper-flags", "Versioning of traceparent", "syntax", traceparent(b"0F", version=b"cc")
    ),
    invalid(
        "version-cc-bad-trace-id",
        "Versioning of traceparent",
        "syntax",
        traceparent(trace_id=b"x" * 32, version=b"cc"),
    ),
    invalid(
        "version-cc-zero-trace-id",
        "Versioning of traceparent",
        "zero_trace_id",
        traceparent(trace_id=b"0" * 32, version=b"cc"),
    ),
    invalid(
        "version-cc-zero-parent-id",
        "Versioning of traceparent",
        "zero_parent_id",
        traceparent(span_id=b"0" * 16, version=b"cc"),
    ),
    invalid(
        "version-cc-upper-parent-id",
        "Versioning of traceparent",
        "syntax",
        traceparent(span_id=b"00F067AA0BA902B7", version=b"cc"),
    ),
]

VERSION_FORMAT = [
    invalid("empty", "version-format", "syntax", b"traceparent:"),
    invalid("only-spaces", "version-format", "syntax", b"traceparent:  \t "),
    invalid("only-dashes", "version-format", "syntax", _NAME + b"---"),
    invalid("only-the-version", "version-format", "syntax", _NAME + b"00"),
    invalid("only-version-and-trace-id", "version-format", "syntax", _NAME + b"00-" + TRACE),
    invalid("no-flags", "version-format", "syntax", _NAME + b"00-" + _IDS),
    invalid("no-flags-but-a-dash", "version-format", "syntax", _NAME + b"00-" + _IDS + b"-"),
    invalid("no-parent-id", "version-format", "syntax", _NAME + b"00-" + TRACE + b"-01"),
    invalid("no-trace-id", "version-format", "syntax", _NAME + b"00-" + SPAN + b"-01"),
    invalid(
        "ids-the-wrong-way-round", "version-format", "syntax", _NAME + b"00-" + SPAN + b"-" + TRACE + b"-01"
    ),
    invalid(
        "underscores-for-dashes",
        "version-format",
        "syntax",
        (_NAME + b"00-" + _IDS + b"-01").replace(b"-", b"_"),
    ),
    invalid("no-dashes", "version-format", "syntax", _NAME + b"00" + TRACE + SPAN + b"01"),
    invalid("doubled-dash", "version-format", "syntax", _NAME + b"00--" + _IDS + b"-01"),
    invalid("leading-dash", "version-format", "syntax", _NAME + b"-00-" + _IDS + b"-01"),
    invalid("spaces-within", "version-format", "syntax", _NAME + b"00 - " + _IDS + b" - 01"),
    invalid("in-quotes", "version-format", "syntax", _NAME + b'"00-' + _IDS + b'-01"'),
    invalid("with-a-byte-order-mark", "version-format", "syntax", _NAME + b"\xef\xbb\xbf00-" + _IDS + b"-01"),
    invalid("with-a-no-break-space", "version-format", "syntax", _NAME + b"\xa000-" + _IDS + b"-01"),
    invalid("no-break-space-behind", "version-format", "trailing_data", _GOOD + b"\xa0"),
    invalid("high-bytes-alone", "version-format", "syntax", _NAME + b"\xff\xfe\xfd"),
    invalid("tail", "version-format", "trailing_data", _GOOD + b"-extra"),
    invalid("tail-of-a-dash", "version-format", "trailing_data", _GOOD + b"-"),
    invalid("tail-of-a-dot", "version-format", "trailing_data", _GOOD + b"."),
    invalid("tail-behind-a-space", "version-format", "trailing_data", _GOOD + b" x"),
    invalid("two-values-in-one-line", "version-format", "trailing_data", _GOOD + b", 00-" + _IDS + b"-00"),
    invalid("trailing-comma", "version-format", "trailing_data", _GOOD + b","),
    invalid("parameter", "version-format", "trailing_data", _GOOD + b";p=1"),
    invalid("huge", "version-format", "syntax", _NAME + b"00-" + b"f" * 8000),
]

TRACE_ID = [
    valid(
        "trace-id-of-64-bits",
        "trace-id",
        traceparent(trace_id=b"0" * 16 + TRACE[16:]),
        trace_id=b"0" * 16 + TRACE[16:],
    ),
    valid(
        "trace-id-low-half-zero",
        "trace-id",
        traceparent(trace_id=TRACE[:16] + b"0" * 16),
        trace_id=TRACE[:16] + b"0" * 16,
    ),
    valid("trace-id-one", "trace-id", traceparent(trace_id=b"0" * 31 + b"1"), trace_id=b"0" * 31 + b"1"),
    valid("trace-id-all-f", "trace-id", traceparent(trace_id=b"f" * 32), trace_id=b"f" * 32),
    valid(
        "trace-id-digits-alone",
        "trace-id",
        traceparent(trace_id=b"12345678901234567890123456789012"),
        trace_id=b"12345678901234567890123456789012",
    ),
    invalid("trace-id-zero", "trace-id", "zero_trace_id", traceparent(trace_id=b"0" * 32)),
    invalid("both-ids-zero", "trace-id", "zero_trace_id", traceparent(trace_id=b"0" * 32, span_id=b"0" * 16)),
    invalid("trace-id-upper-case", "trace-id", "syntax", traceparent(trace_id=TRACE.upper())),
    invalid(
        "trace-id-one-upper-letter",
        "trace-id",
        "syntax",
        traceparent(trace_id=b"4Bf92f3577b34da6a3ce929d0e0e4736"),
    ),
    invalid("trace-id-31-digits", "trace-id", "syntax", traceparent(trace_id=TRACE[:31])),
    invalid("trace-id-33-digits", "trace-id", "syntax", traceparent(trace_id=TRACE + b"0")),
    invalid("trace-id-16-digits", "trace-id", "syntax", traceparent(trace_id=TRACE[:16])),
    invalid("trace-id-empty", "trace-id", "syntax", traceparent(trace_id=b"")),
    invalid("trace-id-not-hex", "trace-id", "syntax", traceparent(trace_id=b"g" * 32)),
    invalid(
        "trace-id-as-a-uuid",
        "trace-id",
        "syntax",
        traceparent(trace_id=b"4bf92f35-77b3-4da6-a3ce-929d0e0e4736"),
    ),
    invalid("trace-id-dotted", "trace-id", "syntax", traceparent(trace_id=b"." * 32)),
    invalid("trace-id-non-ascii", "trace-id", "syntax", traceparent(trace_id=b"\xe9" + TRACE[1:])),
    invalid(
        "trace-id-fullwidth-digit", "trace-id", "syntax", traceparent(trace_id="４".encode() + TRACE[3:])
    ),
    invalid("trace-id-0x", "trace-id", "syntax", traceparent(trace_id=b"0x" + TRACE[2:])),
]

PARENT_ID = [
    invalid("parent-id-zero", "parent-id", "zero_parent_id", traceparent(span_id=b"0" * 16)),
    invalid("parent-id-zero-unsampled", "parent-id", "zero_parent_id", traceparent(b"00", span_id=b"0" * 16)),
    invalid("parent-id-upper-case", "parent-id", "syntax", traceparent(span_id=SPAN.upper())),
    invalid("parent-id-15-digits", "parent-id", "syntax", traceparent(span_id=SPAN[:15])),
    invalid("parent-id-17-digits", "parent-id", "syntax", traceparent(span_id=SPAN + b"0")),
    invalid("parent-id-empty", "parent-id", "syntax", traceparent(span_id=b"")),
    invalid("parent-id-not-hex", "parent-id", "syntax", traceparent(span_id=b"z" * 16)),
    invalid("parent-id-non-ascii", "parent-id", "syntax", traceparent(span_id=b"\xff" * 16)),
    invalid("parent-id-signed", "parent-id", "syntax", traceparent(span_id=b"-" + SPAN[1:])),
]

FLAGS = [
    valid("flags-00", "Sampled Flag", traceparent(b"00"), flags=0),
    valid("flags-01", "Sampled Flag", traceparent(b"01"), flags=1),
    valid("level-2-flags-02", "Random Trace ID Flag", traceparent(b"02"), flags=2),
    valid("level-2-flags-03", "Random Trace ID Flag", traceparent(b"03"), flags=3),
    valid("flags-04", "Other Flags", traceparent(b"04"), flags=4),
    valid("flags-08", "Other Flags", traceparent(b"08"), flags=8),
    valid("flags-09", "trace-flags", traceparent(b"09"), flags=9),
    valid("flags-10", "Other Flags", traceparent(b"10"), flags=0x10),
    valid("flags-fe", "Other Flags", traceparent(b"fe"), flags=0xFE),
    valid("flags-ff", "Other Flags", traceparent(b"ff"), flags=0xFF),
    invalid("flags-of-one-digit", "trace-flags", "syntax", traceparent(b"1")),
    invalid("flags-of-three-digits", "trace-flags", "syntax", traceparent(b"001")),
    invalid("flags-upper-case", "trace-flags", "syntax", traceparent(b"0A")),
    invalid("flags-not-hex", "trace-flags", "syntax", traceparent(b"0x")),
    invalid("flags-a-word", "trace-flags", "syntax", traceparent(b"true")),
    invalid("flags-a-dot", "trace-flags", "syntax", traceparent(b".0")),
    invalid("flags-non-ascii", "trace-flags", "syntax", traceparent(b"\xb2\xb2")),
    invalid("flags-with-a-space", "trace-flags", "syntax", traceparent(b"0 1")),
]

TRACEPARENT: list[Case] = [
    *HEADER_NAME,
    *VERSION,
    *FUTURE,
    *VERSION_FORMAT,
    *TRACE_ID,
    *PARENT_ID,
    *FLAGS,
]
