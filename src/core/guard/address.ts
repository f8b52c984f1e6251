// Decides whether a URL's host is an address or a name that only means something inside a network (IANA special-purpose registries).

/** First address and prefix length of each IPv4 range that is not public (RFC 6890 and successors). */
const IPV4_RANGES: readonly (readonly [number, number])[] = [
  [ipv4(0, 0, 0, 0), 8],
  [ipv4(10, 0, 0, 0), 8],
  [ipv4(100, 64, 0, 0), 10],
  [ipv4(127, 0, 0, 0), 8],
  [ipv4(169, 254, 0, 0), 16],
  [ipv4(172, 16, 0, 0), 12],
  [ipv4(192, 0, 0, 0), 24],
  [ipv4(192, 0, 2, 0), 24],
  [ipv4(192, 88, 99, 0), 24],
  [ipv4(192, 168, 0, 0), 16],
  [ipv4(198, 18, 0, 0), 15],
  [ipv4(198, 51, 100, 0), 24],
  [ipv4(203, 0, 113, 0), 24],
  [ipv4(224, 0, 0, 0), 4],
  [ipv4(240, 0, 0, 0), 4],
];

/** First two 16-bit groups under mask, for each IPv6 range that is not public or that carries an IPv4 address inside. */
const IPV6_RANGES: readonly { readonly groups: readonly [number, number]; readonly mask: readonly [number, number] }[] =
  [
    { groups: [0x0000, 0x0000], mask: [0xffff, 0xffff] },
    { groups: [0x0064, 0xff9b], mask: [0xffff, 0xffff] },
    { groups: [0x0100, 0x0000], mask: [0xffff, 0xffff] },
    { groups: [0x2001, 0x0000], mask: [0xffff, 0xfe00] },
    { groups: [0x2001, 0x0db8], mask: [0xffff, 0xffff] },
    { groups: [0x2002, 0x0000], mask: [0xffff, 0x0000] },
    { groups: [0x3fff, 0x0000], mask: [0xffff, 0xf000] },
    { groups: [0x5f00, 0x0000], mask: [0xffff, 0x0000] },
    { groups: [0xfc00, 0x0000], mask: [0xfe00, 0x0000] },
    { groups: [0xfe80, 0x0000], mask: [0xff80, 0x0000] },
    { groups: [0xff00, 0x0000], mask: [0xff00, 0x0000] },
  ];

const PRIVATE_SUFFIXES = "localhost local localdomain internal home.arpa home lan intranet corp workers.dev".split(" ");
/** Public names that answer with any address one asks for, or redirect to it. */
const WILDCARD_SUFFIXES =
  "nip.io sslip.io xip.io localtest.me lvh.me vcap.me lacolhost.com traefik.me rbndr.us 1u.ms r3dir.me".split(" ");
const BLOCKED_SUFFIXES = [...PRIVATE_SUFFIXES, ...WILDCARD_SUFFIXES];

/**
 * Whether a host, as the WHATWG URL parser spells it, is private: a special-purpose address of either family, a name
 * without a dot or with an empty label, or a name under a suffix that public DNS does not answer or answers with
 * whatever address one asks for. Encoded addresses need no case of their
 * own: the parser has already turned `0x7f.1` and full-width digits into dotted decimals.
 */
export function isPrivateHost(hostname: string): boolean {
  const name = hostname.replace(/\.$/, "").toLowerCase();
  if (name.startsWith("[")) return isPrivateIpv6(name.slice(1, -1));
  const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(name);
  if (octets !== null) return isPrivateIpv4(octets.slice(1).map(Number));
  return (
    !name.includes(".") ||
    /^\.|\.\.|\.$/.test(name) ||
    BLOCKED_SUFFIXES.some((suffix) => name === suffix || name.endsWith(`.${suffix}`))
  );
}

function ipv4(a: number, b: number, c: number, d: number): number {
  return ((a * 256 + b) * 256 + c) * 256 + d;
}

function isPrivateIpv4(octets: readonly number[]): boolean {
  const [a = 0, b = 0, c = 0, d = 0] = octets;
  const address = ipv4(a, b, c, d);
  return IPV4_RANGES.some(
    ([first, bits]) => Math.floor(address / 2 ** (32 - bits)) === Math.floor(first / 2 ** (32 - bits)),
  );
}

function isPrivateIpv6(text: string): boolean {
  const [first = 0, second = 0] = groupsOf(text);
  return IPV6_RANGES.some(({ groups, mask }) => (first & mask[0]) === groups[0] && (second & mask[1]) === groups[1]);
}

/** The eight groups of an address that the URL parser has normalised (hexadecimal groups, at most one `::`). */
function groupsOf(text: string): readonly number[] {
  const [left = "", right] = text.split("::");
  const read = (part: string): readonly number[] =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const head = read(left);
  if (right === undefined) return head;
  const tail = read(right);
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
}
