"""A FastAPI application that publishes: ``POST /users/3``."""

from fastapi import FastAPI
from jobs import welcome

app = FastAPI()


@app.post("/users/{number}")
def import_users(number: int) -> dict[str, int]:
    """Import users and welcome each."""
    for user in range(number):
        welcome.send(user)
    return {"imported": number}
