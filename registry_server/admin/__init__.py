"""``comfy-nodes registry admin``: what the operator decides, on the machine itself."""

from __future__ import annotations

import typer

from registry_server.admin import accounts, care, catalogue, nodes, packs, workflows

app = typer.Typer(
    help="Publishers, tokens, states, owners, backups. Works on the data directly, also while the server runs.",
    no_args_is_help=True,
)
app.add_typer(accounts.publishers, name="publisher")
app.add_typer(accounts.users, name="user")
app.add_typer(accounts.tokens, name="token")
app.add_typer(workflows.app, name="trusted")
app.add_typer(packs.app, name="pack")
app.add_typer(packs.releases, name="release")
app.add_typer(nodes.app, name="node")
app.add_typer(care.webhooks, name="webhook")
app.command("audit")(care.audit)
app.command("backup")(care.backup)
app.command("restore")(care.restore)
app.command("verify")(care.verify)
app.command("snapshot")(care.snapshot)
app.command("import-catalogue")(catalogue.import_catalogue)

__all__ = ["app"]
