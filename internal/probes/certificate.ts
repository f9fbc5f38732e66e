/** Where the certificate of a TLS server comes from. */
import { join } from "node:path";
import { createSecureContext, type SecureContext } from "node:tls";
import { errorText } from "../cli/errors.ts";
import { readRegularFileSync } from "../cli/regular-file.ts";

/** Gives the certificate and key for a new connection. */
export type CertificateSource = () => SecureContext;

/** A renewed certificate is in use after this time, in milliseconds. */
const RELOAD_MS = 60_000;
/** A chain and a key take a few kilobytes. */
const MAX_BYTES = 1_000_000;

/**
 * The certificate of a folder, which has `tls.crt` and `tls.key` as a mounted Secret of type kubernetes.io/tls does. It
 * is read again when somebody asks a minute later; if that fails, the former one stays.
 *
 * @param failed told why a renewed certificate cannot be used
 * @param now milliseconds of a clock that never goes back
 * @throws Error if there is no certificate to begin with
 */
export function certificateOf(
  folder: string,
  failed: (error: unknown) => void,
  now: () => number = () => performance.now(),
): CertificateSource {
  let current = load(folder);
  let readAt = now();
  return () => {
    if (now() - readAt >= RELOAD_MS) {
      readAt = now();
      try {
        current = load(folder);
      } catch (error) {
        failed(error);
      }
    }
    return current;
  };
}

function load(folder: string): SecureContext {
  try {
    return createSecureContext({ cert: read(join(folder, "tls.crt")), key: read(join(folder, "tls.key")) });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot use the certificate in ${folder}: ${reason}; it needs tls.crt and tls.key in PEM`, {
      cause: error,
    });
  }
}

function read(file: string): Buffer {
  try {
    return readRegularFileSync(file, MAX_BYTES);
  } catch (cause) {
    throw new Error(`${file} cannot be read: ${errorText(cause)}`, { cause });
  }
}
