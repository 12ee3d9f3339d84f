import ast
import gettext
import shutil
import string
import subprocess
from pathlib import Path

import pytest

from agent.locale import choose, read_po, translator

AGENT = Path(__file__).parents[2] / "agent"
CATALOGUE = AGENT / "locale/vi/LC_MESSAGES/agent.po"


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

    for message, translation in read_po(CATALOGUE.read_text(encoding="utf-8")):
        assert fields(message) == fields(translation), message


@pytest.mark.skipif(shutil.which("msgfmt") is None, reason="msgfmt (package gettext) is not installed")
def test_gettext_reads_the_same(tmp_path: Path) -> None:
    compiled = tmp_path / "agent.mo"
    subprocess.run(["msgfmt", "-c", "-o", compiled, CATALOGUE], check=True, stderr=subprocess.DEVNULL)
    with compiled.open("rb") as handle:
        reference = gettext.GNUTranslations(handle)
    for text, translated in read_po(CATALOGUE.read_text(encoding="utf-8")):
        assert reference.gettext(text) == translated


def test_no_text_is_left_over() -> None:
    written = {
        str(node.value)
        for file in AGENT.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
    }
    assert {message for message, _ in read_po(CATALOGUE.read_text(encoding="utf-8"))} <= written


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
