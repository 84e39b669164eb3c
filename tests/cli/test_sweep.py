"""mlp sweep: its runs are those of mlp train, wherever they are trained and whatever happens to the workers."""

import contextlib
import csv
import dataclasses
import functools
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from commands import dask, mlp_sweep
from samples import BASE, RUN_FILES, quietly

pytest.importorskip("distributed")

from mlp_cli.cli import sweep as cli_sweep
from mlp_cli.cli import terminal
from mlp_cli.cli.table import columns
from mlp_cli.config import load_config
from mlp_cli.runs import cluster, folder, job
from mlp_cli.runs import sweep as policy
from mlp_cli.runs.start import begin
from mlp_cli.runs.train import run_to_end

SMALL = (
    "--set", "training.validation=100", "--set", "network.hidden=[8]", "--set", "training.batch_size=32",
    "--set", "training.epochs=3",
)  # fmt: skip
RATE = "training.learning_rate"
RATES = ("--set", "training.learning_rate=0.1,0.02")
LIMIT = 60  # seconds that a test may wait for another process


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """The best checkpoints that mlp train makes of what most tests here sweep over, by rate and seed."""
    folder = tmp_path_factory.mktemp("trained")
    for rate in ("0.1", "0.02"):
        for seed in range(3):
            run = folder / f"{rate}-{seed}"
            options = ("--set", f"training.learning_rate={rate}", "--seed", seed, "--out", run, "--quiet")
            quietly("train", BASE, "--data", data, *SMALL, *options)
    return {path.name: (path / "best.safetensors").read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def threads():
    """Two workers that are threads of this process, for all tests here."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "protocol": "inproc"}
    with cluster._imported().LocalCluster(processes=False, **options) as workers:
        yield workers


@pytest.fixture
def in_process(monkeypatch, threads):
    """Those threads stand in for the workers of this machine, whatever --jobs says."""
    import distributed

    monkeypatch.setattr(cluster, "_started", lambda: "spawn")
    monkeypatch.setattr(distributed, "LocalCluster", lambda **options: threads)
    monkeypatch.setattr(cluster, "_close", lambda workers: None)


@pytest.fixture
def sweep(mlp, data, in_process):
    """A sweep over two rates and two seeds, in sweeps/001 or --out, with further options."""

    def call(*args, seeds=2):
        return mlp("sweep", BASE, "--data", data, *SMALL, *RATES, "--seeds", seeds, *args)

    return call


def rows(directory):
    with open(Path(directory, "sweep.csv"), newline="") as file:
        return list(csv.DictReader(file))


def table(directory):
    """sweep.csv without what differs from machine to machine."""
    return [{key: value for key, value in row.items() if key not in ("seconds", "worker")} for row in rows(directory)]


def are_those_of_train(directory, trained):
    return all(
        Path(directory, row["run"], "best.safetensors").read_bytes() == trained[f"{row[RATE]}-{row['seed']}"]
        for row in rows(directory)
    )


def test_workers_on_this_machine_make_the_same_runs_as_mlp_train(mlp, data, trained):
    result = mlp("sweep", BASE, "--data", data, *SMALL, *RATES, "--seeds", 3, "--jobs", 2, "--test")
    assert (result.code, "2 settings × 3 seeds = 6 runs" in result.err) == (0, True)
    assert are_those_of_train("sweeps/001", trained)
    assert [(row["state"], row["seed"]) for row in rows("sweeps/001")] == [
        ("finished", seed) for seed in ("0", "0", "1", "1", "2", "2")
    ]
    for row in rows("sweeps/001"):
        measured = json.loads(mlp("eval", f"sweeps/001/{row['run']}", "--data", data, "--json").out)
        assert float(row["test_accuracy"]) == measured["accuracy"]
    assert "learning_rate=0.1 " in result.out.splitlines()[1]
    assert mlp("train", "sweeps/001/best.toml", "--data", data, "--out", "again", "--quiet").code == 0
    assert Path("again/best.safetensors").read_bytes() == trained["0.1-0"]


def test_files_come_back_from_workers_that_do_not_see_the_directory(sweep, trained, monkeypatch):
    monkeypatch.setattr(policy, "SECONDS_OF_A_TASK", 0)  # as long runs are trained, which save on the way elsewhere
    wrote, came = [], {}
    monkeypatch.setattr(job, "sees", lambda common: False)
    monkeypatch.setattr(
        cluster.Cluster, "is_local", property(lambda self: False, lambda self, value: None), raising=False
    )
    write = folder.replace_file
    monkeypatch.setattr(folder, "replace_file", lambda *args: wrote.append(args[0]) or write(*args))
    keep = policy.Sweep.keep
    monkeypatch.setattr(policy.Sweep, "keep", lambda self, outcomes: came.update(outcomes) or keep(self, outcomes))
    assert sweep("--out", "out", "--test").code == 0
    assert are_those_of_train("out", trained)
    assert wrote == []  # by a worker
    assert [sorted(outcome.files) for outcome in came.values()] == [RUN_FILES] * 4
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "1-learning_rate=0.1-seed0", "1-learning_rate=0.1-seed1", "2-learning_rate=0.02-seed0",
        "2-learning_rate=0.02-seed1", "best.toml", "sweep.csv", "sweep.toml",
    ]  # fmt: skip
    assert json.loads(Path("out/1-learning_rate=0.1-seed0/run.json").read_bytes())["outcome"] == "finished"


def test_a_run_that_diverges_is_a_row(mlp, data, in_process):
    rates = ("--set", "training.learning_rate=0.1,1e9")
    result = mlp("sweep", BASE, "--data", data, *SMALL, *rates, "--seeds", 2, "--out", "out")
    assert result.code == 0
    assert [row["state"] for row in rows("out")] == ["finished", "diverged", "finished", "diverged"]
    assert rows("out")[1]["problem"] == "training diverged in epoch 1"
    assert "0/2, 2 diverged" in result.out
    before = table("out")
    assert mlp("sweep", "--resume", "out").err.endswith("all of them done\n")
    assert table("out") == before


def test_a_run_that_fails_is_a_row_and_is_started_again(sweep, monkeypatch, mlp, trained):
    begin = job.start.begin

    def fail(config, *args, **options):
        if config.seed == 1:
            raise OSError(28, "No space left on device")
        return begin(config, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(job.start, "begin", fail)
        result = sweep("--out", "out")
    assert result.code == 1
    assert [row["state"] for row in rows("out")] == ["finished", "finished", "failed", "failed"]
    assert "failed: [Errno 28] No space left on device" in result.out
    assert mlp("sweep", "--resume", "out").code == 0
    assert are_those_of_train("out", trained)


def test_short_runs_share_a_task_and_are_reported_one_by_one(sweep, monkeypatch, trained):
    made = []
    train = job._train
    monkeypatch.setattr(policy, "_together", lambda *args: 4)
    monkeypatch.setattr(job, "_train", lambda job, *args: made.append(job.name) or train(job, *args))
    for seconds in (1, -1):  # with -1, the time of a task is up after its first run, and the others come back
        monkeypatch.setattr(job, "SECONDS_OF_A_TASK", seconds)
        made.clear()
        result = sweep("--out", f"out{seconds}", seeds=3)
        assert are_those_of_train(f"out{seconds}", trained)
        assert sorted(made) == sorted(row["run"] for row in rows(f"out{seconds}"))
        assert [line.split()[0] for line in result.err.splitlines()[1:]] == [f"{n}/6" for n in range(1, 7)]


def test_a_run_that_ends_its_task_does_not_end_the_others_in_it(sweep, monkeypatch, trained):
    train = job._train

    def fail(job, *args):
        if job.name == "2-learning_rate=0.02-seed1":
            raise ZeroDivisionError("a bug")
        return train(job, *args)

    monkeypatch.setattr(policy, "_together", lambda *args: 4)
    monkeypatch.setattr(job, "_train", fail)
    assert sweep("--out", "out", seeds=3).code == 1
    assert {row["run"]: row["problem"] for row in rows("out") if row["state"] != "finished"} == {
        "2-learning_rate=0.02-seed1": "ZeroDivisionError: a bug"
    }


def test_every_setting_is_run_with_one_seed_before_any_with_the_next(sweep, monkeypatch):
    submitted = []
    submit = cluster.Cluster.submit
    monkeypatch.setattr(
        cluster.Cluster, "submit", lambda self, jobs, *args: submitted.extend(jobs) or submit(self, jobs, *args)
    )
    monkeypatch.setattr(policy, "_together", lambda *args: 6)  # in a task their order is kept
    made = []
    train = job._train
    monkeypatch.setattr(job, "_train", lambda job, *args: made.append(job.name) or train(job, *args))
    sweep("--out", "out", seeds=3)
    assert [job.config.seed for job in submitted] == [0, 0, 1, 1, 2, 2]
    assert made == [job.name for job in submitted]


def test_the_number_of_runs_in_a_task_follows_from_their_duration():
    assert policy._together(500, 2, 0.01) == job.MOST_TOGETHER
    assert policy._together(500, 2, 0.25) == 4
    assert policy._together(500, 2, 3.0) == 1
    assert policy._together(32, 2, 0.01) == 2  # each worker has eight tasks
    assert policy._together(4, 2, 0.0) == 1


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_is_finished_and_resume_makes_only_the_rest(
    sweep, mlp, monkeypatch, trained, signal_number
):
    sweep("--out", "whole", seeds=3)
    keep = policy.Sweep.keep

    def keep_and_stop(self, outcomes):
        keep(self, outcomes)
        if sum(row.is_done for row in self.rows.values()) >= 2:
            os.kill(os.getpid(), signal_number)

    train = job._train
    with monkeypatch.context() as patch:
        patch.setattr(policy.Sweep, "keep", keep_and_stop)
        patch.setattr(job, "_train", lambda *args: time.sleep(0.1) or train(*args))
        result = sweep("--out", "out", seeds=3)
    assert result.code == 128 + signal_number
    (last,) = [line for line in result.err.splitlines() if line.startswith("mlp:")]
    assert last.endswith("continue with: mlp sweep --resume out")
    done = [row["run"] for row in rows("out") if row["state"] == "finished"]
    assert 2 <= len(done) < 6
    before = {name: Path("out", name, "run.json").stat().st_mtime_ns for name in done}
    assert mlp("sweep", "--resume", "out").code == 0
    assert {name: Path("out", name, "run.json").stat().st_mtime_ns for name in done} == before
    assert table("out") == table("whole")
    assert are_those_of_train("out", trained)


def test_ctrl_c_on_a_terminal_which_all_its_processes_get_is_one_line(data, tmp_path):
    settings = ("--set", "training.validation=100", "--set", "training.epochs=100000", "--seeds", "1", "--out", "out")
    command = [sys.executable, "-m", "mlp_cli", "sweep", BASE, "--data", data, *settings, "--quiet"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    until = time.monotonic() + LIMIT
    while not list(tmp_path.glob("out/*/best.safetensors")) and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    plan, *others = process.communicate(timeout=LIMIT)[1].splitlines()
    assert "1 run" in plan
    assert others == ["mlp: stopped; 0 of 1 runs are done and kept; continue with: mlp sweep --resume out"]
    assert process.returncode == 130


def test_a_killed_run_of_a_sweep_continues_from_its_last_checkpoint(sweep, mlp, data, trained):
    sweep("--out", "out")
    run = Path("out/1-learning_rate=0.1-seed1")
    config = load_config(run / "config.toml")
    shutil.rmtree(run)
    session = begin(config, data, run)

    def crash(record):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_to_end(session, after_epoch=crash)
    started_only = Path("out/2-learning_rate=0.02-seed0")
    (started_only / "last.safetensors").unlink()
    part = Path("out/.0123456789abcdef.mlp-part")  # of a client that was killed while it wrote a run
    part.mkdir()
    assert mlp("sweep", "--resume", "out").code == 0
    assert are_those_of_train("out", trained)
    assert len(json.loads((run / "run.json").read_bytes())["resumed"]) == 1
    assert not part.exists()


def test_a_setting_that_is_clearly_behind_is_given_up_if_asked(mlp, data, in_process, monkeypatch):
    monkeypatch.setattr(policy, "SECONDS_BETWEEN_TABLES", 0)
    rates = ("--set", "training.learning_rate=0.3,1e-9")
    assert mlp("sweep", BASE, "--data", data, *SMALL, *rates, "--seeds", 5, "--out", "not-asked").code == 0
    assert {row["state"] for row in rows("not-asked")} == {"finished"}
    result = mlp("sweep", BASE, "--data", data, *SMALL, *rates, "--seeds", 20, "--jobs", 1, "--give-up", "--out", "out")
    assert result.code == 0
    given_up = [row for row in rows("out") if row["state"] == "given up"]
    assert given_up
    assert {row[RATE] for row in given_up} == {"1e-09"}
    assert "points behind learning_rate=0.3 over" in given_up[0]["problem"]
    assert "learning_rate=1e-09: given up" in result.err
    assert len([row for row in rows("out") if row["state"] == "finished"]) == 40 - len(given_up)


def test_minutes_are_a_budget(sweep, mlp, trained):
    result = sweep("--out", "out", "--minutes", 0.0005, seeds=3)
    assert "runs are missing: mlp sweep --resume out" in result.out
    assert mlp("sweep", "--resume", "out").code == 0
    assert are_those_of_train("out", trained)


def test_a_dry_run_prints_the_plan_and_makes_nothing(sweep):
    result = sweep("--dry-run")
    plan, *settings = result.out.splitlines()
    assert (result.code, plan.startswith("2 settings × 2 seeds = 4 runs, about ")) == (0, True)
    assert settings == ["1  learning_rate=0.1", "2  learning_rate=0.02"]
    assert not Path("sweeps").exists()


def test_json_ranks_by_validation_and_says_what_is_larger_than_noise(sweep, mlp):
    result = json.loads(sweep("--json", "--quiet", "--out", "out", "--test").out)
    first, second = result["settings"]
    accuracies = [float(row["val_accuracy"]) for row in rows("out") if row[RATE] == "0.1"]
    assert first["val_accuracy"]["mean"] == pytest.approx(sum(accuracies) / 2)
    assert first["val_accuracy"]["mean"] >= second["val_accuracy"]["mean"]
    behind = second["behind_best"]
    assert behind["mean"] == pytest.approx(first["val_accuracy"]["mean"] - second["val_accuracy"]["mean"])
    assert behind["is_larger_than_noise"] == (behind["low"] > 0)
    assert (result["runs"], result["missing"], first["runs"]) == (4, 0, {"finished": 2})


def test_the_test_set_is_measured_afterwards_if_asked(sweep, mlp):
    sweep("--out", "out")
    assert {row["test_accuracy"] for row in rows("out")} == {""}
    mlp("sweep", "--resume", "out", "--test")
    assert all(0 < float(row["test_accuracy"]) <= 1 for row in rows("out"))


def test_a_setting_has_a_test_accuracy_only_if_all_its_runs_were_measured(sweep, mlp):
    sweep("--out", "out", "--test")
    shutil.rmtree("out/1-learning_rate=0.1-seed1")
    resumed = json.loads(mlp("sweep", "--resume", "out", "--json").out)["settings"]
    assert {each["setting"]: each["test_accuracy"] is None for each in resumed} == {1: True, 2: False}


def test_data_whose_name_is_not_utf_8_is_a_one_line_error(sweep, data):
    name = os.fsdecode(b"caf\xe9")
    shutil.copytree(data, name)
    result = sweep("--data", name, "--out", "out")
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[-1].startswith("mlp: out/sweep.toml: would hold a name that is not UTF-8")
    assert not Path("out").exists()


def test_a_report_of_a_sweep_has_its_table_its_keys_and_its_curves(sweep, mlp):
    sweep("--out", "out")
    best = rows("out")[0]
    before = {path.name: path.stat().st_mtime_ns for path in Path("out").iterdir()}
    result = mlp("report", "out")
    assert (result.code, result.out) == (0, "out/report.html\n")
    page = Path("out/report.html").read_text()
    assert "2 settings × 2 seeds = 4 runs; none missing." in page
    assert page.count("<svg") >= 2  # one for the key that varies, one for the curves
    for label in ("learning_rate=0.1", "learning_rate=0.02"):
        assert label in page
    mean = sum(float(row["val_accuracy"]) for row in rows("out") if row[RATE] == best[RATE]) / 2
    assert f"0.1: {mean:.2%} over 2 runs" in page
    shutil.rmtree("out/1-learning_rate=0.1-seed0")
    assert mlp("report", "out").code == 0
    assert "4 runs; 1 missing." in Path("out/report.html").read_text()
    before.pop("1-learning_rate=0.1-seed0")
    assert {name: Path("out", name).stat().st_mtime_ns for name in before} == before  # only looked at


def test_the_table_fits_the_terminal_during_a_sweep_and_after_it(sweep, monkeypatch):
    monkeypatch.setattr(terminal, "can_redraw", lambda stream: True)
    monkeypatch.setattr(terminal, "is_terminal", lambda stream: True)
    monkeypatch.setattr(terminal, "size", lambda stream: os.terminal_size((50, 4)))
    monkeypatch.setattr(cli_sweep, "SECONDS_BETWEEN_TABLES", 0)
    screens = []
    monkeypatch.setattr(cli_sweep, "redraw", lambda lines, over: screens.append((lines, over)))
    result = sweep("--out", "out")
    assert screens[0][0][-1].startswith("0 of 4 runs, 2 at a time")
    assert [over for _, over in screens] == [0, *(len(lines) for lines, _ in screens[:-1])]
    assert screens[-1][0] == []  # the last one is taken off
    assert max(len(lines) for lines, _ in screens) < 4
    assert max(columns(line) for lines, _ in screens for line in lines) < 50
    *tables, _ = result.out.split("\n\n")
    assert [table.splitlines()[0].split("  ")[-1].strip() for table in tables] == [
        "validation, %", "seconds", "behind the best, points",
    ]  # fmt: skip
    assert all("learning_rate=0.02" in table for table in tables)
    assert max(columns(line) for table in tables[:-1] for line in table.splitlines()) <= 50


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--set", "training.epochs=1,two"), "must be a whole number"),
        (("--seeds", "x"), "--seeds x"),
        (("--scheduler", "nonsense"), "expected an address such as tcp://host:8786"),
        (("--scheduler", ""), "expected an address such as tcp://host:8786"),
        (("--scheduler", "tcp://127.0.0.1:8786", "--jobs", "2"), "--jobs is for this machine"),
        (("--data", "nowhere"), "nowhere: no such directory"),
        (("--out", "."), "already exists"),
        (("--resume", "x", "--seeds", "2"), "--resume continues"),
        (("--minutes", "0"), "--minutes"),
        (("--minutes", "nan"), "--minutes takes a number above 0, not nan"),
        (("--set", "training.teacher=nowhere"), "training.teacher: nowhere: no such file"),
    ],
)
def test_impossible_requests_are_a_one_line_error(mlp, in_process, args, message):
    result = mlp("sweep", BASE, *args) if "--resume" not in args else mlp("sweep", *args)
    assert (result.code, result.out) == (2, "")
    assert message in result.err.splitlines()[-1]
    assert not Path("sweeps").exists()


def test_a_scheduler_that_does_not_answer_is_one_line_and_leaves_nothing(mlp, data, monkeypatch):
    monkeypatch.setattr(cluster, "SECONDS_TO_CONNECT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        result = mlp("sweep", BASE, "--data", data, *SMALL, "--scheduler", address)
    assert (result.code, f"{address}: no Dask scheduler answers there" in result.err) == (2, True)
    assert not Path("sweeps").exists()


@pytest.mark.parametrize("place", [cluster, job], ids=["at the start", "of a worker that comes later"])
def test_a_worker_of_another_version_is_refused_by_name(sweep, monkeypatch, place):
    mine = job.versions() | {"numpy": "1.0"}
    monkeypatch.setattr(place, "versions", lambda: mine)
    result = sweep("--out", "out")
    assert result.code == 2
    (line,) = [line for line in result.err.splitlines() if line.startswith("mlp:")]
    assert all(word in line for word in ("worker inproc://", "numpy", " 1.0", "runs would differ"))


def test_a_worker_with_other_data_is_refused_by_name(sweep, monkeypatch):
    load = job._load
    monkeypatch.setattr(
        job, "_load", lambda *args: dataclasses.replace(load(*args), sha256={"images": "", "labels": ""})
    )
    result = sweep("--out", "out")
    assert (result.code, "worker inproc://" in result.err, "has other data in" in result.err) == (2, True, True)


@pytest.mark.parametrize("args", [(), ("--scheduler", "tcp://127.0.0.1:8786")])
def test_without_dask_it_says_what_to_install_and_leaves_nothing(mlp, monkeypatch, args):
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = mlp("sweep", BASE, "--out", "out", *args)
    assert (result.code, "pip install 'mlp-cli[sweep]'" in result.err) == (2, True)
    assert os.listdir() == []


def test_workers_that_do_not_start_are_one_line(mlp, data, monkeypatch):
    def fails(**options):
        raise RuntimeError("Cluster failed to start: timed out")

    monkeypatch.setattr(cluster._imported(), "LocalCluster", fails)
    result = mlp("sweep", BASE, "--data", data, "--set", "training.validation=100", "--out", "out")
    assert result.code == 2
    assert result.err.endswith("mlp: the workers of this machine do not start: Cluster failed to start: timed out\n")


def test_a_sweep_is_resumed_by_one_process_at_a_time_and_with_its_data(sweep, mlp, data, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    sweep("--out", "out")
    other = os.open("out", os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert "by another process" in mlp("sweep", "--resume", "out").err
    os.close(other)
    text = Path("out/sweep.toml").read_text()
    Path("out/sweep.toml").write_text(text.replace(f'data = "{data}"\n', ""))
    assert "was started with other data" in mlp("sweep", "--resume", "out").err
    for nonsense in ("", "[begun]", text.replace("mark", "mork"), "\x00"):
        Path("out/sweep.toml").write_text(nonsense)
        result = mlp("sweep", "--resume", "out")
        assert (result.code, len(result.err.splitlines()), "sweep.toml" in result.err) == (2, 1, True)
    assert "not a sweep" in mlp("sweep", "--resume", tmp_path).err


def until(is_true):
    end = time.monotonic() + LIMIT
    while not is_true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@contextlib.contextmanager
def meanwhile(*functions):
    """Do these things in turn in a thread while the block runs; an exception there is raised after the block."""
    with ThreadPoolExecutor() as pool:
        done = pool.submit(lambda: [function() for function in functions])
        yield
        done.result(LIMIT)


def epochs_in_the_making(directory):
    """How many epochs each run in training has finished."""
    return [
        len((run / "metrics.csv").read_bytes().splitlines()) - 1
        for run in Path(directory).glob("*-seed*")
        if (run / "metrics.csv").exists() and json.loads((run / "run.json").read_bytes())["outcome"] == "running"
    ]


def test_a_worker_a_client_and_the_scheduler_die(mlp, data, tmp_path, monkeypatch):
    """On a cluster of processes of its own, all of it on loopback."""
    monkeypatch.setattr(
        policy, "SECONDS_OF_A_TASK", 0
    )  # runs trained as long ones are: in place, saved after each epoch
    options = ("--data", data, *(part.replace("epochs=3", "epochs=30") for part in SMALL), *RATES, "--seeds", 2)
    contact = tmp_path / "scheduler.json"  # where the scheduler writes its address
    local = ("--scheduler-file", contact, "--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")
    processes = []

    def start(target, *args):
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        processes.append(multiprocessing.get_context(method).Process(target=target, args=args))
        processes[-1].start()
        return processes[-1]

    def worker():
        log = f"dask-{len(processes)}.log"
        return start(dask, "worker", log, "--nthreads", 1, "--no-nanny", "--local-directory", "scratch", *local)

    def stop():
        for process in processes:
            process.kill()
            process.join()

    with contextlib.ExitStack() as stack:
        stack.callback(stop)
        scheduler = start(dask, "scheduler", "dask.log", "--port", 0, *local)
        until(lambda: contact.exists() and contact.read_bytes().rstrip().endswith(b"}"))
        address = json.loads(contact.read_text())["address"]
        doomed, where = worker(), ("--scheduler", address)

        in_the_middle = functools.partial(until, lambda: any(1 <= n < 15 for n in epochs_in_the_making("out")))
        with meanwhile(in_the_middle, doomed.kill, worker, worker):
            result = mlp("sweep", BASE, *options, *where, "--out", "out")
        assert (result.code, {row["state"] for row in rows("out")}) == (0, {"finished"})
        facts = {row["run"]: json.loads(Path("out", row["run"], "run.json").read_bytes()) for row in rows("out")}
        (cut,) = [name for name, fact in facts.items() if fact["resumed"]]
        for row in rows("out"):
            if row["run"] in (cut, rows("out")[-1]["run"]):
                alone = ("--set", f"{RATE}={row[RATE]}", "--seed", row["seed"], "--out", f"alone/{row['run']}")
                mlp("train", BASE, *options[:-4], *alone, "--quiet")
                assert best(f"out/{row['run']}") == best(f"alone/{row['run']}")

        client = start(mlp_sweep, BASE, *options, *where, "--out", "killed", "--quiet")
        until(lambda: any(Path("killed").glob("*-seed*")))
        client.kill()
        client.join()
        done = {path.name: path.stat().st_mtime_ns for path in Path("killed").glob("*-seed*")}
        result = mlp("sweep", "--resume", "killed", *where)
        assert result.code == 0, result.out
        assert {name: Path("killed", name).stat().st_mtime_ns for name in done} == done
        assert table("killed") == table("out")
        assert all(best(f"killed/{row['run']}") == best(f"out/{row['run']}") for row in rows("out"))

        with meanwhile(lambda: until(lambda: epochs_in_the_making("lost")), scheduler.kill):
            result = mlp("sweep", BASE, *options, *where, "--out", "lost")
        assert result.code == 2
        last = result.err.splitlines()[-1]
        assert last.startswith(f"mlp: the scheduler {address} is gone; ")
        assert last.endswith("continue with: mlp sweep --resume lost")


def best(run):
    return Path(run, "best.safetensors").read_bytes()
