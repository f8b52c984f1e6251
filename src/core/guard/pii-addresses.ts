// Finds e-mail and IP addresses in a text.
import { isPrivateHost } from "./address.ts";
import { leadTo, type PiiFinding, type Scanned } from "./pii-text.ts";

const MAX_LOCAL = 64;
const MAX_DOMAIN = 253;
const MAX_LABEL = 63;

/** E-mail addresses: ASCII or international, of a domain with a dot. Each `@` is looked at once. */
export function emailAddresses({ text }: Scanned): readonly PiiFinding[] {
  return addressesAround(text, "@");
}

/** E-mail addresses whose `@` is percent-encoded, as in the query of a URL. */
export function encodedEmailAddresses(text: string): readonly PiiFinding[] {
  return addressesAround(text, "%40");
}

function addressesAround(text: string, sign: string): readonly PiiFinding[] {
  const found: PiiFinding[] = [];
  for (let at = text.indexOf(sign); at !== -1; at = text.indexOf(sign, at + 1)) {
    const start = behindQuery(text, localStart(text, at), at);
    const end = domainEnd(text, at + sign.length);
    if (start < at && end !== undefined && text.slice(start, at) !== "git")
      found.push({ kind: "email_address", start, end });
  }
  return found;
}

/** In a URL's query the address is the value: what stands before it names the field. */
function behindQuery(text: string, start: number, at: number): number {
  const query = /^.*[?&][\w.-]+=/.exec(text.slice(start, at));
  return query === null ? start : start + query[0].length;
}

function localStart(text: string, at: number): number {
  let start = at;
  while (start > 0 && at - start < MAX_LOCAL && isLocal(text.charCodeAt(start - 1), text[start - 1] ?? "")) start -= 1;
  while (start < at && /[.'`{|}/=]/.test(text[start] ?? "")) start += 1;
  return text[at - 1] === "." ? at : start;
}

function isLocal(code: number, character: string): boolean {
  return code < 0x80 ? /[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]/.test(character) : isLetterBeyondAscii(code);
}

/** Beyond ASCII everything counts but spaces, punctuation marks and what is no character. */
function isLetterBeyondAscii(code: number): boolean {
  return code >= 0xc0 && !(code >= 0x2000 && code <= 0x2bff) && !(code >= 0x3000 && code <= 0x3004) && code < 0xfff0;
}

function domainEnd(text: string, from: number): number | undefined {
  let end = from;
  while (end < text.length && end - from <= MAX_DOMAIN && isDomain(text.charCodeAt(end), text[end] ?? "")) end += 1;
  while (end > from && /[.-]/.test(text[end - 1] ?? "")) end -= 1;
  return isDomainName(text.slice(from, end).split(".")) ? end : undefined;
}

/** Whether labels make a name with a top-level domain; `1.2.3-rc.beta` after a package's `@` is a version. */
function isDomainName(labels: readonly string[]): boolean {
  const isVersion = labels.length > 2 && labels.slice(0, 2).every((label) => /^\d+$/.test(label));
  const areLabels = labels.length > 1 && labels.every((label) => label !== "" && label.length <= MAX_LABEL);
  return areLabels && !isVersion && /^(xn--[a-z0-9-]+|[^\d\-_]{2,})$/i.test(labels.at(-1) ?? "");
}

function isDomain(code: number, character: string): boolean {
  return code < 0x80 ? /[A-Za-z0-9.-]/.test(character) : isLetterBeyondAscii(code);
}

const IPV4 = /(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?:\/\d{1,2})?(?!\w|\.\d)/g;
const IPV6 =
  /(?<![\w:.])(?:[0-9a-f]{0,4}:){2,8}(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{0,4})(?:%\w{1,16})?(?:\/\d{1,3})?(?![\w:]|\.\d)/gi;
const VERSION_BEFORE = /\b(?:v|version|release|build|semver|firmware|assembly)[\s:="']*$/i;
const ADDRESS_BEFORE =
  /\b(?:ip|ipv6|addr|address|host|src|dst|from|bind|listen|loopback|connect|gateway|to)\b[^\w]{0,3}(?:\w+[^\w]{1,2})?$/i;

const MAY_BE_IP = /\d\.\d{1,3}\.\d|:[0-9a-f]{0,4}:/i;

/** IPv6 and IPv4 addresses, with a prefix length or zone where they have one; a version number of four parts is none. */
export function ipAddresses(scanned: Scanned): readonly PiiFinding[] {
  const { text } = scanned;
  if (!MAY_BE_IP.test(text)) return [];
  const six = [...text.matchAll(IPV6)].filter((match) => isIpv6(match[0], leadTo(scanned, match.index)));
  const four = [...text.matchAll(IPV4)].filter(
    (match) => isIpv4(match[0].split("/")[0] ?? "") && !VERSION_BEFORE.test(leadTo(scanned, match.index)),
  );
  return [...six, ...four].map((match) => ({
    kind: "ip_address",
    start: match.index,
    end: match.index + match[0].length,
  }));
}

function isIpv4(text: string): boolean {
  return text.split(".").every((part) => Number(part) <= 255);
}

/** Whether a text is an IPv6 address that is meant as one: `a::b` in code needs a word that says so. */
function isIpv6(text: string, lead: string): boolean {
  const [withZone = "", prefix] = text.split("/");
  const address = withZone.split("%")[0] ?? "";
  const groups = address.split("::").flatMap((half) => (half === "" ? [] : half.split(":")));
  const tail = groups.at(-1) ?? "";
  const hasTail = tail.includes(".");
  if (!isWellFormed(address, groups, hasTail)) return false;
  const isTelling = groups.length >= 3 || hasTail || prefix !== undefined || /^(?=[^:]*\d)[0-9a-f]{4}:/i.test(address);
  return isTelling || ADDRESS_BEFORE.test(lead);
}

/** Eight groups, or fewer around one `::`; the last two may be written as an IPv4 address. */
function isWellFormed(address: string, groups: readonly string[], hasTail: boolean): boolean {
  const halves = address.split("::").length;
  const size = groups.length + (hasTail ? 1 : 0);
  const plain = hasTail ? groups.slice(0, -1) : groups;
  if (hasTail && !isIpv4(groups.at(-1) ?? "")) return false;
  if (plain.some((group) => !/^[0-9a-f]{1,4}$/i.test(group))) return false;
  return halves === 1 ? size === 8 : halves === 2 && size <= 7;
}

/** Whether an address found in a text means something outside a network: only such a one is anybody's. */
export function isPublicAddress(text: string): boolean {
  const address = (text.split("/")[0] ?? "").split("%")[0] ?? "";
  const hostname = address.includes(":") ? `[${address}]` : address;
  if (!URL.canParse(`http://${hostname}`)) return true;
  return !isPrivateHost(new URL(`http://${hostname}`).hostname);
}
