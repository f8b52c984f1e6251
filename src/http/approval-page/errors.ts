// Decides how refusals read on the approval page: a small page that reveals nothing but the refusal.
import { ERRORS, refuse, type Refusal } from "../../core/errors.ts";
import { html, pageResponse } from "./document.ts";

/** A refusal as a page of its own. */
export function errorPage(refusal: Refusal): Promise<Response> {
  const { status, title } = ERRORS[refusal.code];
  const body = html`<h1>${title}</h1>
    <p>${refusal.detail}</p>
    <p class="quiet">Code <code>${refusal.code}</code></p>`;
  return pageResponse({ title, body, status });
}

/** The page of every token that opens nothing: whether it was forged, is over, or names what is gone is not told. */
export function invalidLink(): Promise<Response> {
  return errorPage(
    refuse(
      "approval_link_invalid",
      "This link opens nothing. It may be over, or not whole: use the link as it was sent to you.",
    ),
  );
}
