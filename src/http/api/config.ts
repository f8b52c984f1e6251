// Routes of the tenant config: read, check, publish against the version that was read.
import * as z from "zod/mini";
import { ConfigDocument } from "../../core/config/document.ts";
import { policyVersionOf, type PublishedConfig } from "../../core/config/published.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import type { Principal } from "../../core/principal.ts";
import { checkCandidate, publishCandidate } from "../../gateway/publish-config.ts";
import type { ConfigVersion } from "../../gateway/ports.ts";
import type { HttpContext } from "../context.ts";
import { readBodyJson } from "../middleware/body.ts";
import { problem } from "./errors.ts";
import type { ApiRoute } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const Version = z.object({
  version: z.int(),
  policy_version: z.string(),
  digest: z.string(),
  published_at: z.string(),
  published_by: z.string(),
});
const Config = z.object({ ...Version.shape, document: ConfigDocument });
const Checked = z.object({ ok: z.boolean(), digest: z.string() });
const IF_MATCH = {
  name: "If-Match",
  in: "header",
  description: "The `ETag` of the version that was read; not needed for the first version",
} as const;

/** The routes. */
export const configRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/config",
    operationId: "getConfig",
    summary: "Read the active config, or a version of it",
    tag: "config",
    permission: "config.read",
    parameters: [{ name: "version", in: "query", description: "A version number; the active one when left out" }],
    responses: {
      200: { description: "The config; its version is in `ETag`", schema: Config },
      404: { description: "Nothing is published" },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const asked = c.req.query("version");
      if (asked !== undefined && !/^[1-9]\d{0,8}$/.test(asked))
        return problem(refuse("invalid_request", "version: expected a whole number of at least 1"));
      const { configs } = c.var.runtime.ports;
      const found =
        asked === undefined ? await configs.current(tenant.value) : await configs.version(tenant.value, Number(asked));
      return found === undefined
        ? problem(refuse("not_found", asked === undefined ? "nothing is published yet" : `no config version ${asked}`))
        : Response.json({ ...shown(found), document: found.document }, { headers: etag(found) });
    },
  },
  {
    method: "PUT",
    path: "/v1/config",
    operationId: "putConfig",
    summary: "Publish a config as the next version",
    tag: "config",
    permission: "config.write",
    parameters: [IF_MATCH],
    body: ConfigDocument,
    responses: {
      200: { description: "The new version", schema: Version },
      412: { description: "Another version was published since" },
      422: { description: "Every mistake in the document, with its path" },
      428: { description: "`If-Match` is missing" },
    },
    answer: async (c) => {
      const read = await readCandidate(c);
      if (!read.ok) return problem(read);
      const expected = await expectedVersion(c, read.value.principal.tenant);
      if (!expected.ok) return problem(expected);
      const { runtime } = c.var;
      const published = await publishCandidate(runtime.ports, runtime.deployment, read.value.principal, {
        candidate: read.value.candidate,
        expected: expected.value,
      });
      return published.ok
        ? Response.json(shown(published.value), { headers: etag(published.value) })
        : problem(published);
    },
  },
  {
    method: "GET",
    path: "/v1/config/versions",
    operationId: "listConfigVersions",
    summary: "List every published version",
    tag: "config",
    permission: "config.read",
    responses: { 200: { description: "The versions, oldest first", schema: z.object({ data: z.array(Version) }) } },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const versions = await c.var.runtime.ports.configs.versions(tenant.value);
      return Response.json({
        data: versions.map(shown),
      });
    },
  },
  {
    method: "POST",
    path: "/v1/config/check",
    operationId: "checkConfig",
    summary: "Check a config without publishing it",
    tag: "config",
    permission: "config.read",
    body: ConfigDocument,
    responses: {
      200: { description: "It could be published", schema: Checked },
      422: { description: "Every mistake in the document, with its path" },
    },
    answer: async (c) => {
      const read = await readCandidate(c);
      if (!read.ok) return problem(read);
      const { runtime } = c.var;
      const checked = await checkCandidate(
        runtime.ports,
        runtime.deployment,
        read.value.principal,
        read.value.candidate,
      );
      return checked.ok ? Response.json({ ok: true, digest: checked.value.digest }) : problem(checked);
    },
  },
];

async function readCandidate(
  c: HttpContext,
): Promise<Outcome<{ readonly principal: Principal; readonly candidate: unknown }>> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return tenant;
  const body = await readBodyJson(c);
  return body.ok ? accept({ principal: { ...c.var.principal, tenant: tenant.value }, candidate: body.value }) : body;
}

async function expectedVersion(c: HttpContext, tenant: string): Promise<Outcome<number>> {
  const header = c.req.header("if-match");
  const match = header === undefined ? null : /^(?:W\/)?"?(\d{1,9})"?$/.exec(header.trim());
  if (match !== null) return accept(Number(match[1]));
  const current = (await c.var.runtime.ports.configs.current(tenant))?.version ?? 0;
  if (header?.trim() === "*") return accept(current);
  if (header !== undefined)
    return refuse("invalid_request", "If-Match: expected the `ETag` of a config version", {
      mistakes: [{ path: "If-Match", message: 'expected a version such as "3"' }],
    });
  return current === 0
    ? accept(0)
    : refuse(
        "precondition_required",
        `version ${current} is active: send its \`ETag\` in If-Match, so that nobody's change is overwritten unseen`,
      );
}

function shown({ version, digest, published_at, published_by }: ConfigVersion): z.infer<typeof Version> {
  return {
    version,
    policy_version: policyVersionOf({ version, digest }),
    digest,
    published_at: new Date(published_at).toISOString(),
    published_by,
  };
}

function etag(config: PublishedConfig): Readonly<Record<string, string>> {
  return { etag: `"${config.version}"` };
}
