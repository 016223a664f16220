#!/usr/bin/env python3
"""Give every page of the rendered site its own words and its place (`post-render`).

Quarto (seen with 1.9) does not look at the front matter that nbs/_filter.py writes when it makes
the cards for other sites, Open Graph and Twitter: each notebook gets the site's one description,
and for an image it puts a drawing from inside the page behind the site's address. Here a card's
description becomes the page's own, `<meta name="description">`, and an image without an address
is left out.

In the bar at the top, Quarto takes the first link that the sidebar has, too, for the current page,
on every page. Here the page's own link is marked so, and on other pages the link that leads into
the page's part of the book, without being called the page.
"""

import os
import posixpath
import re
from pathlib import Path

OWN = re.compile(r'<meta name="description" content="([^"]*)"\s*/?>')
DESCRIPTION = re.compile(
    r'(<meta (?:property="og|name="twitter):description" content=")[^"]*("\s*/?>)'
)
IMAGE = re.compile(
    r'<meta (?:property="og|name="twitter):image(?::\w+)?" content="([^"]*)"\s*/?>\n?'
)


BAR = re.compile(r'<a class="nav-link(?: active)?" href="([^"#]*)"(?: aria-current="\w+")?>')


def part(page):
    "The part of the book that a page belongs to: the chapters, or its folder."
    folder, name = posixpath.split(page)
    return 'chapters' if re.match(r'(\d\d|f\d)_', name) else folder


def placed(html, page):
    "A page, given by its address, whose bar marks this page, or else its part of the book."
    folder = posixpath.dirname(page)
    links = [posixpath.normpath(posixpath.join(folder, link)) for link in BAR.findall(html)]
    parts = [part(link) for link in links]
    mark, at = '', None
    if page in links:
        mark, at = ' aria-current="page"', links.index(page)
    elif part(page) in parts:
        mark, at = ' aria-current="true"', parts.index(part(page))
    places = iter(range(len(links)))

    def link(m):
        if next(places) == at:
            return f'<a class="nav-link active" href="{m[1]}"{mark}>'
        return f'<a class="nav-link" href="{m[1]}">'

    return BAR.sub(link, html)


def mended(html):
    "A page with its own description and no image that nobody can load."
    own = OWN.search(html)
    if own:
        html = DESCRIPTION.sub(lambda m: m[1] + own[1] + m[2], html)
    if any('data:' in address for address in IMAGE.findall(html)):
        html = IMAGE.sub('', html)
    return html


def main(folder):
    "Mend all pages below a folder."
    for path in sorted(folder.rglob('*.html')):
        html = path.read_text(encoding='utf-8')
        better = placed(mended(html), path.relative_to(folder).as_posix())
        if better != html:
            path.write_text(better, encoding='utf-8', newline='\n')


if __name__ == '__main__':
    main(Path(os.environ['QUARTO_PROJECT_OUTPUT_DIR']))
