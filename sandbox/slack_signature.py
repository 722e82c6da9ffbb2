import hashlib
import hmac


def signed(body: bytes, secret: str, moment: int) -> dict[str, str]:
    """The headers by which an app knows that a request is Slack's (docs.slack.dev/authentication/verifying-requests-from-slack)."""
    digest = hmac.new(secret.encode(), b"v0:%d:%b" % (moment, body), hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": str(moment), "X-Slack-Signature": f"v0={digest}"}
