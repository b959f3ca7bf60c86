"""The `setsum` command: every command by its name."""

import typer

from study.command import run_command
from study.commands import cohorts, looking, machine, models, running, stages

app = typer.Typer(
    help="How strongly should a regressor be regularised by learning from sets of scans?",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# In the order of `setsum --help`.
for command in (
    running.init,
    running.run,
    running.resume,
    running.extend,
    stages.sweep,
    stages.confirm,
    stages.test,
    stages.findings,
    stages.report,
    stages.export,
    looking.status,
    looking.dashboard,
    looking.compare,
    cohorts.phantom,
    cohorts.inspect,
    models.train,
    models.predict,
    machine.doctor,
):
    app.command()(command)


def main() -> None:
    """Entry point."""
    run_command(app)


if __name__ == "__main__":
    main()
