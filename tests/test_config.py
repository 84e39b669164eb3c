import pytest

from mlp_cli.config import PRESET_ORDER, Config, load_config, presets, to_toml
from mlp_cli.errors import ConfigError
from mlp_cli.printable import cut


@pytest.fixture
def file(tmp_path):
    """Write a configuration file: file("seed = 3") -> its path."""

    def write(text):
        path = tmp_path / "my.toml"
        path.write_text(text, "utf-8")
        return path

    return write


@pytest.mark.parametrize("name", PRESET_ORDER)
def test_a_preset_is_a_valid_file_whose_first_line_says_its_purpose(name):
    assert presets()[name].read_text("utf-8").startswith("# ")
    assert isinstance(load_config(name), Config)


def test_every_file_in_configs_is_a_preset():
    assert {path.stem for path in presets()["plain"].parent.glob("*.toml")} == set(PRESET_ORDER)


def test_the_default_network_is_784_128_64_10_with_relu():
    network = load_config().network
    assert (network.hidden, network.activation) == ((128, 64), "relu")


def test_plain_is_the_derivation_and_nothing_else():
    training = load_config("plain").training
    assert (training.optimizer, training.schedule, training.weight_decay) == ("sgd", "constant", 0)


def test_options_override_assignments_which_override_the_file_and_defaults(file):
    path = file("[training]\nepochs = 3\nbatch_size = 7\nlearning_rate = 0.5")
    training = load_config(path, ["training.batch_size=8", "training.learning_rate=0.25"], epochs=5).training
    assert (training.momentum, training.epochs, training.batch_size, training.learning_rate) == (0.9, 5, 8, 0.25)


def test_assignments_are_toml_values_and_bare_words_are_strings():
    config = load_config(assignments=["network.hidden=[3, 4]", "network.activation=tanh", 'training.schedule="cosine"'])
    assert config.network.hidden == (3, 4)
    assert (config.network.activation, config.training.schedule) == ("tanh", "cosine")


def test_a_configuration_is_written_as_toml_that_reads_back_the_same(file):
    config = load_config("plain", ["network.hidden=[]", "seed=9223372036854775807", "training.learning_rate=1e-300"])
    assert load_config(file(to_toml(config))) == config


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("training.lerning_rate=1", r"unknown key training\.lerning_rate; did you mean training\.learning_rate\?"),
        ("learning_rate=1", r"unknown key learning_rate; did you mean training\.learning_rate\?"),
        ("nework.hidden=[1]", r"unknown key nework; did you mean network\?"),
        ("training.epochs=1.5", r"training\.epochs = 1\.5: must be a whole number at least 0 and at most 1000000"),
        ("training.epochs=true", r"training\.epochs = true: must be a whole number"),
        ("training.center_inputs=1", r"training\.center_inputs = 1: must be true or false"),
        ("training.epochs=-1", r"training\.epochs = -1: must be a whole number at least 0"),
        ("training.momentum=1", r"training\.momentum = 1: must be a number at least 0 and below 1"),
        ("training.learning_rate=nan", r"training\.learning_rate = nan: must be a number above 0"),
        ("training.learning_rate=inf", r"training\.learning_rate = inf: must be a number above 0"),
        ("training.optimizer=nestrov", r"must be one of .*'nesterov'.*; did you mean nesterov\?"),
        ("network.hidden=[128, 0]", r"network\.hidden\[1\] = 0: must be a whole number at least 1"),
        ('network.hidden="128"', r"network\.hidden = '128': must be a list"),
        ("training=3", r"training = 3: must be a section"),
        ("seed.x=1", r"seed is not a section"),
        ("seed=99999999999999999999", r"seed = 99999999999999999999: must be a whole number"),
        ("training.epochs", r"expected KEY=VALUE"),
        ("training.epochs=", r"not a TOML value"),
        ("training.epochs=[1", r"not a TOML value"),
        ("seed=" + "9" * 5000, r"not a TOML value"),
        ("seed=" + "[" * 100_000, r"not a TOML value"),
    ],
)
def test_a_wrong_assignment_is_named_with_what_is_allowed(assignment, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(assignments=[assignment])
    assert str(caught.value).startswith(f"--set {cut(assignment)}: ")


def test_an_error_names_the_wrong_option_not_the_file():
    with pytest.raises(ConfigError, match=r"^--epochs: training\.epochs = -3"):
        load_config(epochs=-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = ", "not TOML"),
        ("sead = 1", r"unknown key sead; did you mean seed\?"),
        ("[training]\nepochs = 'many'", r"training\.epochs = 'many': must be a whole number"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_it(file, text, message):
    path = file(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_an_unknown_preset_is_an_error_with_a_guess():
    with pytest.raises(ConfigError, match=r"^qick: no such file, and no preset of that name; did you mean quick\?"):
        load_config("qick")


def test_a_list_without_brackets_gets_a_hint():
    with pytest.raises(ConfigError, match=r"; did you mean 'network.hidden=\[128, 64\]'\?$"):
        load_config("default", ["network.hidden=128, 64"])


def test_configuration_files_that_are_not_text_are_errors(tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(tmp_path / "binary.toml")
    with pytest.raises(ConfigError, match=r"neither a configuration nor a run directory: it has no config.toml$"):
        load_config(tmp_path)
