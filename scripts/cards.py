#!/usr/bin/env python3
"""Give every page of the rendered site its own words where it is linked (`post-render`).

Quarto (seen with 1.9) does not look at the front matter that nbs/_filter.py writes when it makes
the cards for other sites, Open Graph and Twitter: each notebook gets the site's one description,
and for an image it puts a drawing from inside the page behind the site's address. Here a card's
description becomes the page's own, `<meta name="description">`, and an image without an address
is left out.
"""

import os
import re
from pathlib import Path

OWN = re.compile(r'<meta name="description" content="([^"]*)"\s*/?>')
DESCRIPTION = re.compile(
    r'(<meta (?:property="og|name="twitter):description" content=")[^"]*("\s*/?>)'
)
IMAGE = re.compile(
    r'<meta (?:property="og|name="twitter):image(?::\w+)?" content="([^"]*)"\s*/?>\n?'
)


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
        better = mended(html)
        if better != html:
            path.write_text(better, encoding='utf-8', newline='\n')


if __name__ == '__main__':
    main(Path(os.environ['QUARTO_PROJECT_OUTPUT_DIR']))
