import click

from sandbox.server import Server
from sandbox.servicenow import ServiceNow
from sandbox.slack import SlackWorkspace
from sandbox.world import World


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8085, show_default=True, help="0 takes a free one.")
@click.option(
    "--channel", "channels", multiple=True, metavar="ID=NAME", help="How the page names a Slack channel."
)
@click.option("--user", default="ackstream", show_default=True, help="ServiceNow's user.")
@click.option("--password", default="sandbox", show_default=True, help="ServiceNow's password.")
def main(host: str, port: int, channels: tuple[str, ...], user: str, password: str) -> None:
    """Run stand-in Slack and ServiceNow servers, with a page that shows what they got."""
    names = {identity: name or identity for identity, _, name in (entry.partition("=") for entry in channels)}
    world = World(slack=SlackWorkspace(names), servicenow=ServiceNow(user=user, password=password))
    Server(world, host, port, on_ready=lambda url: click.echo(f"Stand-in Slack and ServiceNow: {url}/")).run()


if __name__ == "__main__":
    main()
