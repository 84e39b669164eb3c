"""Commands as functions that a process of multiprocessing can run, which saves it a second of imports."""

import importlib
import os
import sys


def dask(command, log, *args):
    """`dask scheduler` or `dask worker`, with what it prints in the file `log`."""
    with open(log, "wb", buffering=0) as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
        importlib.import_module(f"distributed.cli.dask_{command}").main([str(arg) for arg in args])


def mlp_sweep(*args):
    """`mlp sweep` in another process."""
    from mlp_cli.cli import main

    main(["sweep", *map(str, args)])
