/**
 * Signatures that minisign and signify's successors verify (https://jedisct1.github.io/minisign/): Ed25519 of the BLAKE2b-512 digest of a
 * file, and of that signature with a trusted comment.
 */
import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from "node:crypto";
import { readSmallFile } from "../../../internal/cli/small-file.ts";

/** The algorithm "ED": the digest is signed, not the file. */
const PREHASHED = Buffer.from("ED");
/** In a public key the algorithm is always "Ed". */
const ED25519 = Buffer.from("Ed");

/** A key to sign with. */
export interface SigningKey {
  readonly key: KeyObject;
  /** Eight bytes by which a signature names its key: they follow from the public key. */
  readonly id: Buffer;
}

/** Many times what a key in PEM has, in bytes. */
const MAX_KEY = 16 * 1024;

/**
 * Reads an Ed25519 key from a file in PEM (PKCS#8), as `openssl genpkey -algorithm ed25519` writes it.
 *
 * @throws Error if it is something else
 */
export async function readSigningKey(file: string): Promise<SigningKey> {
  let key: KeyObject;
  try {
    key = createPrivateKey((await readSmallFile(file, { maxBytes: MAX_KEY })).toString());
  } catch (cause) {
    throw new Error(`Cannot read a key from ${file}: ${(cause as Error).message}`, { cause });
  }
  if (key.asymmetricKeyType !== "ed25519") {
    throw new Error(
      `Cannot sign with a key of type ${key.asymmetricKeyType}: make one with openssl genpkey -algorithm ed25519`,
    );
  }
  return { key, id: createHash("blake2b512").update(publicBytes(key)).digest().subarray(0, 8) };
}

/** The file that `minisign -p` takes. */
export function publicKeyFile({ key, id }: SigningKey): string {
  const data = Buffer.concat([ED25519, id, publicBytes(key)]).toString("base64");
  return `untrusted comment: minisign public key of onloadctl\n${data}\n`;
}

/**
 * The .minisig file of a file.
 *
 * @param comment one line that is signed too: what the file is, so that no other release's file passes for it
 */
export function signatureFile(content: Uint8Array, comment: string, { key, id }: SigningKey): string {
  const signature = sign(null, createHash("blake2b512").update(content).digest(), key);
  const trusted = sign(null, Buffer.concat([signature, Buffer.from(comment)]), key);
  return [
    "untrusted comment: signature of onloadctl's release key",
    Buffer.concat([PREHASHED, id, signature]).toString("base64"),
    `trusted comment: ${comment}`,
    trusted.toString("base64"),
    "",
  ].join("\n");
}

function publicBytes(key: KeyObject): Buffer {
  const { x } = createPublicKey(key).export({ format: "jwk" });
  return Buffer.from(x!, "base64url");
}
