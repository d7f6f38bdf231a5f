"""Serve the lake to analysts: HTTP API and console."""

from __future__ import annotations

from pathlib import Path

import click

from ashiato.options import lake_option

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@lake_option
@click.option("--listen", default="127.0.0.1:8321", show_default=True, metavar="HOST:PORT", help="Where to listen.")
@click.option(
    "--tokens",
    type=_FILE,
    metavar="FILE",
    help="Who may look (hashed tokens, roles, clusters); without it, one token for this run.",
)
@click.option(
    "--access-log", type=_FILE, metavar="FILE", help="Who looked at what, a JSON line each (default: standard error)."
)
@click.option("--tls-cert", type=_FILE, metavar="FILE", help="Server certificate (PEM).")
@click.option("--tls-key", type=_FILE, metavar="FILE", help="Its key (PEM).")
@click.option("--insecure", is_flag=True, help="Plain HTTP to others: something in front speaks TLS.")
@click.option(
    "--query-seconds", type=click.FloatRange(0.1), default=30.0, show_default=True, help="Longest time of one query."
)
@click.option("--memory-limit", default="1GB", show_default=True, help="Memory of one query.")
@click.option("--concurrent-queries", type=click.IntRange(1), default=4, show_default=True, help="Queries at a time.")
@click.option(
    "--requests-per-second", type=click.FloatRange(0.1), default=20.0, show_default=True, help="Of one caller."
)
def api(
    lake_location: str, listen: str, tokens: Path | None, access_log: Path | None, tls_cert: Path | None, tls_key: Path | None,
    insecure: bool, query_seconds: float, memory_limit: str, concurrent_queries: int, requests_per_second: float,
) -> int:  # fmt: skip
    """Read-only HTTP over the lake, and the console in a browser.

    \b
    Examples:
      ashiato api --lake L                                  prints the console's address with a token for this run
      ashiato api --lake L --tokens callers.yaml --listen 0.0.0.0:8321 --tls-cert c.pem --tls-key k.pem

    \b
    callers.yaml (token: openssl rand -hex 32; digest: printf %s "$TOKEN" | sha256sum):
      callers:
        alice: {token_sha256: [<digest>], roles: [read, sql], clusters: [prod-eu]}
    """
    from api.server import run_api
    from api.settings import ApiSettings

    return run_api(
        ApiSettings(
            lake=lake_location, listen=listen, tokens=tokens, access_log=access_log, tls_cert=tls_cert, tls_key=tls_key,
            insecure=insecure, query_seconds=query_seconds, memory_limit=memory_limit, concurrent_queries=concurrent_queries,
            requests_per_second=requests_per_second,
        )
    )  # fmt: skip
