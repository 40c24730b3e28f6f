"""What goes wrong with an embedded store, told as one line and its mend."""


class EmbeddedStoreError(Exception):
    """An embedded store cannot start or go on. `str()` is `<problem> - <mend>`, one line."""

    def __init__(self, problem: str, mend: str) -> None:
        """`problem` says what is wrong, `mend` what the operator can do."""
        super().__init__(f"{problem} - {mend}")
        self.problem = problem
        self.mend = mend
