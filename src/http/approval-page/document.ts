// Decides what every page of the approval link is wrapped in: one self-contained document, no script, nothing stored.
import { html, raw } from "hono/html";
import { sha256Hex } from "../../core/json/digest.ts";

export { html };

/** A fragment of a page, its values escaped. */
export type Fragment = ReturnType<typeof html>;

const STYLE = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); --soft: color-mix(in srgb, currentColor 6%, transparent) }
* { box-sizing: border-box } body { font: 16px/1.55 system-ui, sans-serif; margin: 0; padding: 1.5rem 1rem 4rem } main { max-width: 44rem; margin: 0 auto }
h1 { font-size: 1.45rem; line-height: 1.25; margin: 0 0 1rem } h2 { font-size: 1rem; margin: 1.75rem 0 .4rem }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) minmax(0, 1fr); gap: .3rem 1rem; margin: 0 } dt { opacity: .7 } dd { margin: 0; overflow-wrap: anywhere }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; padding: .75rem 1rem; overflow: auto; font: 14px/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere } ul { margin: .3rem 0; padding-left: 1.2rem } .quiet { opacity: .7 }
.note { border-left: 4px solid #b26a00; background: var(--soft); padding: .6rem 1rem; margin: 0 0 1.25rem } label { display: block; margin: 1rem 0 .3rem; font-weight: 600 }
textarea, input { font: inherit; width: 100%; padding: .5rem; border: 1px solid var(--line); border-radius: 6px; background: transparent; color: inherit } textarea { min-height: 5rem }
.actions { display: flex; gap: .75rem; margin-top: 1rem; flex-wrap: wrap } button { font: inherit; font-weight: 600; padding: .55rem 1.4rem; border-radius: 6px; border: 1px solid transparent; cursor: pointer }
.approve { background: #1f7a4d; color: #fff } .deny { background: #b3261e; color: #fff } .look { background: transparent; border-color: currentColor; color: inherit }
:focus-visible { outline: 3px solid #1d5fb8; outline-offset: 2px }
`;

/** What the content security policy lets the page load: this style and nothing else. */
const styleDigest = btoa(
  String.fromCharCode(...(sha256Hex(STYLE).match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16))),
);

/** One text from the first byte to the last: white space would make it another style than the policy names. */
const STYLE_ELEMENT = raw(`<style>${STYLE}</style>`);

/** A page as a response: never stored, never framed, its address never passed on, its style the only thing it may load. */
export async function pageResponse(page: {
  readonly title: string;
  readonly body: Fragment;
  readonly status: number;
}): Promise<Response> {
  const document = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${page.title}</title>
        ${STYLE_ELEMENT}
      </head>
      <body>
        <main>${page.body}</main>
      </body>
    </html>`;
  return new Response(document.toString(), {
    status: page.status,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": `default-src 'none'; style-src 'sha256-${styleDigest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
    },
  });
}
