"""Version of this installation."""

from importlib.metadata import version

VERSION = version("thinkwatch")
