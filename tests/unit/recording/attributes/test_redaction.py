"""What looks like a secret is taken out, and the rest of the text stays."""

from __future__ import annotations

import pytest

from jobspan.recording.attributes.redaction import redact

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("connect to redis://user:s3cret@db:6379/0 failed", "connect to redis://[redacted]@db:6379/0 failed"),
        ("amqp://:s3cret@mq//", "amqp://[redacted]@mq//"),
        ("password=s3cret was refused", "password=[redacted] was refused"),
        ("PASSWORD: 's3 cret' was refused", "PASSWORD: [redacted] was refused"),
        ('{"api_key": "s3cret", "user": "ann"}', '{"api_key": [redacted], "user": "ann"}'),
        ("{'db_password': 's3cret', 'port': 1}", "{'db_password': [redacted], 'port': 1}"),
        ("Authorization: Bearer s3cret-token", "Authorization: [redacted]"),
        ("sent Bearer abcdef123456 to it", "sent Bearer [redacted] to it"),
        (f"token {TOKEN} expired", "token [redacted] expired"),
        ("key AKIAIOSFODNN7EXAMPLE is no more", "key [redacted] is no more"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- end", "[redacted] end"),
        ("https://shop/?user=ann&access_token=s3cret&page=2", "https://shop/?user=ann&access_token=[redacted]&page=2"),
        ("redis://user:p@ss/w:rd@host/0", "redis://[redacted]@host/0"),
        ("cloning https://ghp_abcdefghijklmnop@github.com/x", "cloning https://[redacted]@github.com/x"),
        ("ghp_abcdefghijklmnop and sk_live_abcdefghijkl", "[redacted] and [redacted]"),
        ("xoxb-123456789012-abcdef", "[redacted]"),
        ("passphrase: correct horse battery staple, user: ann", "passphrase: [redacted], user: ann"),
        ("password=b'abc def' is wrong", "password=[redacted] is wrong"),
        ("Authorization: Token abc def", "Authorization: [redacted]"),
        ('{"password": "a\\"b", "user": "ann"}', '{"password": [redacted], "user": "ann"}'),
        (r'"{\"password\": \"s3cret\", \"user\": \"ann\"}"', r'"{\"password\": [redacted], \"user\": \"ann\"}"'),
        ("https://s3/a?X-Amz-Date=1&X-Amz-Signature=5ec2e7", "https://s3/a?X-Amz-Date=1&X-Amz-Signature=[redacted]"),
        ("https://blob/a?se=2&sig=s3cret%3D&sp=r", "https://blob/a?se=2&sig=[redacted]&sp=r"),
        ("AccountName=ann;AccountKey=s3cret==;Suffix=x", "AccountName=ann;AccountKey=[redacted];Suffix=x"),
        ("user=ann pass=s3cret, pw: s3cret", "user=ann pass=[redacted], pw: [redacted]"),
        ("bypass: 3 passes, design=new", "bypass: 3 passes, design=new"),
        ("Set-Cookie: session=abc; Path=/", "Set-Cookie: [redacted]"),
        ("no secret here: 42 is not 43", "no secret here: 42 is not 43"),
        ("http://localhost:8000/a is up, by author: ann", "http://localhost:8000/a is up, by author: ann"),
        # A password may hold a slash: rather a path too many than a password too few.
        ("http://localhost:8000/a@b", "http://[redacted]@b"),
    ],
)
def test_redaction(text: str, redacted: str) -> None:
    assert redact(text) == redacted


@pytest.mark.parametrize(
    "piece",
    ["550e8400-", "de-ad-", "a.b.", "=", "'", '"', "a" * 9, "://", "token", "token=", "eyJ", "eyJaaaaaaaa.",
     "password:'", "passphrase", "-----BEGIN PRIVATE KEY-----", "bearer ", "\\",
     "Authorization: ", "sig=", 'token:\\"'],
)  # fmt: skip
@pytest.mark.timeout(30)
def test_a_long_text_is_through_in_proportion_to_its_length_whatever_it_says(piece: str) -> None:
    # With patterns that try every ending from every beginning this takes minutes.
    assert len(redact(piece * (100_000 // len(piece)))) > 0


def test_what_utf8_cannot_carry_is_escaped_and_the_rest_stays() -> None:
    assert redact("no file grün-\udcff.txt") == "no file grün-\\udcff.txt"
