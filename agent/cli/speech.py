"""The language of the command line: chosen once, from `--lang` wherever it stands, else from the environment.

Help texts stay plain English where they are declared; a command is translated as a whole when it is asked for.
"""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click
from click import core, decorators, exceptions, formatting, types

from agent.locale import LANGUAGES, N_, Translate, sentences, translator
from agent.yamltree import ConfigError

CLICKS_OWN = (
    N_("Usage:"),
    N_("Options"),
    N_("Commands"),
    N_("Show this message and exit."),
    N_("Try '{command} {option}' for help."),
    N_("Error: {message}"),
    N_("Aborted!"),
    N_("No such command {name!r}."),
    N_("No such option {name!r}."),
    N_("Missing argument"),
    N_("Missing option"),
    N_("Missing command."),
    N_("Invalid value: {message}"),
    N_("Invalid value for {param_hint}: {message}"),
    N_("{name} {filename!r} does not exist."),
    N_("{name} {filename!r} is a file."),
    N_("{name} {filename!r} is not readable."),
    N_("{value!r} is not a valid {number_type}."),
    N_("{value} is not in the range {range}."),
    N_("default: {default}"),
    N_("required"),
)
"""What click says itself. It asks gettext, which reads compiled catalogues only; ours is not compiled."""


def lend_words(language: str) -> None:
    """Let click say its own words in a language."""
    translate = translator(language)
    own = {text: translate(text) for text in CLICKS_OWN}
    for module in (core, decorators, exceptions, formatting, types):
        vars(module)["_"] = lambda text: own.get(text, text)


def asked(arguments: Sequence[str]) -> str | None:
    """The language that the arguments name; None for none, or for one that their own check will refuse."""
    words = list(arguments)
    named = [
        after if word == "--lang" else word.removeprefix("--lang=") for word, after in zip(words, [*words[1:], ""], strict=True)
    ]
    return next((name for word, name in zip(words, named, strict=True) if word.startswith("--lang") and name in LANGUAGES), None)


def spoken(command: click.Command, translate: Translate) -> Any:
    """A copy of a command, and of those below it, whose help is translated and that takes `--lang`."""
    command = copy.copy(command)
    command.help = translate(inspect.cleandoc(command.help or ""))
    command.params = [copy.copy(parameter) for parameter in command.params]
    if all(parameter.name != "lang" for parameter in command.params):
        choice = click.Choice(LANGUAGES)
        command.params.append(click.Option(["--lang"], type=choice, expose_value=False, help=N_("Language; default: by $LANG.")))
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.help:
            parameter.help = translate(parameter.help)
    if isinstance(command, click.Group):
        command.commands = {name: spoken(below, translate) for name, below in command.commands.items()}
    return command


def language() -> str:
    """The language of the command that runs."""
    context = click.get_current_context(silent=True)
    return context.obj if context is not None and isinstance(context.obj, str) else "en"


def _(text: str) -> str:
    """A text in the language of the command that runs."""
    return translator(language())(text)


def tell(mistakes: Sequence[str]) -> None:
    """Mistakes of a configuration on stderr."""
    said = sentences(language())
    for mistake in mistakes:
        click.echo(said(mistake), err=True)


def refuse(error: ConfigError) -> NoReturn:
    """Tell all mistakes of a configuration, and end with 2."""
    tell(error.mistakes)
    sys.exit(2)
