"""The one exception for what a person can put right in a file or a variable."""


class ConfigurationError(Exception):
    """A setting is missing or wrong; the text is one line that names the file or variable and the cure."""
