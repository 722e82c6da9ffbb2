"""What the page that Versus' users follow tells them to write, verbatim."""

CONFIG = """\
name: versus
host: 0.0.0.0
port: 3000
public_host: https://your-ack-host.example

alert:
  debug_body: true

  slack:
    enable: true
    token: ${SLACK_TOKEN}
    channel_id: ${SLACK_CHANNEL_ID}
    template_path: "config/slack_message.tmpl"

oncall:
  enable: true
  wait_minutes: 3
  provider: servicenow

  servicenow:
    instance_url: ${SERVICENOW_INSTANCE_URL} # e.g. https://dev12345.service-now.com (REQUIRED)
    username: ${SERVICENOW_USERNAME} # REQUIRED
    password: ${SERVICENOW_PASSWORD} # REQUIRED
    table: incident # ServiceNow table; defaults to "incident"
    other_instance_urls: # Optional: per-request instance override
      infra: ${SERVICENOW_OTHER_INSTANCE_URL_INFRA}
      app: ${SERVICENOW_OTHER_INSTANCE_URL_APP}
      db: ${SERVICENOW_OTHER_INSTANCE_URL_DB}

redis: # Required for on-call functionality
  insecure_skip_verify: true # dev only
  host: ${REDIS_HOST}
  port: ${REDIS_PORT}
  password: ${REDIS_PASSWORD}
  db: 0
"""

ENVIRONMENT = {
    "SLACK_TOKEN": "your_slack_token",
    "SLACK_CHANNEL_ID": "your_channel_id",
    "SERVICENOW_INSTANCE_URL": "https://dev12345.service-now.com",
    "SERVICENOW_USERNAME": "versus.integration",
    "SERVICENOW_PASSWORD": "your_servicenow_password",
    "REDIS_HOST": "redis",
    "REDIS_PORT": "6379",
    "REDIS_PASSWORD": "your_redis_password",
}
