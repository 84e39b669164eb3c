"""Errors that a user can cause. Each has one line that says what, where and what to do, and an exit code."""


class MlpError(Exception):
    """Base of the errors that the command line prints as one line; `exit_code` is the program's."""

    exit_code = 2


class ConfigError(MlpError):
    """A configuration that cannot be read, or a key or value in it that is not allowed."""


class DataError(MlpError):
    """A data set that is missing, damaged or does not fit the model."""


class ModelError(MlpError):
    """A checkpoint or run directory that is missing, damaged or not one of ours."""


class RunError(MlpError):
    """A run directory that cannot be made, written or continued."""


class ImageError(MlpError):
    """A picture that cannot be read, or shows no digit. Other files are not affected."""

    exit_code = 1


class DivergedError(MlpError):
    """Training whose loss is no longer a finite number."""

    exit_code = 1


class StoppedError(MlpError):
    """Training that a signal stopped, after saving; the exit code is 128 + the signal's number."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class BelowError(MlpError):
    """A result below --fail-under."""

    exit_code = 3


class OutputError(MlpError):
    """An output file or folder that already exists or cannot be written."""
