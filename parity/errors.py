"""What stops a comparison. Every message is one sentence: the subject, what was expected, what was found, what next."""


class ParityError(Exception):
    """The comparison could not be made: exit code 2."""


class TargetError(ParityError):
    """No such model, or the factory that was named does not give one."""


class UnmatchedError(ParityError):
    """Layers or weights of one side have no partner on the other; both lists are kept."""

    def __init__(self, message: str, torch: list[str], keras: list[str]) -> None:
        super().__init__(message)
        self.torch, self.keras = torch, keras


class WorkerError(ParityError):
    """A framework's process stopped before it was done."""


class CheckpointError(ParityError):
    """A checkpoint that cannot be read, recognised, used completely or written."""


class UnwritableError(ParityError):
    """A file that was asked for cannot be written."""
