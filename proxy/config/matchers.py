"""Functions of the user's that match URLs, ``module:callable``.

A module is looked for in the config's folder, then in the working directory, then as installed.
Where it is a file of one of those folders it runs under a private name, so that a reload reads it
again, and no bytecode is written beside it.
"""

import importlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from types import ModuleType

_NAME = re.compile(r"(?P<module>[^\W\d]\w*(?:\.[^\W\d]\w*)*):(?P<attribute>[^\W\d]\w*(?:\.[^\W\d]\w*)*)")


@dataclass(frozen=True, slots=True)
class Matcher:
    """A function of the user's, and the name that it has in the config."""

    name: str
    call: Callable[[str], object]

    def __str__(self) -> str:
        return self.name


class MatcherLoader:
    """Loads matchers for one reading of a config; ``files`` are those that it read."""

    def __init__(self, folder: Path) -> None:
        self.files: set[Path] = set()
        self._folders = list(dict.fromkeys((folder.absolute(), Path.cwd())))
        self._modules: dict[str, ModuleType] = {}

    def load(self, name: str) -> Matcher:
        """Load ``module:callable``; raises ValueError, which says what failed."""
        found = _NAME.fullmatch(name)
        if found is None:
            raise ValueError(f"is {name!r}: write module:callable, such as matchers:is_api")
        module = self._module(found["module"])
        value: object = module
        for step in found["attribute"].split("."):
            if not hasattr(value, step):
                raise ValueError(f"{found['module']} has no {step}: {_instead(step, value)}")
            value = getattr(value, step)
        return Matcher(name, _checked(name, value))

    def _module(self, name: str) -> ModuleType:
        if name not in self._modules:
            path = self._find(name)
            self._modules[name] = self._import(name) if path is None else self._execute(name, path)
        return self._modules[name]

    def _find(self, name: str) -> Path | None:
        relative = Path(*name.split("."))
        for folder in self._folders:
            for path in (folder / relative.with_suffix(".py"), folder / relative / "__init__.py"):
                if path.is_file():
                    return path
        return None

    def _execute(self, name: str, path: Path) -> ModuleType:
        self.files.add(path)
        private = f"_traceward_matchers_{sha256(str(path).encode()).hexdigest()[:8]}_{name.replace('.', '_')}"
        module = ModuleType(private)
        module.__file__ = str(path)
        if path.name == "__init__.py":
            module.__path__ = [str(path.parent)]
        sys.modules[private] = module
        try:
            with _first_on_path(path.parent):
                exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
        except (Exception, SystemExit) as error:
            del sys.modules[private]
            raise ValueError(f"{name} does not load: {_words(error, path)}") from None
        return module

    def _import(self, name: str) -> ModuleType:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
                relative = Path(*name.split(".")).with_suffix(".py")
                # It may be what comes next.
                self.files.update(folder / relative for folder in self._folders)
                places = " and ".join(str(folder) for folder in self._folders)
                raise ValueError(
                    f"there is no module {name} in {places}, nor is it installed: write {relative} there, "
                    "or another name"
                ) from None
            raise ValueError(f"{name} does not load: {_words(error, None)}") from None
        except (Exception, SystemExit) as error:
            raise ValueError(f"{name} does not load: {_words(error, None)}") from None
        if module.__file__ is not None:
            self.files.add(Path(module.__file__))
        return module


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    """Let a module import its neighbours while it loads."""
    before = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before


def _words(error: BaseException, path: Path | None) -> str:
    words = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({error.filename}:{error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if path is None or frame.filename == str(path)]
    return f"{words} ({own[-1].filename}:{own[-1].lineno})" if own else words


def _instead(name: str, value: object) -> str:
    near = get_close_matches(name, [each for each in dir(value) if not each.startswith("_")], n=1)
    return f"write {near[0]}" if near else "write the name of a function in it"


def _checked(name: str, value: object) -> Callable[[str], object]:
    if not callable(value):
        raise ValueError(f"{name} is not callable: write a function that takes a URL and returns a bool")
    if inspect.iscoroutinefunction(value):
        raise ValueError(f"{name} is async: write a plain function, for it runs while a request waits")
    try:
        inspect.signature(value).bind("https://example.com/")
    except TypeError as error:
        raise ValueError(
            f"{name} cannot be called with the URL alone: {error}; write def is_api(url)"
        ) from None
    except ValueError:
        pass  # a builtin without a signature
    return value
