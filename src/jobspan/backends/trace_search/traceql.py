"""What is searched for, in Tempo's query language."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from jobspan import conventions as c
from jobspan.backends.trace_search.search_terms import Prefix, Terms

_TYPES = {row.name: row.type for row in c.ATTRIBUTES}
_SELECTED = (
    c.JOBSPAN_FRAMEWORK,
    c.MESSAGING_OPERATION_NAME,
    c.MESSAGING_MESSAGE_ID,
    c.MESSAGING_DESTINATION_NAME,
    c.MESSAGING_BATCH_MESSAGE_COUNT,
    c.JOBSPAN_JOB_NAME,
    c.JOBSPAN_JOB_ATTEMPT,
    c.JOBSPAN_JOB_OUTCOME,
    c.JOBSPAN_JOB_FINAL,
    c.JOBSPAN_COMMAND_ID,
    c.JOBSPAN_COMMAND_NAME,
    c.ERROR_TYPE,
)
"""What filters and counts need of a span."""


def query_for(terms: Sequence[Terms]) -> str:
    """Return the query for spans that have all attributes of one of ``terms``, with what filters and counts need."""
    either = " || ".join(f"({' && '.join(_condition(*pair) for pair in one.items())})" for one in terms)
    return f"{{ {either} }} | select({', '.join((*(f'span.{name}' for name in _SELECTED), 'status', 'kind'))})"


def _condition(attribute: str, value: str) -> str:
    if isinstance(value, Prefix):
        return f"span.{attribute} =~ {_quoted(f'^{re.escape(value)}.*')}"
    # A value of another type is another value.
    return f"span.{attribute} = {_quoted(value) if _TYPES.get(attribute) == 'string' else value}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
