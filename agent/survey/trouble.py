"""What stands in the way of a survey, told in the reader's language: the text is the key of its translation."""

from __future__ import annotations

from pathlib import Path

from agent.locale import N_, Translate

_REASONS = (
    N_("No such file or directory"),
    N_("Is a directory"),
    N_("Permission denied"),
    N_("Operation not permitted"),
    N_("Not a supported capture file"),
    N_("no capture of 802.11 frames"),
    N_("not in monitor mode"),
    N_("no such interface"),
    N_("no JSON"),
)
"""What the operating system, scapy and what reads files say most often; anything else they say stays as it is."""


class SurveyError(RuntimeError):
    """Says why, and what to do.

    Args:
        text: with places for `facts`, marked by `N_`.
        facts: names and numbers, the same in every language; `why`, said below us, is translated where it is known.
    """

    def __init__(self, text: str, **facts: str) -> None:
        super().__init__(text.format(**facts))
        self._text = text
        self._facts = facts

    def told(self, _: Translate) -> str:
        """The message in a language."""
        return _(self._text).format(**self._facts | {name: _(said) for name, said in self._facts.items() if name == "why"})


class MissingExtraError(SurveyError):
    """What draws and reads pictures is not installed; says how to get it."""

    def __init__(self, error: ImportError) -> None:
        super().__init__(
            N_("pictures need matplotlib ({why}); install it with: pip install 'commune-agent[survey]'"), why=str(error)
        )


def unreadable(file: Path | str, error: OSError) -> SurveyError:
    """Why a file cannot be read, and what to do."""
    text = N_("{file}: cannot be read: {why}; name a file that is there and that you may read, with its folder")
    return SurveyError(text, file=str(file), why=error.strerror or str(error))
