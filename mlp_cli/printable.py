"""Text from a file or a name, made safe to print: the one way for it to a terminal."""


def printable(text: str) -> str:
    """The text with what would not show, such as a line break or a control sequence, written as in Python."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
