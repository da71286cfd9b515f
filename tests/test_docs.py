"""What the documents say is there, is there."""

import re
from pathlib import Path

import pytest

from proxy.config.load import load_text
from proxy.config.problem import ConfigError
from proxy.config.process import LintCode
from proxy.config.schema import Config

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]

EXAMPLES = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)

# | `limits.headers` | 100 | ... |
DEFAULTS = re.findall(
    r"^\| `([a-z_.]+)` \| ([\w]+) \|", (ROOT / "docs" / "behavior.md").read_text(), re.MULTILINE
)

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def _anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub and most renderers make them."""
    headings = _HEADING.findall(document.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", [pytest.param(path, id=path.name) for path in DOCUMENTS])
def test_every_local_link_leads_somewhere(document: Path) -> None:
    for link in _LINK.findall(document.read_text()):
        name, _, anchor = link.partition("#")
        if "://" in name:
            continue
        target = document.parent / name if name else document
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 200


@pytest.mark.parametrize(
    "example", [pytest.param(text, id=f"example-{n}") for n, text in enumerate(EXAMPLES)]
)
def test_every_config_in_the_readme_loads(example: str) -> None:
    assert _load(example).tracing.rules


def test_the_error_in_the_readme_is_what_is_said() -> None:
    mistake = EXAMPLES[0].replace("sample_rate: 10}", "sample_rat: 10}")
    with pytest.raises(ConfigError) as caught:
        _load(mistake)
    assert f"```\n{caught.value}\n```" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(("key", "default"), [pytest.param(*row, id=row[0]) for row in DEFAULTS])
def test_the_defaults_in_the_table_are_those_of_the_config(key: str, default: str) -> None:
    value = "null" if default == "none" else default
    section, _, name = key.rpartition(".")
    setting = f"{section}: {{{name}: {value}}}" if section else f"{name}: {value}"
    upstream = "targets: [http://127.0.0.1:9000]"
    plain = f"upstreams: {{default: {{{upstream}}}}}"
    if section in ("timeouts", "pool"):
        written = f"upstreams: {{default: {{{upstream}, {setting}}}}}"
    else:
        written = f"{plain}\n{setting}"
    assert _load(written) == _load(plain)


def test_every_code_of_a_warning_is_explained() -> None:
    text = (ROOT / "docs" / "behavior.md").read_text()
    rows = re.findall(r"^\| (`[a-z-]+`(?:, `[a-z-]+`)*) \|", text, re.MULTILINE)
    explained = {code for row in rows for code in re.findall(r"`([a-z-]+)`", row)}
    assert set(LintCode) - explained == set()


def _load(text: str) -> Config:
    return load_text(text.encode(), Path("traceward.yaml"), {}).config
