"""Charts as SVG, drawn from plain numbers: no script, no library, no font but the reader's own."""

from netra.reports.svg.draw import colours_of, draw

__all__ = ["colours_of", "draw"]
