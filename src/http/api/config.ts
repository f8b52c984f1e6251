// Routes of the tenant config: read, publish against the version that was read, roll back.
import * as z from "zod/mini";
import { ConfigDocument } from "../../core/config/document.ts";
import { policyVersionOf, type PublishedConfig } from "../../core/config/published.ts";
import { refuse } from "../../core/errors.ts";
import { publishCandidate, rollBack } from "../../gateway/publish-config.ts";
import type { ConfigVersion } from "../../gateway/ports.ts";
import { expectedVersion, readCandidate } from "./config-candidate.ts";
import { configReviewRoutes } from "./config-review.ts";
import { problem } from "./errors.ts";
import { readBody, type ApiRoute } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const Version = z.object({
  version: z.int(),
  policy_version: z.string(),
  digest: z.string(),
  published_at: z.string(),
  published_by: z.string(),
  rolled_back_to: z.optional(z.int()),
});
const Config = z.object({ ...Version.shape, document: ConfigDocument });
const Rollback = z.strictObject({
  /** The version whose document becomes the next one. */
  version: z.int().check(z.gte(1)),
  reason: z.optional(z.string().check(z.minLength(1), z.maxLength(500))),
});
const RolledBack = z.object({
  ...Version.shape,
  rolled_back_to: z.int(),
  warnings: z.array(z.object({ path: z.string(), message: z.string() })),
});
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
    path: "/v1/config/rollback",
    operationId: "rollBackConfig",
    summary: "Publish an earlier version's document as the next version",
    tag: "config",
    permission: "config.write",
    parameters: [IF_MATCH],
    body: Rollback,
    responses: {
      200: { description: "The new version, and what today's checks say of it", schema: RolledBack },
      404: { description: "No such version" },
      412: { description: "Another version was published since" },
      422: { description: "The document refers to what is gone" },
      428: { description: "`If-Match` is missing" },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const body = await readBody(c, Rollback);
      if (!body.ok) return problem(body);
      const expected = await expectedVersion(c, tenant.value);
      if (!expected.ok) return problem(expected);
      const { ports, deployment } = c.var.runtime;
      const principal = { ...c.var.principal, tenant: tenant.value };
      const { version, reason = null } = body.value;
      const done = await rollBack(ports, deployment, principal, { version, reason, expected: expected.value });
      if (!done.ok) return problem(done);
      const { published, warnings } = done.value;
      return Response.json({ ...shown(published), rolled_back_to: version, warnings }, { headers: etag(published) });
    },
  },
  ...configReviewRoutes,
];

function shown({ version, digest, published_at, published_by, rolled_back }: ConfigVersion): z.infer<typeof Version> {
  return {
    version,
    policy_version: policyVersionOf({ version, digest }),
    digest,
    published_at: new Date(published_at).toISOString(),
    published_by,
    ...(rolled_back === undefined ? {} : { rolled_back_to: rolled_back.to }),
  };
}

function etag(config: PublishedConfig): Readonly<Record<string, string>> {
  return { etag: `"${config.version}"` };
}
