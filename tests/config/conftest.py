"""Configs loaded from text, as if they stood in a file of a temporary folder."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from proxy.config.load import LoadedConfig, load_text
from proxy.config.problem import ConfigError


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., LoadedConfig]:
    """Load ``config.yaml`` of ``tmp_path`` from a text."""

    def load(text: str, environ: Mapping[str, str] | None = None) -> LoadedConfig:
        return load_text(text.encode(), tmp_path / "config.yaml", environ or {})

    return load


@pytest.fixture
def errors(
    load: Callable[..., LoadedConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], list[str]]:
    """Return the lines of the error that a text gets, less the file's name, and FOLDER for its folder."""
    monkeypatch.chdir(tmp_path)

    def errors(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text)
        lines = str(caught.value).splitlines()
        assert all(line.startswith(f"{tmp_path}/config.yaml:") for line in lines)
        return [
            line.removeprefix(f"{tmp_path}/config.yaml:").replace(str(tmp_path), "FOLDER") for line in lines
        ]

    return errors
