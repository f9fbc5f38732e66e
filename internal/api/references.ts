/**
 * The form of names that a resource gives to things elsewhere: images, labels, objects. The API server checks them at
 * admission by rules that are made from these expressions (schema.ts), and would take everything else without a word,
 * although nothing of that name can ever be found. All expressions are read alike by RE2 and JavaScript.
 */

const HOST_PART = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const REGISTRY = `(?:${HOST_PART}(?:[.]${HOST_PART})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
/** The digest of an image, as a part of other expressions. */
export const DIGEST = "(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})";

/** A part of an image's path. */
function pathPart(letter: string): string {
  return `(?:${letter})+(?:(?:[.]|__?|-+)(?:${letter})+)*`;
}

/** The grammar of the kubelet and of container runtimes (github.com/distribution/reference). */
function imageReference(letter: string, tagCharacter: string): RegExp {
  const part = pathPart(letter);
  const tag = `:(?:${tagCharacter})(?:${tagCharacter}|[.-]){0,127}`;
  // oxlint-disable-next-line no-restricted-globals -- It is made of the constants above.
  return new RegExp(`^(?:${REGISTRY}/)?${part}(?:/${part})*(?:${tag})?(?:@${DIGEST})?$`);
}

/** A variable that KMM fills in, such as ${KERNEL_FULL_VERSION}. It can have a default, and what a shell can do with it. */
const VARIABLE = "[$](?:[A-Za-z0-9_]+|[{][^{}\\s]+[}])";

/** An image, with its tag or digest or neither. */
export const IMAGE = imageReference("[a-z0-9]", "[A-Za-z0-9_]");
/** The same, with KMM's variables. */
export const MODULE_IMAGE = imageReference(`[a-z0-9]|${VARIABLE}`, `[A-Za-z0-9_]|${VARIABLE}`);

/** What an image's name can begin with: HOST[:PORT][/PATH]. */
// oxlint-disable-next-line no-restricted-globals -- It is made of the constants above.
export const REGISTRY_PATH = new RegExp(`^${REGISTRY}(?:/${pathPart("[a-z0-9]")})*$`);

/** The value of a label. */
export const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

const OBJECT_PART = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?";
const DNS_SUBDOMAIN = `${OBJECT_PART}(?:[.]${OBJECT_PART})*`;

/** The key of a label. */
// oxlint-disable-next-line no-restricted-globals -- It is made of the constants above.
export const LABEL_KEY = new RegExp(`^(?:${DNS_SUBDOMAIN}/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`);
/** The longest key of a label: a prefix, a slash and a name. */
export const MAX_LABEL_KEY = 253 + 1 + 63;

/** The name of a Secret, ConfigMap or ServiceAccount. */
// oxlint-disable-next-line no-restricted-globals -- It is made of the constants above.
export const OBJECT_NAME = new RegExp(`^${DNS_SUBDOMAIN}$`);
/** The longest of these. */
export const MAX_OBJECT_NAME = 253;

/** An IPv4 address, or an IPv6 address in brackets. Which groups an IPv6 address has is only roughly checked. */
export const SERVER_ADDRESS = (() => {
  const octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
  const ipv4 = `${octet}(?:[.]${octet}){3}`;
  const group = "[0-9a-fA-F]{1,4}";
  const last = `(?:${group}|${ipv4})`;
  const whole = `(?:${group}:){6}(?:${group}:${group}|${ipv4})`;
  const short = `(?:${group}(?::${group}){0,6})?::(?:(?:${group}:){0,6}${last})?`;
  return `(?:${ipv4}|\\[(?:${whole}|${short})\\])`;
})();
