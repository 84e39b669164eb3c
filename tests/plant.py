"""Run tests in this process, each against the package with another bug planted in it.

    python plant.py FOLDER < bugs.json

FOLDER holds a copy of the package; each bug is [file, line, spoilt line, test], or null to run all tests as it is.
Prints a line per bug: pytest's exit code, 1 for a failed test.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
OPTIONS = ["-p", "no:cacheprovider", "--assert=plain", "--tb=line", "--rootdir", str(TESTS.parent)]


def run(*tests):
    """Pytest's exit code for these tests, with the package as it is now; if it is 0 and should not be, the output goes
    to stderr."""
    mine = ("mlp_cli", "tests", "samples", "conftest")
    for name in [name for name in sys.modules if name.split(".")[0] in mine]:
        del sys.modules[name]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = pytest.main([*OPTIONS, *(str(TESTS / test) for test in tests)])
    print(out.getvalue(), file=sys.stderr)
    return int(code)


def main():
    folder, bugs = Path(sys.argv[1]), json.load(sys.stdin)
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    print(run(*sorted({test for *_, test in bugs})), flush=True)
    for file, line, spoilt, test in bugs:
        path = folder / "mlp_cli" / file
        source = path.read_text("utf-8")
        assert source.count(line) == 1, f"{file} has {line!r} {source.count(line)} times"
        path.write_text(source.replace(line, spoilt), "utf-8")
        print(run(test), flush=True)
        path.write_text(source, "utf-8")


if __name__ == "__main__":
    main()
