import ast
import gettext
import importlib
import inspect
import re
import shutil
import string
import subprocess
from pathlib import Path

import click
import pytest

from agent.cli import COMMANDS, main
from agent.locale import choose, read_po, sentences, translator

ROOT = Path(__file__).parents[2]
AGENT = ROOT / "agent"
CATALOGUE = AGENT / "locale/vi/LC_MESSAGES/agent.po"
MISTAKES = CATALOGUE.with_name("mistakes.po")
OF_OTHERS = {
    "did not find expected {accepted}",
    "but found another document",
    "found undefined alias",
    "mapping values are not allowed in this context",
    "could not find expected ':'",
    "No such file or directory",
    "Permission denied",
    "Address already in use",
    "Cannot assign requested address",
}
"""What libyaml and the operating system say inside our sentences."""


def messages() -> set[str]:
    """Every text that the sources hand to the translator."""
    found = set()
    for file in AGENT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"_", "N_"}:
                found |= {str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)}
    return found


def test_every_text_has_its_vietnamese() -> None:
    assert messages() - {message for message, _ in read_po(CATALOGUE.read_text(encoding="utf-8"))} == set()


def test_translations_keep_the_placeholders() -> None:
    def fields(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for message, translation in [pair for file in (CATALOGUE, MISTAKES) for pair in read_po(file.read_text(encoding="utf-8"))]:
        assert fields(message) == fields(translation), message


@pytest.mark.skipif(shutil.which("msgfmt") is None, reason="msgfmt (package gettext) is not installed")
@pytest.mark.parametrize("file", [CATALOGUE, MISTAKES], ids=lambda file: file.stem)
def test_gettext_reads_the_same(file: Path, tmp_path: Path) -> None:
    compiled = tmp_path / "agent.mo"
    subprocess.run(["msgfmt", "-c", "-o", compiled, file], check=True, stderr=subprocess.DEVNULL)
    with compiled.open("rb") as handle:
        reference = gettext.GNUTranslations(handle)
    for text, translated in read_po(file.read_text(encoding="utf-8")):
        assert reference.gettext(text) == translated


def test_no_text_is_left_over() -> None:
    written = {
        str(node.value)
        for file in AGENT.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
    }
    known = written | {inspect.cleandoc(text) for text in written} | {"Show the version and exit."}
    assert {message for message, _ in read_po(CATALOGUE.read_text(encoding="utf-8"))} <= known


def helps() -> set[str]:
    """Every text that `--help` shows, of every command."""
    commands: list[click.Command] = [main, *(importlib.import_module(module).command for module in COMMANDS.values())]
    found = set()
    for command in commands:
        commands += command.commands.values() if isinstance(command, click.Group) and command is not main else ()
        found.add(inspect.cleandoc(command.help or ""))
        found |= {parameter.help for parameter in command.params if isinstance(parameter, click.Option) and parameter.help}
    return found


def test_every_help_has_its_vietnamese() -> None:
    assert {text for text in helps() if translator("vi")(text) == text} == set()


def expectations() -> list[str]:
    """Every mistake of a configuration that has a file of its own."""
    files = sorted((ROOT / "tests/agent/config/bad").glob("*.yaml"))
    return [file.read_bytes().splitlines()[0].decode().removeprefix("# expect: ") for file in files]


@pytest.mark.parametrize("mistake", expectations())
def test_every_mistake_has_its_vietnamese(mistake: str) -> None:
    where, _, sentence = mistake.partition(": ")
    said = sentences("vi")(f"agent.yaml:{mistake}")
    assert said.startswith(f"agent.yaml:{where}: ")
    assert not said.endswith(sentence)
    assert re.findall(r"\b(?:or|and|write|is|the|in|accepted|expected)\b", said) == []
    assert sentences("en")(mistake) == mistake


def test_no_form_of_a_mistake_is_left_over() -> None:
    pieces: list[str] = []
    for file in [*AGENT.rglob("*.py"), *(ROOT / "collectors").rglob("*.py")]:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        pieces += [str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    written = "\n".join(pieces)
    forms = {message for message, _ in read_po(MISTAKES.read_text(encoding="utf-8"))}
    own = {piece.strip(" ()") for message in forms - OF_OTHERS for piece in re.split(r"\{\w+\}|[;:(]", message)}
    assert {piece for piece in own if piece not in written} == set()


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("a.yaml:3: x: '7' does not fit; accepted: a whole number, at least 1 (or null)", "số nguyên, ít nhất 1 (hoặc null)"),
        ("a.yaml:3: x: would match this or that", "a.yaml:3: x: would match this or that"),
        ("C: D/a.yaml: cannot be read: Permission denied; name a readable file", "không có quyền; hãy chỉ một tệp đọc được"),
    ],
)
def test_parts_of_a_mistake_are_translated_in_their_turn(mistake: str, said: str) -> None:
    assert sentences("vi")(mistake).endswith(said)


def test_no_text_is_translated_twice() -> None:
    texts = [message for message, _ in read_po(CATALOGUE.read_text(encoding="utf-8"))]
    assert len(texts) == len(set(texts))


def test_an_untranslated_text_stays_english() -> None:
    assert translator("vi")("good") == "tốt"
    assert translator("vi")("never written") == "never written"
    assert translator("en")("good") == "good"


@pytest.mark.parametrize(
    ("option", "environ", "language"),
    [
        ("vi", {"LANG": "en_US.UTF-8"}, "vi"),
        (None, {"LANG": "vi_VN.UTF-8"}, "vi"),
        (None, {"LANG": "vi_VN.UTF-8", "LC_ALL": "C"}, "en"),
        (None, {"LANG": "vi_VN.UTF-8", "LC_ALL": "C.UTF-8"}, "vi"),
        (None, {}, "en"),
    ],
)
def test_the_language_is_chosen_as_the_contract_says(option: str | None, environ: dict[str, str], language: str) -> None:
    assert choose(option, environ) == language


def test_catalogues_are_read_as_gettext_writes_them() -> None:
    text = (
        '#, fuzzy\nmsgid "unsure"\nmsgstr "x"\n\nmsgid ""\n"two "\n"lines"\nmsgstr "hai \\"dòng\\""\nmsgid "empty"\nmsgstr ""\n'
    )
    assert read_po(text) == [("two lines", 'hai "dòng"')]


def test_a_damaged_catalogue_is_refused_with_its_line() -> None:
    with pytest.raises(ValueError, match="line 2"):
        read_po('msgid "a"\nmsgstr a\n')
