"""What stands in the way of a survey, told in the reader's language: the text is the key of its translation."""

from __future__ import annotations

from agent.locale import Translate


class SurveyError(RuntimeError):
    """Says why, and what to do.

    Args:
        text: with places for `facts`, marked by `N_`.
        facts: names and numbers, the same in every language.
    """

    def __init__(self, text: str, **facts: str) -> None:
        super().__init__(text.format(**facts))
        self._text = text
        self._facts = facts

    def told(self, _: Translate) -> str:
        """The message in a language."""
        return _(self._text).format(**self._facts)
