import click

from sandbox.server import Server
from sandbox.servicenow import ServiceNow
from sandbox.slack import SlackWorkspace
from sandbox.slack_settings import SIGNING_SECRET, SlackSettings
from sandbox.world import World


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8085, show_default=True, help="0 takes a free one.")
@click.option(
    "--channel", "channels", multiple=True, metavar="ID=NAME", help="How the page names a Slack channel."
)
@click.option("--user", default="ackstream", show_default=True, help="ServiceNow's user.")
@click.option("--password", default="sandbox", show_default=True, help="ServiceNow's password.")
@click.option("--interactivity-url", default="", metavar="URL", help="Where presses of buttons are posted.")
@click.option("--signing-secret", default=SIGNING_SECRET, show_default=True, help="Signs them.")
@click.option(
    "--posts-per-second", type=float, default=None, help="Posts and edits per channel, honestly limited."
)
def main(
    host: str,
    port: int,
    channels: tuple[str, ...],
    user: str,
    password: str,
    interactivity_url: str,
    signing_secret: str,
    posts_per_second: float | None,
) -> None:
    """Run stand-in Slack and ServiceNow servers, with a page that shows what they got."""
    settings = SlackSettings(
        interactivity_url=interactivity_url, signing_secret=signing_secret, posts_per_second=posts_per_second
    )
    names = {identity: name or identity for identity, _, name in (entry.partition("=") for entry in channels)}
    world = World(
        slack=SlackWorkspace(names, settings=settings), servicenow=ServiceNow(user=user, password=password)
    )
    Server(world, host, port, on_ready=lambda url: click.echo(f"Stand-in Slack and ServiceNow: {url}/")).run()


if __name__ == "__main__":
    main()
