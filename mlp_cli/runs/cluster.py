"""Workers that make the runs of a sweep with dask.distributed: processes of this machine, or a running cluster.

Dask hands out the jobs, and gives those of a worker that dies to another one.
"""

import asyncio
import contextlib
import itertools
import logging
import multiprocessing
import os
import re
import secrets
import signal
import tempfile
import warnings
from collections.abc import Collection, Iterator, Sequence
from importlib.util import find_spec
from multiprocessing import resource_tracker
from typing import Any, TypeAlias

from mlp_cli.errors import RunError
from mlp_cli.runs.job import Common, Datasets, Job, Outcome, UnfitError, versions, work

Client: TypeAlias = Any  # of dask.distributed, whose methods are typed only in part
Future: TypeAlias = Any

SECONDS_TO_CONNECT = 10
SECONDS_TO_CLOSE = 5
QUIET = logging.CRITICAL + 1


class LostError(RunError):
    """The scheduler is gone, and with it the unfinished runs."""


class Cluster:
    """The workers: jobs go in, Outcomes come out."""

    def __init__(self, client: Client, name: str, *, is_local: bool) -> None:
        self.name, self.is_local = name, is_local
        self._client = client
        self._tasks: dict[Any, tuple[Future, Sequence[Job]]] = {}  # by the key of the future
        self._wanted: set[str] = set()  # names of runs
        self._finished = _imported().as_completed(loop=client.loop)
        self._token, self._numbers = secrets.token_hex(8), itertools.count()
        self._arguments: dict[str, Any] = {}

    def __len__(self) -> int:
        """How many runs the workers make at a time, at present. Raises LostError."""
        with self._or_lost():
            return sum(self._client.nthreads().values())

    def check_versions(self) -> None:
        """Raises UnfitError for a worker of another version than this process."""
        with self._or_lost():
            found = self._client.get_versions(packages=["mlp_cli", "numpy"])
        for address, facts in sorted(found["workers"].items()):
            for package, mine in versions().items():
                its = facts["packages"].get(package.replace("mlp-cli", "mlp_cli"))
                if its is None:
                    raise UnfitError(f"worker {address}: has no {package}: pip install 'mlp-cli[sweep]' there")
                if its != mine:
                    raise UnfitError(
                        f"worker {address}: has {package} {its}, but this machine has {mine}; runs would differ"
                    )

    def submit(self, jobs: Sequence[Job], common: Common, datasets: Datasets | None = None, together: int = 1) -> None:
        """Submit these runs, in this order, `together` to a task. The `datasets` are sent to each worker once."""
        self._arguments = {"common": common}
        if datasets is not None:
            with self._or_lost(), _unwarned():
                self._arguments["datasets"] = self._client.submit(_same, datasets, key=f"mlp-data-{common.mark}")
        self._wanted.update(job.name for job in jobs)
        self._submit([jobs[first : first + together] for first in range(0, len(jobs), together)])

    def _submit(self, tasks: Sequence[Sequence[Job]], priority: int = 0) -> None:
        # unique to this client: a worker still busy for a killed one would take the same key for that task
        keys = [f"mlp-{self._token}-{next(self._numbers):06d}" for _ in tasks]
        with self._or_lost(), _unwarned():
            futures = self._client.map(work, tasks, key=keys, priority=priority, **self._arguments)
        self._tasks |= {future.key: (future, task) for future, task in zip(futures, tasks, strict=True)}
        self._finished.update(futures)

    def finished(self) -> Iterator[dict[str, Outcome]]:
        """The Outcomes since the last call, task by task. Raises LostError, and UnfitError for a worker."""
        for future in self._finished.next_batch(block=False):
            if future.key not in self._tasks:  # it was cancelled
                continue
            if future.status in ("cancelled", "lost"):
                raise LostError(f"the scheduler {self.name} is gone")
            _, jobs = self._tasks[future.key]
            with self._or_lost():
                outcomes = _outcomes(future, jobs)
            del self._tasks[future.key]
            future.release()
            made = dict(zip((job.name for job in jobs), outcomes, strict=False))
            rest = [job for job in jobs[len(made) :] if job.name in self._wanted]
            if rest:  # the time of the task was up, or one of its runs ended it
                self._submit([rest] if made else [[job] for job in rest], priority=1)
            told = {name: outcome for name, outcome in made.items() if name in self._wanted}
            self._wanted -= told.keys()
            yield told

    def cancel(self, names: Collection[str]) -> None:
        """Cancel these runs; a running one is stopped, and saved if its worker can. One that shares a task with others
        may still be made, but its Outcome is dropped."""
        self._wanted -= set(names)
        keys = [key for key, (_, jobs) in self._tasks.items() if not any(job.name in self._wanted for job in jobs)]
        futures = [self._tasks.pop(key)[0] for key in keys]
        with self._or_lost():
            self._client.cancel(futures)

    def close(self) -> None:
        with contextlib.suppress(Exception):  # nobody is left to be told
            self.cancel(list(self._wanted))
        with contextlib.suppress(Exception):
            self._client.close(timeout=SECONDS_TO_CLOSE)

    @contextlib.contextmanager
    def _or_lost(self) -> Iterator[None]:
        try:
            yield
        except RunError:
            raise
        except Exception as error:
            if self._client.status == "running" and not isinstance(error, OSError):
                raise
            raise LostError(f"the scheduler {self.name} is gone") from None


def _same(datasets: Datasets) -> Datasets:
    return datasets


@contextlib.contextmanager
def _unwarned() -> Iterator[None]:
    """Without the warning of a large graph: that is the data set, and Dask keeps it for new workers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _outcomes(future: Future, jobs: Sequence[Job]) -> list[Outcome]:
    """The Outcomes of a task: of its first jobs, one at least. None at all if a task of several ended in an error, so
    that each is tried alone to find out which one caused it. Raises UnfitError."""
    from distributed import KilledWorker

    if future.status == "finished":
        outcomes: list[Outcome] = future.result()
        return outcomes
    error = future.exception()
    if isinstance(error, UnfitError):
        raise error
    if len(jobs) > 1:
        return []
    if isinstance(error, KilledWorker):
        return [Outcome("failed", problem="every worker that tried it died")]
    return [Outcome("failed", problem=f"{type(error).__name__}: {error}")]


def check_installed() -> None:
    """Raise RunError, before there is anything to clean up, if dask.distributed is missing."""
    if find_spec("distributed") is None:
        raise RunError("a sweep needs the package distributed: pip install 'mlp-cli[sweep]'")


@contextlib.contextmanager
def local(jobs: int) -> Iterator[Cluster]:
    """`jobs` processes of this machine, which end with the context or with this process. Raises RunError."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mlp-sweep-", ignore_cleanup_errors=True))
        stack.enter_context(_environment(DASK_LOGGING__DISTRIBUTED="critical"))  # of workers, also of later ones
        with _deaf_to_the_terminal():
            method = _started()
        distributed = _imported()
        import dask

        options = {"distributed.worker.profile.enabled": False, "distributed.worker.multiprocessing-method": method}
        stack.enter_context(dask.config.set(options))
        with _deaf_to_the_terminal():
            try:
                workers = distributed.LocalCluster(
                    n_workers=jobs,
                    threads_per_worker=1,
                    memory_limit=0,
                    dashboard_address=None,
                    local_directory=folder,
                    silence_logs=QUIET,
                )
            except (OSError, RuntimeError) as error:
                raise RunError(f"the workers of this machine do not start: {error}") from None
            stack.callback(_close, workers)
            client = distributed.Client(workers, set_as_default=False)
        cluster = Cluster(client, "this machine", is_local=True)
        stack.callback(cluster.close)
        yield cluster


@contextlib.contextmanager
def remote(address: str) -> Iterator[Cluster]:
    """The workers of the Dask scheduler at an address such as tcp://host:8786. Raises RunError."""
    distributed = _imported()
    if not re.fullmatch(
        r"(tcp|tls|ws|wss)://[^\s/]+:\d{1,5}/?", address
    ):  # Dask would say so, but leave a client behind
        raise RunError(f"--scheduler {address}: expected an address such as tcp://host:8786")
    try:
        asyncio.run(
            _identify(distributed, address)
        )  # Dask's own client would wait for ever for something that does not answer
        client = distributed.Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError, TypeError, EOFError, MemoryError) as error:  # MemoryError: it spoke HTTP
        raise RunError(
            f"--scheduler {address}: no Dask scheduler answers there in {SECONDS_TO_CONNECT} s ({type(error).__name__})"
        ) from None
    cluster = Cluster(client, address, is_local=False)
    try:
        yield cluster
    finally:
        cluster.close()


def _started() -> str:
    """How multiprocessing starts workers. Where it can, it forks them from a server process started here, which imports
    what they need once for all of them, while this process imports the same."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return "spawn"
    from multiprocessing import forkserver  # not on Windows

    multiprocessing.set_forkserver_preload(["distributed", "mlp_cli.runs.job"])
    with _environment(PYTHONSAFEPATH="1"):  # not to import what lies in the working directory
        forkserver.ensure_running()
    return "forkserver"


async def _identify(distributed: Any, address: str) -> None:
    """Raises one of several errors unless a Dask scheduler identifies itself in time."""
    connection = distributed.Security().get_connection_args("client")
    async with asyncio.timeout(SECONDS_TO_CONNECT), distributed.rpc(address, connection_args=connection) as scheduler:
        identity = await scheduler.identity()
    if identity.get("type") != "Scheduler":
        raise ConnectionError(f"{address} is a {identity.get('type')}")


def _imported() -> Any:
    """dask.distributed, with its logs off: what matters in them is raised as an error here."""
    import distributed

    for name in ["distributed", *(name for name in logging.root.manager.loggerDict if name.startswith("distributed."))]:
        logging.getLogger(name).setLevel(QUIET)
    warnings.filterwarnings("ignore", module="distributed")
    return distributed


@contextlib.contextmanager
def _deaf_to_the_terminal() -> Iterator[None]:
    """A context that hides Ctrl-C and a closing terminal from this thread and from all threads and processes it starts,
    which never see them later either: the terminal signals all its processes, but only the client must react."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # else multiprocessing starts it below, and then unblocks Ctrl-C
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """A context in which these environment variables have these values."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _close(workers: Any) -> None:
    with contextlib.suppress(Exception):
        workers.close(timeout=SECONDS_TO_CLOSE)
