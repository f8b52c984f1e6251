// Routes of tenants and keys: created by the root key or an admin, shown once, stored as hashes.
import * as z from "zod/mini";
import { refuse } from "../../core/errors.ts";
import { isName, isScope } from "../../core/units/identifier.ts";
import { ROLES } from "../../core/principal.ts";
import { createKey, revokeKey } from "../../gateway/change-keys.ts";
import { notFound, problem } from "./errors.ts";
import { pathParameter, readBody, type ApiRoute } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const tenantId = z
  .string()
  .check(z.regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "expected 1 to 63 lower-case letters, digits and `-`"));
const label = z.string().check(z.minLength(1), z.maxLength(128));

const scope = z.string().check(z.refine(isScope, "expected a scope such as `billing:write`, or `*`"));
const actor = z.string().check(z.refine((text) => text === "*" || isName(text), "expected an actor's name, or `*`"));

const NewTenant = z.strictObject({ id: tenantId, name: z.optional(label) });
const Tenant = z.object({ id: z.string(), name: z.string() });
const NewKey = z
  .strictObject({
    tenant: z.optional(tenantId),
    name: z._default(label, "key"),
    roles: z.array(z.enum(ROLES)).check(z.minLength(1, "expected at least one role")),
    scopes: z._default(z.array(scope), []),
    actors: z._default(z.array(actor), []),
  })
  .check(
    z.refine((key) => !key.roles.includes("agent") || key.actors.length > 0, {
      path: ["actors"],
      error: "expected at least one actor: an agent's key acts as one",
    }),
  );
const Key = z.object({
  id: z.string(),
  tenant: z.string(),
  name: z.string(),
  roles: z.array(z.string()),
  scopes: z.array(z.string()),
  actors: z.array(z.string()),
  created_at: z.string(),
});
const CreatedKey = z.object({ ...Key.shape, key: z.string() });

/** The routes. */
export const tenantRoutes: readonly ApiRoute[] = [
  {
    method: "POST",
    path: "/v1/tenants",
    operationId: "createTenant",
    summary: "Create a tenant",
    tag: "tenants",
    permission: "tenants.write",
    body: NewTenant,
    responses: { 201: { description: "The tenant", schema: Tenant }, 409: { description: "The id is taken" } },
    answer: async (c) => {
      const body = await readBody(c, NewTenant);
      if (!body.ok) return problem(body);
      const { id, name = id } = body.value;
      if (!(await c.var.runtime.ports.tenants.create(id, name, c.var.principal.keyId)))
        return problem(refuse("already_exists", `tenant "${id}" exists already`));
      return Response.json({ id, name }, { status: 201 });
    },
  },
  {
    method: "POST",
    path: "/v1/keys",
    operationId: "createKey",
    summary: "Create an API key; its text is shown only in this answer",
    tag: "tenants",
    permission: "keys.write",
    body: NewKey,
    responses: { 201: { description: "The key and its text", schema: CreatedKey } },
    answer: async (c) => {
      const body = await readBody(c, NewKey);
      if (!body.ok) return problem(body);
      const tenant = await tenantOf(c, body.value.tenant);
      if (!tenant.ok) return problem(tenant);
      const { listing, text } = await createKey(c.var.runtime.ports, c.var.principal.keyId, {
        ...body.value,
        tenant: tenant.value,
      });
      return Response.json({ ...listing, key: text }, { status: 201, headers: { "cache-control": "no-store" } });
    },
  },
  {
    method: "GET",
    path: "/v1/keys",
    operationId: "listKeys",
    summary: "List the tenant's keys, without their texts",
    tag: "tenants",
    permission: "keys.write",
    responses: { 200: { description: "The keys", schema: z.object({ data: z.array(Key) }) } },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      return tenant.ok ? Response.json({ data: await c.var.runtime.ports.keys.list(tenant.value) }) : problem(tenant);
    },
  },
  {
    method: "DELETE",
    path: "/v1/keys/:id",
    operationId: "revokeKey",
    summary: "Revoke a key",
    tag: "tenants",
    permission: "keys.write",
    parameters: [{ name: "id", in: "path", description: "The key's id, `key_…`", required: true }],
    responses: { 204: { description: "Revoked" }, 404: { description: "No such key" } },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const id = pathParameter(c, "id");
      return (await revokeKey(c.var.runtime.ports, { tenant: tenant.value, by: c.var.principal.keyId }, id))
        ? new Response(null, { status: 204 })
        : notFound(`key "${id}"`);
    },
  },
];
