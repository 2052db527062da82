"""How the pages look: the theme, the style sheet, and the page to sign in. Nothing of it comes from another host."""

from html import escape

import gradio as gr

CSS = """
.gradio-container { max-width: 1280px !important; margin: 0 auto !important; padding: 0 !important; }
.gradio-container .main { padding: 16px 24px !important; }
.gradio-container, .gradio-container .main, #top, #choices, #conversations, #asking { width: 100% !important; }
#title h1 { font-size: 1.35rem; font-weight: 600; margin: 0; }
#top { align-items: center; flex-wrap: nowrap; }
#choices, #choices .form { align-items: center; }
#choices .form { background: var(--block-background-fill); }
#tuned, #base { height: calc(100dvh - 240px) !important; min-height: 300px; }
#tuned p:last-child > em:only-child, #base p:last-child > em:only-child {
  font-size: .8rem; font-style: normal; opacity: .8; overflow-wrap: anywhere; }
#notice { border-left: 4px solid #b45309; padding: 6px 12px; }
footer { display: none !important; }
@media (max-width: 700px) {
  .gradio-container .main { padding: 8px !important; }
  #conversations { flex-direction: column; }
  #tuned, #base { flex: none !important; }
  #tuned { height: calc(100dvh - 300px) !important; }
  #conversations:has(#base) #tuned, #conversations:has(#base) #base {
    width: 100%; height: calc((100dvh - 340px) / 2) !important; min-height: 190px; }
  #new { flex-grow: 1 !important; }
}
"""
_SYSTEM_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "DejaVu Sans", "sans-serif")


def theme() -> gr.themes.Base:
    """Gradio's own, with the fonts that the browser has."""
    return gr.themes.Default(
        primary_hue="blue", neutral_hue="slate", font=_SYSTEM_FONTS, font_mono=("ui-monospace", "monospace")
    )


def login_page(title: str, problem: str = "") -> str:
    """HTML; `problem` is text, why the last try did not succeed."""
    said = f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else ""
    return _LOGIN.replace("TITLE", escape(title)).replace("PROBLEM", said)


_LOGIN = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TITLE</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; }
body { font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; margin: 0; min-height: 100vh;
  display: grid; place-items: center; background: Canvas; color: CanvasText; }
main { width: min(24rem, calc(100vw - 3rem)); }
h1 { font-size: 1.35rem; font-weight: 600; }
label { display: block; font-weight: 600; margin-bottom: .4rem; }
input, button { font: inherit; width: 100%; box-sizing: border-box; padding: .6rem .7rem; border-radius: 6px; }
input { border: 1px solid #94a3b8; }
button { margin-top: .8rem; border: 0; background: #1d4ed8; color: #fff; font-weight: 600; cursor: pointer; }
.problem { border-left: 4px solid #b91c1c; padding-left: .7rem; }
.hint { font-size: .9rem; opacity: .75; }
</style>
</head>
<body>
<main>
<h1>TITLE</h1>
PROBLEM
<form method="post" action="/login">
<label for="token">Access token</label>
<input id="token" name="token" type="password" autocomplete="off" spellcheck="false" required autofocus>
<button type="submit">Sign in</button>
</form>
<p class="hint">Your bank gives you the token. It stays on the server until you sign out.</p>
</main>
</body>
</html>
"""
