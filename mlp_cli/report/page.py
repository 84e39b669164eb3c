"""The page: self-contained HTML, built as a tree of elements so that all text is escaped."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from mlp_cli import __version__
from mlp_cli.report import sections
from mlp_cli.report.html import Child, E
from mlp_cli.report.subject import Subject

# With this policy the browser loads and runs nothing, even if the page contained it.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
GENERATOR = "mlp report"


def page(subjects: Sequence[Subject]) -> bytes:
    """The bytes of report.html about one Subject, or about several side by side."""
    several = len(subjects) > 1
    title = f"{len(subjects)} runs compared" if several else f"Run {subjects[0].directory}"
    return document(
        title, _lead(subjects), list(_parts_of_several(subjects) if several else _parts_of_one(subjects[0]))
    )


def document(title: str, lead: Element, parts: Sequence[Element]) -> bytes:
    """The bytes of a page made of sections."""
    head = E(
        "head",
        E("meta", charset="utf-8"),
        E("meta", http_equiv="Content-Security-Policy", content=POLICY),
        E("meta", name="viewport", content="width=device-width, initial-scale=1"),
        E("meta", name="generator", content=GENERATOR),
        E("link", rel="icon", href="data:,"),
        E("title", title),
        E("style", (Path(__file__).parent / "page.css").read_text("utf-8")),
    )
    links = [E("li", E("a", part.findtext("h2"), href=f"#{part.get('id')}")) for part in parts]
    body = E(
        "body",
        E("header", E("h1", title), lead, E("nav", E("ul", links), aria_label="Sections")),
        E("main", parts),
        E("footer", f"Made by mlp {__version__} report."),
    )
    tree = ElementTree.tostring(E("html", head, body, lang="en"), encoding="unicode", method="html")
    return f"<!doctype html>\n{tree}\n".encode(errors="replace")


def _parts_of_one(subject: Subject) -> Iterator[Element]:
    yield section("Results", "results", sections.results(subject))
    yield section("Curves", "curves", sections.curves([subject]))
    yield from _parts_of_the_answers(subject, "", "h2")
    yield section("Configuration", "configuration", sections.configuration(subject))


def _parts_of_several(subjects: Sequence[Subject]) -> Iterator[Element]:
    yield section("Results", "results", sections.comparison(subjects))
    yield section("Differences in configuration", "differences", sections.differences(subjects))
    yield section("Curves", "curves", sections.curves(subjects))
    for number, subject in enumerate(subjects, start=1):
        prefix = f"run-{number}-"
        parts = [sections.results(subject), *_parts_of_the_answers(subject, prefix, "h3")]
        parts.append(section("Configuration", f"{prefix}configuration", sections.configuration(subject), heading="h3"))
        yield section(f"Run {subject.directory}", f"run-{number}", parts)


def _parts_of_the_answers(subject: Subject, prefix: str, heading: str) -> Iterator[Element]:
    measurement = subject.measurement
    if measurement is None:
        return
    yield section("Confusion", f"{prefix}confusion", sections.confusion(measurement), heading=heading)
    yield section("Calibration", f"{prefix}calibration", sections.calibration(measurement), heading=heading)
    yield section("Most confident mistakes", f"{prefix}mistakes", sections.mistakes(measurement), heading=heading)
    yield section("What the first layer looks for", f"{prefix}weights", sections.weights(subject), heading=heading)
    if subject.warps is not None:
        yield section("Augmented training images", f"{prefix}warps", sections.warps(subject), heading=heading)


def section(title: str, identity: str, *content: Child, heading: str = "h2") -> Element:
    return E("section", E(heading, title), content, id=identity)


def _lead(subjects: Sequence[Subject]) -> Element:
    networks = sorted({_network(subject) for subject in subjects})
    datas = sorted({str(subject.facts["data"].get("name", "other data")) for subject in subjects})
    return E("p", f"{'; '.join(networks)}; trained on {', '.join(datas)}.", class_="lead")


def _network(subject: Subject) -> str:
    network = subject.config.network
    if subject.checkpoint is None:
        return f"hidden layers {'-'.join(map(str, network.hidden)) or 'none'}, {network.activation}"
    parameters = subject.checkpoint.network.parameters.flat.size
    return f"{'-'.join(map(str, subject.checkpoint.network.sizes))}, {network.activation}, {parameters:,} parameters"
