"""`./probewatch topics`: create the Kafka topics, or check them."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from streams import exits
from streams.options import Broker
from streams.settings import load_settings
from streams.topics import TOPICS, admin_client, create, kafka_name, partition_count, survey


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("topics")
    def topics(
        create_missing: Annotated[bool, typer.Option("--create", help="Create the missing ones.")] = False,
        check: Annotated[bool, typer.Option("--check", help="Only check, the default.")] = False,
        broker: Broker = None,
        as_json: Annotated[bool, typer.Option("--json", help="Last line is one JSON object.")] = False,
    ) -> None:
        """Compare the Kafka topics with what Probewatch needs; exit 1 where they differ."""
        if create_missing and check:
            raise typer.BadParameter("--create and --check exclude each other")
        try:
            settings = load_settings(broker=broker)
            admin = admin_client(settings)
            try:
                found = survey(admin, settings)
                made = [kafka_name(settings, topic.name) for topic in found.missing] if create_missing else []
                if create_missing:
                    create(admin, settings, found.missing)
            finally:
                admin.close()
        except exits.Stop as stop:
            Console(stderr=True).print(str(stop), style="red", highlight=False, soft_wrap=True, markup=False)
            raise typer.Exit(exits.FAILURE) from None
        missing = [] if create_missing else [kafka_name(settings, topic.name) for topic in found.missing]
        table = Table("topic", "partitions", "wanted", "clean-up", "state")
        for topic in TOPICS:
            name = kafka_name(settings, topic.name)
            state = "created" if name in made else "missing" if name in missing else "present"
            wanted = partition_count(settings, topic)
            there = found.partitions.get(name, wanted if name in made else None)
            if there not in (None, wanted):
                state = "wrong"
            table.add_row(name, "" if there is None else str(there), str(wanted), topic.cleanup, state)
        console = Console()
        console.print(table)
        for sentence in (*found.wrong, *found.warnings):
            console.print(sentence, highlight=False, soft_wrap=True, markup=False)
        if missing:
            console.print("create the missing ones with `./probewatch topics --create`")
        if as_json:
            answer = {"created": made, "missing": missing, "wrong": found.wrong, "warnings": found.warnings}
            print(json.dumps(answer))
        if missing or found.wrong:
            raise typer.Exit(exits.FAILURE)
