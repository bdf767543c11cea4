"""The version of jobspan, for whoever needs it without the public names."""

__version__ = "0.1.0"
