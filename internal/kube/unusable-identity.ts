/** Why this program's own TLS or HTTP refuses an identity, so that no server was asked. */
import { createSecureContext, type SecureContextOptions } from "node:tls";
import type { Identity } from "./credentials.ts";

/** What no value of an HTTP header may have (RFC 9110, 5.5). */
const FORBIDDEN = /[^\t\u0020-\u007e\u0080-\u00ff]/;

/**
 * What is wrong with an identity that could not be used, by the names that a kubeconfig has for it: a sentence without its
 * end, which repeats nothing of it. undefined: nothing is.
 */
export function unusable({ headers, tls }: Identity): string | undefined {
  const { ca, cert, key } = tls;
  if (isRefused({ ca })) return noPem("certificate-authority", "certificate");
  if (isRefused({ cert })) return noPem("client-certificate", "certificate");
  if (isRefused({ key })) return noPem("client-key", "private key without a passphrase");
  if (isRefused({ cert, key })) return "the client-key is not the one of the client-certificate";
  const values = [headers["authorization"] ?? []].flat();
  return values.some((value) => FORBIDDEN.test(value))
    ? "the token has a character that no HTTP header can have, such as a line break"
    : undefined;
}

function isRefused(parts: Pick<SecureContextOptions, "ca" | "cert" | "key">): boolean {
  try {
    createSecureContext(parts);
    return false;
  } catch {
    return true;
  }
}

function noPem(field: string, what: string): string {
  return `the ${field} is not a ${what} in PEM format; correct it, or its file`;
}
