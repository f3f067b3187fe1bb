"""The exceptions whose text is meant for the user."""


class UnshineError(Exception):
    """Something the user can mend; its text is one sentence that says what to do."""


class TooManyPixels(UnshineError):
    """An image has more pixels than are read at most."""
