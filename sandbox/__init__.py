"""Stand-ins for Slack and ServiceNow, for the demo and the tests.

They speak the real services' words, forget everything when they stop, and misbehave when asked to: slow, refusing,
dropping the connection, lying. Nothing here imports the product: this is the world outside it.
"""
