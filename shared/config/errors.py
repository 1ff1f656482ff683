"""The exception for what a person can correct in a file or a variable."""


class ConfigurationError(Exception):
    """A setting is missing or wrong; the text is one line that names the file or variable and the correction."""
