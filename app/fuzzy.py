"""Finding by a few letters, as in a command palette: in order, word starts and runs count most."""

from __future__ import annotations

_START, _RUN, _ANY, _SKIPPED = 8, 10, 1, 0.05


def match_score(query: str, text: str) -> float | None:
    """How well letters fit a text: the higher the better; None where they are not all in it.

    Every word of the query must be found, in any order; case does not matter.
    """
    lowered = text.lower()
    total = 0.0
    for word in query.lower().split():
        score = _word_score(word, lowered)
        if score is None:
            return None
        total += score
    return total - _SKIPPED * len(text)


def _word_score(word: str, text: str) -> float | None:
    """The best of all ways to find the letters in order, by dynamic programming."""
    ends = {-1: 0.0}  # where a way has come to, and its score; -1 = before the text
    for number, letter in enumerate(word):
        found: dict[int, float] = {}
        for place, other in enumerate(text):
            if other != letter:
                continue
            is_start = place == 0 or not text[place - 1].isalnum()
            for end, score in ends.items():
                if end < place:
                    is_run = number > 0 and end == place - 1
                    gain = _RUN if is_run else _START if is_start else _ANY
                    found[place] = max(found.get(place, 0.0), score + gain)
        ends = found
    return max(ends.values(), default=None)
