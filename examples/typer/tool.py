"""A Typer application: ``tool.py users import 3``."""

import typer
from jobs import welcome

app = typer.Typer()
users = typer.Typer(help="Users of the shop.")
app.add_typer(users, name="users")


@users.command("import")
def import_users(number: int) -> None:
    """Import users and welcome each."""
    for user in range(number):
        welcome.send(user)


@users.command("list")
def list_users() -> None:
    """List users."""


if __name__ == "__main__":
    app()
