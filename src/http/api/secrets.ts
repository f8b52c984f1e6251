// Routes of tenant credentials: written and removed, never read back.
import * as z from "zod/mini";
import { refuse } from "../../core/errors.ts";
import { isName } from "../../core/units/identifier.ts";
import { putSecret, removeSecret, rotateSecrets } from "../../gateway/change-keys.ts";
import { notFound, problem } from "./errors.ts";
import { pathParameter, readBody, type ApiRoute } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const Secret = z.strictObject({ value: z.string().check(z.minLength(1), z.maxLength(8192)) });
const Rotate = z.strictObject({
  /** `new` makes a data key and seals every credential under it; `keep` only follows a changed root key. */
  data_key: z._default(z.enum(["new", "keep"]), "new"),
});
const Rotated = z.object({
  data_key: z.string(),
  secrets: z.int(),
  resealed: z.int(),
  rewrapped: z.int(),
  unreadable: z.array(z.string()),
});
const NAME = {
  name: "name",
  in: "path",
  description: "The credential's name, as the config refers to it",
  required: true,
} as const;

/** The routes. */
export const secretRoutes: readonly ApiRoute[] = [
  {
    method: "PUT",
    path: "/v1/secrets/:name",
    operationId: "putSecret",
    summary: "Store a credential for a provider or a tool, encrypted",
    tag: "config",
    permission: "config.write",
    parameters: [NAME],
    body: Secret,
    responses: { 204: { description: "Stored" } },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const name = pathParameter(c, "name");
      if (!isName(name))
        return problem(
          refuse("invalid_request", "name: expected a letter, then up to 63 letters, digits, `_`, `.` or `-`"),
        );
      const body = await readBody(c, Secret);
      if (!body.ok) return problem(body);
      const change = { tenant: tenant.value, by: c.var.principal.keyId };
      await putSecret(c.var.runtime.ports, change, { name, text: body.value.value });
      return new Response(null, { status: 204 });
    },
  },
  {
    method: "GET",
    path: "/v1/secrets",
    operationId: "listSecrets",
    summary: "List the names of the stored credentials",
    tag: "config",
    permission: "config.write",
    responses: {
      200: { description: "The names", schema: z.object({ data: z.array(z.object({ name: z.string() })) }) },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const names = await c.var.runtime.ports.secrets.names(tenant.value);
      return Response.json({ data: names.map((name) => ({ name })) });
    },
  },
  {
    method: "POST",
    path: "/v1/secrets/rotate",
    operationId: "rotateSecrets",
    summary: "Seal every credential anew: under a new data key, or under the same one after the root key changed",
    tag: "config",
    permission: "config.write",
    body: Rotate,
    responses: { 200: { description: "What was sealed anew, and the names of what cannot be read", schema: Rotated } },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const body = await readBody(c, Rotate);
      if (!body.ok) return problem(body);
      const done = await rotateSecrets(
        c.var.runtime.ports,
        { tenant: tenant.value, by: c.var.principal.keyId },
        { newKey: body.value.data_key === "new" },
      );
      const { key, secrets, resealed, rewrapped, unreadable } = done;
      return Response.json({ data_key: key, secrets, resealed, rewrapped, unreadable });
    },
  },
  {
    method: "DELETE",
    path: "/v1/secrets/:name",
    operationId: "removeSecret",
    summary: "Remove a credential",
    tag: "config",
    permission: "config.write",
    parameters: [NAME],
    responses: { 204: { description: "Removed" }, 404: { description: "No such credential" } },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const name = pathParameter(c, "name");
      return (await removeSecret(c.var.runtime.ports, { tenant: tenant.value, by: c.var.principal.keyId }, name))
        ? new Response(null, { status: 204 })
        : notFound(`secret "${name}"`);
    },
  },
];
