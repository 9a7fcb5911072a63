"""What the package raises on purpose.

Each message names the thing that is wrong, where it was found and what to
do about it. ``except MmdmcpError`` catches them all.
"""


class MmdmcpError(Exception):
    """Base of every error that the package raises on purpose."""


class ConfigError(MmdmcpError):
    """A config has a wrong key, type or value."""


class TargetError(MmdmcpError):
    """A cost target is malformed or can't be reached."""


class TraceError(MmdmcpError):
    """A model can't be traced, or has nothing that can be pruned."""


class SubnetError(MmdmcpError):
    """A subnet file is damaged, or does not belong to the model."""


class DataError(MmdmcpError):
    """Data is missing or not what it should be."""


class CheckpointError(MmdmcpError):
    """A checkpoint is missing, damaged or unsafe to load."""


class LaunchError(MmdmcpError):
    """A distributed job can't be started as asked."""


class TrainingError(MmdmcpError):
    """Training went wrong, such as a loss that is no number."""


class ExportError(MmdmcpError):
    """A model can't be exported, or the export computes something else."""


class ProfileError(MmdmcpError):
    """A latency profile can't be read, or is of another network or device."""


def shown(value: object, limit: int = 120) -> str:
    """``repr`` of a wrong value, short enough to stand inside a message.

    Python refuses to print numbers of several thousand digits, and a class
    may fail to print itself; neither may hide what the message is about.

    Args:
        value: What was written.
        limit: Longest text. Defaults to 120 characters.

    Example:
        >>> shown('50')
        "'50'"
    """
    try:
        text = repr(value)
    except Exception:
        text = f'<{type(value).__name__}>'
    return text if len(text) <= limit else text[: limit - 3] + '...'


def first_line(error: BaseException | str, limit: int = 120) -> str:
    """What an error says, short enough to stand inside another message.

    Args:
        error: The error, or its text; one without a text gives the name of
            its type.
        limit: Longest text. Defaults to 120 characters.
    """
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= limit else text[: limit - 3] + '...'


def failure(error: BaseException) -> str:
    """Why a model's forward pass failed, in words that help."""
    text = first_line(error)
    if 'more than 1 value per channel' in text:
        return (
            'a group norm meets a single value in each of its groups, which '
            f'it refuses; a larger input_shape gives it more: {text}'
        )
    return text
