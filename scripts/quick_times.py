"""Note how long each chapter takes at the budget `quick`, alone on one thread, in results/quick.json.

From it come the order in which `d2lcnn run` starts the chapters, and the time left that it shows. Only the proportions matter."""
import json
import os
from pathlib import Path

os.environ['D2LCNN_BUDGET'] = 'quick'
from d2lcnn.book import find_chapters, prepare_data, run_chapter  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent


def main():
    print(prepare_data())
    seconds = {}
    for path in find_chapters(nbs=ROOT / 'nbs'):
        result = run_chapter(path, threads=1)
        if not result['ok']:
            raise SystemExit(f'{path.stem}: {result["error"]}')
        seconds[path.stem] = round(result['seconds'], 1)
    text = json.dumps(seconds, indent=1)
    (ROOT / 'results' / 'quick.json').write_text(text + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
