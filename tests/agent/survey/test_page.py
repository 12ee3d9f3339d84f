"""The page in a real browser: it renders alone, shows the picture and the verdicts."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agent.locale import translator
from agent.survey import heatmap, page
from agent.survey.report import Limits, compare, judge
from tests.agent.survey.samples import visits


@pytest.fixture
def html(tmp_path: Path) -> Path:
    survey = judge(visits(ssid="<CSC & Free>"), Limits())
    _ = translator("vi")
    heatmap.draw(survey, "<CSC & Free>", None, tmp_path / "map.png", _)
    file = tmp_path / "report.html"
    changes = compare(judge(visits(-9, ssid="<CSC & Free>"), Limits()), survey)
    file.write_text(page.render(survey, changes, [tmp_path / "map.png"], "vi", _), encoding="utf-8")
    return file


def test_the_page_stands_alone_and_escapes_names(html: Path) -> None:
    text = html.read_text(encoding="utf-8")
    assert 'lang="vi"' in text
    assert "&lt;CSC &amp; Free&gt;" in text
    assert "<CSC" not in text
    assert "http" not in text.replace("data:", "")
    assert '<td class="dead">mất sóng</td>' in text
    assert "<script" not in text


def test_a_browser_shows_the_picture(html: Path, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("chromium is not installed (`make packages`)")
    shot = tmp_path / "shot.png"
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile", "--hide-scrollbars"]
    subprocess.run(
        [*command, f"--screenshot={shot}", "--window-size=1100,1900", html.as_uri()], check=True, capture_output=True, timeout=90
    )
    with Image.open(shot) as picture:
        seen = np.asarray(picture.convert("RGB")).astype(int)
    greens = (np.abs(seen - np.array([0x66, 0xBD, 0x63])).max(axis=2) < 60).mean()
    assert greens > 0.02, "the heat map is on the page"
