"""Renders reports as HTML, Markdown and JSON. Pure text from plain structs: no I/O, no numerics."""

from netra.reports.html import render_html
from netra.reports.markdown import render_markdown
from netra.reports.read import as_report, render_json

__all__ = ["as_report", "render_html", "render_json", "render_markdown"]
