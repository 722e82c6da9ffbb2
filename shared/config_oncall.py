"""What must fit together in `oncall`, told where it stands in the file."""

from collections.abc import Iterator

from shared import config_errors
from shared.config_draft import Draft
from shared.config_errors import Problem, dotted
from shared.config_values import is_private_enough

SERVICENOW = ("oncall", "servicenow")
WEBHOOK = ("oncall", "webhook")
STEPS = ("oncall", "steps")
INSTANCES = (*SERVICENOW, "other_instance_urls")
DEFAULT = "default"
SLACK_SWITCH = ("alert", "slack", "enable")


def is_on_call(written: Draft) -> bool:
    return written.is_on(("oncall", "enable")) or written.is_on(("oncall", "initialized_only"))


def led_to(written: Draft) -> dict[str, config_errors.Path]:
    """Where on-call leads, `servicenow` or `webhook`, and by which key."""
    steps = list(_steps(written))
    if not steps:
        return {written.text(("oncall", "provider")).lower() or "servicenow": ("oncall", "provider")}
    return {target: step for step in reversed(steps) if (target := _target(written, step))}


def missing_webhook(written: Draft) -> dict[config_errors.Path, str]:
    """Keys that must be there, and why."""
    needed: dict[config_errors.Path, str] = {}
    if is_on_call(written) and (key := led_to(written).get("webhook")):
        needed = {(*WEBHOOK, name): f"{dotted(key)} leads there" for name in ("url", "secret")}
    elif written.get((*WEBHOOK, "url")) is not None:
        needed = {(*WEBHOOK, "secret"): "oncall.webhook.url is given"}
    return needed


def oncall_contradictions(written: Draft) -> Iterator[Problem]:
    yield from _step_problems(written)
    url = written.text((*WEBHOOK, "url"))
    if url.startswith("http://") and not _is_private_enough(url) and not _allows_http(written):
        words = (
            "should be https://: alerts would travel unencrypted; oncall.webhook.allow_http: true permits it"
        )
        yield written.problem((*WEBHOOK, "url"), words)
    for path in written.places:
        if path[:-1] == INSTANCES and not path[-1]:
            yield written.problem(path, "should have a name, by which requests ask for it")
        if url and path[:-1] == INSTANCES and path[-1].lower() == "webhook":
            yield written.problem(
                path, "should have another name: that of oncall.webhook in metrics and logs"
            )


def oncall_advice(written: Draft) -> Iterator[str]:
    """What is written and does not count."""
    if any(_steps(written)) and ("oncall", "wait_minutes") in written.places:
        yield "oncall.wait_minutes: has no effect, because oncall.steps say when"
    provider, leads = written.text(("oncall", "provider")).lower(), led_to(written)
    if any(_steps(written)) and provider and provider not in leads:
        yield "oncall.provider: has no effect, because oncall.steps say where to"
    if is_on_call(written) and written.get((*WEBHOOK, "url")) is not None and "webhook" not in leads:
        yield "oncall.webhook: is never called, because no step, and no oncall.provider, leads there"
    for path in written.places:
        if path[:-1] == INSTANCES and path[-1].lower() == DEFAULT:
            told = "so is instance_url's called in metrics, logs and commands, and they cannot be told apart"
            yield f"{dotted(path)}: should have another name: {told}"


def _allows_http(written: Draft) -> bool:
    return written.is_on((*WEBHOOK, "allow_http"))


def _is_private_enough(url: str) -> bool:
    try:
        return is_private_enough(url)
    except ValueError:
        return True  # what is wrong with it is told where it is read


def _step_problems(written: Draft) -> Iterator[Problem]:
    steps = list(_steps(written))
    if steps and not any(_target(written, step) for step in steps):
        yield written.problem(
            STEPS, "should have a step with target: servicenow or webhook; nobody is reached"
        )
    known, taken = _instances(written), dict[str, str]()
    for step in steps:
        if is_on_call(written) and (*step, "mention") in written.places and not written.is_on(SLACK_SWITCH):
            yield written.problem((*step, "mention"), "calls nobody unless alert.slack.enable is true")
        if _target(written, step) != "servicenow":
            continue
        name = written.text((*step, "instance"))
        if name and name.lower() not in known:
            names = ", ".join(known.values()) or "none"
            words = f"is no instance of oncall.servicenow.other_instance_urls; there: {names}"
            yield written.problem((*step, "instance"), words)
        if name.lower() in taken:
            words = f"leads where {taken[name.lower()]} does, and an incident has one record there"
            yield written.problem(step, words)
        taken.setdefault(name.lower(), dotted(step))


def _steps(written: Draft) -> Iterator[config_errors.Path]:
    steps = written.get(STEPS)
    yield from ((*STEPS, str(number)) for number in range(len(steps) if isinstance(steps, list) else 0))


def _target(written: Draft, step: config_errors.Path) -> str:
    return written.text((*step, "target")).lower()


def _instances(written: Draft) -> dict[str, str]:
    """Names of the further instances, as written, by what they are found by."""
    return {path[-1].lower(): path[-1] for path in written.places if path[:-1] == INSTANCES}
