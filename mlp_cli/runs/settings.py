"""The plan of a sweep, from the command line or a TOML file: its settings and seeds."""

import itertools
import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from mlp_cli.config import Config, as_text, from_table, load_config, presets, to_table
from mlp_cli.errors import ConfigError

MOST_RUNS = 100_000  # more is a mistake: the bookkeeping alone would take hours
MOST_SEED = 2**63 - 1
KEYS = ("configs", "seeds", "set")  # they distinguish a sweep from a configuration
LONGEST_NAME = 60  # letters of a run's name that describe its setting

Value = Any  # a TOML value
Seed = Annotated[int, msgspec.Meta(ge=0, le=MOST_SEED)]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The settings are the product of `configs` and the values of each key in `values`; each is run with `seeds`."""

    configs: tuple[str, ...] = ("default",)
    values: dict[str, tuple[Value, ...]] = {}
    seeds: tuple[Seed, ...]


class Setting(NamedTuple):
    """A configuration of a sweep without its seed: its number (from 1), the values that vary, the configuration."""

    number: int
    values: dict[str, Value]
    config: Config

    @property
    def label(self) -> str:
        """A short description that distinguishes it from other settings: `quick, learning_rate=0.05`."""
        last = Counter(key.rpartition(".")[2] for key in self.values)
        parts = []
        for key, value in self.values.items():
            short = key.rpartition(".")[2]
            name = short if last[short] == 1 else key
            parts.append(str(value) if key == "config" else f"{name}={as_text(value).replace(' ', '')}")
        return ", ".join(parts)

    def run_name(self, seed: int, width: int) -> str:
        """The name of its run with a seed; `width` digits number the settings."""
        slug = re.sub(r"[^A-Za-z0-9.=]+", "_", self.label.replace("[", "").replace("]", "")).strip("_.")[:LONGEST_NAME]
        return "-".join(filter(None, [f"{self.number:0{width}d}", slug, f"seed{seed}"]))


def asked(
    configs: Sequence[str] = (), assignments: Sequence[str] = (), seeds: str | None = None
) -> tuple[Asked, list[Setting]]:
    """The plan on the command line, and its settings.

    Instead of configurations, `configs` may name one file that describes a sweep; `assignments` and `seeds` then take
    the place of what it says.

    Raises ConfigError, before anything large is made, for what is not allowed or is more than MOST_RUNS runs.
    """
    files = [name for name in configs if _is_sweep_file(name)]
    if files and len(configs) > 1:
        raise ConfigError(f"{files[0]}: describes a sweep of its own; it cannot be combined with other configurations")
    file = read_sweep_file(Path(files[0])) if files else SweepFile(configs=list(configs) or ["default"])
    file_name = files[0] if files else ""
    values, sources = dict(file.set), dict.fromkeys(file.set, f"{file_name}: [set] ")
    given: dict[str, list[Value]] = {}
    for assignment in assignments:
        key, some = parse_assignment(assignment)
        given.setdefault(key, []).extend(some)
        sources[key] = "--set "
    values |= given
    if "seed" in values:
        raise ConfigError(f"{sources['seed']}seed: the seeds of a sweep are given by --seeds, such as --seeds 0-4")
    chosen = parse_seeds(file.seeds, f"{file_name}: seeds =") if seeds is None else parse_seeds(seeds)
    what = Asked(
        configs=tuple(file.configs),
        values={key: tuple(some) for key, some in values.items()},
        seeds=chosen,
    )
    _check_size(what)
    return what, _settings(what, sources)


def parse_assignment(assignment: str) -> tuple[str, list[Value]]:
    """The key and the values of a `KEY=V1,V2,…`, such as training.learning_rate=0.05,0.1. Raises ConfigError.

    Values are TOML, or bare words. Where a value is itself a list, [128, 64] is one and [[128, 64], [300]] are two.
    """
    key, equals, text = assignment.partition("=")
    key, text = key.strip(), text.strip()
    if not equals or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", key):
        raise ConfigError(f"--set {assignment}: expected KEY=V1,V2,…, such as training.learning_rate=0.05,0.1")
    try:
        values = tomllib.loads(f"values = [{text}]")["values"]
    except (ValueError, RecursionError):
        values = [_one_value(part.strip(), assignment) for part in text.split(",")]
    if len(values) == 1 and isinstance(values[0], list) and values[0] and isinstance(values[0][0], list):
        (values,) = values
    if not values:
        raise ConfigError(f"--set {assignment}: has no value")
    return key, values


def _one_value(text: str, assignment: str) -> Value:
    # A shell removes the quotes of training.optimizer="sgd","adamw", so bare words count as strings.
    if re.fullmatch(r"(?!(true|false|inf|nan)$)[A-Za-z][\w-]*", text):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"--set {assignment}: {text!r} is not a TOML value: {error}") from None


def parse_seeds(seeds: str | int | Sequence[int], source: str = "--seeds") -> tuple[int, ...]:
    """The seeds that `N` (0 to N−1), `A-B` (both included) or a list stands for. Raises ConfigError."""
    if isinstance(seeds, str | int):
        match = re.fullmatch(r"(\d{1,19})(?:-(\d{1,19}))?", str(seeds).replace(" ", ""))
        first, last = (0, -1) if not match else (int(match[1]), int(match[2])) if match[2] else (0, int(match[1]) - 1)
        if not 0 <= first <= last <= MOST_SEED:
            raise ConfigError(f"{source} {seeds}: expected N (5 means the seeds 0 to 4) or A-B (such as 5-9)")
        if last - first >= MOST_RUNS:
            raise ConfigError(f"{source} {seeds}: too many seeds; a sweep takes at most {MOST_RUNS:,} runs")
        seeds = range(first, last + 1)
    if not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(f"{source} {list(seeds)}: must list at least one seed, and no seed twice")
    return tuple(seeds)


def told(settings: int, seeds: int) -> str:
    """The number of runs in words: `12 settings × 5 seeds = 60 runs`."""
    parts = [f"{n:,} {word}{'s' * (n != 1)}" for n, word in ((settings, "setting"), (seeds, "seed"))]
    return f"{' × '.join(parts)} = {settings * seeds:,} run{'s' * (settings * seeds != 1)}"


def _check_size(what: Asked) -> None:
    number = len(what.configs) * math.prod(map(len, what.values.values()))
    if number * len(what.seeds) > MOST_RUNS:
        raise ConfigError(f"{told(number, len(what.seeds))}; a sweep takes at most {MOST_RUNS:,}")


def _settings(what: Asked, sources: Mapping[str, str]) -> list[Setting]:
    tables = {name: to_table(load_config(name)) for name in what.configs}
    for table in tables.values():  # value by value first, so that an error names the wrong one
        for key, values in what.values.items():
            for value in values:
                source = f"{sources[key]}{key}={as_text(value)}"
                from_table(_changed(table, [(key, value)], source), source)
    settings: list[Setting] = []
    seen: dict[Config, Setting] = {}
    varying = [key for key, values in what.values.items() if len(values) > 1]
    for name, values in itertools.product(what.configs, itertools.product(*what.values.values())):
        pairs = dict(zip(what.values, values, strict=True))
        config = from_table(_changed(tables[name], [*pairs.items(), ("seed", what.seeds[0])], name), name)
        named = {"config": config_label(name)} if len(what.configs) > 1 or not varying else {}
        setting = Setting(len(settings) + 1, named | {key: pairs[key] for key in varying}, config)
        if config in seen:
            raise ConfigError(
                f"settings {seen[config].number} ({seen[config].label}) and {setting.number} ({setting.label}) "
                "are the same; name each once"
            )
        seen[config] = setting
        settings.append(setting)
    return settings


def config_label(name: str) -> str:
    """The name of a configuration in tables: that of the preset, or of the file without .toml."""
    return name if name in presets() else Path(name).name.removesuffix(".toml") or name


def _changed(table: Mapping[str, Any], pairs: Iterable[tuple[str, Value]], source: str) -> dict[str, Any]:
    """A copy of nested dictionaries in which each (key, value) of `pairs` is set."""
    table = {name: dict(value) if isinstance(value, dict) else value for name, value in table.items()}
    for key, value in pairs:
        *sections, last = key.split(".")
        section: Any = table
        for name in sections:
            section = section.setdefault(name, {})
            if not isinstance(section, dict):
                raise ConfigError(f"{source}: {name} is not a section")
        section[last] = value
    return dict(table)


def _is_sweep_file(name: str) -> bool:
    if name in presets():
        return False
    try:
        return any(key in tomllib.loads(Path(name).read_text("utf-8-sig")) for key in KEYS)
    except (OSError, ValueError, RecursionError):
        return False  # load_config says what is wrong with it


class Settled(msgspec.Struct, forbid_unknown_fields=True):
    """A setting in a file: what varies, and the whole configuration."""

    values: dict[str, Value]
    config: dict[str, Any]


class Begun(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A sweep as it was when it began, even if presets and files change later: its mark, data and settings."""

    mark: str
    data_sha256: dict[str, str]
    settings: list[Settled]
    data: str | list[str] | None = None

    def as_settings(self, source: Path) -> list[Setting]:
        """Raises ConfigError if a recorded configuration is invalid."""
        return [
            Setting(number, settled.values, from_table(settled.config, source))
            for number, settled in enumerate(self.settings, start=1)
        ]


class SweepFile(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A TOML file that describes a sweep. `begun` is what mlp adds in the directory of a sweep, for --resume."""

    configs: Annotated[list[str], msgspec.Meta(min_length=1)] = msgspec.field(default_factory=lambda: ["default"])
    seeds: int | str | list[Seed] = 3
    set: dict[str, Any] = {}
    begun: Begun | None = None


def read_sweep_file(path: Path) -> SweepFile:
    """The file, its [set] flat: {"training.epochs": [2, 3]}. Raises ConfigError for what is not allowed, OSError."""
    try:
        file = msgspec.convert(tomllib.loads(path.read_text("utf-8-sig")), SweepFile)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error} (keys of a sweep: {', '.join(KEYS)})") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    file.set = dict(_flattened(file.set))
    for key, values in file.set.items():
        if not isinstance(values, list) or not values:
            one = as_text(values, quoted=True)
            raise ConfigError(f"{path}: [set] {key} = {one}: must be a list of values, such as [{one}]")
    return file


def _flattened(table: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
