"""Read a config file: YAML to validated settings, or every problem at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from proxy.config.document import compose
from proxy.config.loading import Loading
from proxy.config.messages import AT_KEY, MISSING, UNKNOWN, messages
from proxy.config.nodes import Document
from proxy.config.problem import START, ConfigError, Location, Place, Problem, write_path
from proxy.config.schema import Config
from proxy.config.syntax import NotText, decode


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A config and where it came from.

    ``files`` are absolute: the config itself and every file that it names, matcher modules too. ``text``
    is what the config was read from.
    """

    config: Config
    file: str
    folder: Path
    document: Document
    files: frozenset[Path]
    text: bytes = b""


def load_config(path: Path, environ: Mapping[str, str]) -> LoadedConfig:
    """Load the config at ``path``; raises ConfigError."""
    return load_text(read_text(path), path, environ)


def read_text(path: Path) -> bytes:
    """Return what the file of a config holds; raises ConfigError."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            [_problem(str(path), START, (), f"cannot be read: {reason}: name a YAML file")]
        ) from None


def load_text(content: bytes, path: Path, environ: Mapping[str, str]) -> LoadedConfig:
    """Load a config from the bytes of a file; relative names start at the folder of ``path``."""
    file = str(path)
    try:
        text = decode(content)
    except NotText as error:
        raise ConfigError([_problem(file, error.place, (), str(error))]) from None
    document = compose(text, environ, file)
    if document.root is None:
        raise ConfigError(document.problems)
    folder = path.absolute().parent
    loading = Loading(folder, {path.absolute()})
    problems = list(document.problems)
    try:
        config = Config.model_validate(document.root.to_raw(), context=loading)
    except ValidationError as error:
        known = {(problem.line, problem.column) for problem in problems}
        problems += [
            problem
            for problem in _located(error, document, file)
            # What the document already complained about has no value worth a second message.
            if (problem.line, problem.column) not in known
        ]
        raise ConfigError(problems, loading.files) from None
    if problems:
        raise ConfigError(problems, loading.files)
    return LoadedConfig(config, file, folder, document, frozenset(loading.files), content)


def _located(error: ValidationError, document: Document, file: str) -> list[Problem]:
    found = []
    for location, text in messages(error):
        at_key = text.startswith(UNKNOWN) or location[-1:] == (AT_KEY,)
        written, place = document.locate(location, key=at_key)
        if text.startswith(MISSING) and location:
            written = (*written, location[-1])
        found.append(_problem(file, place, written, text))
    return found


def _problem(file: str, place: Place, location: Location, text: str) -> Problem:
    return Problem(file, place.line, place.column, write_path(location), text)
