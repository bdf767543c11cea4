"""Puts a group of three jobs with a completion callback."""

from __future__ import annotations

from typing import Any

from dramatiq import group

from apps.dramatiq_app import ok, slow

Group: Any = group  # it has no types
whole = Group([ok.message(number) for number in range(3)])
whole.add_completion_callback(slow.message(0))
whole.run()
