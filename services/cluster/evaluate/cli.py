"""`slugline evaluate`: how well the clustering does on labelled articles."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

evaluate_app = typer.Typer(help="Measure clustering on labelled articles.", add_completion=False)


@evaluate_app.callback(invoke_without_command=True, subcommand_metavar="", context_settings={"allow_interspersed_args": True})
def evaluate(
    files: Annotated[list[Path], typer.Argument(help="JSON lines with story, title, text; .gz too.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    no_time: Annotated[bool, typer.Option("--no-time", help="Hide the times of publication.")] = False,
    explain: Annotated[int, typer.Option(min=0, help="Show so many of the worst confusions, with the evidence.")] = 0,
    cross_lingual: Annotated[bool, typer.Option("--cross-lingual", help="Count stories linked across languages as one.")] = False,
) -> None:
    """Run labelled articles in time order through the service's own code and print how its stories agree with the labels."""
    from services.cluster.enrich.features import FeatureMaker
    from services.cluster.evaluate.explain import explained
    from services.cluster.evaluate.labelled import read_labelled
    from services.cluster.evaluate.report import macro_of, report_of, united
    from services.cluster.evaluate.run import run_articles

    notes = Console(stderr=True)
    read = [read_labelled(path, lambda note: notes.print(note, highlight=False, soft_wrap=True)) for path in files]
    maker = FeatureMaker()
    for language in {article.language for articles in read for article in articles}:
        maker.features("warm", "up", language)  # what is loaded on first use isn't counted as an article's time
    reports: list[dict[str, Any]] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as progress:
        for path, articles in zip(files, read, strict=True):
            task = progress.add_task(path.name, total=len(articles))
            outcome = run_articles(
                articles, maker, use_time=not no_time, cross_lingual=cross_lingual, advance=partial(_advance, progress, task)
            )
            if cross_lingual:
                outcome = replace(outcome, stories=united(outcome.stories, outcome.links))
            reports.append(report_of(str(path), articles, outcome))
            if explain and not as_json:
                print(path.name)
            if explain:
                confusions = explained(articles, outcome, explain)
                if as_json:
                    reports[-1]["confusions"] = confusions
                else:
                    for line in _lines(confusions):
                        print(line)
    macro = macro_of(reports)
    if as_json:
        print(json.dumps({"files": reports, "macro": macro}, ensure_ascii=False))
    else:
        for line in _table(reports, macro):
            print(line)


def _advance(progress: Progress, task: TaskID, done: int) -> None:
    progress.update(task, completed=done)


def _lines(confusions: list[dict[str, Any]]) -> list[str]:
    lines = []
    for confusion in confusions:
        lines.append(f"{confusion['kind']}: {confusion['articles']} articles")
        lines += [
            f"    [{part['story']}] {part['title']}  (score {part['score']}, nearest: {part['nearest']})" for part in confusion["parts"]
        ]
    return lines


def _row(report: dict[str, Any]) -> str:
    cubed = report["bcubed"]
    figures = "".join(
        f"{value:8.3f}" for value in (cubed["precision"], cubed["recall"], cubed["f1"], report["pairwise"]["f1"], report["v_measure"])
    )
    counts = "".join(
        f"{report.get(name, ''):>10}" for name in ("stories", "labelled_stories", "singletons", "articles_per_second", "peak_memory_mb")
    )
    return f"{Path(report['file']).name[:28]:<28}{figures}{counts}"


def _table(reports: list[dict[str, Any]], macro: dict[str, Any]) -> list[str]:
    names = "".join(f"{name:>8}" for name in ("P", "R", "F1", "pair F1", "V"))
    names += "".join(f"{name:>10}" for name in ("stories", "labelled", "single", "per s", "peak MB"))
    return [f"{'BCubed, pairs, V-measure':<28}{names}", *(_row(report) for report in [*reports, {"file": "macro mean", **macro}])]
