import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mlp_cli
from mlp_cli.cli import COMMANDS
from mlp_cli.config import Config, to_toml

ROOT = Path(__file__).parents[2]


def test_version(mlp):
    assert mlp("--version").out == f"mlp, version {mlp_cli.__version__}\n"


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_starts_with_a_line_of_purpose_and_has_examples(mlp, command):
    result = mlp(*command, "--help")
    assert result.code == 0
    usage, _, purpose, *_ = result.out.splitlines()
    assert usage.startswith("Usage: mlp")
    assert purpose.endswith(".")
    examples = [line for line in result.out.splitlines() if line.startswith("  mlp ")]
    assert len(examples) in (2, 3)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_the_help_in_the_documents_is_the_program_s(command):
    """docs/cli.md shows what `mlp train --help` prints, at 100 columns."""
    run = [sys.executable, "-m", "mlp_cli", *command, "--help"]
    shown = subprocess.run(run, capture_output=True, text=True, check=True, env={"COLUMNS": "100", "LC_ALL": "C.UTF-8"})
    title = " ".join(["mlp", *command, "--help"])
    block = re.search(rf"```text\n\$ {title}\n(.*?)```", (ROOT / "docs/cli.md").read_text("utf-8"), re.DOTALL)
    assert block, f"docs/cli.md does not show {title}"
    assert block[1] == shown.stdout


def test_tab_completes_commands_and_options(mlp, monkeypatch):
    monkeypatch.setenv("_MLP_COMPLETE", "bash_complete")
    for typed, completed in (("mlp tr", ["train", "trace"]), ("mlp eval --fail", ["--fail-under"])):
        monkeypatch.setenv("COMP_WORDS", typed)
        monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
        assert mlp().out.splitlines() == [f"plain,{word}" for word in completed]


def test_the_list_of_commands_fits_in_80_columns(mlp, monkeypatch):
    """click cuts a longer line and ends it with three dots."""
    monkeypatch.setenv("COLUMNS", "80")
    commands = mlp("--help").out.partition("Commands:\n")[2].splitlines()
    assert len(commands) == len(COMMANDS)
    assert [line for line in commands if len(line) > 80 or line.endswith("...")] == []


def test_help_imports_nothing_heavy():
    code = "import sys, mlp_cli.cli as c; c.cli.main(['--help'], standalone_mode=False); print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).splitlines()[-1].split()
    assert "mlp_cli.cli.train" in loaded
    heavy = {"numpy", "PIL", "tqdm", "msgspec", "safetensors", "threadpoolctl", "tomli_w"}
    assert heavy.isdisjoint(loaded)


def test_the_configuration_in_the_documents_is_all_keys_with_their_defaults():
    block = re.search(r"```toml\n(seed.*?)```", (ROOT / "docs/configuration.md").read_text("utf-8"), re.DOTALL)
    assert tomllib.loads(block[1]) == tomllib.loads(to_toml(Config()))


def test_the_map_names_every_folder_and_nothing_that_is_not_there():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = set(re.findall(r"^\| `(?:mlp_cli/)?([a-z_]+)/`", text, re.MULTILINE))
    package = Path(mlp_cli.__file__).parent
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    assert rooms <= named
    assert all((package / name).is_dir() or (ROOT / name).is_dir() for name in named)
