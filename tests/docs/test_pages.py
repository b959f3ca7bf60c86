"""Every command and all Python in the pages is run, or says why not and is checked as far as it can be."""

import re
import shlex
import subprocess

import pytest
import typer.main
from pages import PAGES, Block, blocks, is_slow, name_of
from reader import Page

from study.cli import app

TEXTS = {page: page.read_text() for page in PAGES}
WITH_BLOCKS = [page for page in PAGES if blocks(TEXTS[page])]
TO_RUN = [page for page in PAGES if any(not block.reason for block in blocks(TEXTS[page]))]


def parameters(pages):
    return [
        pytest.param(page, id=name_of(page), marks=[pytest.mark.slow] if is_slow(TEXTS[page]) else [])
        for page in pages
    ]


@pytest.mark.parametrize("page", parameters(TO_RUN))
def test_what_a_page_says_can_be_done_in_its_order(page, tmp_path, environment):
    reader = Page(tmp_path, environment)
    try:
        for block in blocks(TEXTS[page]):
            if not block.reason:
                reader.run(block)
    finally:
        reader.close()


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=name_of)
def test_what_is_not_run_is_at_least_well_formed(page):
    for block in blocks(TEXTS[page]):
        if block.language == "python":
            compile(block.text, f"{name_of(page)}:{block.line}", "exec")
            continue
        done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
        assert done.returncode == 0, f"{name_of(page)}:{block.line}: {done.stderr}"
        for words in setsum_lines(block.text):
            check(words)


def setsum_lines(text):
    """The words after each `setsum` in a script, up to what ends a command."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:
            # A quotation over several lines.
            words = line.split()
        for start in (i for i, word in enumerate(words) if word == "setsum"):
            if start == 0 or words[start - 1] not in ("install", "cd", "mkdir", "from", "import"):
                rest = words[start + 1 :]
                end = next((i for i, word in enumerate(rest) if re.fullmatch(r"[();<>|&]+|\d?>", word)), None)
                yield rest[:end]


def check(words):
    """That the command exists and has these options; their values are not looked at."""
    group = typer.main.get_command(app)
    if not words or words[0].startswith("-"):
        return
    command = group.commands.get(words[0])
    assert command, f"there is no command `setsum {words[0]}`"
    context = type(command).context_class(command, info_name=words[0], resilient_parsing=True)
    options = {
        option
        for parameter in command.get_params(context)
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    for word in words[1:]:
        option = word.split("=")[0]
        if option.startswith("-") and option != "-":
            assert option in options, f"`setsum {words[0]}` has no option `{option}`"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("setsum predikt x", "no command"),
        ("PASSWORD=x setsum run --adress ray://host", "no option `--adress`"),
        ("srun setsum run \\\n  --storrage s3://bucket study.yaml", "no option `--storrage`"),
    ],
)
def test_a_command_line_that_does_not_exist_is_seen(line, says):
    (words,) = setsum_lines(line)
    with pytest.raises(AssertionError, match=says):
        check(words)


def test_blocks_are_found_with_their_reasons():
    text = (
        "```sh\none\n```\n\n<!-- not run: no cluster here -->\n```sh\ntwo\n```\n"
        "1. In a list:\n\n   ```python\n   three\n   ```\n\n<!-- not run: far away -->\n\nWords.\n\n"
        "```sh\nfour\n```\n```text\nfive\n```\n"
    )
    assert [(block.language, block.text, block.reason) for block in blocks(text)] == [
        ("sh", "one\n", ""),
        ("sh", "two\n", "no cluster here"),
        ("python", "three\n", ""),
        ("sh", "four\n", ""),
    ]


@pytest.mark.parametrize(
    "bad", [Block("sh", "false | true\n", 3, ""), Block("python", "print(1 / 0)\n", 3, "")]
)
def test_a_command_that_fails_fails_its_page(tmp_path, environment, bad):
    reader = Page(tmp_path, environment)
    reader.run(Block("python", "x = 1\n", 1, ""))
    reader.run(Block("python", "assert x == 1\nopen('made', 'w').close()\n", 2, ""))
    reader.run(Block("sh", "test -f made && setsum --help > /dev/null\n", 2, ""))
    with pytest.raises((AssertionError, pytest.fail.Exception), match="line 3"):
        reader.run(bad)
    reader.close()
