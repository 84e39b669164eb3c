"""What is printed where: streams that are closed, full or abandoned, text that would take over a terminal, signals."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import mlp_cli
from mlp_cli import cli
from mlp_cli.__main__ import main
from mlp_cli.cli import console
from mlp_cli.errors import OutputError
from mlp_cli.printable import cut, printable, to_json

NASTY = "a\x1b[2J\r\n\x07\x9b31m\u202etxt\udcff"  # clears the screen, forges a line, beeps, turns the text round
SAFE = r"a\x1b[2J\r\n\x07\x9b31m\u202etxt\udcff"
MLP = f"{sys.executable} -m mlp_cli"
TRAIN = "train plain --epochs 2 --set training.validation=100 --set network.hidden=[8] --out run --data"


def shell(command, folder):
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=folder)


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full", "2> >(true)"])
def test_a_training_is_finished_whether_or_not_its_progress_can_be_shown(data, tmp_path, stderr):
    result = shell(f"{MLP} {TRAIN} {data} {stderr}", tmp_path)
    assert result.returncode == 0
    assert result.stdout.startswith("run: 2 epochs")
    assert '"outcome": "finished"' in (tmp_path / "run" / "run.json").read_text()


CLOSED, FULL = (">&-", "is closed"), (">/dev/full", "no space left on device")


@pytest.mark.parametrize(
    ("command", "stdout", "why"),
    [
        ("eval run --data {data}", FULL[0], f"{FULL[1]}, so the result is lost"),
        ("eval run --data {data} --json", *CLOSED),
        ("runs .", FULL[0], f"{FULL[1]}, so the result is lost"),
        ("--version", *CLOSED),  # which click prints itself
        ("--version", *FULL),
    ],
)
def test_a_result_that_cannot_be_printed_is_an_error(train, data, tmp_path, command, stdout, why):
    if "run" in command:
        train("run", "--quiet")
    result = shell(f"{MLP} {command.format(data=data)} {stdout}", tmp_path)
    assert result.returncode == 2
    last = result.stderr.splitlines()[-1]
    assert last.startswith("mlp: standard output")
    assert why in last
    assert "Traceback" not in result.stderr


def test_a_working_directory_that_is_gone_is_not_taken_for_stdout(mlp, train, data, tmp_path):
    train("run", "--quiet")
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    result = mlp("eval", tmp_path / "run", "--data", data, "--predictions", "answers.csv")
    assert (result.code, result.err) == (2, "mlp: working directory: no such file or directory\n")


def test_the_exit_code_of_an_error_does_not_depend_on_stderr(tmp_path):
    codes = [shell(f"{MLP} eval nowhere {stderr}", tmp_path).returncode for stderr in ("", "2>&-", "2>/dev/full")]
    assert codes == [2, 2, 2]


def test_no_file_gets_the_descriptor_of_a_closed_standard_stream(data, tmp_path):
    """Otherwise, what a library writes to stderr would end up in a checkpoint."""
    code = (
        "import os; from mlp_cli.cli import console; console.occupy_descriptors();"
        "d = os.open('file', os.O_CREAT | os.O_WRONLY); os.write(2, b'of a library'); print(d)"
    )
    result = shell(f'{sys.executable} -c "{code}" <&- 2>&-', tmp_path)
    assert int(result.stdout) > 2
    assert (tmp_path / "file").read_bytes() == b""


def test_a_line_on_stderr_has_no_control_sequences_and_a_limited_length(capsys):
    console.note(f"mlp: {NASTY}", "x" * 100_000)
    assert capsys.readouterr().err == f"mlp: {SAFE}\n{'x' * 666}…{'x' * 333}\n"


def test_a_line_on_stdout_keeps_tabs_and_escapes_other_invisible_characters(capsys):
    console.tell(f"{NASTY}\t7")
    assert capsys.readouterr().out == f"{SAFE}\t7\n"


def test_a_styled_line_keeps_its_colours_and_no_other_control_sequence(capsys, monkeypatch):
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda *args, **options: False)
    console.tell("\x1b[31mred\x1b[0m \x1b[2J\x1b]0;title\x07", styled=True)
    assert capsys.readouterr().out == "\x1b[31mred\x1b[0m \\x1b[2J\\x1b]0;title\\x07\n"


def test_a_closed_stdout_is_an_error_and_a_closed_stderr_is_not(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    console.note("gone")
    with pytest.raises(OutputError, match="the result is lost"):
        console.tell("gone")


def test_json_is_json_and_prints_on_one_line():
    assert to_json({"n": float("nan"), "i": [float("inf"), 1.5], "é": NASTY}) == (
        r'{"n": null, "i": [null, 1.5], "é": "a\u001b[2J\r\n\u0007\u009b31m\u202etxt\udcff"}'
    )


def test_a_long_value_keeps_its_beginning_and_its_end():
    assert cut("0123456789", 10) == "0123456789"
    assert cut("0123456789a", 10) == "012345…89a"
    assert printable("plain é 数") == "plain é 数"


def calls(path, names):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        text = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if text in names or text.removeprefix("sys.").removeprefix("__").startswith(("stdout.", "stderr.")):
            yield f"{path.name}:{node.lineno}: {text}"


HARMLESS = {"sys.stdout.isatty", "sys.stderr.isatty"}
PRINTERS = {"print", "click.echo", "click.secho", "echo", "secho", "click.echo_via_pager", "json.dumps", "os.write"}
PRINTERS |= {"tqdm.write", "warnings.warn", "logging.warning", "pprint"}


@pytest.mark.parametrize("path", sorted(Path(console.__file__).parent.glob("*.py")), ids=lambda path: path.name)
def test_the_console_is_the_only_way_to_the_terminal(path):
    """tell() and note() escape; to_json() is JSON on any terminal. Whatever prints without them does neither."""
    found = (
        [] if path.name == "console.py" else [call for call in calls(path, PRINTERS) if call.split()[1] not in HARMLESS]
    )
    assert found == []


def test_the_search_for_ways_around_the_console_finds_one(tmp_path):
    (tmp_path / "new.py").write_text("import sys, click\nclick.echo(1)\nprint(2)\nsys.stdout.write('3')\n")
    assert len(list(calls(tmp_path / "new.py", PRINTERS))) == 3


@pytest.mark.parametrize(
    ("name", "importing"), [("SIGINT", True), ("SIGINT", False), ("SIGTERM", False), ("SIGHUP", False)]
)
def test_a_signal_ends_the_program_without_a_traceback_from_its_first_line_on(tmp_path, name, importing):
    number = getattr(signal, name)
    command = f"import os; os.kill(os.getpid(), {number:d})"
    if importing:  # while the module of the command is imported
        (tmp_path / "click.py").write_text(command)
        code = "from mlp_cli.__main__ import main; main()"
    else:
        code = (
            "from mlp_cli import cli; from mlp_cli.__main__ import main\n"
            f"def run(*args, **options):\n    {command}\ncli.cli.main = run\nmain()"
        )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(mlp_cli.__file__).parents[1])])}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (result.returncode, result.stdout) == (128 + number, "")
    assert result.stderr in ("", "mlp: interrupted\n")


def test_a_bug_is_one_line_that_says_where(monkeypatch, capsys):
    monkeypatch.setattr(cli.cli, "main", lambda *args, **options: cli.cli.resolve_command(None, None))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        with pytest.raises(SystemExit) as exit_:
            main()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    (line,) = capsys.readouterr().err.splitlines()
    assert exit_.value.code == 2
    assert line.startswith("mlp: this is a bug in mlp; please report it: TypeError in __init__.py:")


def test_a_file_of_the_package_that_is_not_python_is_named_with_its_line(capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.fail_of_a_bug(SyntaxError("'(' was never closed", ("mlp_cli/nn/layers.py", 78, 5, "a = (")))
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "mlp: mlp_cli/nn/layers.py, line 78: not valid Python: '(' was never closed\n"
