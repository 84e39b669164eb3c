import json
from pathlib import Path

import pytest

import mlp_cli

DA = "matmul(dz, W.T, out=out)"


def test_every_line_of_the_table_is_right_and_at_most_100_columns_wide(mlp):
    result = mlp("gradcheck", "--set", "network.hidden=[6]")
    assert result.code == 0
    assert "WRONG" not in result.out
    assert result.out.endswith("\nAll 27 formulas and 24 networks are right.\n")
    assert max(map(len, result.out.splitlines())) <= 100
    assert sum("  ok" in line for line in result.out.splitlines()) == 27 + 24
    assert "784-6-10, along 5 random directions" in result.out


def test_gradcheck_names_the_files_it_checked_and_others_of_that_name_it_did_not(mlp):
    place = Path(mlp_cli.__file__).resolve().parents[1]
    names = [f"mlp_cli/nn/{name}.py" for name in ("layers", "loss", "network", "optim")]
    result = mlp("gradcheck", "--set", "network.hidden=[6]")
    assert result.err == f"checked in {place}: {', '.join(names)}\n"
    Path("mlp_cli/nn").mkdir(parents=True)
    Path(names[0]).write_text("# a copy that a student edits", "utf-8")
    Path(names[1]).symlink_to(place / names[1])
    result = mlp("gradcheck", "--set", "network.hidden=[6]")
    assert result.err.splitlines()[1].startswith(
        f"note: not checked: {names[0]} in this directory; to check these: pip"
    )


def test_a_run_directory_is_a_configuration(train, mlp):
    train("run", "--set", "network.activation=tanh")
    assert "784-8-10, along" in mlp("gradcheck", "run").out
    result = mlp("gradcheck", ".")
    problem = ".: neither a configuration nor a run directory: it has no config.toml"
    assert (result.code, result.err) == (2, f"mlp: {problem}\n")


def test_the_configured_network_is_marked(mlp):
    settings = ["network.activation=tanh", "training.dropout=0.4", "network.hidden=[6]"]
    result = mlp("gradcheck", "default", *(part for setting in settings for part in ("--set", setting)))
    (line,) = [line for line in result.out.splitlines() if "as configured" in line]
    assert line.split()[:3] == ["tanh", "-", "0.4"]


def test_a_wrong_formula_is_named_on_its_line_and_on_stderr(mlp, spoilt):
    spoilt("layers", DA, f"{DA} / len(dz)")
    result = mlp("gradcheck", "--set", "network.hidden=[6]")
    assert result.code == 1
    formulas, _, networks = result.out.partition("whole networks")
    line, parts = [line for line in formulas.splitlines() if "WRONG" in line]
    assert line.startswith("da⁽ˡ⁾ = dz⁽ˡ⁺¹⁾ (W⁽ˡ⁺¹⁾)ᵀ")
    assert parts.startswith("∂L/∂θ, summed over parts")  # which m is wrong depends on how the batch is cut
    assert networks.count("WRONG") == 24
    _, first, second = result.err.splitlines()
    # m = 5 times too small: the error is 1 − 1/5 of the larger one
    assert first.startswith("mlp: wrong: da⁽ˡ⁾ = dz⁽ˡ⁺¹⁾ (W⁽ˡ⁺¹⁾)ᵀ in layers.linear_da: relative error 8.0e-01 at [")
    assert second == "mlp: 24 of 24 whole networks are wrong because of it"


def test_a_wrong_network_of_right_formulas_is_named_on_stderr(mlp, spoilt):
    spoilt("proof/gradcheck", "0.1 * rng.standard_normal(b.shape)", "np.nan")
    result = mlp("gradcheck", "--set", "network.hidden=[6]", "--set", "training.dropout=0.5")
    assert result.code == 1
    _, *lines = result.err.splitlines()
    assert len(lines) == 24
    assert lines[0].startswith("mlp: wrong: 7-6-5-4, relu: dW⁽¹⁾: relative error nan at [")
    assert lines[-1].startswith("mlp: wrong: 784-6-10, tanh, label smoothing 0.1, dropout 0.5: direction: relative")


def test_json_is_one_object_with_the_documented_keys(mlp):
    result = mlp("gradcheck", "--set", "network.hidden=[6]", "--json")
    answer = json.loads(result.out)
    assert list(answer) == ["passed", "tolerance", "formulas", "networks"]
    assert (result.code, answer["passed"], answer["tolerance"]) == (0, True, 1e-7)
    assert list(answer["formulas"][0]) == [
        "formula", "witness", "code", "file", "line", "shapes", "passed", "error", "entry", "problem",
    ]  # fmt: skip
    small, whole = answer["networks"][0], answer["networks"][-1]
    assert list(small) == ["sizes", "activation", "label_smoothing", "dropout", "passed", "gradients"]
    assert list(small["gradients"]) == ["W1", "b1", "W2", "b2", "W3", "b3"]
    assert (whole["sizes"], list(whole["gradients"])) == ([784, 6, 10], ["directions"])


def test_json_writes_nan_as_null(mlp, spoilt):
    spoilt("layers", DA, f"{DA} * np.nan")
    result = mlp("gradcheck", "--set", "network.hidden=[6]", "--json")
    answer = json.loads(result.out, parse_constant=pytest.fail)
    assert (result.code, answer["passed"]) == (1, False)
    (row,) = [row for row in answer["formulas"] if row["code"] == "layers.linear_da"]
    assert (row["passed"], row["error"]) == (False, None)


def test_the_network_of_the_default_configuration_is_checked_in_its_whole_size(mlp):
    result = mlp("gradcheck")
    assert result.code == 0
    assert "784-128-64-10, along 5 random directions" in result.out
