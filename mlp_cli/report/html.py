"""HTML as a tree of elements: whatever is put into it is escaped."""

from xml.etree import ElementTree


def E(tag, *children, **attributes):
    """An element; children are texts, elements, lists of these, or None; class_ is class, and aria_label aria-label."""
    names = {key.rstrip("_").replace("_", "-"): str(value) for key, value in attributes.items()}
    element = ElementTree.Element(tag, names)
    _append(element, children)
    return element


def _append(element, children):
    for child in children:
        if isinstance(child, list | tuple):
            _append(element, child)
        elif isinstance(child, ElementTree.Element):
            element.append(child)
        elif child is not None:
            if len(element):
                element[-1].tail = (element[-1].tail or "") + str(child)
            else:
                element.text = (element.text or "") + str(child)


def table(caption, header, rows, is_wide=False, **attributes):
    """A table in a box that scrolls where it is too wide, by keys too if `is_wide`. First cells are headers."""
    head = E("thead", E("tr", [E("th", cell, scope="col") for cell in header]))
    body = E("tbody", [E("tr", E("th", row[0], scope="row"), [E("td", cell) for cell in row[1:]]) for row in rows])
    element = E("table", E("caption", caption), head, body, **attributes)
    return scrolling(element, caption) if is_wide else E("div", element, class_="scroll")


def scrolling(element, label):
    """A box that scrolls where its content is too wide, also by keys."""
    return E("div", element, class_="scroll", tabindex=0, role="group", aria_label=label)
