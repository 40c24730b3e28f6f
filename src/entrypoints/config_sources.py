"""Where a configuration value comes from: option, environment, secret file, `thinkwatch.toml`."""

import difflib
import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from entrypoints.config_values import Fault

_T = TypeVar("_T")

_LARGEST_SECRET_FILE = 64 * 1024


class ConfigProblem(Struct, frozen=True):
    """One thing that is wrong with the configuration; `str()` is its line."""

    name: str
    message: str
    mend: str

    def __str__(self) -> str:
        """One line: what, and the mend."""
        return f"{self.name} {self.message} - {self.mend}"


class Variable(Struct, frozen=True):
    """One configuration variable. `default` is text as in the environment; None means unset."""

    name: str
    default: str | None
    description: str
    secret: bool = False


class Sources:
    """Looks values up in order of precedence and collects every problem instead of the first.

    Precedence: command-line option, environment variable, its `_FILE` variant (secrets only),
    `thinkwatch.toml`, default. An empty environment variable counts as unset.
    """

    def __init__(
        self,
        variables: Collection[Variable],
        environ: Mapping[str, str],
        options: Mapping[str, str],
    ) -> None:
        """`options` maps variable names to values given on the command line."""
        self._variables = {variable.name: variable for variable in variables}
        self._environ = environ
        self._options = options
        self._file: dict[str, str] = {}
        self._file_name = ""
        self.problems: list[ConfigProblem] = []
        self.warnings: list[str] = []
        self.used: dict[str, str] = {}

    def read_file(self, path: Path, *, required: bool) -> None:
        """Read `thinkwatch.toml`; names are those of the variables, in any case."""
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if required:
                self._problem("THINKWATCH_CONFIG", f"names {path}, which does not exist", "fix it")
            return
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            self._problem(str(path), f"cannot be read: {error}", "correct or remove the file")
            return
        self._file_name = path.name
        for key, value in document.items():
            self._take_from_file(path, key, value)
        held = [name for name in self._file if self._variables[name].secret]
        if held and path.stat().st_mode & 0o077:
            self.warnings.append(
                f"{path} holds {', '.join(sorted(held))} and others can read it - chmod 600 it"
            )

    def _take_from_file(self, path: Path, key: str, value: object) -> None:
        name = key.upper()
        if name not in self._variables:
            name = f"THINKWATCH_{name}"
        if name not in self._variables:
            self._problem(
                f"{path.name}: {key}", "is not a known setting", self._suggest(key.upper())
            )
        elif isinstance(value, str):
            self._file[name] = value
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self._file[name] = str(value)
        elif isinstance(value, list):
            self._file[name] = ",".join(str(item) for item in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        else:
            self._problem(f"{path.name}: {key}", "has a wrong type", "use a string, number or list")

    def warn_about_unknown(self, prefix: str) -> None:
        """Warn about environment variables with our prefix that nothing reads."""
        for name in sorted(self._environ):
            base = name.removesuffix("_FILE")
            known = name in self._variables or (
                base in self._variables and self._variables[base].secret
            )
            if name.startswith(prefix) and not known:
                self.warnings.append(f"{name} is not a known setting - {self._suggest(name)}")

    def value(self, name: str, parse: Callable[[str], _T]) -> _T:
        """Return the parsed value; after a problem the default's, so that all are found."""
        default = self._variables[name].default
        assert default is not None
        found = self.optional(name, parse)
        return parse(default) if found is None else found

    def optional(self, name: str, parse: Callable[[str], _T]) -> _T | None:
        """Return the parsed value, or None when it is unset or was a problem."""
        raw, source = self._raw(name)
        self.used[name] = source
        if raw is None:
            return None
        try:
            return parse(raw)
        except Fault as fault:
            self._problem(name, fault.message, fault.mend)
            return None

    def _raw(self, name: str) -> tuple[str | None, str]:
        if name in self._options:
            return self._options[name], "option"
        plain = self._environ.get(name) or None
        from_file = self._environ.get(f"{name}_FILE") if self._variables[name].secret else None
        if plain and from_file:
            self._problem(name, f"and {name}_FILE are both set", "unset one of them")
        if plain:
            return plain, "environment"
        if from_file:
            return self._secret_file(name, Path(from_file)), f"{name}_FILE"
        if name in self._file:
            return self._file[name], self._file_name
        return None, "default"

    def _secret_file(self, name: str, path: Path) -> str | None:
        variable = f"{name}_FILE"
        try:
            with path.open("rb") as stream:
                content = stream.read(_LARGEST_SECRET_FILE + 1)
            value = content.decode().strip()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            self._problem(variable, f"names {path}: {reason}", "check the path and its permissions")
            return None
        if not value or len(content) > _LARGEST_SECRET_FILE:
            self._problem(variable, f"names {path}: empty or too large", "put the value in it")
            return None
        return value

    def _suggest(self, name: str) -> str:
        close = difflib.get_close_matches(name, self._variables, n=1)
        return f"did you mean {close[0]}?" if close else "remove it"

    def _problem(self, name: str, message: str, mend: str) -> None:
        self.problems.append(ConfigProblem(name, message, mend))
