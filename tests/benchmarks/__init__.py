"""What jobspan costs, measured beside others in the same run: ``nox -s bench``."""
