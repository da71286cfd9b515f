"""The printed lines are what a shell can run."""

import shlex

import pytest

from proxy.demo import config_file
from proxy.demo.curl_lines import CurlLine, curl_lines, describe

LINES = curl_lines("http://127.0.0.1:8080")


@pytest.mark.parametrize("line", [pytest.param(line, id=line.title) for line in LINES])
def test_a_line_is_one_curl_command_for_the_proxy(line: CurlLine) -> None:
    words = shlex.split(line.command)
    assert words[0] == "curl"
    assert words[-1].startswith("http://127.0.0.1:8080/")


def test_the_text_holds_every_line_as_it_is_pasted() -> None:
    text = describe("http://127.0.0.1:8080", "http://127.0.0.1:9901").splitlines()
    assert all(line.command in text for line in LINES)
    assert all(line.startswith(("#", "curl ")) for line in text if line)


def test_the_demo_config_is_found_in_a_source_tree() -> None:
    assert config_file().is_file()
