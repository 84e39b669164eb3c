"""The configuration of a run: TOML, typed and strict. Defaults < file or preset < `--set` < named options."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mlp_cli.errors import ConfigError
from mlp_cli.files import read_file
from mlp_cli.printable import LONGEST, cut

TOML_ERRORS = (ValueError, RecursionError)  # also of numbers too long, and of nesting too deep
IN_A_RUN = "config.toml"  # the configuration in a run directory
LONGEST_TOML = 65536  # bytes
MOST_EPOCHS = 1_000_000
MOST_DOTS = 100  # in a line: tomllib takes a key of n parts in n² steps and bytes
PRESET_ORDER = ("plain", "quick", "default", "accurate", "best", "large")

Share = Annotated[float, Meta(ge=0, lt=1)]
Table = dict[str, Any]  # as TOML has it: a dictionary of values and of such dictionaries


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class NetworkConfig(_Section, frozen=True):
    """`hidden`: units of each hidden layer, any number of layers. Inputs and classes follow the data."""

    hidden: Annotated[tuple[Annotated[int, Meta(ge=1, le=65536)], ...], Meta(max_length=64)] = (128, 64)
    activation: Literal["relu", "sigmoid", "tanh"] = "relu"


class TrainingConfig(_Section, frozen=True):
    """How the network learns. `momentum` is for "momentum" and "nesterov"; `warmup`, a part of the run, is for
    "cosine" and "one-cycle"; `validation` images are held out of the training files, by the seed.

    `weight_average`: decay per step of a moving average of the parameters, which is then validated and kept in their
    place; `label_smoothing`: share of the target spread over all classes; `dropout`: share of the hidden activations to
    drop; `skip_easy`: share of the examples with a loss below the mean to leave out of an epoch; `patience`: epochs
    without a better validation accuracy after which training stops; `checkpoint_every`: steps between checkpoints
    within an epoch. All of these are off at 0. With `center_inputs` the network trains on images minus their mean; the
    saved network takes plain images.

    `nondigits`: pictures that are not digits to learn from, as a share of the training images; their target is 1/k in
    every class. `teacher`: a MODEL whose probabilities, softened by `teacher_temperature`, replace the labels. These
    are off at 0 and "".
    """

    epochs: Annotated[int, Meta(ge=0, le=MOST_EPOCHS)] = 15
    batch_size: Annotated[int, Meta(ge=1, le=1_000_000)] = 128
    optimizer: Literal["sgd", "momentum", "nesterov", "adamw"] = "nesterov"
    learning_rate: Annotated[float, Meta(gt=0, le=1e9)] = 0.1
    momentum: Share = 0.9
    weight_decay: Annotated[float, Meta(ge=0, le=1e3)] = 0.0
    schedule: Literal["constant", "cosine", "one-cycle"] = "one-cycle"
    warmup: Share = 0.3
    validation: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 5000
    weight_average: Share = 0.0
    center_inputs: bool = False
    label_smoothing: Share = 0.0
    nondigits: Share = 0.0
    teacher: str = ""
    teacher_temperature: Annotated[float, Meta(ge=1, le=100)] = 2.0
    dropout: Share = 0.0
    skip_easy: Share = 0.0
    patience: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    checkpoint_every: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0


class AugmentationConfig(_Section, frozen=True):
    """Random warps of the training images: see data/warps.py. All of them are off at 0.

    `rotation` in degrees; `scale` and `shear` as shares; `shift` and `elastic` in pixels; `smoothness` of the elastic
    field, σ in pixels; `groups` per minibatch, each with its own warp. From the part `shrink_from` of the run on, the
    strengths decrease linearly to the share `shrink_to` at its end.
    """

    strokes: Annotated[float, Meta(ge=0, le=1)] = 0.0
    rotation: Annotated[float, Meta(ge=0, le=180)] = 0.0
    scale: Share = 0.0
    shear: Annotated[float, Meta(ge=0, le=10)] = 0.0
    shift: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    elastic: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    smoothness: Annotated[float, Meta(ge=0.01, le=1000)] = 4.0
    groups: Annotated[int, Meta(ge=1, le=1000)] = 1
    shrink_from: Share = 0.0
    shrink_to: Annotated[float, Meta(ge=0, le=1)] = 1.0


class Config(_Section, frozen=True):
    """A whole configuration. The same seed and data give the same bytes on the same machine."""

    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    network: NetworkConfig = NetworkConfig()
    training: TrainingConfig = TrainingConfig()
    augmentation: AugmentationConfig = AugmentationConfig()


def load_config(name: str | Path = "default", assignments: Iterable[str] = (), **options: int | None) -> Config:
    """The configuration of a preset or TOML file `name`, changed by "key=value" `assignments`, then by `options`.

    Options are `seed` and keys of [training]; None means not given. Each is checked as it is applied, so that
    the ConfigError names the file, the assignment or the option to blame.
    """
    path, table = _read(name)
    config = from_table(table, path)
    for assignment in assignments:
        _assign(table, assignment)
        config = from_table(table, f"--set {cut(assignment)}")
    for key, value in options.items():
        if value is not None:
            section = table if key == "seed" else table.setdefault("training", {})
            section[key] = value
            config = from_table(table, f"--{key}")
    return config


def from_table(table: Table, source: str | Path) -> Config:
    """The configuration in nested dictionaries; `source` is named in the ConfigError for anything not allowed."""
    if unknown := _unknown(table):
        raise ConfigError(f"{source}: {_explain_unknown(*unknown)}")
    try:
        return msgspec.convert(table, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {_explain(str(error), table)}") from None


def to_table(config: Config) -> Table:
    """The configuration as nested dictionaries of plain values."""
    table: Table = msgspec.to_builtins(config)
    return table


def differences(before: Config, after: Config) -> dict[str, tuple[Any, Any]]:
    """The keys in which two configurations differ: {"training.epochs": (before, after)}."""
    return {key: (value, flat(after)[key]) for key, value in flat(before).items() if value != flat(after)[key]}


def flat(config: Config) -> dict[str, Any]:
    """The configuration as one dictionary: {"training.epochs": 15}."""
    table = to_table(config)
    sections = {name: value for name, value in table.items() if isinstance(value, dict)}
    flat = {f"{name}.{key}": value for name, section in sections.items() for key, value in section.items()}
    return {name: value for name, value in table.items() if name not in sections} | flat


def as_text(value: Any, quoted: bool = False) -> str:
    """A value of a configuration as TOML has it; strings without their quotes unless these are asked for."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value) if quoted else value
    return str(list(value) if isinstance(value, tuple) else value)


def to_toml(config: Config) -> str:
    """The configuration as a TOML file that `load_config` reads back to the same values."""
    import tomli_w

    return tomli_w.dumps(to_table(config))


def presets() -> dict[str, Path]:
    """The presets by name, in the order to show them: {name: path}."""
    folder = Path(__file__).parent / "configs"  # as installed …
    if not folder.is_dir():
        folder = Path(__file__).parents[1] / "configs"  # … and in a source tree
    return {name: folder / f"{name}.toml" for name in PRESET_ORDER}


def _read(name: str | Path) -> tuple[Path, Table]:
    if str(name) == "":
        raise ConfigError(f"the name of the configuration is empty (presets: {', '.join(presets())})")
    path = presets().get(str(name)) or Path(name)
    if path.is_dir():
        path = path / IN_A_RUN
        if not path.is_file():
            raise ConfigError(f"{name}: neither a configuration nor a run directory: it has no {IN_A_RUN}")
    try:
        return path, _parsed(read_file(path, LONGEST_TOML).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not TOML: it is not UTF-8 text") from None
    except TOML_ERRORS as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    except FileNotFoundError:
        known = ", ".join(presets())
        guess = _did_you_mean(str(name), presets())
        raise ConfigError(f"{name}: no such file, and no preset of that name{guess} (presets: {known})") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _parsed(text: str) -> Table:
    """The table of a TOML text. Raises TOML_ERRORS."""
    import tomllib  # here, like difflib and tomli_w: the configuration in a checkpoint needs none of them

    if any(line.count(".") > MOST_DOTS for line in text.splitlines()):
        raise ValueError(f"a line has more than {MOST_DOTS} dots")
    # Python's own line ends, as read_text has them: tomllib refuses a carriage return alone
    return tomllib.loads(text.replace("\r\n", "\n"))


def _assign(table: Table, assignment: str) -> None:
    key, equals, text = assignment.partition("=")
    key, text = key.strip(), text.strip()
    if not equals or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", key):
        raise ConfigError(f"--set {cut(assignment)}: expected KEY=VALUE, such as training.learning_rate=0.05")
    try:
        (value,) = _parsed(f"value = {text}").values()
    except TOML_ERRORS as error:
        # A shell removes the quotes of network.activation="tanh", so a bare word or path counts as a string.
        if not re.fullmatch(r"[A-Za-z./~][\w./~-]*", text):
            hint = f": {error}"
            if key == "network.hidden" and re.fullmatch("[0-9]+(, ?[0-9]+)+", text):
                hint = f"; did you mean '{key}=[{', '.join(re.findall('[0-9]+', text))}]'?"
            raise ConfigError(f"--set {cut(assignment)}: {cut(text)!r} is not a TOML value{hint}") from None
        value = text
    *sections, last = key.split(".")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {cut(assignment)}: {cut(section)} is not a section")
    table[last] = value


def _explain(message: str, table: Table) -> str:
    """One line on a msgspec message: the key, what is there, and what is allowed."""
    _, _, path = message.rpartition(" - at `$.")
    path = path.rstrip("`")
    value: Any = table
    for key in re.findall(r"[^.\[\]]+", path):
        value = value[int(key) if isinstance(value, list) else key]
    guess = _did_you_mean(value, _choices(path))
    try:
        shown = cut(as_text(value, quoted=True))
    except ValueError:  # Python does not write these
        shown = "a number with thousands of digits"
    return f"{path} = {shown}: must be {_describe(path)}{guess}"


def _unknown(table: Table) -> tuple[str, str] | None:
    """The first key that no section has, and its section; None if every key is known."""
    for name, value in table.items():
        kind = next((field.type for field in msgspec.structs.fields(Config) if field.name == name), None)
        if kind is None:
            return name, ""
        if isinstance(value, dict) and issubclass(getattr(kind, "__origin__", kind), _Section):
            known = {field.name for field in msgspec.structs.fields(kind)}
            for key in value:
                if key not in known:
                    return key, name
    return None


def _explain_unknown(key: str, path: str) -> str:
    sections: dict[str, Any] = {"": Config} | {
        f.name: f.type for f in msgspec.structs.fields(Config) if f.name != "seed"
    }
    names = {
        f"{section}.{f.name}".lstrip("."): f.name
        for section, kind in sections.items()
        for f in msgspec.structs.fields(kind)
    }
    here = [name for name in names if name.rpartition(".")[0] == path]
    full = cut(f"{path}.{key}".lstrip("."))
    elsewhere = [name for name, last in names.items() if last == key]
    guess = f"; did you mean {elsewhere[0]}?" if elsewhere else _did_you_mean(full, names)
    allowed = ", ".join(names[name] for name in here)
    return f"unknown key {full}{guess} (keys{f' of [{path}]' if path else ''}: {allowed})"


def _did_you_mean(word: Any, known: Iterable[str]) -> str:
    if not isinstance(word, str):
        return ""
    import difflib

    close = difflib.get_close_matches(word[:LONGEST], list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


def _kind(path: str) -> Any:
    """What msgspec.inspect knows of a key such as "training.momentum"."""
    kind: Any = msgspec.inspect.type_info(Config)
    for key in re.findall(r"[^.\[\]]+", path):
        if isinstance(kind, msgspec.inspect.VarTupleType):
            kind = kind.item_type
        else:
            kind = next(field.type for field in kind.fields if field.name == key)
    return kind


def _choices(path: str) -> list[str]:
    kind = _kind(path)
    return list(map(str, kind.values)) if isinstance(kind, msgspec.inspect.LiteralType) else []


def _describe(path: str) -> str:
    """What may stand at a key, in words."""
    match kind := _kind(path):
        case msgspec.inspect.LiteralType():
            return "one of " + ", ".join(map(repr, kind.values))
        case msgspec.inspect.VarTupleType():
            return f"a list of at most {kind.max_length} items, each {_describe(path + '[0]')}"
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
            bounds = [
                f"{word} {getattr(kind, name)}" for name, word in words.items() if getattr(kind, name) is not None
            ]
            noun = "a whole number" if isinstance(kind, msgspec.inspect.IntType) else "a number"
            return f"{noun} {' and '.join(bounds)}"
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.StrType():
            return "text"
        case _:
            return f"a section: [{path}]"
