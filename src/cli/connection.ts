// Decides which gateway is asked, and as whom: global options, with the environment behind them.
import { usageFailure } from "./exit-codes.ts";

/** The global options, as read from the command line and the environment. */
export interface GlobalOptions {
  readonly url?: string;
  readonly key?: string;
  readonly tenant?: string;
  readonly json?: boolean;
}

/** Where the gateway is and who asks. Every member is safe to send as a header or as part of an address. */
export interface Connection {
  readonly origin: string;
  readonly key: string;
  readonly tenant: string | undefined;
}

/** The connection that the options name. Fails as a usage error, and never repeats the key. */
export function connectionOf({ url = "", key = "", tenant = "" }: GlobalOptions): Connection {
  if (key.trim() === "") throw usageFailure("no API key: pass --key <key>, or set INTERLOCK_KEY");
  // fetch repeats a header it refuses in its error, so a key that is no header value must not get there.
  if (!/^[\x21-\x7e]+$/.test(key.trim()))
    throw usageFailure("--key (INTERLOCK_KEY): expected visible ASCII characters without spaces");
  if (tenant !== "" && !/^[a-z0-9][a-z0-9-]{0,62}$/.test(tenant))
    throw usageFailure("--tenant (INTERLOCK_TENANT): expected 1 to 63 lower-case letters, digits and `-`");
  return { origin: originOf(url), key: key.trim(), tenant: tenant === "" ? undefined : tenant };
}

function originOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isHttp = parsed?.protocol === "http:" || parsed?.protocol === "https:";
  if (parsed === undefined || !isHttp || parsed.username !== "" || parsed.password !== "")
    throw usageFailure("--url (INTERLOCK_URL): expected the gateway's http or https address, without credentials");
  return `${parsed.origin}${parsed.pathname.replace(/\/+$/, "")}`;
}
