"""HTML as a tree of elements; all text is escaped."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from mlp_cli.printable import printable

Child: TypeAlias = "Element | str | float | Sequence[Child] | None"


def E(tag: str, *children: Child, **attributes: str | float) -> Element:
    """An element; children are texts, elements, lists of these, or None; class_ is class, and aria_label aria-label."""
    names = {key.rstrip("_").replace("_", "-"): _shown(value) for key, value in attributes.items()}
    element = ElementTree.Element(tag, names)
    _append(element, children)
    return element


def _shown(value: object) -> str:
    """The text of a child or an attribute; control characters, which HTML does not allow, are escaped."""
    return printable(str(value), keep="\n\t")


def _append(element: Element, children: Sequence[Child]) -> None:
    for child in children:
        if isinstance(child, list | tuple):
            _append(element, child)
        elif isinstance(child, Element):
            element.append(child)
        elif child is not None:
            if len(element):
                element[-1].tail = (element[-1].tail or "") + _shown(child)
            else:
                element.text = (element.text or "") + _shown(child)


def table(
    caption: str, header: Iterable[Child], rows: Iterable[Sequence[Child]], is_wide: bool = False, **attributes: str
) -> Element:
    """A table in a box that scrolls if it is too wide, also by keyboard if `is_wide`. First cells are headers."""
    head = E("thead", E("tr", [E("th", cell, scope="col") for cell in header]))
    body = E("tbody", [E("tr", E("th", row[0], scope="row"), [E("td", cell) for cell in row[1:]]) for row in rows])
    element = E("table", E("caption", caption), head, body, **attributes)
    return scrolling(element, caption) if is_wide else E("div", element, class_="scroll")


def scrolling(element: Element, label: str) -> Element:
    """A box that scrolls if its content is too wide, also by keyboard."""
    return E("div", element, class_="scroll", tabindex=0, role="group", aria_label=label)
