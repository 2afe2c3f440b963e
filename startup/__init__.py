"""The parts of a start, told as a story by runner.py; the app asks some of them too. Imports no Flask."""

__version__ = "0.1.0"
