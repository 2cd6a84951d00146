"""Settings, all from the environment; without any variable the embedded default runs.

The table of variables is in the README. ``hephaestus_site.config`` reads the configuration file.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import environ
import structlog

from hephaestus_site import config

env = environ.Env()

BASE_DIR = config.BASE_DIR
DATA_DIR = config.data_dir()
FILE_CONFIG = config.file_config(DATA_DIR)

SECRET_KEY = config.secret_key(DATA_DIR)
DEBUG = env.bool("HEPHAESTUS_DEBUG", default=False)
HOST = env.str("HEPHAESTUS_HOST", default="127.0.0.1")
PORT = env.int("HEPHAESTUS_PORT", default=8000)
ALLOWED_HOSTS = env.list("HEPHAESTUS_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]", HOST])
CSRF_TRUSTED_ORIGINS = env.list("HEPHAESTUS_TRUSTED_ORIGINS", default=[])
BEHIND_TLS = env.bool("HEPHAESTUS_BEHIND_TLS", default=False)

RATE_LIMIT = env.int("HEPHAESTUS_RATE_LIMIT", default=1000)
AGENT_AUTH = env.str("HEPHAESTUS_AGENT_AUTH", default="token")
REPOSITORY_ROOT = Path(env.str("HEPHAESTUS_REPOSITORY_ROOT", default=str(BASE_DIR.parent))).expanduser().resolve()
TRACKING_BY_DEFAULT = FILE_CONFIG.ticket_tracking.enabled
MAX_BODY_BYTES = 1024 * 1024

# Search: what makes vectors, what keeps them, and how the two halves of a hybrid search are weighed.
EMBEDDING_BY = functools.partial(config.embedding, FILE_CONFIG)
EMBEDDING = EMBEDDING_BY()
QDRANT_URL = env.str("QDRANT_URL", default="")
QDRANT_API_KEY = env.str("QDRANT_API_KEY", default="")
SEARCH = config.search()

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "tickets",
    "search",
    "gitlinks",
    "boards",
    "mcp_bridge",
    "hephaestus_site",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "hephaestus_site.urls"
ASGI_APPLICATION = "hephaestus_site.asgi.application"
APPEND_SLASH = False

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# SQLite: one writer at a time by the write lock (tickets.unit), so the busy timeout is only for
# writers outside it. recursive_triggers: without it INSERT OR REPLACE slips past the append-only triggers.
SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL;"
    f"PRAGMA synchronous={env.str('HEPHAESTUS_SQLITE_SYNCHRONOUS', default='NORMAL')};"
    "PRAGMA busy_timeout=20000;"
    "PRAGMA foreign_keys=ON;"
    "PRAGMA recursive_triggers=ON;"
    "PRAGMA temp_store=MEMORY;"
    # For each of the threads: eight of them at 100,000 tickets.
    "PRAGMA cache_size=-8000;"
)
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'hephaestus.db'}")
}
# A fixed set of threads serves requests (hephaestus_site.asgi), so each keeps its connection.
DATABASES["default"]["CONN_MAX_AGE"] = None
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "init_command": SQLITE_PRAGMAS,
        "timeout": 20,
    }
    # A file, not memory: tests run several threads and processes on it.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.db")}
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # For tickets.statements. Behind a pooler that loses plans: ?prepare_threshold=1000000000 in the URL.
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("prepare_threshold", 5)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", default="")
if REDIS_URL:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
    CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
    }

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AUTHENTICATION_BACKENDS = ["hephaestus_site.people.Backend"]
SESSION_ENGINE = "hephaestus_site.people"
CSRF_FAILURE_VIEW = "tickets.api.errors.csrf_failure"
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/tickets"
LOGOUT_REDIRECT_URL = "/login"
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
# Two servers on one host (two data folders) share cookies otherwise: cookies know no port.
SESSION_COOKIE_NAME = f"hephaestus_session_{PORT}"
CSRF_COOKIE_NAME = f"hephaestus_csrf_{PORT}"
if BEHIND_TLS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000

DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tickets.api.authentication.BearerAuthentication",
        "tickets.api.authentication.HumanSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": [
        "tickets.api.renderers.JSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "tickets.api.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Hephaestus Tickets",
    "DESCRIPTION": "Tickets, comments, history, commits and boards for fleets of coding agents.",
    "VERSION": "1.0.0",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_INCLUDE_SCHEMA": False,
    # What pydantic writes is JSON Schema, which OpenAPI takes since 3.1.
    "OAS_VERSION": "3.1.1",
    "PREPROCESSING_HOOKS": ["tickets.api.schema.only_canonical"],
    # Several are called status, or kind.
    "ENUM_NAME_OVERRIDES": {
        "FileChangeStatus": "gitlinks.schemas.CHANGE_STATUSES",
        "TaskStatus": "tickets.models.TaskStatus.values",
        "ViewKind": "boards.schemas.VIEW_KINDS",
    },
}

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    # A refusal is an answer: neither a client's error nor a 503 is an event for the log.
    "loggers": {"django.request": {"level": "ERROR"}},
    "root": {"handlers": ["stderr"], "level": env.str("HEPHAESTUS_LOG_LEVEL", default="WARNING")},
}
