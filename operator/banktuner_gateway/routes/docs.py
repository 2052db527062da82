"""GET /docs: the API's page (Swagger UI), to read and to try it. It loads nothing from other hosts."""

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

PATH = "/docs"
FILES = StaticFiles(packages=[("fastapi_offline", "static")])
"""Swagger UI as a package of Python brings it: FastAPI's own page loads it from a public network."""
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
router = APIRouter()


@router.get(PATH, include_in_schema=False)
async def page(request: Request) -> HTMLResponse:
    """Relative addresses: the gateway may be behind a path of the bank's ingress."""
    request.state.record.route = PATH
    html = get_swagger_ui_html(
        title=str(request.app.title),
        openapi_url="openapi.json",
        swagger_js_url="docs/swagger-ui-bundle.js",
        swagger_css_url="docs/swagger-ui.css",
        swagger_favicon_url="docs/favicon.png",
    )
    html.headers["content-security-policy"] = POLICY
    return html
