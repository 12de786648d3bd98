"""The page that asks for a token, and the cookie that carries it afterwards."""

import base64
import hashlib
from importlib.resources import files
from typing import Final

from jinja2 import Environment
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hizumi.serving.access import Access
from hizumi.station.languages import language_of

SIGN_IN: Final = "/"  # the page itself, so that a form sent from there keeps what is asked for behind its #
COOKIE: Final = "hizumi_token"
STYLE = """
:root { color-scheme: light dark; font: 16px/1.45 system-ui, -apple-system, "Segoe UI", "Hiragino Sans",
  "Noto Sans CJK JP", "Yu Gothic UI", Meiryo, sans-serif; }
body { display: grid; place-items: center; min-height: 100dvh; margin: 0; background: #f3f4f2; color: #14201f; }
form { display: grid; gap: .75rem; box-sizing: border-box; width: min(24rem, 92vw); padding: 2rem;
  border-radius: .75rem; background: #fff; box-shadow: 0 0 0 1px #cfd4d0; }
h1 { display: flex; align-items: center; gap: .625rem; margin: 0 0 .5rem; font-size: 1.25rem; }
h1 svg { width: 36px; height: 36px; }
input, button { box-sizing: border-box; min-height: 44px; padding: .375rem .75rem; border: 1px solid #cfd4d0;
  border-radius: .5rem; font: inherit; }
button { border-color: #1f5c99; background: #1f5c99; color: #fff; font-weight: 600; cursor: pointer; }
:focus-visible { outline: 3px solid #1f5c99; outline-offset: 2px; }
p[role=alert] { margin: 0; padding: .5rem .75rem; border-radius: .5rem; background: #fbe3d7; color: #b03a08;
  font-weight: 600; }
@media (prefers-color-scheme: dark) {
  body { background: #11171a; color: #ecf1f0; }
  form { background: #1a2226; box-shadow: 0 0 0 1px #35434a; }
  input { border-color: #35434a; }
  button { border-color: #7db8f0; background: #7db8f0; color: #0c1620; }
  :focus-visible { outline-color: #7db8f0; }
  p[role=alert] { background: #4a2210; color: #ff9a62; }
}
"""
MARK = files("hizumi.serving").joinpath("page", "icon.svg").read_text("utf-8")
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
<body><main><form method="post"{% if elsewhere %} action="{{ elsewhere }}"{% endif %}>
<h1>{{ mark | safe }} hizumi – {{ words.title }}</h1>
{% if wrong %}<p role="alert">{{ words.wrong }}</p>{% endif %}
<label for="token">{{ words.token }}</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>{{ words.button }}</button>
</form></main></body></html>
"""
)
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'"


def sign_in_page(languages: str, *, path: str = SIGN_IN, wrong: bool = False) -> Response:
    """The page, in place of that at a path, with status 401; `languages` is what the browser says it wants."""
    language = language_of(languages)
    elsewhere = None if path == SIGN_IN else SIGN_IN
    known = {"language": language, "words": WORDS[language], "elsewhere": elsewhere, "wrong": wrong}
    content = PAGE.render(style=STYLE, mark=MARK, **known)
    # Without a referrer browsers do not say which page a form was sent from either, and the guard refuses it.
    headers = {"Content-Security-Policy": POLICY, "WWW-Authenticate": "Bearer", "Referrer-Policy": "same-origin"}
    return HTMLResponse(content, 401, headers)


def signed_in(access: Access, secret: str, languages: str, *, is_encrypted: bool) -> Response:
    """To the station's page, with a cookie that scripts cannot read, where the token is known."""
    if access.caller(secret) is None:
        return sign_in_page(languages, wrong=True)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(COOKIE, secret, httponly=True, samesite="strict", secure=is_encrypted)
    return answer
