"""The page that asks for a token, and the cookie that carries it afterwards."""

import base64
import hashlib
from typing import Final

from jinja2 import Environment
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hizumi.serving.access import Access

SIGN_IN: Final = "/sign-in"
COOKIE: Final = "hizumi_token"
STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { display: grid; place-items: center; min-height: 90vh; margin: 0; }
form { display: grid; gap: .75rem; width: min(24rem, 90vw); }
h1 { font-size: 1.25rem; margin: 0; }
input, button { font: inherit; padding: .6rem .75rem; border: 1px solid GrayText; border-radius: .375rem; }
p[role=alert] { margin: 0; font-weight: 600; }
"""
WORDS = {
    "en": {
        "title": "Sign in",
        "token": "Token",
        "button": "Sign in",
        "wrong": "That token is not known here. Ask whoever runs the station for another.",
    },
    "ja": {
        "title": "サインイン",
        "token": "トークン",
        "button": "サインイン",
        "wrong": "このトークンは登録されていません。ステーションの管理者に確認してください。",
    },
}
PAGE = Environment(autoescape=True).from_string(
    """<!doctype html>
<html lang="{{ language }}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>hizumi – {{ words.title }}</title>
<style>{{ style | safe }}</style></head>
<body><main><form method="post" action="{{ action }}">
<h1>hizumi – {{ words.title }}</h1>
{% if wrong %}<p role="alert">{{ words.wrong }}</p>{% endif %}
<label for="token">{{ words.token }}</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>{{ words.button }}</button>
</form></main></body></html>
"""
)
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'"


def sign_in_page(languages: str, *, wrong: bool = False) -> Response:
    """The page, with status 401; `languages` is what the browser says it wants."""
    language = "ja" if languages.lower().startswith("ja") else "en"
    content = PAGE.render(language=language, words=WORDS[language], style=STYLE, action=SIGN_IN, wrong=wrong)
    return HTMLResponse(content, 401, {"Content-Security-Policy": POLICY, "WWW-Authenticate": "Bearer"})


def signed_in(access: Access, secret: str, languages: str, *, is_encrypted: bool) -> Response:
    """To the station's page, with a cookie that scripts cannot read, where the token is known."""
    if access.caller(secret) is None:
        return sign_in_page(languages, wrong=True)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(COOKIE, secret, httponly=True, samesite="strict", secure=is_encrypted)
    return answer
