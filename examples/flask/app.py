"""A Flask application with a command of its own: ``flask --app app users import 3``."""

import click
from flask import Flask
from flask.cli import AppGroup
from jobs import welcome

app = Flask(__name__)
users = AppGroup("users", help="Users of the shop.")
app.cli.add_command(users)


@users.command("import")
@click.argument("number", type=int)
def import_users(number: int) -> None:
    """Import users and welcome each."""
    for user in range(number):
        welcome.delay(user)
