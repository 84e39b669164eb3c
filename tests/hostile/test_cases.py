"""What hostile campaigns have found, one test each: a traceback, a hang, a file lost or written over,
or a line that a stranger could forge."""

import contextlib
import itertools
import json
import os
import re
import resource
import shutil
import struct
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from samples import SMALL_TRAINING, blobs, same_results, write_data

from mlp_cli.config import load_config
from mlp_cli.data.datasets import load_dataset
from mlp_cli.data.idx import read_idx
from mlp_cli.data.inputs import LONGEST_NAME, MOST_CLASSES
from mlp_cli.errors import ConfigError, DataError, ModelError, RunError
from mlp_cli.images import rows
from mlp_cli.model.checkpoint import load_checkpoint
from mlp_cli.runs.folder import read_facts, read_metrics
from mlp_cli.runs.start import begin


def header_of(content):
    (size,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def with_metadata(content, **strings):
    """A checkpoint with other strings of metadata."""
    header, rest = header_of(content)
    header["__metadata__"] |= strings
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + rest


def with_parameters(content, value):
    """A checkpoint all of whose numbers are `value`."""
    header, rest = header_of(content)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + np.full(len(rest) // 4, value, np.float32).tobytes()


@pytest.fixture
def run(train):
    train("run", "--quiet")
    return Path("run")


def one_line(result, code=2):
    assert result.code == code
    assert "Traceback" not in result.err
    assert all(line.isprintable() for line in result.err.splitlines())
    return result.err.splitlines()[-1]


# Files in the way, and files that come during the work


@pytest.mark.parametrize("name", [".report.html.part", ".run.json.part"])
def test_a_link_with_the_name_of_an_old_part_is_not_followed(mlp, data, run, name):
    Path("victim").write_text("mine")
    (run / name).symlink_to("../victim")
    assert mlp("report", run).code == 0
    assert mlp("train", "--resume", run, "--epochs", "4", "--quiet").code == 0
    assert Path("victim").read_text() == "mine"


@pytest.mark.parametrize("kind", ["link", "file"])
@pytest.mark.parametrize(("command", "code"), [("report run", 2), ("train --resume run --epochs 4", 0)])
def test_a_file_under_the_guessed_name_of_a_part_is_not_written_to(mlp, run, monkeypatch, command, code, kind):
    """A report refuses; a process that trains a run holds its lock, and first removes what a killed writer left."""
    Path("victim").write_text("mine")
    monkeypatch.setattr("secrets.token_hex", lambda n: "0" * 2 * n)
    for suffix in ("part", "run"):
        place = run / f".{'0' * 16}.mlp-{suffix}"
        place.symlink_to("../victim") if kind == "link" else os.link("victim", place)
    assert mlp(*command.split()).code == code
    assert Path("victim").read_text() == "mine"


def test_a_run_that_is_moved_does_not_write_into_the_one_that_takes_its_place(tmp_path, data):
    """The lock and the writes stay with the directory, wherever it has been moved."""
    config = load_config("plain", SMALL_TRAINING)
    first = begin(config, data, tmp_path / "my")
    (tmp_path / "my").rename(tmp_path / "old")
    second = begin(config, data, tmp_path / "my")
    before = {path.name: path.read_bytes() for path in (tmp_path / "my").iterdir()}
    first.state.network.parameters.flat[...] = 1
    first.run.save(first.state)
    first.run.end("stopped")
    assert {path.name: path.read_bytes() for path in (tmp_path / "my").iterdir()} == before
    assert load_checkpoint(tmp_path / "old" / "last.safetensors").network.parameters.flat.min() == 1
    assert read_facts(tmp_path / "old")["outcome"] == "stopped"
    second.run.end("stopped")


def test_a_reader_that_polls_never_sees_a_file_half_written(tmp_path, data):
    session = begin(load_config("plain", SMALL_TRAINING), data, tmp_path / "run")
    over, seen, broken = threading.Event(), 0, []

    def poll():
        nonlocal seen
        while not over.is_set():
            try:
                load_checkpoint(tmp_path / "run" / "last.safetensors")
                read_facts(tmp_path / "run")
                read_metrics(tmp_path / "run")
            except (ModelError, RunError) as error:
                broken.append(str(error))
            seen += 1

    reader = threading.Thread(target=poll)
    reader.start()
    for _ in range(100):
        session.run.save(session.state)
        session.run.end("stopped") if _ == 99 else session.run._write_facts()
    over.set()
    reader.join()
    assert broken == []
    assert seen > 10


# What a reader would refuse, the writer refuses first


@pytest.mark.parametrize("threads", ["5000", "999999999999999999999"])
def test_thread_counts_not_allowed_in_run_json_start_no_run(train, threads):
    result = train("run", "--threads", threads)
    assert "must be from 1 to 4096" in one_line(result)
    assert os.listdir() == []


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ([f"class {i}" for i in range(MOST_CLASSES + 1)], "line 257 is one too many"),
        (["x" * (LONGEST_NAME + 1)], "line 1 is longer than 100 letters"),
        (["x" * 200_000], "has more than 104,448 bytes"),
        (["a", "b", "a"], "line 3 is used twice"),
        (["a", "\x1b[2J"], "line 2 is empty or cannot be printed"),
    ],
)
def test_class_names_not_allowed_in_a_checkpoint_start_no_run(mlp, tmp_path, names, why):
    (tmp_path / "data").mkdir()
    write_data(tmp_path / "data", *blobs(500, seed=1))
    (tmp_path / "data" / "classes.txt").write_text("\n".join(names))
    assert why in one_line(mlp("train", "plain", "--data", "data", "--out", "run"))
    assert os.listdir() == ["data"]


def test_the_most_and_the_longest_class_names_allowed_can_be_read_back(mlp, tmp_path):
    (tmp_path / "data").mkdir()
    write_data(tmp_path / "data", *blobs(500, seed=1))
    names = [f"{i:数>{LONGEST_NAME}}" for i in range(MOST_CLASSES)]
    (tmp_path / "data" / "classes.txt").write_text("\n".join(names))
    settings = ["--set", "training.validation=100", "--set", "network.hidden=[4]", "--epochs", "0", "--quiet"]
    assert mlp("train", "plain", "--data", "data", "--out", "run", *settings).code == 0
    assert list(load_checkpoint("run/best.safetensors").metadata.classes) == names


def test_image_sizes_not_allowed_in_a_checkpoint_start_no_run(tmp_path):
    write_data(tmp_path, np.zeros((2, 1, 65536), np.uint8), np.zeros(2))
    with pytest.raises(DataError, match="has images of 1×65536 pixels; a side has at most 65535"):
        load_dataset("train", tmp_path)


def test_values_not_allowed_in_run_json_are_not_written(tmp_path, data):
    session = begin(load_config("plain", SMALL_TRAINING), data, tmp_path / "run")
    session.run.facts["threads"] = 0
    with pytest.raises(msgspec.ValidationError, match="threads"):
        session.run._write_facts()
    assert read_facts(tmp_path / "run")["threads"] > 0


# Numbers


@pytest.mark.parametrize("value", ["0x" + "F" * 5000, "[0x" + "F" * 5000 + "]"])
def test_a_number_of_thousands_of_digits_gives_one_line(mlp, value):
    error = one_line(mlp("train", "plain", "--set", f"training.epochs={value}"))
    assert "training.epochs = a number with thousands of digits: must be a whole number" in error
    assert len(error) < 400


def test_weights_that_overflow_are_an_error_and_not_a_warning(mlp, data, run):
    content = (run / "best.safetensors").read_bytes()
    Path("huge.safetensors").write_bytes(with_parameters(content, 3e38))
    error = one_line(mlp("eval", "huge.safetensors", "--data", data, "--json"))
    assert error == "mlp: huge.safetensors: its parameters are too large to compute with"
    traced = mlp("trace", "--index", "0", "--data", data, "--model", "huge.safetensors", "--json")
    quantities = json.loads(traced.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))["quantities"]
    assert None in [quantity["norm"] for quantity in quantities]


def test_images_of_zero_width_are_refused(mlp):
    error = one_line(mlp("train", "--set", "augmentation.smoothness=5e-324", "--set", "augmentation.elastic=1"))
    assert "augmentation.smoothness = 5e-324: must be a number at least 0.01" in error


def test_images_of_zero_height_are_refused(tmp_path):
    (tmp_path / "images").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 0, 2**32 - 1, 2**32 - 1))
    with pytest.raises(DataError, match="images: has no images"):
        read_idx(tmp_path / "images", dimensions=3)


@pytest.mark.parametrize("setting", ["training.batch_size=1000000", "network.hidden=[65536, 65536, 65536, 65536]"])
def test_a_run_that_cannot_fit_in_memory_is_not_started(tmp_path, setting):
    (tmp_path / "data").mkdir()
    write_data(tmp_path / "data", np.zeros((40_000, 8, 8), np.uint8), np.zeros(40_000))
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30));"
        "from mlp_cli.__main__ import main; main()"
    )
    command = ["train", "plain", "--data", "data", "--out", "run", "--set", setting]
    command += [] if "hidden" in setting else ["--set", "network.hidden=[60000]"]
    result = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 2
    assert "not enough memory: training.batch_size = " in result.stderr.splitlines()[-1]
    assert os.listdir(tmp_path) == ["data"]


# Words


@pytest.mark.parametrize("key", ["x` - at `$.y", "\x1b[2J\nmlp: all is well", "x" * 50_000])
@pytest.mark.parametrize("section", ["", "training"])
def test_an_unknown_key_is_named_whatever_it_is(mlp, tmp_path, key, section):
    (tmp_path / "c.toml").write_text(f"[{section}]\n" * bool(section) + f"{json.dumps(key)} = 1")
    result = mlp("train", "c.toml")
    error = one_line(result)
    assert error.startswith(f"mlp: c.toml: unknown key {section}{'.' * bool(section)}{key[0] if key[0] == 'x' else ''}")
    assert len(result.err.splitlines()) == 1
    assert len(error) < 600


def test_a_long_value_is_cut(mlp, tmp_path):
    (tmp_path / "c.toml").write_text(f'[training]\noptimizer = "{"x" * 60_000}"')
    error = one_line(mlp("train", "c.toml"))
    assert error.startswith("mlp: c.toml: training.optimizer = 'xxx")
    assert error.endswith("'nesterov', 'sgd'")
    assert len(error) < 300


@pytest.mark.parametrize(("text", "why"), [("a." * 200 + "a = 1", "more than 100 dots"), ("#" * 70_000, "bytes")])
def test_a_configuration_that_would_take_minutes_is_refused_at_once(tmp_path, text, why):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(ConfigError, match=why):
        load_config(tmp_path / "c.toml")


ESCAPES = "\x1b[2J\x1b]0;title\x07\nmlp: all is well\u202e"


@pytest.mark.parametrize("key", ["format", "data", "classes", "config"])
def test_a_checkpoint_prints_nothing_of_its_own(mlp, data, run, key):
    content = (run / "best.safetensors").read_bytes()
    value = {"classes": [ESCAPES], "config": {ESCAPES: 1}}.get(key, ESCAPES)
    Path("bad.safetensors").write_bytes(with_metadata(content, **{key: json.dumps(value)}))
    for command in (["eval", "bad.safetensors"], ["eval", "bad.safetensors", "--data", data, "--json"]):
        result = mlp(*command)
        assert (result.out + result.err).replace("\n", "").isprintable()
        assert "mlp: all is well" not in result.err.splitlines()


def test_half_a_surrogate_pair_anywhere_in_a_checkpoint_gives_one_line(mlp, data, run):
    content = (run / "best.safetensors").read_bytes()
    metadata = header_of(content)[0]["__metadata__"]
    for key, text in metadata.items():
        places = [place for place, letter in enumerate(text) if letter == '"']
        for place in places[:20]:
            spoilt = text[: place + 1] + "\\udc80" + text[place + 1 :]
            Path("bad.safetensors").write_bytes(with_metadata(content, **{key: spoilt}))
            result = mlp("eval", "bad.safetensors", "--data", data)
            assert result.code in (0, 2)
            one_line(result, result.code)


@pytest.mark.parametrize("where", ["outcome", "name"])
def test_a_list_of_runs_prints_nothing_of_theirs(mlp, run, where):
    Path("runs").mkdir()
    home = Path("runs", ESCAPES.replace("/", "") if where == "name" else "001")
    run.rename(home)
    if where == "outcome":
        facts = json.loads((home / "run.json").read_text()) | {"outcome": ESCAPES}
        (home / "run.json").write_text(json.dumps(facts))
    for arguments in ([], ["--json"]):
        result = mlp("runs", *arguments)
        assert (result.out + result.err).replace("\n", "").isprintable()
        assert len(result.out.splitlines()) == 2 - bool(arguments)


def test_a_report_has_no_control_bytes(mlp, data, run):
    facts = json.loads((run / "run.json").read_text())
    facts["command"] = ["mlp", "train", ESCAPES]
    (run / "run.json").write_text(json.dumps(facts))
    assert mlp("report", run).code == 0
    page = (run / "report.html").read_text()
    assert not [letter for letter in page if not letter.isprintable() and letter not in "\n\t"]
    assert r"\x1b]0;title" in page


# Files without an end, or with false promises


@pytest.mark.parametrize("file", ["config.toml", "run.json", "metrics.csv", "last.safetensors", "best.safetensors"])
def test_a_pipe_in_a_run_is_not_waited_for(mlp, data, run, file):
    """Opening it for reading would wait for ever."""
    (run / file).unlink()
    os.mkfifo(run / file)
    for command in (["runs", "."], ["eval", "run"], ["train", "--resume", "run"], ["report", "run"]):
        assert mlp(*command).code in (0, 2)
    assert mlp("train", "run", "--epochs", "0", "--data", data).code in (0, 2)


@pytest.mark.parametrize("file", ["classes.txt", "train-images-idx3-ubyte", "c.toml", "x.png", "m.safetensors"])
def test_a_pipe_for_a_file_is_not_waited_for(mlp, tmp_path, file):
    (tmp_path / "data").mkdir()
    write_data(tmp_path / "data", *blobs(500, seed=1))
    place = tmp_path / ("data" if file[0] in "ct" and file != "c.toml" else ".") / file
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    for command in (["train", "--data", "data"], ["train", "c.toml"], ["predict", "x.png"], ["eval", "m.safetensors"]):
        if file in " ".join(command) or ("data" in command and place.parent.name == "data"):
            assert mlp(*command).code in (1, 2)


def test_metrics_of_another_seed_are_not_accepted(mlp, train, run):
    train("other", "--seed", "7", "--quiet")
    good = Path("run/metrics.csv").read_bytes()
    Path("run/metrics.csv").write_bytes(Path("other/metrics.csv").read_bytes())
    error = one_line(mlp("train", "--resume", "run", "--epochs", "4"))
    assert error == "mlp: run/metrics.csv: does not belong to last.safetensors; restore the original"
    Path("run/metrics.csv").write_bytes(good)
    assert mlp("train", "--resume", "run", "--epochs", "4", "--quiet").code == 0


def test_seconds_may_differ_and_the_bytes_of_a_checkpoint_do_not(train, monkeypatch):
    for name, seconds in (("one", 1.0), ("two", 2.5)):
        clock = itertools.count(0, seconds)
        monkeypatch.setattr("mlp_cli.training.loop.time.perf_counter", clock.__next__)
        train(name, "--quiet")
    assert Path("one/metrics.csv").read_bytes() != Path("two/metrics.csv").read_bytes()
    assert same_results("one", "two")


# A full disk


@pytest.fixture(params=["limit", pytest.param("disk", marks=pytest.mark.campaign)])
def room(request, mlp, tmp_path, monkeypatch):
    """room(n): a context in which the disk has room for n pages.

    In everyday runs, a limit on the size of each file stands in for the disk: the same calls fail, with another errno.
    The campaign works on a file system in memory, which it fills.
    """
    if request.param == "limit":

        @contextlib.contextmanager
        def context(pages):
            soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (PAGE_OF_LIMIT * pages, hard))
            yield
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

        yield context
        return

    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", disk], capture_output=True).returncode:
        pytest.skip("only root can mount a disk")
    monkeypatch.chdir(disk)

    @contextlib.contextmanager
    def fill(pages):
        free = os.statvfs(disk)
        Path("filler").write_bytes(b"x" * (free.f_bavail - pages) * free.f_bsize)
        yield
        os.unlink("filler")

    yield fill
    monkeypatch.chdir(tmp_path)
    subprocess.run(["umount", disk], check=True)


PAGE_OF_LIMIT = 400
ROOMS = (0, 1, 2, 3, 4, 6, 9, 14, 20, 500)  # from none to plenty


def filled(room, do):
    """Do this in each of ROOMS; yields whether it could be done."""
    before = sorted(os.listdir())
    for pages in ROOMS:
        with room(pages):
            result = do()
        if result.code:
            assert re.search("File too large|No space left on device", one_line(result))
        assert not list(Path().rglob("*.mlp-*"))
        yield result.code == 0
        assert sorted(os.listdir()) == before
    assert result.code == 0


def test_a_full_disk_loses_nothing_of_a_training(room, train, mlp):
    train("whole")
    done = []
    for is_done in filled(room, lambda: train("run", "--quiet")):
        done.append(is_done)
        if Path("run").exists():
            load_checkpoint("run/last.safetensors")
            assert mlp("train", "--resume", "run", "--quiet").code == 0
            assert same_results("whole", "run")
            shutil.rmtree("run")
    assert done[0] is False
    assert len(set(done)) == 2


def test_a_full_disk_loses_nothing_of_a_resumed_run(room, train, mlp):
    train("whole")
    train("start", "--epochs", "0")
    shutil.copytree("start", "run")
    done = []
    for is_done in filled(room, lambda: mlp("train", "--resume", "run", "--epochs", "3", "--quiet")):
        done.append(is_done)
        assert mlp("train", "--resume", "run", "--epochs", "3", "--quiet").code == 0
        assert same_results("whole", "run")
        shutil.rmtree("run")
        shutil.copytree("start", "run")
    assert done[0] is False


@pytest.mark.parametrize(
    ("command", "made"),
    [
        (["eval", "run", "--predictions", "new"], "new"),
        (["eval", "run", "--errors", "new"], "new"),
        (["predict", "--save-prepared", "new", "1.png", "2.png", "3.png"], "new"),
        (["report", "run"], "run/report.html"),
    ],
    ids=lambda value: value[1] if value[0] == "report" else value[-2][2:] if isinstance(value, list) else "",
)
def test_a_full_disk_leaves_a_complete_result_or_none(room, train, mlp, data, command, made):
    train("run", "--quiet")
    for number in range(1, 4):
        Image.fromarray(np.uint8(np.where(np.eye(60) > 0, 20, 235))).save(f"{number}.png")
    command = [*command, *(["--data", data] if command[0] == "eval" else [])]
    command += ["--threshold", "0"] if command[0] == "predict" else []
    mlp(*command)
    whole = content(made)
    shutil.rmtree(made) if Path(made).is_dir() else os.unlink(made)
    done = []
    for is_done in filled(room, lambda: mlp(*command)):
        done.append(is_done)
        assert content(made) == (whole if is_done else {})
        if is_done:
            shutil.rmtree(made) if Path(made).is_dir() else os.unlink(made)
    assert done[0] is False


def content(place):
    """The bytes of a file, or of all files in a folder, by path; nothing for what does not exist."""
    files = [Path(place)] if Path(place).is_file() else Path(place).rglob("*")
    return {str(path): path.read_bytes() for path in files}


# Programs


def test_a_picture_that_is_a_program_is_not_run(mlp, tmp_path, monkeypatch):
    """Pillow would start `gs` for an EPS, whatever its name."""
    (tmp_path / "gs").write_text("#!/bin/sh\ntouch was-run\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "innocent.png").write_bytes(eps)
    assert "format" in one_line(mlp("predict", "innocent.png"), 1)
    assert not Path("was-run").exists()


def test_show_without_a_stdout_gives_one_line(tmp_path):
    Image.new("L", (28, 28), 255).save(tmp_path / "x.png")
    command = f"{sys.executable} -m mlp_cli predict --show x.png >&-"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1] == "mlp: standard output is closed, so the result is lost"


def test_a_mark_of_soft_edges_alone_is_not_a_slash():
    """numpy would warn on stderr about the moments of an empty set of pixels."""
    assert not rows._is_leaning_stroke(np.full((4, 1), 0.34))
