"""`./probewatch console`: the oversight console, and the accounts that may use it."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from streams import exits
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from console.access.names import Names
    from console.settings import ConsoleSettings
    from console.storage.engine import Store
    from console.web.app import Beside
    from streams.configuration import Configuration

errors = Console(stderr=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    group = typer.Typer(help="Serve the oversight console.", invoke_without_command=True)
    app.add_typer(group, name="console")
    group.callback()(serve)
    account = typer.Typer(help="Accounts of the console.", no_args_is_help=True)
    group.add_typer(account, name="account")

    @account.callback()
    def accounts() -> None:
        """Keep `add` a command of its own."""

    account.command("add")(add_account)


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port [8080]; 0 takes a free one.")
    ] = None,
    kafka: Annotated[
        bool, typer.Option(help="Take alerts from Kafka, and send decisions; without it, show what is there.")
    ] = True,
) -> None:
    """Serve the console until Ctrl-C; prints its address."""
    if context.invoked_subcommand is not None:
        return
    import uvicorn

    from console.intake.registry import Following
    from console.settings import load_console_settings
    from console.storage import configurations
    from console.storage.engine import open_store
    from console.web.app import clock, create_app
    from streams import logs

    try:
        streams = load_settings()
        settings = load_console_settings(host=host, port=port)
        listening = _listen(settings)
        logs.configure(streams.log_format, streams.log_level)
        logging.getLogger("kafka").setLevel(logging.CRITICAL)  # who reads and sends tells it in words
        configuration, names = _configured(streams)
        store = open_store(settings.database)
        with store.writing() as session:
            configurations.tell(session, configuration, clock())
        beside = [*_kafka(store, streams, clock)] if kafka else []
        beside.append(Following(store, streams.models_dir, clock))
        beside += _monitored(store, streams, settings, clock, configuration.digest)
        app = create_app(settings, store=store, configuration=configuration, names=names, beside=beside)
    except exits.Stop as stop:
        _fail(str(stop))
    address = listening.getsockname()
    place = f"[{address[0]}]" if ":" in address[0] else address[0]
    errors.print(
        f"The console is at {settings.public_url or f'http://{place}:{address[1]}'}", highlight=False
    )
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips=settings.trusted_proxies,
            timeout_graceful_shutdown=5,
        )
    )
    server.run(sockets=[listening])


def add_account(
    name: Annotated[str, typer.Argument(help="Name to log in with.")],
    role: Annotated[list[str], typer.Option(help="viewer, reviewer, ...; may be given more than once.")],
) -> None:
    """Add an account; the password is asked for, or read from standard input.

    It is never an argument, which others on this machine could read.
    """
    from console.access import accounts
    from console.access.passwords import Passwords, weakness
    from console.settings import load_console_settings
    from console.storage.engine import open_store

    try:
        settings = load_console_settings()
        password = _password()
        weak = weakness(password, accounts.folded(name))
        if weak is not None:
            raise exits.Stop(weak)
        store = open_store(settings.database)
        with store.writing() as session:
            row = accounts.add(
                session,
                name=name,
                roles=role,
                actor=accounts.COMMAND,
                now=datetime.now(UTC),
                password=Passwords().hash(password),
            )
        store.close()
    except (exits.Stop, accounts.Refused) as error:
        _fail(str(error))
    errors.print(f"{row.name} may log in as {', '.join(row.roles)}.", highlight=False, markup=False)


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return asked


def _kafka(store: Store, settings: Settings, now: Callable[[], datetime]) -> tuple[Beside, ...]:
    from console.intake.reading import Reader
    from console.work.sending import Sender

    return Reader(store, settings, now), Sender(store, settings, now)


def _monitored(
    store: Store, streams: Settings, settings: ConsoleSettings, now: Callable[[], datetime], digest: str
) -> list[Beside]:
    """What tells Alertmanager and Prometheus how the work stands. Raises Stop when a port is taken."""
    from console.measuring import Measuring, metrics_server
    from console.silencing import Silencer
    from streams import VERSION, metrics

    found: list[Beside] = []
    silencer = None
    if streams.alertmanager_url is not None:
        silencer = Silencer(store, streams.alertmanager_url, now, timedelta(days=settings.silence_days))
        found.append(silencer)
    if settings.metrics_port:
        metrics.BUILD.labels(VERSION, digest).set(1)
        measuring = Measuring(store, now, silencer)
        found.append(metrics_server(measuring, settings.metrics_host, settings.metrics_port))
    return found


def _listen(settings: ConsoleSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise exits.Stop(
            f"the console cannot listen on {settings.host} port {settings.port}: {error.strerror};"
            " choose another one with --port"
        ) from None
    return listening


def _configured(streams: Settings) -> tuple[Configuration, Names]:
    """What is in force, with pseudonyms in the roster as ingest makes them; and who they are."""
    from console.access.names import Names
    from models.detectors import settings_types
    from models.pseudonym import Pseudonyms
    from streams.commands.config import SHIPPED
    from streams.configuration import ConfigurationError, load, read_people

    key = streams.pseudonym_key.get_secret_value().encode() if streams.pseudonym_key else b""
    try:
        configuration = load(streams.config_dir, SHIPPED, settings_types(), Pseudonyms(key))
        people = read_people(streams.config_dir, SHIPPED)
    except ConfigurationError as error:
        raise exits.Stop("\n".join(map(str, error.problems))) from None
    return configuration, Names.of(people, key)


def _fail(sentence: str) -> NoReturn:
    errors.print(sentence, style="red", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(exits.FAILURE)
