"""`ackstream check-config --online`: what only Slack itself can say about a configuration. Posts nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import SecretStr

from services.notifier.channel_health import Finding, Grade, inspect
from services.notifier.mends import told_of_app_token
from services.notifier.slack import Failure, Slack, SlackCallError
from shared.config import SlackConfig

APP_TOKEN = "app_token"  # noqa: S105  what the finding is about


async def ask_slack(config: SlackConfig) -> list[Finding]:
    """About the token, its scopes and every channel, and about the token for Socket Mode; the bot token's finding comes first."""
    async with _slack(config.token, config) as slack:
        found = await inspect(slack, config.channels)
    if config.interactivity == "socket":
        async with _slack(config.app_token, config) as slack:
            found.append(await _connecting(slack))
    return found


@asynccontextmanager
async def _slack(token: SecretStr | None, config: SlackConfig) -> AsyncIterator[Slack]:
    slack = Slack(token.get_secret_value() if token else "", config.api_url, config.timeout)
    try:
        yield slack
    finally:
        await slack.close()


async def _connecting(slack: Slack) -> Finding:
    try:
        await slack.offer_connection()
    except SlackCallError as error:
        grade = Grade.WRONG if error.failure is Failure.NEEDS_PERSON else Grade.UNKNOWN
        return Finding(APP_TOKEN, grade, told_of_app_token(str(error)))
    return Finding(APP_TOKEN, Grade.OK, "opens connections for Socket Mode")


def table(findings: list[Finding]) -> list[str]:
    """A line each, in columns."""
    if not findings:
        return []
    grade = max(len(finding.grade) for finding in findings)
    about = max(len(finding.about) for finding in findings)
    return [
        f"{finding.grade.upper():{grade}}  {finding.about:{about}}  {finding.told}" for finding in findings
    ]


def failure(findings: list[Finding]) -> str:
    """What is wrong, taken together. Empty: nothing is known to be, and whoever was asked answered."""
    wrong = [finding.about for finding in findings if finding.grade is Grade.WRONG]
    if wrong == [APP_TOKEN]:
        return "Slack would not tell of presses on buttons as configured"
    if wrong:
        return "Slack would not take messages as configured"
    return "" if not findings or findings[0].grade is Grade.OK else "Slack could not be asked"
