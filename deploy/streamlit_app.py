"""A demo on the public Python API, for Streamlit's hosting or your own machine.

pip install 'fauxto[streamlit]' && streamlit run deploy/streamlit_app.py
"""

from __future__ import annotations

import streamlit

from fauxto import Detector

WORDS = {
    "ai": "🔴 This looks AI-generated",
    "ai-edited": "🟠 The file says that AI edited this",
    "uncertain": "🟡 Uncertain: it cannot be told from what is here",
    "no-sign": "⚪ No sign of AI was found, which does not prove that there is none",
}


@streamlit.cache_resource
def detector() -> Detector:
    """One for all visitors; a file that crashes a decoder costs its sender alone."""
    return Detector(isolate=True)


streamlit.title("Was this made by AI?")
for file in streamlit.file_uploader("Images", accept_multiple_files=True):
    record = detector().scan(file)
    streamlit.subheader(file.name)
    if record.verdict is None:
        streamlit.error(record.reason)
        continue
    streamlit.markdown(f"**{WORDS[record.verdict]}**")
    streamlit.text(record.reason)
    if record.score is not None:
        streamlit.progress(record.score, f"the model's score: {record.score:.2f}")
    if record.evidence:
        streamlit.table(
            [row.model_dump(include={"source", "claim", "strength", "detail"}) for row in record.evidence]
        )
