"""Command `banktuner-audit`: verify the records, show what was decided, list what is old, compute a text's digest."""

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from banktuner_gateway.audit.errors import KeyFileError
from banktuner_gateway.audit.heads import find_heads
from banktuner_gateway.audit.keys import read_key
from banktuner_gateway.audit.record import Head
from banktuner_gateway.audit.report import count_decisions, table
from banktuner_gateway.audit.retention import expired_files
from banktuner_gateway.audit.verify import Chain, Options, Problem, Result, trusted_heads, verify

GOOD, BAD, UNUSABLE = 0, 1, 2
EPILOG = "Exit codes: 0 all is as it was written; 1 something was changed or is missing; 2 the input cannot be used."


class _InputError(Exception):
    """Arguments or files that cannot be used; the message says which."""


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Ends the process with code 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="banktuner-audit", description=__doc__, epilog=EPILOG)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("verify", help="check the chains, name the first bad record", epilog=EPILOG)
    _add_files(check)
    keys = check.add_mutually_exclusive_group(required=True)
    keys.add_argument("--key-file", type=Path, action="append", help="the audit key; again for each older key")
    keys.add_argument("--no-key", action="store_true", help="check only what needs no key: order, hashes, heads")
    check.add_argument(
        "--head", type=Path, action="append", default=[], help="file with published heads; again for more"
    )
    check.add_argument("--at-least", metavar="CHAIN=SEQUENCE", action="append", default=[], help="from Prometheus")
    check.add_argument("--partial", action="store_true", help="chains may begin before these files")
    _add_files(commands.add_parser("show", help="count the decisions of each day"))
    old = commands.add_parser("expired", help="list the files whose chains ended before a day; nothing is deleted")
    old.add_argument("files", type=Path, nargs="+", help="files of records, or folders with *.jsonl in them")
    old.add_argument("--before", type=date.fromisoformat, required=True, metavar="YYYY-MM-DD", help="day in UTC")
    digest = commands.add_parser("digest", help="digest of standard input, as the records have it")
    digest.add_argument("purpose", choices=("request", "earlier", "response"))
    digest.add_argument("--key-file", type=Path, required=True)
    return parser.parse_args(arguments)


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", type=Path, nargs="+", help="files of records, or folders with *.jsonl in them")
    parser.add_argument("--log", action="store_true", help="the files are containers' logs, oldest first")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    options = parse_arguments(arguments)
    try:
        if options.command == "verify":
            return _verify(options)
        if options.command == "show":
            _print(table(count_decisions(_files(options.files), options.log)))
        elif options.command == "expired":
            for path in expired_files(_files(options.files), options.before.isoformat()):
                _print(str(path))
        else:
            _print(read_key(options.key_file).text_digest(options.purpose, sys.stdin.buffer.read().decode("utf-8")))
    except (KeyFileError, OSError, UnicodeDecodeError, _InputError) as error:
        sys.stderr.write(f"banktuner-audit: {error}\n")
        return UNUSABLE
    return GOOD


def _files(given: Sequence[Path]) -> list[Path]:
    found = [file for path in given for file in (sorted(path.rglob("*.jsonl")) if path.is_dir() else [path])]
    if not found:
        raise _InputError("there is no *.jsonl file in the folders given")
    return found


def _verify(given: argparse.Namespace) -> int:
    keys = None if given.no_key else {key.id: key for key in map(read_key, given.key_file)}
    options = Options(keys, given.log, given.partial)
    heads, troubles = _heads(given.head, options)
    floors = [_floor(text) for text in given.at_least]
    result = verify(_files(given.files), heads, options)
    result.problems += [*troubles, *(problem for floor in floors if (problem := _short(result, *floor)))]
    if not result.records and not result.problems:
        raise _InputError("there is no record in these files; containers' logs need --log")
    _print(describe(result, len(heads) + len(floors), without_key=keys is None))
    return BAD if result.problems else GOOD


def _heads(files: Sequence[Path], options: Options) -> tuple[list[Head], list[Problem]]:
    good: list[Head] = []
    problems: list[Problem] = []
    for path in files:
        found, bad = find_heads(path.read_text("utf-8", "replace"))
        if not found and not bad:
            raise _InputError(f"{path}: there is no head in it")
        trusted, untrusted = trusted_heads(found, options)
        good += trusted
        problems += [*untrusted, *[Problem(str(path), "?", None, "a head that cannot be read")] * bad]
    return good, problems


def _floor(text: str) -> tuple[str, int]:
    chain, _, number = text.rpartition("=")
    if not chain or not number.isdecimal():
        raise _InputError(f"--at-least {text}: CHAIN=SEQUENCE is needed")
    return chain, int(number)


def _short(result: Result, name: str, sequence: int) -> Problem | None:
    chain = result.chains.get(name)
    last = chain.next.sequence - 1 if chain and chain.next else -1
    if last >= sequence or (chain and chain.broken):
        return None
    place = chain.last_place if chain and chain.last_place else "--at-least"
    return Problem(place, name, last + 1, f"truncated: {sequence} was reached, the last record here is {last}")


def describe(result: Result, heads: int, *, without_key: bool) -> str:
    """The outcome in lines: the first bad record first."""
    lines = []
    for rank, problem in enumerate(result.problems):
        name = "FIRST BAD RECORD" if rank == 0 else "also"
        number = "?" if problem.sequence is None else problem.sequence
        lines.append(f"{name}: {problem.place}: chain {problem.chain or '?'}, record {number}: {problem.what}")
    lines += [f"note: {note}" for note in result.notes]
    lines += [_describe_chain(chain) for chain in result.chains.values() if chain.first is not None]
    if heads == 0:
        lines.append("note: no head was given: records missing at the end of a chain cannot be found")
    if without_key:
        lines.append(
            "note: without the key, a chain that was written anew as a whole cannot be found unless a head tells"
        )
    verdict = f"{len(result.problems)} problems" if result.problems else "all good"
    lines.append(f"{verdict}: {result.records} records, {len(result.chains)} chains, {heads} heads compared")
    return "\n".join(lines)


def _describe_chain(chain: Chain) -> str:
    last = chain.next.sequence - 1 if chain.next else 0
    end = "ended in order" if chain.stopped else "has no end: it runs, crashed or was cut"
    return f"chain {chain.name} ({chain.gateway or '?'}): records {chain.first} to {last}, {chain.last_time}, {end}"


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
