// Sequences changes of keys and credentials, each told in the trace store and the audit chain: names and ids, never a text.
import { ACT_ATTR, actTrace, type Act } from "../core/trace/act.ts";
import type { KeyListing, NewKey, Ports, Rotation } from "./ports.ts";
import { doAct } from "./record-act.ts";

/** Whose credential is changed, and by which key. */
export interface Change {
  readonly tenant: string;
  /** The id of the key. */
  readonly by: string;
}

/** Creates a key; answers its text, which is shown this once. */
export function createKey(
  ports: Ports,
  by: string,
  key: NewKey,
): Promise<{ readonly listing: KeyListing; readonly text: string }> {
  const { tenant, roles, actors, scopes } = key;
  const told = {
    [ACT_ATTR.keyRoles]: [...roles],
    [ACT_ATTR.keyActors]: [...actors],
    [ACT_ATTR.keyScopes]: [...scopes],
  };
  return doAct(ports, keyAct({ tenant, by }, { id: "new", status: "created", attributes: told }), {
    perform: () => ports.keys.create(key),
    cameTo: ({ listing: { id } }) => ({
      subject: id,
      traceHex: actTrace("key", tenant, id),
      attributes: { ...told, [ACT_ATTR.keyId]: id },
    }),
  });
}

/** Revokes a key; answers whether such a key existed. */
export function revokeKey(ports: Ports, change: Change, id: string): Promise<boolean> {
  const attributes = { [ACT_ATTR.keyId]: id };
  return doAct(ports, keyAct(change, { id, status: "revoked", attributes }), {
    perform: () => ports.keys.revoke(change.tenant, id),
    cameTo: (wasThere) => (wasThere ? {} : null),
  });
}

/** Stores a credential. */
export function putSecret(
  ports: Ports,
  change: Change,
  { name, text }: { readonly name: string; readonly text: string },
): Promise<void> {
  return doAct(ports, secretAct(change, { name, status: "stored" }), {
    perform: () => ports.secrets.put(change.tenant, name, text),
    cameTo: () => ({}),
  });
}

/** Removes a credential; answers whether it existed. */
export function removeSecret(ports: Ports, change: Change, name: string): Promise<boolean> {
  return doAct(ports, secretAct(change, { name, status: "removed" }), {
    perform: () => ports.secrets.remove(change.tenant, name),
    cameTo: (wasThere) => (wasThere ? {} : null),
  });
}

/** Seals every credential anew. */
export function rotateSecrets(ports: Ports, change: Change, how: { readonly newKey: boolean }): Promise<Rotation> {
  return doAct(ports, secretAct(change, { name: "*", status: "rotated" }), {
    perform: () => ports.secrets.rotate(change.tenant, how),
    cameTo: ({ key, resealed }) => ({
      attributes: {
        [ACT_ATTR.secretName]: "*",
        [ACT_ATTR.secretDataKey]: key,
        [ACT_ATTR.secretResealed]: resealed,
      },
    }),
  });
}

function keyAct(
  { tenant, by }: Change,
  {
    id,
    status,
    attributes,
  }: { readonly id: string; readonly status: string; readonly attributes: NonNullable<Act["attributes"]> },
): Act {
  const traceHex = actTrace("key", tenant, id);
  return {
    tenant,
    kind: "key",
    traceHex,
    session: null,
    actor: null,
    subject: id,
    status,
    by,
    reason: null,
    attributes,
  };
}

function secretAct({ tenant, by }: Change, { name, status }: { readonly name: string; readonly status: string }): Act {
  return {
    tenant,
    kind: "secret",
    traceHex: actTrace("secret", tenant, name),
    session: null,
    actor: null,
    subject: name,
    status,
    by,
    reason: null,
    attributes: { [ACT_ATTR.secretName]: name },
  };
}
