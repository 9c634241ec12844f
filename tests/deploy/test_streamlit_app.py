"""The hosted demo, run by Streamlit's own tester."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from streamlit.testing.v1 import AppTest

from fauxto.record import Verdict

ROOT = Path(__file__).parents[2]
APP = ROOT / "deploy" / "streamlit_app.py"


@pytest.fixture
def app() -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=120).run()
    assert not app.exception
    return app


def test_a_picture_that_says_so_is_called_ai_and_its_evidence_shown(app: AppTest) -> None:
    declared = (ROOT / "examples" / "declared" / "demo-webui-parameters.png").read_bytes()
    app.file_uploader[0].set_value([("a.png", declared, "image/png")])
    app.run()
    assert not app.exception
    assert "AI-generated" in app.markdown[0].value
    assert "generator" in app.table[0].value.to_string()


def test_several_files_are_judged_and_one_that_is_no_image_is_an_error(app: AppTest) -> None:
    thumbnail = (ROOT / "examples" / "thumbnails" / "cat-32.jpg").read_bytes()
    app.file_uploader[0].set_value([("cat.jpg", thumbnail, "image/jpeg"), ("b.png", b"no", "image/png")])
    app.run()
    assert not app.exception
    assert [one.value for one in app.subheader] == ["cat.jpg", "b.png"]
    assert "No sign of AI" in app.markdown[0].value and "does not prove" in app.markdown[0].value
    assert "b.png" in app.error[0].value


def test_it_has_words_for_every_verdict_and_none_of_them_is_real() -> None:
    text = APP.read_text(encoding="utf-8")
    assert all(f'"{verdict}":' in text for verdict in get_args(Verdict))
    assert " real" not in text
