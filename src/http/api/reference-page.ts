// Renders the OpenAPI document as one self-contained page: no script, no external resource.
import { html, raw } from "hono/html";
import { isJsonObject, type Json, type JsonObject } from "../../core/json/canonical.ts";

const STYLE = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); --soft: color-mix(in srgb, currentColor 6%, transparent); }
* { box-sizing: border-box } body { font: 15px/1.55 system-ui, sans-serif; margin: 0; display: grid; grid-template-columns: 17rem minmax(0, 1fr); }
nav { position: sticky; top: 0; height: 100vh; overflow: auto; border-right: 1px solid var(--line); padding: 1.5rem 1rem; font-size: 13px }
nav h2 { font-size: 11px; text-transform: uppercase; letter-spacing: .08em; opacity: .6; margin: 1.25rem 0 .25rem } nav a { display: block; padding: .15rem 0; color: inherit; text-decoration: none; overflow-wrap: anywhere }
nav a:hover, nav a:focus-visible { text-decoration: underline } main { padding: 2rem 2.5rem 6rem; max-width: 60rem } h1 { margin: 0 0 .25rem; font-size: 1.6rem }
article { border: 1px solid var(--line); border-radius: 8px; margin: 1rem 0; padding: 1rem 1.25rem } article h3 { margin: 0; font: 600 14px ui-monospace, monospace; overflow-wrap: anywhere }
.method { display: inline-block; min-width: 4.2em; font-weight: 700 } .GET { color: #1f7a4d } .POST { color: #1d5fb8 } .PUT { color: #a35c00 } .DELETE { color: #b3261e }
@media (prefers-color-scheme: dark) { .GET { color: #6fd3a0 } .POST { color: #8ab8ff } .PUT { color: #ffb870 } .DELETE { color: #ff9d96 } }
pre { background: var(--soft); border-radius: 6px; padding: .75rem 1rem; overflow: auto; font: 12.5px/1.5 ui-monospace, monospace; margin: .5rem 0 } table { border-collapse: collapse; width: 100%; font-size: 13.5px; margin: .5rem 0 }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top } details summary { cursor: pointer; opacity: .75; font-size: 13px } p { margin: .4rem 0 }
@media (max-width: 52rem) { body { display: block } nav { position: static; height: auto; border: 0 } main { padding: 1rem } }
`;

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly body: JsonObject;
}

/** The page of an OpenAPI document of ours. */
export async function referencePage(document: Readonly<Record<string, unknown>>): Promise<string> {
  const plain = JSON.parse(JSON.stringify(document)) as JsonObject;
  const operations = operationsOf(plain["paths"]);
  const groups = Map.groupBy(operations, (operation) => tagOf(operation));
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Interlock API</title>
        <style>
          ${raw(STYLE)}
        </style>
      </head>
      <body>
        <nav aria-label="Operations">
          <strong>Interlock API</strong>${[...groups].map(
            ([tag, group]) =>
              html`<h2>${tag}</h2>
                ${group.map((each) => html`<a href="#${idOf(each)}"><span class="method ${each.method}">${each.method}</span> ${each.path}</a>`)}`,
          )}
        </nav>
        <main>
          <h1>Interlock API</h1>
          <p>
            Every operation takes an API key in <code>Authorization: Bearer …</code> or <code>x-api-key</code>. Errors
            are RFC 9457 problems; their codes stand at <a href="/errors">/errors</a>. The machine-readable form is
            <a href="/openapi.json">/openapi.json</a>.
          </p>
          ${[...groups].map(
            ([tag, group]) =>
              html`<h2>${tag}</h2>
                ${group.map(article)}`,
          )}
        </main>
      </body>
    </html>`;
  const text = await page;
  return text.toString();
}

function operationsOf(paths: Json | undefined): readonly Operation[] {
  if (!isJsonObject(paths)) return [];
  return Object.entries(paths).flatMap(([path, methods]) =>
    isJsonObject(methods)
      ? Object.entries(methods).flatMap(([method, body]) =>
          isJsonObject(body) ? [{ method: method.toUpperCase(), path, body }] : [],
        )
      : [],
  );
}

function tagOf({ body }: Operation): string {
  const tags = body["tags"];
  const first: Json | undefined = Array.isArray(tags) ? (tags as readonly Json[])[0] : undefined;
  return typeof first === "string" ? first : "other";
}

function idOf({ body }: Operation): string {
  return textOf(body["operationId"]);
}

function textOf(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}

function article(operation: Operation): ReturnType<typeof html> {
  const { method, path, body } = operation;
  return html`<article id="${idOf(operation)}">
    <h3><span class="method ${method}">${method}</span> ${path}</h3>
    <p>${prose(body["summary"])}</p>
    ${parameters(body["parameters"])}${schemaBlock("Request body", body["requestBody"])}${responses(body["responses"])}
  </article>`;
}

/** Text whose `code` is shown as code. */
function prose(value: Json | undefined): readonly (ReturnType<typeof html> | string)[] {
  return textOf(value)
    .split("`")
    .map((part, at) => (at % 2 === 0 ? part : html`<code>${part}</code>`));
}

function parameters(value: Json | undefined): ReturnType<typeof html> | string {
  if (!Array.isArray(value) || value.length === 0) return "";
  const rows = (value as readonly Json[]).filter(isJsonObject);
  return html`<table>
    <thead>
      <tr>
        <th>Parameter</th>
        <th>In</th>
        <th>Meaning</th>
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) =>
          html`<tr>
            <td><code>${textOf(row["name"])}</code></td>
            <td>${textOf(row["in"])}</td>
            <td>${prose(row["description"])}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function schemaBlock(label: string, holder: Json | undefined): ReturnType<typeof html> | string {
  const content = isJsonObject(holder) ? holder["content"] : undefined;
  const first = isJsonObject(content) ? Object.values(content)[0] : undefined;
  const schema = isJsonObject(first) ? first["schema"] : undefined;
  if (!isJsonObject(schema) || Object.keys(schema).length === 0) return "";
  return html`<details>
    <summary>${label}</summary>
    <pre>${JSON.stringify(schema, null, 2)}</pre>
  </details>`;
}

function responses(value: Json | undefined): ReturnType<typeof html> | string {
  if (!isJsonObject(value)) return "";
  return html`<table>
    <thead>
      <tr>
        <th>Status</th>
        <th>Meaning</th>
      </tr>
    </thead>
    <tbody>
      ${Object.entries(value).map(
        ([status, response]) =>
          html`<tr>
            <td><code>${status}</code></td>
            <td>${isJsonObject(response) ? prose(response["description"]) : ""}${schemaBlock("Schema", response)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}
