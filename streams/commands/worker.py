"""`./probewatch worker`: read searches, watch, alert, until told to stop."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from streams import exits, logs
from streams.options import Broker, Config
from streams.settings import load_settings, misspelled_variables


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("worker")
    def worker(
        web_port: Annotated[
            int | None, typer.Option(help="Port of /metrics and health; 0 takes a free one.")
        ] = None,
        config: Config = None,
        broker: Broker = None,
    ) -> None:
        """Run a worker. Several share the partitions; each on one host needs its own --web-port.

        Everything else is set in the environment (PROBEWATCH_...). Ends with 0 after
        SIGTERM, 1 when a message says what must be cured, 70 after an unexpected error.
        """
        # Loads Faust and every detector with its mathematics, which other commands should not wait for.
        from models.detectors import settings_types
        from streams.alertmanager import Notifier
        from streams.commands.config import SHIPPED
        from streams.configuration import load
        from streams.counting import count_posting, declare
        from streams.fitting import fitted
        from streams.stages import chosen, pseudonyms, stage_kinds
        from streams.worker import run

        try:
            settings = load_settings(web_port=web_port, config_dir=config, broker=broker)
            configuration = load(settings.config_dir, SHIPPED, settings_types(), pseudonyms(settings))
        except exits.Stop as stop:
            Console(stderr=True).print(str(stop), style="red", highlight=False, soft_wrap=True, markup=False)
            raise typer.Exit(exits.FAILURE) from None
        logs.configure(settings.log_format, settings.log_level)
        for sentence in misspelled_variables():
            exits.log.warning(sentence)
        url = settings.alertmanager_url
        notifier = Notifier(url, observe=count_posting) if url else None
        detectors = chosen(configuration)
        alphas = {one.name: one.settings.alpha for one in detectors if hasattr(one.settings, "alpha")}
        reference = configuration.reference
        declare(reference.agencies, reference.sources, alphas, configuration.budget)
        kinds = fitted(stage_kinds(settings, configuration), detectors)
        raise typer.Exit(run(settings, kinds, notifier, config_digest=configuration.digest))
