"""A plain script with argparse: ``import_users.py 3``."""

import argparse

from jobs import welcome


def main() -> None:
    """Import users and welcome each."""
    parser = argparse.ArgumentParser(description="Import users.")
    parser.add_argument("number", type=int)
    for user in range(parser.parse_args().number):
        welcome.delay(user)


if __name__ == "__main__":
    main()
