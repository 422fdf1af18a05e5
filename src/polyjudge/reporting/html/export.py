"""Charts as SVG and PNG files, drawn without a browser and without the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from polyjudge.errors import ConfigError, MissingExtra
from polyjudge.reporting.html.chart import Chart, printed, theme

VEGA_LITE = "6.4"
WIDTH = 640
SCALE = 2.0


def export(charts: Sequence[Chart], folder: Path, mark: str = "") -> tuple[Path, ...]:
    """Write every chart as NAME.svg and NAME.png, in the page's light colours.

    Args:
        charts: of a page.
        folder: where to.
        mark: a word that stands above each, for what is not to be mistaken once it has left its page.

    Raises:
        MissingExtra: without vl-convert.
        ConfigError: the folder cannot be written.
    """
    try:
        import vl_convert
    except ImportError:
        raise MissingExtra("vl_convert", "figures", "--figures") from None
    config = {**printed(theme()), "background": "white"}
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for chart in charts:
            spec = printed(chart.spec)
            if spec["width"] == "container":
                spec = {**spec, "width": WIDTH}
            if mark:
                spec = {**spec, "title": {"text": mark, "anchor": "start"}}
            svg, png = folder / f"{chart.name}.svg", folder / f"{chart.name}.png"
            svg.write_text(vl_convert.vegalite_to_svg(spec, VEGA_LITE, config, allowed_base_urls=[]), "utf-8")
            png.write_bytes(vl_convert.vegalite_to_png(spec, VEGA_LITE, SCALE, config=config, allowed_base_urls=[]))
            written += [svg, png]
    except OSError as error:
        raise ConfigError(f"cannot write figures into {str(folder)!r}: {error.strerror or error}") from error
    return tuple(written)
