"""`ackstream check-config --online`: what only Slack itself can say about a configuration. Posts nothing."""

from services.notifier.channel_health import Finding, Grade, inspect
from services.notifier.slack import Slack
from shared.config import SlackConfig


async def ask_slack(config: SlackConfig) -> list[Finding]:
    """About the token, its scopes and every channel; the token's finding comes first."""
    slack = Slack(config.token.get_secret_value() if config.token else "", config.api_url, config.timeout)
    try:
        return await inspect(slack, config.channels)
    finally:
        await slack.close()


def table(findings: list[Finding]) -> list[str]:
    """A line each, in columns."""
    grade = max(len(finding.grade) for finding in findings)
    about = max(len(finding.about) for finding in findings)
    return [
        f"{finding.grade.upper():{grade}}  {finding.about:{about}}  {finding.told}" for finding in findings
    ]


def all_is_well(findings: list[Finding]) -> bool:
    """Nothing is known to be wrong, and somebody answered."""
    return findings[0].grade is Grade.OK and all(finding.grade is not Grade.WRONG for finding in findings)
