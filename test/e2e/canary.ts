// Makes values that only look like somebody's or something's, one of each kind for every surface, and looks for them in bytes.
import { randomBytes, randomInt } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";

/** One planted value and the surface on which it was. */
export interface Canary {
  readonly surface: string;
  readonly value: string;
}

/** Plants values and remembers them. */
export class Canaries {
  readonly planted: Canary[] = [];

  /** Words with a value of each kind in them. */
  text(surface: string): string {
    const letters = randomBytes(6).toString("hex");
    const values = [
      `${letters}.doe@mail-${letters}.example`,
      ["ghp", randomText(36)].join("_"),
      card(),
      iban(),
      `+44 7700 ${digits(6)}`,
      `pw-${randomText(14)}9`,
      address(),
    ];
    for (const value of values) this.planted.push({ surface, value });
    const [email, token, number, account, phone, password, ip] = values;
    return `mail ${email}, token ${token}, card ${number}, account ${account}, call ${phone}, password=${password} from ip ${ip}`;
  }

  /** An address alone. */
  email(surface: string): string {
    const letters = randomBytes(6).toString("hex");
    return this.value(surface, `${letters}.doe@mail-${letters}.example`);
  }

  /** One value, as it is. */
  value(surface: string, value: string): string {
    this.planted.push({ surface, value });
    return value;
  }

  /** Where in some bytes planted values stand, in any spelling that is looked for. */
  foundIn(where: string, bytes: Buffer): readonly string[] {
    const text = bytes.toString("latin1");
    return this.planted.flatMap(({ surface, value }) =>
      spellingsOf(value).some((form) => text.includes(form)) ? [`${value} of ${surface} in ${where}`] : [],
    );
  }
}

function spellingsOf(value: string): readonly string[] {
  const bare = /^[\d +-]+$/.test(value) ? value.replaceAll(/[ -]/g, "") : value;
  const all = [value, bare, encodeURIComponent(value), Buffer.from(value).toString("base64").replace(/=+$/, "")];
  return [...new Set(all)].filter((form) => form.length >= 8);
}

/** Every file under a folder, gunzipped where it is gzipped. */
export function filesUnder(folder: string): readonly { readonly name: string; readonly bytes: Buffer }[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => path.join(folder, name))
    .filter((name) => statSync(name).isFile())
    .map((name) => ({ name, bytes: opened(readFileSync(name)) }));
}

/** Bytes, gunzipped where they are gzipped. */
export function opened(bytes: Buffer): Buffer {
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

function randomText(length: number): string {
  return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
}

function digits(count: number): string {
  return Array.from({ length: count }, () => randomInt(10)).join("");
}

/** A number with a card's range and check digit. */
function card(): string {
  const body = `4${digits(14)}`;
  const sum = Array.from(body).reduce((all, digit, at) => {
    const doubled = at % 2 === 0 ? Number(digit) * 2 : Number(digit);
    return all + (doubled > 9 ? doubled - 9 : doubled);
  }, 0);
  return `${body}${(10 - (sum % 10)) % 10}`.replaceAll(/(\d{4})(?=\d)/g, "$1 ");
}

/** An account number with right check digits. */
function iban(): string {
  const account = digits(18);
  const rest = BigInt(`${account}131400`) % 97n;
  return `DE${String(98n - rest).padStart(2, "0")}${account}`;
}

function address(): string {
  return `${randomInt(100, 220)}.${randomInt(100, 250)}.${randomInt(100, 250)}.${randomInt(100, 250)}`;
}
