/** Loaded only by who has no certificate, because the packages are large. The first one is what the second needs. */
import "reflect-metadata";
import { X509CertificateGenerator } from "@peculiar/x509";
import { webcrypto } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { CertificateSource } from "./certificate.ts";

const DAY_MS = 86_400_000;

/**
 * A new key, which never leaves this process, with a certificate that it has signed itself. It keeps others from reading
 * along; clients cannot verify with it whom they talk to.
 */
export async function selfSigned(commonName: string): Promise<CertificateSource> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [commonName] }],
    keys,
    signingAlgorithm: algorithm,
    // Clocks differ. It lasts longer than any process.
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + 3650 * DAY_MS),
  });
  const key = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  const pem = `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`;
  const context = createSecureContext({ cert: certificate.toString("pem"), key: pem });
  return () => context;
}
