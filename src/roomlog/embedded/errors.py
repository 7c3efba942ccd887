"""What can go wrong with the embedded servers, told in one line that says what to do."""


class EmbeddedError(Exception):
    """The embedded servers cannot run as asked; the text is meant for the user as it is."""
