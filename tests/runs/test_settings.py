from pathlib import Path

import pytest

from mlp_cli.config import load_config
from mlp_cli.errors import ConfigError
from mlp_cli.runs.settings import MOST_RUNS, asked, parse_assignment, parse_seeds


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("training.learning_rate=0.1,0.2", [0.1, 0.2]),
        ("network.hidden=[128, 64]", [[128, 64]]),
        ("network.hidden=[[128, 64], [300]]", [[128, 64], [300]]),
        ("network.hidden=[128, 64], [300], []", [[128, 64], [300], []]),
        ("network.hidden=[]", [[]]),
        ("training.optimizer=sgd, adamw", ["sgd", "adamw"]),
        ("training.optimizer='sgd',\"adamw\"", ["sgd", "adamw"]),
        ("training.schedule=one-cycle", ["one-cycle"]),
        ("training.center_inputs=true,false", [True, False]),
        ("training.epochs=3,many", [3, "many"]),
    ],
)
def test_values_are_toml_or_bare_words_with_commas_between(text, values):
    assert parse_assignment(text) == (text.partition("=")[0], values)


@pytest.mark.parametrize(
    ("seeds", "expected"), [("3", (0, 1, 2)), ("5-9", (5, 6, 7, 8, 9)), ("7-7", (7,)), (2, (0, 1)), ([4, 2], (4, 2))]
)
def test_seeds_are_a_number_of_them_or_the_first_and_the_last(seeds, expected):
    assert parse_seeds(seeds) == expected


@pytest.mark.parametrize(
    "seeds", ["", "0", "x", "-3", "9-5", "1-2-3", "0-99999999999", "1e3", "9" * 19, "0-" + "9" * 40, [], [1, 1], -1]
)
def test_other_seeds_are_refused(seeds):
    with pytest.raises(ConfigError, match="--seeds"):
        parse_seeds(seeds)


def test_the_settings_are_the_product_of_configurations_and_values():
    _, settings = asked(["plain", "quick"], ["training.epochs=1,2", "network.hidden=[8]", "network.hidden=[9]"], "2")
    assert [setting.label for setting in settings] == [
        f"{name}, epochs={epochs}, hidden=[{hidden}]"
        for name in ("plain", "quick")
        for epochs in (1, 2)
        for hidden in (8, 9)
    ]
    config = load_config("quick", ["training.epochs=1", "network.hidden=[9]"], seed=0)
    assert settings[5].config == config
    names = {setting.run_name(seed, 1) for setting in settings for seed in (0, 1)}
    assert len(names) == 16
    assert "6-quick_epochs=1_hidden=9-seed1" in names


def test_a_value_shared_by_all_settings_is_not_part_of_the_label():
    _, settings = asked(["quick"], ["training.epochs=1", "network.hidden=[[8],[9]]"])
    assert [setting.label for setting in settings] == ["hidden=[8]", "hidden=[9]"]
    assert {setting.config.training.epochs for setting in settings} == {1}


@pytest.mark.parametrize(
    ("configs", "assignments", "message"),
    [
        ([], ["training.epochs=1,two"], "--set training.epochs=two: training.epochs = 'two': must be a whole number"),
        ([], ["training.epochs=1,2.5"], "--set training.epochs=2.5: "),
        ([], ["training.epoch=1,2"], "unknown key training.epoch; did you mean training.epochs?"),
        ([], ["training.optimizer=sgd,adam"], "did you mean adamw?"),
        ([], ["training.epochs"], "expected KEY=V1,V2"),
        ([], ["training.epochs="], "has no value"),
        ([], ["training.epochs=1,,2"], "not a TOML value"),
        ([], ["seed=1,2"], "--seeds"),
        ([], ["seed.x=1"], "seed is not a section"),
        ([], ["network=5"], "must be a section"),
        (["nope"], [], "no such file"),
        (["quick", "quick"], [], "settings 1 (quick) and 2 (quick) are the same"),
        ([], ["training.epochs=1,1"], "are the same"),
    ],
)
def test_invalid_settings_are_a_one_line_error(configs, assignments, message):
    with pytest.raises(ConfigError) as caught:
        asked(configs, assignments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_million_settings_are_refused_with_their_number_before_they_are_made():
    thousand = ",".join(map(str, range(1, 1001)))
    with pytest.raises(ConfigError, match=f"1,000,000 settings × 3 seeds = 3,000,000 runs; .* at most {MOST_RUNS:,}"):
        asked([], [f"training.epochs={thousand}", f"training.batch_size={thousand}"])


def test_a_file_says_what_the_command_line_says(tmp_path):
    path = Path(tmp_path, "sweep.toml")
    path.write_text(
        'configs = ["quick", "plain"]\nseeds = "5-6"\n[set]\ntraining.epochs = [1, 2]\nnetwork.hidden = [[8], [9]]\n'
    )
    same = asked(["quick", "plain"], ["training.epochs=1,2", "network.hidden=[[8],[9]]"], "5-6")
    assert asked([str(path)]) == same
    what, _ = asked([str(path)], ["training.epochs=7"], "2")
    assert (what.values["training.epochs"], what.seeds) == ((7,), (0, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds = 0", "seeds = 0: expected N"),
        ("seeds = 1\nfoo = 2", "unknown field `foo`"),
        ("[set]\ntraining.epochs = 5", "must be a list of values, such as [5]"),
        ('[set]\ntraining.epochs = ["x"]', "[set] training.epochs=x"),
        ("configs = []", "configs"),
        ("set = 5", "set"),
    ],
)
def test_a_file_with_a_mistake_gives_one_clear_line(tmp_path, text, message):
    path = Path(tmp_path, "sweep.toml")
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        asked([str(path)])
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_a_file_that_describes_a_sweep_stands_alone(tmp_path):
    path = Path(tmp_path, "sweep.toml")
    path.write_text("seeds = 2")
    with pytest.raises(ConfigError, match="cannot be combined"):
        asked([str(path), "quick"])
